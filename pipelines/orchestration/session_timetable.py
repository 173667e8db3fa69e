"""A timetable of exchange sessions: one run a session, some time after its close, for the files of that day."""

from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

from airflow.timetables.base import DagRunInfo, DataInterval, Timetable
from pendulum import DateTime, instance

if TYPE_CHECKING:
    from airflow.timetables.base import TimeRestriction
    from exchange_calendars import ExchangeCalendar

_DAY = timedelta(days=1)
# No exchange closes for longer: the longest pause of the New York exchange since 1950 was six days, in September 2001.
_LONGEST_PAUSE_DAYS = 30
_FIRST_DAY = date(1950, 1, 3)


class SessionTimetable(Timetable):
    """Runs once for every session of an exchange, never on its holidays.

    A run's data interval is the session's calendar day in UTC, so that the files dated with the session belong to it;
    it is due ``delay`` after the session's close, early closes included.

    Args:
        calendar: The exchange's ISO 10383 code, e.g. ``XNYS``.
        delay: From the close until the vendor's files are there.
    """

    def __init__(self, calendar: str = "XNYS", delay: timedelta = timedelta(hours=1)) -> None:
        self.calendar = calendar
        self.delay = delay
        self.description = f"{delay} after the close of each session of {calendar}"

    @property
    def summary(self) -> str:
        """What Airflow's interface shows."""
        return f"sessions of {self.calendar}"

    def serialize(self) -> dict[str, Any]:
        """Return what makes this timetable again."""
        return {"calendar": self.calendar, "delay_seconds": self.delay.total_seconds()}

    @classmethod
    def deserialize(cls, data: dict[str, Any]) -> "SessionTimetable":
        """Make the timetable that was serialized."""
        return cls(data["calendar"], timedelta(seconds=data["delay_seconds"]))

    def infer_manual_data_interval(self, *, run_after: DateTime) -> DataInterval:
        """Return the day of the last session that was due by then."""
        return self._run_of(self._last_due(run_after)).data_interval or DataInterval.exact(run_after)

    def next_dagrun_info(
        self, *, last_automated_data_interval: DataInterval | None, restriction: "TimeRestriction"
    ) -> DagRunInfo | None:
        """Return the run after the last; without catch-up only the last of the missed ones, and at first the next."""
        earliest = [_midnight(self._first_day(last_automated_data_interval, catchup=restriction.catchup))]
        if restriction.earliest is not None:
            earliest.append(restriction.earliest)
        # A data interval starts at midnight: the first one that does not start before.
        start = max(earliest)
        first = start.date() if start == _midnight(start.date()) else start.date() + _DAY
        run = self._run_of(self._session_from(first))
        late = restriction.latest is not None and run.logical_date is not None and run.logical_date > restriction.latest
        return None if late else run

    def _first_day(self, last: DataInterval | None, *, catchup: bool) -> date:
        if catchup:
            return last.start.date() + _DAY if last else _FIRST_DAY
        due = self._last_due(datetime.now(UTC))
        return max(last.start.date() + _DAY, due) if last else due + _DAY

    def _run_of(self, session: date) -> DagRunInfo:
        start = _midnight(session)
        close = _calendar(self.calendar).session_close(session.isoformat()).to_pydatetime()
        return DagRunInfo(
            run_after=instance(close + self.delay), data_interval=DataInterval(instance(start), instance(start + _DAY))
        )

    def _last_due(self, at: datetime) -> date:
        days = (at.astimezone(UTC).date() - _DAY * back for back in range(_LONGEST_PAUSE_DAYS))
        return next(day for day in days if self._is_session(day) and self._run_of(day).run_after <= at)

    def _session_from(self, day: date) -> date:
        return next(
            later for later in (day + _DAY * ahead for ahead in range(_LONGEST_PAUSE_DAYS)) if self._is_session(later)
        )

    def _is_session(self, day: date) -> bool:
        return bool(_calendar(self.calendar).is_session(day.isoformat()))


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


@cache
def _calendar(code: str) -> "ExchangeCalendar":
    # Imported here: it brings pandas, and every process of Airflow reads this module.
    from exchange_calendars import get_calendar

    return get_calendar(code, start="1950-01-01")
