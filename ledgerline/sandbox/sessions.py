"""The sessions of New York's exchange around the world's present."""

from datetime import UTC, date, datetime
from functools import cache
from typing import Any

PRESENT = datetime(2018, 10, 1, tzinfo=UTC)
"""When it is in every simulated world: the last session has closed on the Friday before."""

_EXCHANGE = "XNYS"
_FIRST, _LAST = "1990-01-02", "2030-12-31"


def session_dates(before: int, after: int) -> tuple[date, ...]:
    """Return that many sessions before the world's present, and that many after it, in order.

    Raises:
        ValueError: The calendar does not reach that far.
    """
    dates = _dates()
    present = next(place for place, day in enumerate(dates) if day >= PRESENT.date())
    if not (0 <= before <= present and 0 <= after <= len(dates) - present):
        raise ValueError(
            f"a market has 0 to {present} sessions before its present and 0 to {len(dates) - present} after"
        )
    return dates[present - before : present + after]


def session_open(session: date) -> datetime:
    """Return when a session opens, UTC."""
    return _utc(_calendar().session_open(session.isoformat()))


def session_close(session: date) -> datetime:
    """Return when a session closes, UTC; earlier on the eve of some holidays."""
    return _utc(_calendar().session_close(session.isoformat()))


def following_session(instant: datetime) -> date:
    """Return the first session that opens after an instant."""
    following: date = _calendar().next_open(instant).date()
    return following


def sessions_between(first: date, last: date) -> tuple[date, ...]:
    """Return the sessions from one day to another, both included, as far as the calendar reaches."""
    return tuple(day for day in _dates() if first <= day <= last)


def _utc(moment: Any) -> datetime:
    instant: datetime = moment.to_pydatetime()
    return instant.astimezone(UTC)


@cache
def _dates() -> tuple[date, ...]:
    return tuple(session.date() for session in _calendar().sessions)


@cache
def _calendar() -> Any:
    import exchange_calendars

    return exchange_calendars.get_calendar(_EXCHANGE, start=_FIRST, end=_LAST)
