"""From months of the books to series: one a book and account, monthly, without gaps."""

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import polars as pl

from ledgerline.decisions.forecast.lag_features import Floats

SERIES_COLUMNS = ("entity_id", "account", "event_time", "available_at", "amount")
"""The columns that a series is made of, among those of the contract ``ledger``."""


@dataclass(frozen=True, slots=True)
class Series:
    """One account of one set of books.

    Attributes:
        entity_id: Whose books.
        account: Which account.
        last_month: First day of the newest month.
        values: Monthly, oldest first, Float64 (n,); the newest stretch without a gap.
        left_out: How many older months lie before a gap and are not used.
    """

    entity_id: str
    account: str
    last_month: datetime
    values: Floats
    left_out: int

    @property
    def name(self) -> str:
        """E.g. ``"north/revenue"``."""
        return f"{self.entity_id}/{self.account}"


def series_of(rows: pl.DataFrame, *, as_of: datetime) -> list[Series]:
    """Return the series that were known at ``as_of``, by entity and account.

    Of a month that was restated the value known last counts. A month that is missing ends a series towards the past:
    what lies before it is left out, and counted.

    Args:
        rows: :data:`SERIES_COLUMNS`, any order; further columns are ignored.
        as_of: Nothing that became available later is used. Aware.
    """
    known = (
        month_versions(rows, as_of=as_of)
        .unique(["entity_id", "account", "number"], keep="last", maintain_order=True)
        .group_by("entity_id", "account", maintain_order=True)
        .agg("number", "amount", pl.col("month").last())
        .collect()
    )
    return [_series(*row) for row in known.iter_rows()]


def month_versions(rows: pl.DataFrame, *, as_of: datetime) -> pl.LazyFrame:
    """Return every version of every month that was known at ``as_of``: by series and month, the newest version last.

    Args:
        rows: As for :func:`series_of`.
        as_of: Nothing that became available later is used. Aware.

    Returns:
        ``entity_id``, ``account``, ``month`` (its first day), ``number`` (months since the year 0), ``available_at``,
        ``amount``.
    """
    month = pl.col("event_time").dt.offset_by("-1us").dt.truncate("1mo")
    return (
        rows.lazy()
        .select(SERIES_COLUMNS)
        .filter((pl.col("available_at") <= as_of) & pl.col("amount").is_not_null())
        .select(
            "entity_id",
            "account",
            month.alias("month"),
            (month.dt.year().cast(pl.Int64) * 12 + month.dt.month() - 1).alias("number"),
            "available_at",
            "amount",
        )
        .sort("entity_id", "account", "number", "available_at")
    )


def _series(entity: str, account: str, numbers: list[int], amounts: list[float], last: datetime) -> Series:
    steps = np.diff(np.asarray(numbers))
    gaps = np.flatnonzero(steps != 1)
    start = int(gaps[-1]) + 1 if gaps.size else 0
    return Series(entity, account, last, np.asarray(amounts[start:], dtype=np.float64), start)
