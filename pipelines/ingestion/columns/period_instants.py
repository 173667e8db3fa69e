"""Instants that a date stands for: the open or close of its session, the first or last moment of its period."""

import polars as pl

from ledgerline.core.frames import INSTANT
from pipelines.ingestion.column_mapping import ColumnMapping, Period
from pipelines.ingestion.columns.converted import Converted, converted
from pipelines.ingestion.columns.dates import to_dates
from pipelines.ingestion.columns.instants import instants_in
from pipelines.ingestion.columns.sessions import sessions
from pipelines.ingestion.reasons import UnreadableReason

_LENGTHS = {Period.DAY: "1d", Period.MONTH: "1mo", Period.QUARTER: "1q", Period.YEAR: "1y"}


def names_dates(mapped: ColumnMapping) -> bool:
    """Whether the source's values are dates, from which instants are to be made."""
    return bool(mapped.session_open or mapped.session_close or mapped.start_of or mapped.end_of)


def to_instants_of_dates(raw: pl.Series, mapped: ColumnMapping) -> Converted:
    """Convert dates to the instants that ``mapped`` asks for.

    Raises:
        FileRefused: The column's type holds no dates.
    """
    period = mapped.start_of or mapped.end_of
    dates = to_dates(raw, pattern=mapped.format, months=period is not None and period is not Period.DAY)
    if period is not None:
        placed = _of_period(dates.values, period, mapped)
    else:
        side = "open" if mapped.session_open else "close"
        placed = _of_session(dates.values, mapped.session_open or mapped.session_close or "", side)
    return Converted(placed.values, dates.failures + placed.failures)


def _of_session(dates: pl.Series, exchange: str, side: str) -> Converted:
    calendar = sessions(exchange)
    found = pl.DataFrame({"session": dates}).join(
        calendar.select("session", side), on="session", how="left", maintain_order="left"
    )[side]
    known = dates.is_between(calendar["session"].min(), calendar["session"].max())
    closed = dates.is_not_null() & found.is_null()
    return converted(
        found.cast(INSTANT),
        (UnreadableReason.NOT_A_SESSION, closed & known),
        (UnreadableReason.OUT_OF_RANGE, closed & ~known),
    )


def _of_period(dates: pl.Series, period: Period, mapped: ColumnMapping) -> Converted:
    first = dates.cast(pl.Datetime("us")).dt.truncate(_LENGTHS[period])
    if mapped.start_of is not None:
        return instants_in(first, mapped.timezone)
    return instants_in(first.dt.offset_by(_LENGTHS[period]), mapped.timezone, ticks_earlier=1)
