"""Wide files, dates and names of files, against the plainest way to read them."""

import calendar
import csv
import io
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from zoneinfo import ZoneInfo

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from ledgerline.core.contracts import EVENT_TIME, MACRO_SERIES
from pipelines.ingestion.column_mapping import ColumnMapping, Period
from pipelines.ingestion.columns.sessions import sessions
from pipelines.ingestion.file_pattern import FilePattern, SourceFile
from pipelines.ingestion.mapping import Feed, Unpivot
from pipelines.ingestion.reading import read_rows
from pipelines.ingestion.typed_rows import convert

WIDE = Feed(
    files="rates.csv",
    unpivot=Unpivot(columns={"c": "C", "a": "A", "b": "B"}, name="series", value="rate"),
    columns={
        "series_id": ColumnMapping(column="series"),
        "value": ColumnMapping(column="rate"),
        "vintage": ColumnMapping(column="note"),
        "event_time": ColumnMapping(constant="2018-01-01T00:00:00Z"),
        "available_at": ColumnMapping(constant="2018-01-01T00:00:00Z"),
    },
)
CELL = st.one_of(st.just(""), st.just("x"), st.floats(-1e9, 1e9).map(repr))
DAYS = st.dates(date(1950, 1, 2), date(2040, 12, 31))  # from the first session known to the last
NEW_YORK = ZoneInfo("America/New_York")


@settings(deadline=None)
@given(st.lists(st.tuples(CELL, CELL, CELL, st.text('pq\n"', max_size=3)), max_size=20), st.booleans())
def test_every_cell_of_a_wide_file_is_a_row_or_an_unreadable_one(rows: list[tuple[str, ...]], broken: bool) -> None:
    stream = io.StringIO()
    csv.writer(stream).writerows([("b", "a", "c", "note"), *rows])
    content = stream.getvalue() + ("1,2\n" if broken else "")
    with TemporaryDirectory() as folder:
        path = Path(folder) / "raw"
        path.write_text(content, newline="")
        runs = list(read_rows(path, name="rates.csv", contract=MACRO_SERIES, feed=WIDE))
    found = {row[0]: row[1:4] for run in runs for row in run.rows.iter_rows()}
    failed = {row[0]: row[1:] for run in runs for row in run.unreadable.iter_rows()}

    expected, wrong = {}, {}
    for position, (b, a, c, note) in enumerate(rows):
        for place, (series, cell) in enumerate((("A", a), ("B", b), ("C", c)), start=1):
            number = 3 * position + place
            if cell == "x":
                wrong[number] = ("rate", "x", "not_a_number")
            else:
                expected[number] = (series, float(cell) if cell else None, note or None)
    if broken:
        wrong[3 * len(rows) + 1] = (None, "1,2", "wrong_field_count")
    assert found == expected
    assert failed == wrong


@settings(deadline=None)
@given(st.lists(DAYS, max_size=40))
def test_session_closes_on_its_day_in_new_york_and_every_other_day_has_none(days: list[date]) -> None:
    close = ColumnMapping(column="d", session_close="XNYS")
    found = convert(pl.Series("d", days, dtype=pl.Date), EVENT_TIME, close)
    failed = {row: failure.reason for failure in found.failures for row in failure.rows.arg_true()}
    known = set(sessions("XNYS")["session"])
    for row, (day, instant) in enumerate(zip(days, found.values.to_list(), strict=True)):
        if day in known:
            local = instant.astimezone(NEW_YORK)
            assert local.date() == day
            assert time_of(local) in ("12:00", "12:30", "13:00", "14:00", "14:30", "15:00", "15:30", "16:00")
        else:
            assert (instant, failed[row]) == (None, "not_a_session")


def time_of(local: datetime) -> str:
    return local.strftime("%H:%M")


@settings(deadline=None)
@given(st.lists(st.dates(date(1, 1, 1), date(9998, 12, 31)), min_size=1, max_size=20))
def test_month_ends_where_the_calendar_says(days: list[date]) -> None:
    mapped = ColumnMapping(column="d", end_of=Period.MONTH, timezone="UTC")
    ends = convert(pl.Series("d", [day.isoformat()[:7] for day in days]), EVENT_TIME, mapped).values.to_list()
    for day, end in zip(days, ends, strict=True):
        last = calendar.monthrange(day.year, day.month)[1]
        midnight = datetime(day.year, day.month, last, tzinfo=UTC) + timedelta(days=1)
        assert end == midnight - timedelta(microseconds=1)


NAME = st.text("abcXYZ019-. ", min_size=1, max_size=6).filter(lambda name: not name.startswith("."))


@settings(deadline=None, max_examples=50)
@given(symbol=NAME, day=DAYS)
def test_what_stands_in_a_file_s_name_is_found_there(symbol: str, day: date) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / f"bars/{symbol}/of_{day}.csv"
        path.parent.mkdir(parents=True)
        path.touch()
        found = FilePattern.parse("bars/{symbol}/of_{date}.csv").files(Path(folder))
    assert found == [SourceFile(f"bars/{symbol}/of_{day}.csv", day, (("symbol", symbol),))]
    assert found[0].named(["date", "symbol", "other"]) == {"date": day.isoformat(), "symbol": symbol}
