"""Verbs that start, show and stop the local stack: run, status, down."""

import time
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from ledgerline.audit import Ledger
from ledgerline.cli.data import ensure_source
from ledgerline.cli.live import describe_answer, post_score, scoring_request
from ledgerline.cli.summary import newest_bundle, show_data, show_model, show_trace
from ledgerline.cli.terminal import OUT, DataOption, MappingOption, open_ledger, settings_for
from ledgerline.core.errors import LedgerlineError
from ledgerline.core.settings import Profile, Settings

if TYPE_CHECKING:
    from ledgerline.launch import Event, Stack

FAMILY = "fraud"
CHAIN = ("ingest_business", "build_features", "train_fraud", "promote_fraud")
_CHAIN_SECONDS = 3_600
_DEPLOYED_SECONDS = 60
_SAMPLE_AMOUNT_MINOR = 31_000  # above the simulated world's first fraud scenario: an alert shows more than a pass


def register(app: typer.Typer) -> None:
    """Add this file's verbs to the command."""
    app.command()(run)
    app.command()(status)
    app.command()(down)


class RunIncomplete(LedgerlineError):
    """The line ran, but did not end in a decision that leads back to its bytes."""


def run(
    once: Annotated[bool, typer.Option("--once", help="Stop when done; exit 0 only if all of it happened.")] = False,
    data: DataOption = None,
    mapping: MappingOption = None,
) -> None:
    """Start Airflow, MLflow and the scoring job, and run the line from source files to a live decision.

    Without `--data` it runs on a simulated card world. It stays up until Ctrl-C, then stops everything. Started again
    with nothing new, it recomputes nothing.
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
        with start(ledger.settings, report=_report) as stack:
            if not at_rest:
                _run_chain(ledger, stack)
            complete = _summarise(ledger, stack)
            if complete:
                note_at_rest(ledger, inputs)
            OUT.print(f"\n{time.monotonic() - began:.0f} s in all, {'nothing' if at_rest else 'the line'} recomputed.")
            if not once:
                OUT.print("Up until Ctrl-C.")
                stack.wait_until_stopped()
    except KeyboardInterrupt:
        OUT.print("Stopped on request.")
    return complete


def _run_chain(ledger: Ledger, stack: "Stack") -> None:
    """Set off the first DAG; assets set off the others. Wait until the last has ended, or waits for a person."""
    since = ledger.clock.now() - timedelta(seconds=1)
    stack.trigger_dag(CHAIN[0])
    stack.wait_for_runs(
        CHAIN, since=since, timeout=_CHAIN_SECONDS, until_approval=ledger.settings.profile is Profile.LIVE
    )


def _report(event: "Event") -> None:
    OUT.print(f"[dim]{event.elapsed:6.1f} s[/dim]  [bold]{event.subject:<22}[/bold] {escape(event.text)}")


def _summarise(ledger: Ledger, stack: "Stack") -> bool:
    """Show what is so now; return whether a deployed model answered and its answer leads back to the bytes."""
    OUT.rule("Summary")
    show_data(ledger)
    show_model(ledger, FAMILY)
    complete = _show_decision(ledger, stack)
    OUT.rule("Links")
    for name, link in (
        ("Airflow", stack.airflow_url),
        ("MLflow", stack.mlflow_url),
        ("Data Docs", (ledger.settings.data_docs_path / "index.html").as_uri()),
        ("Scoring API", f"{stack.scoring_url}/docs"),
    ):
        OUT.print(f"{name:<12}{link}")
    return complete


def _show_decision(ledger: Ledger, stack: "Stack") -> bool:
    from ledgerline.decisions.deployment import current

    deployment = current(ledger, FAMILY)
    bundle = newest_bundle(ledger, FAMILY)
    if deployment is None or bundle is None:
        OUT.print("[yellow]No model is deployed, so nothing was scored.[/yellow]")
        return False
    _await_loaded(stack.scoring_url, deployment.bundle)
    answer = post_score(stack.scoring_url, _sample_request(ledger))
    OUT.rule("One decision, and the way back")
    OUT.print(describe_answer(answer))
    OUT.print(f"[bold]ledgerline trace {answer['decision_id']}[/bold]")
    return show_trace(ledger, answer["decision_id"])


def _await_loaded(url: str, digest: str) -> None:
    """Wait until the scoring job serves a bundle.

    Raises:
        RunIncomplete: It did not take it up in time.
    """
    import httpx

    deadline = time.monotonic() + _DEPLOYED_SECONDS
    said = ""
    while time.monotonic() < deadline:
        try:
            said = httpx.get(f"{url}/readyz", timeout=5).text
        except httpx.HTTPError as error:
            said = str(error)
        if digest in said:
            return
        time.sleep(0.5)
    raise RunIncomplete(f"the scoring job did not take up bundle {digest[:16]} within {_DEPLOYED_SECONDS} s: {said}")


def _sample_request(ledger: Ledger) -> dict[str, Any]:
    """Return the request that the summary scores: the newest accepted payment's card and terminal, used once more."""
    import polars as pl

    from pipelines.validation import accepted_receipts

    receipts = [leaf for leaf in accepted_receipts(ledger, "transactions") if leaf.detail["event_time_max"]]
    newest = max(receipts, key=lambda leaf: leaf.detail["event_time_max"])
    rows = pl.read_parquet(ledger.settings.workspace_path / newest.detail["accepted_path"])
    last = rows.sort("event_time", "transaction_id").row(-1, named=True)
    return scoring_request(
        f"sample-after-{last['transaction_id']}",
        last["customer_id"],
        last["terminal_id"],
        _SAMPLE_AMOUNT_MINOR,
        last["currency"],
        last["event_time"] + timedelta(minutes=1),
    )


def status() -> None:
    """Show what runs: every process, its port and log, and the links."""
    from ledgerline.launch import status as stack_status

    found = stack_status(Settings())
    if not found.running:
        OUT.print("Nothing runs. `make run` starts the stack.")
        if found.left_behind:
            OUT.print(f"{found.left_behind} processes of a killed launcher are left; `ledgerline down` ends them.")
        raise typer.Exit(1)
    table = Table("process", "pid", "state", "port", "log")
    for process in found.processes:
        state = "[green]up[/green]" if process.alive else "[red]down[/red]"
        table.add_row(process.name, str(process.pid), state, str(process.port or ""), process.log)
    OUT.print(table)
    OUT.print(f"Airflow {found.airflow_url}   MLflow {found.mlflow_url}   Scoring {found.scoring_url}/docs")


def down() -> None:
    """Stop the stack, whoever started it, and whatever a killed launcher left behind."""
    from ledgerline.launch import stop

    OUT.print("Stopped; nothing is left running." if stop(Settings()) else "Nothing ran.")
