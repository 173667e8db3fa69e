"""Verbs that show and stop the local stack, and let it work off the past: status, down, backfill."""

import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from ledgerline.cli.terminal import OUT
from ledgerline.core.errors import LedgerlineError
from ledgerline.core.settings import Settings

if TYPE_CHECKING:
    from ledgerline.launch.airflow_api import AirflowApi

_LOOK_SECONDS = 1.0


class NothingRuns(LedgerlineError):
    """A verb needs the running stack, and there is none."""


class BackfillFailed(LedgerlineError):
    """Some of a backfill's runs did not go well."""


def register(app: typer.Typer) -> None:
    """Add this file's verbs to the command."""
    app.command(rich_help_panel="The stack")(status)
    app.command(rich_help_panel="The stack")(down)
    app.command(rich_help_panel="The stack")(backfill)


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
    links = [f"Airflow {found.airflow_url}", f"MLflow {found.mlflow_url}", f"Scoring {found.scoring_url}/docs"]
    links += [f"Trading {found.trading_url}/v1/trading/status"] if found.trading_url else []
    OUT.print("   ".join(links))


def down() -> None:
    """Stop the stack, whoever started it, and whatever a killed launcher left behind."""
    from ledgerline.launch import stop

    OUT.print("Stopped; nothing is left running." if stop(Settings()) else "Nothing ran.")


def backfill(
    dag: Annotated[str, typer.Argument(help="One of the ingest DAGs, e.g. ingest_market.")],
    first: Annotated[datetime, typer.Option("--from", formats=["%Y-%m-%d"], help="The first day.")],
    last: Annotated[datetime, typer.Option("--to", formats=["%Y-%m-%d"], help="The last day, itself included.")],
    again: Annotated[bool, typer.Option("--again", help="Run also what went well before once more.")] = False,
) -> None:
    """Let Airflow make every run of an ingest DAG that was due in some days of the past, and wait until all are done.

    Each run takes the files of its own day or session. Interrupted, it goes on where it was: the runs are Airflow's,
    and what has landed stays landed. The stack must be up (`ledgerline run`).

    Example: `ledgerline backfill ingest_market --from 2018-08-15 --to 2018-09-28`
    """
    from ledgerline.launch import RunState
    from ledgerline.launch.airflow_api import AirflowApi

    if not dag.startswith("ingest_"):
        raise LedgerlineError(f"{dag} has no runs of the past: only the ingest DAGs are scheduled by time")
    start, end = first.replace(tzinfo=UTC), last.replace(tzinfo=UTC) + timedelta(days=1, microseconds=-1)
    if end < start:
        raise LedgerlineError(f"--from {first:%Y-%m-%d} lies after --to {last:%Y-%m-%d}")
    api = AirflowApi(_airflow_url())
    while api.start_backfill(dag, start, end, again=again) is None:
        OUT.print(f"A backfill of {dag} is under way already, perhaps an interrupted one: it comes first.")
        _wait_for_backfills(api, dag, start, end)
    _wait_for_backfills(api, dag, start, end)
    runs = api.backfill_runs(dag, start, end)
    if failed := [run.run_id for run in runs if run.state is RunState.FAILED]:
        raise BackfillFailed(f"{len(failed)} of {len(runs)} runs of {dag} failed: {', '.join(failed)}")
    OUT.print(f"{len(runs)} runs of {dag} between {start:%Y-%m-%d} and {end:%Y-%m-%d}, all done.")


def _airflow_url() -> str:
    from ledgerline.launch import status as stack_status

    url = stack_status(Settings()).airflow_url
    if url is None:
        raise NothingRuns("no Airflow is running here; `ledgerline run` starts one")
    return url


def _wait_for_backfills(api: "AirflowApi", dag: str, start: datetime, end: datetime) -> None:
    """Show each run as it ends; return when no backfill of the DAG is under way any more."""
    said: dict[str, str] = {}
    at_work = True
    while at_work:
        at_work = api.has_backfill_at_work(dag)
        runs = api.backfill_runs(dag, start, end)
        for run in runs:
            if run.state.is_final and said.get(run.run_id) != run.state.value:
                said[run.run_id] = run.state.value
                done = sum(each.state.is_final for each in runs)
                OUT.print(f"{done:>4}/{len(runs)}  {escape(run.run_id):<48} {run.state.value}")
        if at_work:
            time.sleep(_LOOK_SECONDS)
