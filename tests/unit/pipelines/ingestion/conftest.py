"""A small CSV source and a ledger to land it in."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from ledgerline.audit import Ledger
from ledgerline.core.clock import FixedClock
from ledgerline.core.settings import Settings

MAPPING = """
name: shop
as_of: 2024-02-01T00:00:00Z
datasets:
  transactions:
    files: payments/*_{date}.csv
    columns:
      transaction_id: id
      customer_id: card
      terminal_id: shop
      amount_minor: {column: amount, unit: major}
      currency: {constant: EUR}
      event_time: {column: paid_at, timezone: Europe/Paris}
      available_at: {after: event_time, delay: 0s}
"""
HEADER = "id,card,shop,amount,paid_at\n"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder with its own mapping of CSV payments."""
    folder = tmp_path / "data"
    (folder / "payments").mkdir(parents=True)
    (folder / "ledgerline.yaml").write_text(MAPPING)
    return folder


@pytest.fixture
def deliver(data: Path) -> Callable[..., Path]:
    """Write a day's CSV file; rows are written below the header as they are."""

    def write(day: str, rows: str | bytes) -> Path:
        path = data / "payments" / f"acme_{day}.csv"
        path.write_bytes(HEADER.encode() + (rows.encode() if isinstance(rows, str) else rows))
        return path

    return write


@pytest.fixture
def ledger(tmp_path: Path, data: Path) -> Ledger:
    """A fresh installation over the data folder."""
    return Ledger.open(Settings(home=tmp_path / "home", data=data), FixedClock(datetime(2024, 2, 1, tzinfo=UTC)))


@pytest.fixture
def landed_rows(ledger: Ledger) -> Callable[[str], pl.DataFrame]:
    """Read the rows of a landed batch."""

    def read(batch: str) -> pl.DataFrame:
        with ledger.objects.local(ledger.log.get(batch).identity["rows_object"]) as path:
            return pl.read_parquet(path)

    return read


@pytest.fixture
def unreadable(ledger: Ledger) -> Callable[[str], list[tuple[object, ...]]]:
    """Read the unreadable rows of a landed batch as ``(row_number, column, value, reason)``."""

    def read(batch: str) -> list[tuple[object, ...]]:
        sha256 = ledger.log.get(batch).identity["unreadable_object"]
        if sha256 is None:
            return []
        with ledger.objects.local(sha256) as path:
            return pl.read_parquet(path).rows()

    return read
