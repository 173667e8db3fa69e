from datetime import UTC, date, datetime, timedelta

import pytest
from airflow.timetables.base import DataInterval, TimeRestriction
from pendulum import instance

from pipelines.orchestration.session_timetable import SessionTimetable


def runs_between(first: datetime, last: datetime) -> list[tuple[date, datetime]]:
    """Return session and due time of every run that Airflow's backfill makes between two instants."""
    timetable, found, info = SessionTimetable(), [], None
    restriction = TimeRestriction(instance(first), instance(last), catchup=True)
    while info := timetable.next_dagrun_info_v2(last_dagrun_info=info, restriction=restriction):
        found.append((info.logical_date.date(), info.run_after))
    return found


def test_every_session_has_one_run_an_hour_after_its_close_and_a_holiday_none():
    assert runs_between(datetime(2018, 8, 31, tzinfo=UTC), datetime(2018, 9, 5, 23, tzinfo=UTC)) == [
        (date(2018, 8, 31), datetime(2018, 8, 31, 21, tzinfo=UTC)),  # Friday; Monday is Labor Day
        (date(2018, 9, 4), datetime(2018, 9, 4, 21, tzinfo=UTC)),
        (date(2018, 9, 5), datetime(2018, 9, 5, 21, tzinfo=UTC)),
    ]


def test_an_early_close_is_due_earlier_and_winter_is_an_hour_later_in_utc():
    due = dict(runs_between(datetime(2018, 11, 21, tzinfo=UTC), datetime(2018, 11, 23, 23, tzinfo=UTC)))
    assert due == {
        date(2018, 11, 21): datetime(2018, 11, 21, 22, tzinfo=UTC),
        date(2018, 11, 23): datetime(2018, 11, 23, 19, tzinfo=UTC),  # the day after Thanksgiving closes at one
    }


def test_the_longest_pause_of_the_exchange_is_passed():
    sessions = [day for day, _ in runs_between(datetime(2001, 9, 10, tzinfo=UTC), datetime(2001, 9, 17, tzinfo=UTC))]
    assert sessions == [date(2001, 9, 10), date(2001, 9, 17)]


def test_a_runs_data_interval_is_its_sessions_day():
    interval = SessionTimetable().infer_manual_data_interval(run_after=instance(datetime(2018, 9, 4, 3, tzinfo=UTC)))
    assert interval == DataInterval(
        instance(datetime(2018, 8, 31, tzinfo=UTC)), instance(datetime(2018, 9, 1, tzinfo=UTC))
    )


def test_a_new_installation_starts_with_the_next_session_to_come():
    restriction = TimeRestriction(None, None, catchup=False)
    first = SessionTimetable().next_dagrun_info(last_automated_data_interval=None, restriction=restriction)
    assert first is not None
    assert datetime.now(UTC) < first.run_after < datetime.now(UTC) + timedelta(days=8)


def test_of_missed_sessions_only_the_last_is_made_up_for():
    restriction = TimeRestriction(None, None, catchup=False)
    old = DataInterval(instance(datetime(2018, 8, 31, tzinfo=UTC)), instance(datetime(2018, 9, 1, tzinfo=UTC)))
    following = SessionTimetable().next_dagrun_info(last_automated_data_interval=old, restriction=restriction)
    assert following is not None
    assert datetime.now(UTC) - timedelta(days=8) < following.run_after <= datetime.now(UTC)


@pytest.mark.parametrize("calendar", ["XNYS", "XLON"])
def test_it_is_the_same_timetable_after_airflow_has_stored_it(calendar):
    timetable = SessionTimetable(calendar, timedelta(minutes=30))
    again = SessionTimetable.deserialize(timetable.serialize())
    assert (again.calendar, again.delay, again.summary) == (calendar, timedelta(minutes=30), f"sessions of {calendar}")
