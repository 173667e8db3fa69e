"""The verb that does all of it: from source files to live decisions, orders and a forecast."""

import time
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from ledgerline.audit import Ledger
from ledgerline.cli.data import ensure_source
from ledgerline.cli.showcase import show_outcomes
from ledgerline.cli.summary import show_data
from ledgerline.cli.terminal import ERROR, OUT, DataOption, MappingOption, open_ledger, settings_for
from ledgerline.core.errors import LedgerlineError
from ledgerline.core.settings import Profile

if TYPE_CHECKING:
    from ledgerline.launch import Event, Stack
    from pipelines.orchestration.family_line import FamilyLine

_LINE_SECONDS = 7_200
_MOST_ROUNDS = 6  # every stage of a line taken up anew, one after the other
# The demo approver looks every second. What is unsigned after that waits for a person.
_SANDBOX_PATIENCE_SECONDS, _LIVE_PATIENCE_SECONDS = 30.0, 0.0


class RunIncomplete(LedgerlineError):
    """The line ran, but did not end in everything that was to happen."""


def register(app: typer.Typer) -> None:
    """Add this file's verbs to the command."""
    app.command(rich_help_panel="The stack")(run)


def run(
    once: Annotated[bool, typer.Option("--once", help="Stop when done; exit 0 only if all of it happened.")] = False,
    data: DataOption = None,
    mapping: MappingOption = None,
) -> None:
    """Start Airflow, MLflow and the live jobs, and run the line from source files to decisions, orders and a forecast.

    Without `--data` it runs on a simulated world. It stays up until Ctrl-C, then stops everything. Started again with
    nothing new, it recomputes nothing. A model that its gates refuse is no failure of the run where that can be honest
    (a price model): the trading job then holds, and says why.

    Example: `ledgerline run --once --data ./my-files`
    """
    from pipelines.line import claim_home, inputs_id, is_at_rest

    began = time.monotonic()
    ledger = open_ledger(settings_for(data, mapping))
    ensure_source(ledger.settings)
    claim_home(ledger)
    inputs = inputs_id(ledger)
    at_rest = is_at_rest(ledger, inputs)
    if at_rest:
        OUT.print("Nothing new since the line last ran through: recomputing nothing, only starting what serves.")
    complete = _run_stack(ledger, inputs, at_rest=at_rest, once=once, began=began)
    if once and not complete:
        raise RunIncomplete("not all of it happened: see above, and the logs in " + str(ledger.settings.logs_path))


def _run_stack(ledger: Ledger, inputs: str, *, at_rest: bool, once: bool, began: float) -> bool:
    from ledgerline.launch import start
    from pipelines.line import note_at_rest

    complete = False
    try:
        with start(ledger.settings, report=report) as stack:
            failure = None if at_rest else run_line(ledger, stack)
            complete = _summarise(ledger, stack) and failure is None
            if failure is not None:
                ERROR.print(f"[bold red]error:[/bold red] {escape(str(failure))}")
            if complete:
                note_at_rest(ledger, inputs)
            OUT.print(f"\n{time.monotonic() - began:.0f} s in all, {'nothing' if at_rest else 'the line'} recomputed.")
            if not once:
                OUT.print("Up until Ctrl-C.")
                stack.wait_until_stopped()
    except KeyboardInterrupt:
        OUT.print("Stopped on request.")
    return complete


def run_line(ledger: Ledger, stack: "Stack") -> LedgerlineError | None:
    """Set off the ingest DAGs that the source has something for; assets set off the rest. Wait until nothing moves.

    What a killed run had left half-way is set off where it stopped. A failed DAG run holds up only what follows it.

    Returns:
        The last failure, if a line did not get to its end because of one.
    """
    from ledgerline.launch import DagRunFailed
    from pipelines.orchestration.family_line import all_dags, ingest_dags

    stack.require_dags(all_dags())
    orders: list[tuple[str, dict[str, Any]]] = [(dag_id, {}) for dag_id in ingest_dags(ledger)]
    tried: list[tuple[str, dict[str, Any]]] = []
    failure: LedgerlineError | None = None
    for _ in range(_MOST_ROUNDS):
        try:
            _run_until_quiet(ledger, stack, orders)
        except DagRunFailed as failed:
            failure = failed
        tried += orders
        lines = _lines(ledger)
        orders = [order for line in lines if (order := line.next_dag) is not None and order not in tried]
        orders = [order for number, order in enumerate(orders) if order not in orders[:number]]
        if not orders:
            break
    return failure if any(not line.stage.is_final for line in lines) else None


def _run_until_quiet(ledger: Ledger, stack: "Stack", orders: Sequence[tuple[str, dict[str, Any]]]) -> None:
    since = ledger.clock.now() - timedelta(seconds=1)
    for dag_id, conf in orders:
        stack.trigger_dag(dag_id, conf)
    sandbox = ledger.settings.profile is Profile.SANDBOX
    patience = _SANDBOX_PATIENCE_SECONDS if sandbox else _LIVE_PATIENCE_SECONDS
    stack.wait_for_runs([dag_id for dag_id, _ in orders], since=since, timeout=_LINE_SECONDS, patience=patience)


def _lines(ledger: Ledger) -> "list[FamilyLine]":
    from pipelines.orchestration.family_line import family_lines

    return family_lines(ledger)


def report(event: "Event") -> None:
    """Show one step of the stack or of a DAG run."""
    OUT.print(f"[dim]{event.elapsed:6.1f} s[/dim]  [bold]{event.subject:<22}[/bold] {escape(event.text)}")


def _summarise(ledger: Ledger, stack: "Stack") -> bool:
    """Show what is so now; return whether every family came to its honest end."""
    OUT.rule("Summary")
    show_data(ledger)
    complete = show_outcomes(ledger, stack, _lines(ledger))
    OUT.rule("Links")
    for name, link in (
        ("Airflow", stack.airflow_url),
        ("MLflow", stack.mlflow_url),
        ("Data Docs", f"{stack.airflow_url}/data-docs/index.html"),
        ("Scoring API", f"{stack.scoring_url}/docs"),
        *((("Trading", f"{stack.trading_url}/v1/trading/status"),) if stack.trading_url else ()),
    ):
        OUT.print(f"{name:<12}{link}")
    return complete
