"""The excerpt of published forecasts."""

from datetime import date

import polars as pl
from rich.console import Console

from ledgerline.cli.forecasts import _excerpt


def test_the_excerpt_shows_one_series_with_its_widest_interval():
    rows = pl.DataFrame(
        {
            "entity_id": ["U001"] * 2 + ["U002"],
            "account": ["revenue"] * 3,
            "month": [date(2018, 9, 1), date(2018, 10, 1), date(2018, 9, 1)],
            "month_ahead": [1, 2, 1],
            "expected": [100.0, 110.0, 7.0],
            "low_0.8": [90.0, 95.0, 6.0],
            "high_0.8": [110.0, 125.0, 8.0],
            "low_0.95": [80.0, 85.0, 5.0],
            "high_0.95": [120.0, 135.0, 9.0],
        }
    )
    console = Console(width=120, record=True)
    console.print(_excerpt(rows, "3 series"))
    shown = console.export_text()
    assert "95% interval" in shown
    assert "85.0 to 135.0" in shown
    assert "7.0" not in shown
