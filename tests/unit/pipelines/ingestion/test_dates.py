"""From dates to instants: sessions of an exchange, and days, months, quarters and years of the civil calendar."""

from datetime import UTC, date, datetime
from typing import Any

import polars as pl
import pytest

from ledgerline.core.contracts import EVENT_TIME
from pipelines.ingestion.column_mapping import ColumnMapping, Period
from pipelines.ingestion.columns.dates import to_dates
from pipelines.ingestion.columns.sessions import _KNOWN, is_exchange, sessions
from pipelines.ingestion.reasons import FileRefused, RefusalReason
from pipelines.ingestion.typed_rows import convert

NEW_YORK = {"session_close": "XNYS"}


def instants(values: list[Any] | pl.Series, **mapped: Any) -> list[Any]:
    """Each date's instant, or the reason why it has none."""
    raw = values if isinstance(values, pl.Series) else pl.Series("d", values)
    periods = {key: Period(value) for key, value in mapped.items() if key in ("start_of", "end_of")}
    found = convert(raw, EVENT_TIME, ColumnMapping(column="d", **(mapped | periods)))
    answers: list[Any] = found.values.to_list()
    for failure in found.failures:
        for row in failure.rows.arg_true():
            assert answers[row] is None
            answers[row] = failure.reason.value
    return answers


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc]


def test_session_closes_at_four_in_new_york_in_winter_and_in_summer() -> None:
    assert instants(["2014-03-07", "2014-03-10"], **NEW_YORK) == [utc(2014, 3, 7, 21), utc(2014, 3, 10, 20)]


def test_session_opens_at_half_past_nine_in_new_york() -> None:
    assert instants(["2014-03-07", "2014-03-10"], session_open="XNYS") == [
        utc(2014, 3, 7, 14, 30),
        utc(2014, 3, 10, 13, 30),
    ]


def test_half_day_closes_at_one() -> None:
    assert instants(["2014-07-03", "2014-11-28", "2014-12-24"], **NEW_YORK) == [
        utc(2014, 7, 3, 17),
        utc(2014, 11, 28, 18),
        utc(2014, 12, 24, 18),
    ]


def test_weekend_and_holiday_are_no_sessions() -> None:
    assert instants(["2014-07-04", "2014-07-05", None], **NEW_YORK) == ["not_a_session", "not_a_session", None]


def test_date_that_the_calendar_does_not_reach_is_out_of_range_and_not_called_a_holiday() -> None:
    assert instants(["1949-12-30", "2041-01-02"], **NEW_YORK) == ["out_of_range", "out_of_range"]


def test_exchange_elsewhere_has_its_own_hours() -> None:
    assert instants(["2014-07-04"], session_close="XLON") == [utc(2014, 7, 4, 15, 30)]


def test_known_exchanges_are_those_of_the_library() -> None:
    import exchange_calendars

    assert set(exchange_calendars.get_calendar_names()) >= _KNOWN
    assert is_exchange("XLON")
    assert not is_exchange("NYSE City")


def test_calendar_does_not_depend_on_today() -> None:
    known = sessions("XNYS")
    assert (known["session"].min(), known["session"].max()) == (date(1950, 1, 2), date(2040, 12, 31))


def test_month_ends_with_its_last_microsecond_whatever_day_of_it_is_given() -> None:
    ends = instants(["2016-02", "2016-02-01", "2016-02-29", "2017-12"], end_of="month", timezone="UTC")
    february = utc(2016, 2, 29, 23, 59, 59, 999_999)
    assert ends == [february, february, february, utc(2017, 12, 31, 23, 59, 59, 999_999)]


def test_periods_begin_with_their_first_instant_in_their_zone() -> None:
    day = "2016-08-17"
    assert instants([day], start_of="day", timezone="America/New_York") == [utc(2016, 8, 17, 4)]
    assert instants([day], start_of="quarter", timezone="UTC") == [utc(2016, 7, 1)]
    assert instants([day], end_of="year", timezone="UTC") == [utc(2016, 12, 31, 23, 59, 59, 999_999)]
    assert instants([day], end_of="day", timezone="UTC") == [utc(2016, 8, 17, 23, 59, 59, 999_999)]


def test_day_whose_midnight_the_clock_skips_begins_at_no_instant() -> None:
    assert instants(["2018-11-04"], start_of="day", timezone="America/Sao_Paulo") == ["not_one_instant"]


@pytest.mark.parametrize(
    "text", ["2014-07-03", " 2014-07-03 ", "2014-07-03 00:00:00", "2014-07-03T00:00Z", "2014-07-03 00:00:00+00:00"]
)
def test_midnight_behind_a_date_says_no_more_than_the_date(text: str) -> None:
    assert to_dates(pl.Series([text])).values.to_list() == [date(2014, 7, 3)]


@pytest.mark.parametrize(
    "text", ["2014-07-03 12:00:00", "03.07.2014", "2014-7-3", "2014-02-30", "2014-07", "2014", "", "٢٠١٤-٠٧-٠٣"]
)
def test_other_texts_are_no_dates(text: str) -> None:
    assert instants([text], **NEW_YORK) == ["not_a_date"]


def test_month_alone_is_no_day() -> None:
    assert instants(["2014-07"], start_of="day", timezone="UTC") == ["not_a_date"]
    assert instants(["2014-07"], start_of="month", timezone="UTC") == [utc(2014, 7, 1)]


def test_dates_may_be_written_otherwise_if_the_mapping_says_how() -> None:
    assert instants(["03.07.2014", "2014-07-03"], **NEW_YORK, format="%d.%m.%Y") == [utc(2014, 7, 3, 17), "not_a_date"]
    assert instants(["07/2014"], start_of="month", timezone="UTC", format="%m/%Y") == [utc(2014, 7, 1)]


def test_dates_and_midnights_of_parquet_are_dates_and_other_times_are_not() -> None:
    third = date(2014, 7, 3)
    assert instants(pl.Series([third, None]), **NEW_YORK) == [utc(2014, 7, 3, 17), None]
    times = pl.Series([datetime(2014, 7, 3), datetime(2014, 7, 3, 1)], dtype=pl.Datetime("ns"))  # noqa: DTZ001
    assert instants(times, **NEW_YORK) == [utc(2014, 7, 3, 17), "not_a_date"]
    local = times.dt.replace_time_zone("America/New_York")
    assert instants(local, **NEW_YORK) == [utc(2014, 7, 3, 17), "not_a_date"]


def test_column_of_numbers_holds_no_dates() -> None:
    with pytest.raises(FileRefused, match="cannot be read as dates") as refused:
        instants([20140703], **NEW_YORK)
    assert refused.value.reason is RefusalReason.WRONG_TYPE


def test_session_closes_before_the_next_opens() -> None:
    known = sessions("XNYS")
    assert (known["open"] < known["close"]).all()
    assert (known["close"].head(-1) < known["open"].tail(-1)).all()
