"""Verbs about forecasts: publish them by the model in force, show what was published."""

import typer
from rich.markup import escape

from ledgerline.audit import Kind, Ledger
from ledgerline.cli.summary import show_trace
from ledgerline.cli.terminal import OUT, open_ledger, progress
from ledgerline.core.errors import LedgerlineError

forecast = typer.Typer(no_args_is_help=True, help="Forecasts of the books: `publish`, `show`.")


def register(app: typer.Typer) -> None:
    """Add this file's verbs to the command."""
    app.add_typer(forecast, name="forecast", rich_help_panel="Live decisions")


@forecast.command("publish")
def forecast_publish() -> None:
    """Forecast every ledger by the model in force, and write CSV, Parquet and a plot. Published already: does nothing.

    Airflow's `publish_forecast` does the same when a model is put in force. Example: `ledgerline forecast publish`
    """
    from pipelines.publishing import publish_forecast

    ledger = open_ledger()
    publish_forecast(ledger, progress("forecast"))
    show_forecast(ledger)


@forecast.command("show")
def forecast_show() -> None:
    """Show the forecasts that were published last: some of the figures, where files and plot lie, and the way back.

    Example: `ledgerline forecast show`
    """
    ledger = open_ledger()
    if ledger.log.latest(Kind.FORECAST) is None:
        raise LedgerlineError("no forecast has been published; `ledgerline forecast publish` needs a model in force")
    show_forecast(ledger)


def show_forecast(ledger: Ledger) -> bool:
    """Show the newest published forecast; return whether every raw byte behind it still holds."""
    newest = ledger.log.latest(Kind.FORECAST)
    if newest is None:
        OUT.print("[yellow]No forecast has been published.[/yellow]")
        return False
    OUT.print(escape(str(dict(newest.identity))))
    return show_trace(ledger, newest.id)
