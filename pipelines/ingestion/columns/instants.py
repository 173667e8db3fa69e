"""Instants in UTC, from texts, timestamps, dates and counts of seconds."""

from datetime import UTC, datetime, timedelta

import polars as pl

from ledgerline.core.frames import INSTANT
from pipelines.ingestion.column_mapping import ColumnMapping, Unit
from pipelines.ingestion.columns.converted import Converted, converted, wrong_type
from pipelines.ingestion.columns.numbers import to_numbers
from pipelines.ingestion.columns.whole_numbers import to_whole_numbers
from pipelines.ingestion.reasons import FileRefused, RefusalReason, UnreadableReason

_WALL_TIME = pl.Datetime("us")
_MICROSECONDS = {Unit.SECONDS: 1_000_000, Unit.MILLISECONDS: 1_000, Unit.MICROSECONDS: 1}
_TICK = timedelta(microseconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST = (datetime.min.replace(tzinfo=UTC) - _EPOCH) // _TICK
_LAST = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // _TICK
_FAR = 2**62  # ticks; beyond every instant, and adding any start to it does not overflow

# ISO 8601 as people write it: T or a space; seconds, fraction and offset optional. 24:00 and leap seconds are refused.
_ISO = (
    r"^\s*(?<date>[0-9]{4}-[0-9]{2}-[0-9]{2})[T ](?<minute>(?:[01][0-9]|2[0-3]):[0-5][0-9])"
    r"(?::(?<second>[0-5][0-9])(?:[.,](?<fraction>[0-9]{1,9}))?)?"
    r"\s*(?<offset>[Zz]|[+-](?:0[0-9]|1[0-4]):?[0-5][0-9])?\s*$"
)


def to_instants(raw: pl.Series, mapped: ColumnMapping) -> Converted:
    """Convert to Datetime("us", "UTC"); what is finer than a microsecond is cut off.

    Counts need ``unit`` and ``since``. Texts are ISO 8601, or of ``format``. Times that state no offset are read in
    ``timezone``; without one they could be any instant and are not guessed. A local time that the change of clocks
    repeats or skips is not one instant, and unreadable.

    Raises:
        FileRefused: The column's type holds no instants, or timestamps without a zone and the mapping names none.
    """
    if mapped.unit is not None and mapped.since is not None:
        return _from_counts(raw, mapped.unit, mapped.since)
    if raw.dtype == pl.String and mapped.format is not None:
        return _from_format(raw, mapped.format, mapped.timezone)
    if raw.dtype == pl.String:
        return _from_iso(raw, mapped.timezone)
    if isinstance(raw.dtype, pl.Datetime) and raw.dtype.time_zone is not None:
        return _from_ticks(raw.dt.cast_time_unit("us").to_physical())
    if isinstance(raw.dtype, pl.Datetime) or raw.dtype == pl.Date:
        return _from_timestamps(raw, mapped.timezone)
    raise wrong_type(raw, "instants (numbers need unit and since)")


def to_instants_after(earlier: pl.Series, delay: timedelta) -> Converted:
    """Return the instants ``delay`` after ``earlier``."""
    return _from_ticks(earlier.to_physical() + delay // _TICK)


def instants_in(wall: pl.Series, timezone: str | None, *, ticks_earlier: int = 0) -> Converted:
    """Place wall times, Datetime("us"), in a zone; from there go back some microseconds."""
    ticks = _ticks_in(wall.to_physical(), timezone)
    return _from_ticks(ticks - ticks_earlier, (_zone_failure(timezone), wall.is_not_null() & ticks.is_null()))


def _from_ticks(ticks: pl.Series, *failures: tuple[UnreadableReason, pl.Series]) -> Converted:
    """Turn microseconds since 1970 into instants; ``failures`` are of rows that have no ticks."""
    inside = ticks.is_between(_FIRST, _LAST)
    values = ticks.set(~inside.fill_null(value=False), None).cast(INSTANT)
    return converted(values, *failures, (UnreadableReason.OUT_OF_RANGE, ~inside))


def _from_counts(raw: pl.Series, unit: Unit, since: datetime) -> Converted:
    factor = _MICROSECONDS[unit]
    if raw.dtype.is_integer():
        counts = to_whole_numbers(raw)
        ticks = counts.values.clip(-_FAR // factor, _FAR // factor) * factor
    else:
        counts = to_numbers(raw)
        ticks = (counts.values * factor).round().clip(-float(_FAR), float(_FAR)).cast(pl.Int64)
    placed = _from_ticks(ticks + (since - _EPOCH) // _TICK)
    return Converted(placed.values, counts.failures + placed.failures)


def _from_iso(texts: pl.Series, timezone: str | None) -> Converted:
    parts = texts.str.extract_groups(_ISO).struct.unnest()
    written = parts["date"] + "T" + parts["minute"] + ":" + parts["second"].fill_null("00")
    wall = written.str.to_datetime("%Y-%m-%dT%H:%M:%S", time_unit="us", strict=False).to_physical()
    wall += parts["fraction"].fill_null("0").str.pad_end(6, "0").str.slice(0, 6).cast(pl.Int64)

    ahead = _offset_ticks(parts["offset"])
    unplaced = wall.set(ahead.is_not_null(), None)
    ticks = (wall - ahead).zip_with(ahead.is_not_null(), _ticks_in(unplaced, timezone))
    return _from_ticks(
        ticks,
        (UnreadableReason.NOT_AN_INSTANT, texts.is_not_null() & wall.is_null()),
        (_zone_failure(timezone), unplaced.is_not_null() & ticks.is_null()),
    )


def _from_format(texts: pl.Series, pattern: str, timezone: str | None) -> Converted:
    if "z" in pattern.replace("%%", ""):
        ticks = texts.str.to_datetime(pattern, time_unit="us", strict=False).to_physical()
        return _from_ticks(ticks, (UnreadableReason.NOT_AN_INSTANT, texts.is_not_null() & ticks.is_null()))
    wall = texts.str.to_datetime(pattern, time_unit="us", strict=False).to_physical()
    ticks = _ticks_in(wall, timezone)
    return _from_ticks(
        ticks,
        (UnreadableReason.NOT_AN_INSTANT, texts.is_not_null() & wall.is_null()),
        (_zone_failure(timezone), wall.is_not_null() & ticks.is_null()),
    )


def _from_timestamps(raw: pl.Series, timezone: str | None) -> Converted:
    if timezone is None:
        raise FileRefused(
            f"column {raw.name!r} holds {raw.dtype} without a time zone; name it in the mapping, e.g. timezone: UTC",
            reason=RefusalReason.WRONG_TYPE,
            column=raw.name,
        )
    return instants_in(raw.cast(_WALL_TIME), timezone)


def _ticks_in(wall: pl.Series, timezone: str | None) -> pl.Series:
    """Place wall times, as microseconds, in a zone; null where the zone has no such time, or has it twice."""
    if timezone is None:
        return wall.clear(len(wall))
    zoned = wall.cast(_WALL_TIME).dt.replace_time_zone(timezone, ambiguous="null", non_existent="null")
    return zoned.to_physical()


def _zone_failure(timezone: str | None) -> UnreadableReason:
    return UnreadableReason.NO_TIME_ZONE if timezone is None else UnreadableReason.NOT_ONE_INSTANT


def _offset_ticks(offsets: pl.Series) -> pl.Series:
    """Return how far ahead of UTC each offset is, in microseconds; null where none is stated."""
    digits = offsets.str.replace(":", "", literal=True).str.replace(r"^[Zz]$", "+0000")
    minutes = digits.str.slice(1, 2).cast(pl.Int64) * 60 + digits.str.slice(3, 2).cast(pl.Int64)
    return minutes.zip_with(digits.str.starts_with("+").fill_null(value=True), -minutes) * 60_000_000
