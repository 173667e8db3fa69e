"""Verbs about forecasts: publish them by the model in force, show what was published."""

from typing import TYPE_CHECKING

import typer
from rich.table import Table

from ledgerline.audit import Kind, Ledger
from ledgerline.cli.summary import show_trace
from ledgerline.cli.terminal import OUT, open_ledger, progress
from ledgerline.core.errors import LedgerlineError

if TYPE_CHECKING:
    import polars as pl

_MONTHS = 6

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
    """Show the newest published forecasts; return whether every raw byte behind them still holds."""
    import polars as pl

    from pipelines.publishing import last_published

    published = last_published(ledger)
    if published is None:
        OUT.print("[yellow]No forecast has been published.[/yellow]")
        return False
    leaf = ledger.log.get(published.id)
    rows = pl.read_parquet(published.parquet)
    OUT.print(
        _excerpt(rows, f"{leaf.identity['series']:,} series forecast by {leaf.detail['model']}, the first of them")
    )
    for name, path in (("CSV", published.csv), ("Parquet", published.parquet), ("Plot", published.plot)):
        OUT.print(f"{name:<10}{path}")
    OUT.print(f"{'Explore':<10}{published.page.as_uri()}")
    OUT.print("\nOne published forecast, and the way back")
    OUT.print(f"[bold]ledgerline trace {published.id[:16]}[/bold]")
    return show_trace(ledger, published.id)


def _excerpt(rows: "pl.DataFrame", title: str) -> Table:
    """Return the next months of one series as a table; the interval shown is the widest."""
    first = rows.head(1).to_dicts()[0]
    series = rows.join(rows.head(1).select("entity_id", "account"), on=["entity_id", "account"], how="semi")
    levels = [name.removeprefix("low_") for name in rows.columns if name.startswith("low_")]
    level = max(levels, key=float, default=None)
    interval = [] if level is None else [f"{float(level):.0%} interval"]
    table = Table("month", "expected", *interval, title=f"{title}: {first['entity_id']} {first['account']}")
    for row in series.head(_MONTHS).to_dicts():
        bounds = [] if level is None else [f"{row[f'low_{level}']:,.1f} to {row[f'high_{level}']:,.1f}"]
        table.add_row(f"{row['month']:%Y-%m}", f"{row['expected']:,.1f}", *bounds)
    return table
