"""An exchange's sessions: when each day's trading opened and closed, half days and changes of clocks included."""

from functools import lru_cache
from typing import Any

import polars as pl

from ledgerline.core.frames import INSTANT

_FIRST_DAY = "1950-01-01"
_LAST_DAY = "2040-12-31"  # fixed, as the same bytes must give the same rows tomorrow
_KNOWN = frozenset({"XNYS"})  # saves importing the calendars, .4 s, where only names are checked


def is_exchange(name: str) -> bool:
    """Whether ``exchange_calendars`` has a calendar of that name."""
    if name in _KNOWN:
        return True
    import exchange_calendars

    return name in exchange_calendars.get_calendar_names()


@lru_cache(maxsize=8)
def sessions(exchange: str) -> pl.DataFrame:
    """Return ``session`` (Date), ``open`` and ``close`` (UTC) of an exchange's sessions, in order.

    From 1950, or from where the exchange's calendar is known, to 2040.
    """
    import exchange_calendars

    bounds = exchange_calendars.get_calendar(exchange)
    first, last = bounds.bound_min(), bounds.bound_max()
    calendar = exchange_calendars.get_calendar(
        exchange,
        start=max(_FIRST_DAY, str(first.date())) if first is not None else _FIRST_DAY,
        end=min(_LAST_DAY, str(last.date())) if last is not None else _LAST_DAY,
    )
    schedule = calendar.schedule
    return pl.DataFrame(
        {
            "session": pl.Series(schedule.index.to_numpy()).cast(pl.Date),
            "open": _instants(schedule["open"]),
            "close": _instants(schedule["close"]),
        }
    )


def _instants(column: Any) -> pl.Series:
    wall = column.dt.tz_convert(None).to_numpy(dtype="datetime64[us]")
    return pl.Series(wall).dt.replace_time_zone("UTC").cast(INSTANT)
