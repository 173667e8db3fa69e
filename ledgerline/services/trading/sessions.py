"""Which sessions there are, and when they close, by the exchange's calendar."""

from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

_EXCHANGE = "XNYS"
_FIRST = "1990-01-01"
_EXCHANGE_ZONE = ZoneInfo("America/New_York")


def close_of(session: date) -> datetime:
    """Return when a session closes, UTC.

    Raises:
        ValueError: It is no session.
    """
    moment: datetime = _calendar().session_close(session.isoformat()).to_pydatetime()
    return moment.astimezone(UTC)


def last_closed(now: datetime) -> date:
    """Return the newest session whose close is not after ``now``."""
    calendar = _calendar()
    # The calendar works in whole minutes, and a session's close is one of them.
    closed: date = calendar.previous_close(_next_minute(now)).date()
    return closed


def next_session(session: date) -> date:
    """Return the session after one."""
    following: date = _calendar().next_session(session.isoformat()).date()
    return following


def session_of(close: datetime) -> date:
    """Return the session that closes at an instant, by the date in New York."""
    return close.astimezone(_EXCHANGE_ZONE).date()


def _next_minute(now: datetime) -> datetime:
    return now.astimezone(UTC).replace(second=0, microsecond=0) + timedelta(minutes=1)


@cache
def _calendar() -> Any:
    import exchange_calendars  # type: ignore[import-untyped]

    return exchange_calendars.get_calendar(_EXCHANGE, start=_FIRST)
