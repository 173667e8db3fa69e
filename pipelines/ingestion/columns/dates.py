"""Dates of the civil calendar, from which instants are made; a date by itself is no instant."""

import polars as pl

from pipelines.ingestion.columns.converted import Converted, converted, wrong_type
from pipelines.ingestion.reasons import UnreadableReason

# ISO 8601; midnight may be written behind it, as spreadsheets and pandas do. A month without a day is its first.
_ISO = r"^\s*([0-9]{4}-[0-9]{2}(?:-[0-9]{2})?)(?:[T ]00:00(?::00(?:\.0+)?)?\s*(?:Z|[+-]00:?00)?)?\s*$"
_DAY_CODES = ("%d", "%e", "%j", "%D", "%F", "%x")


def to_dates(raw: pl.Series, *, pattern: str | None = None, months: bool = False) -> Converted:
    """Convert to Date.

    Args:
        raw: Texts, dates or timestamps. A timestamp at another time than midnight is no date.
        pattern: strptime format of texts; unset: ISO 8601.
        months: Whether a text may name a month alone.

    Raises:
        FileRefused: The column's type holds no dates.
    """
    if raw.dtype == pl.String:
        dates = _from_pattern(raw, pattern, months=months) if pattern else _from_iso(raw, months=months)
    elif raw.dtype == pl.Date:
        dates = raw
    elif isinstance(raw.dtype, pl.Datetime):
        wall = raw.dt.replace_time_zone(None) if raw.dtype.time_zone else raw
        dates = wall.dt.date().set(wall != wall.dt.truncate("1d"), None)
    else:
        raise wrong_type(raw, "dates")
    return converted(dates, (UnreadableReason.NOT_A_DATE, raw.is_not_null() & dates.is_null()))


def _from_iso(texts: pl.Series, *, months: bool) -> pl.Series:
    written = texts.str.extract(_ISO)
    if months:
        written = (written + "-01").str.slice(0, 10)
    return written.set(written.str.len_bytes() != 10, None).str.to_date("%Y-%m-%d", strict=False)


def _from_pattern(texts: pl.Series, pattern: str, *, months: bool) -> pl.Series:
    if months and not any(code in pattern for code in _DAY_CODES):
        texts, pattern = "01 " + texts, f"%d {pattern}"
    return texts.str.to_date(pattern, strict=False)
