"""What each contract type makes of what sources write."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from ledgerline.core.contracts import Column, ColumnType
from pipelines.ingestion.column_mapping import ColumnMapping, Unit
from pipelines.ingestion.columns.booleans import to_booleans
from pipelines.ingestion.columns.converted import Converted
from pipelines.ingestion.columns.instants import to_instants, to_instants_after
from pipelines.ingestion.columns.money import to_minor_units
from pipelines.ingestion.columns.numbers import to_numbers
from pipelines.ingestion.columns.texts import to_texts
from pipelines.ingestion.columns.whole_numbers import to_whole_numbers
from pipelines.ingestion.reasons import FileRefused, RefusalReason
from pipelines.ingestion.typed_rows import POLARS_TYPES, convert


def outcome(column: Converted) -> list[Any]:
    """Each row's value, or the reason why it has none."""
    answers = column.values.to_list()
    for failure in column.failures:
        for row in failure.rows.arg_true():
            assert answers[row] is None
            answers[row] = failure.reason.value
    return answers


def test_texts_are_kept_exactly() -> None:
    assert outcome(to_texts(pl.Series([" a ", "", "é", None]))) == [" a ", "", "é", None]


def test_whole_floats_become_ids_without_a_point_and_fractions_are_no_ids() -> None:
    ids = pl.Series([596.0, None, float("nan"), 1.5, 2.0**60])
    assert outcome(to_texts(ids)) == ["596", None, None, "not_text", "not_text"]


def test_integers_of_any_width_become_texts() -> None:
    assert outcome(to_texts(pl.Series([7, None], dtype=pl.Int16))) == ["7", None]
    assert outcome(to_texts(pl.Series([2**64 - 1], dtype=pl.UInt64))) == ["18446744073709551615"]


def test_whole_numbers_in_texts() -> None:
    texts = pl.Series(["7", " -3 ", "+4", "5.0", "5.", "5.5", "1e3", "1,000", "x", "9223372036854775808", None])
    expected = [7, -3, 4, 5, 5, *["not_an_integer"] * 4, "out_of_range", None]
    assert outcome(to_whole_numbers(texts)) == expected


def test_whole_numbers_in_floats_and_wide_integers() -> None:
    floats = pl.Series([3.0, 2.5, float("nan"), float("inf"), 1e17])
    assert outcome(to_whole_numbers(floats)) == [3, "not_an_integer", None, "not_an_integer", "out_of_range"]
    assert outcome(to_whole_numbers(pl.Series([2**63], dtype=pl.UInt64))) == ["out_of_range"]


def test_money_in_major_units_is_exact() -> None:
    texts = pl.Series(["0.29", "57.16", "1e2", "-.5", "12.345", "12.355", "1.005", "70368744177664.07", None])
    cents = to_minor_units(texts, unit=Unit.MAJOR, decimals=None)
    assert outcome(cents) == [29, 5716, 10_000, -50, 1_234, 1_236, 100, 7_036_874_417_766_407, None]


def test_float_money_means_the_decimal_that_it_prints_as() -> None:
    floats = pl.Series([0.29, 1.15, 2.675, float("nan"), float("inf")])
    assert outcome(to_minor_units(floats, unit=Unit.MAJOR, decimals=2)) == [29, 115, 268, None, "not_a_number"]
    single = pl.Series([0.29, 57.16], dtype=pl.Float32)
    assert outcome(to_minor_units(single, unit=Unit.MAJOR, decimals=2)) == [29, 5716]


def test_money_has_the_decimals_of_its_currency() -> None:
    assert outcome(to_minor_units(pl.Series(["1500", "0.5", "1.5"]), unit=Unit.MAJOR, decimals=0)) == [1500, 0, 2]
    assert outcome(to_minor_units(pl.Series([Decimal("1.2345")]), unit=Unit.MAJOR, decimals=3)) == [1_234]


def test_money_that_is_no_number_or_too_large_is_named() -> None:
    texts = pl.Series(["$5", "1,000.00", "", "nan", "٣", "1_000", "1e400", "92233720368547758.08", "1e-900"])
    reasons = ["not_a_number"] * 6 + ["out_of_range"] * 2 + [0]
    assert outcome(to_minor_units(texts, unit=Unit.MAJOR, decimals=2)) == reasons


def test_money_in_minor_units_must_be_whole() -> None:
    assert outcome(to_minor_units(pl.Series(["12", "12.5"]), unit=Unit.MINOR, decimals=None)) == [12, "not_an_integer"]


def test_numbers_in_texts() -> None:
    texts = pl.Series(["1.5", " .5 ", "5.", "1e3", "nan", "inf", "1,5", "", "1e999", None])
    expected = [1.5, 0.5, 5.0, 1000.0, *["not_a_number"] * 5, None]
    expected[8] = "out_of_range"
    assert outcome(to_numbers(texts)) == expected


def test_nan_is_nothing_and_infinity_no_number() -> None:
    assert outcome(to_numbers(pl.Series([float("nan"), float("inf"), 1.0]))) == [None, "not_a_number", 1.0]


def test_booleans_in_words() -> None:
    words = pl.Series(["true", "FALSE", " Yes", "n", "1", "0", "maybe", None])
    expected = [True, False, True, False, True, False, "not_a_boolean", None]
    assert outcome(to_booleans(words, ColumnMapping())) == expected
    assert outcome(to_booleans(pl.Series([1, 0, 2]), ColumnMapping())) == [True, False, "not_a_boolean"]


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ({"greater_than": 0}, [False, True, True, None, "not_a_number"]),
        ({"less_than": 2}, [True, True, False, None, "not_a_number"]),
        ({"equals": 1}, [False, True, False, None, "not_a_number"]),
        ({"one_of": (1, 3)}, [False, True, True, None, "not_a_number"]),
        ({"equals": "x"}, [False, False, False, None, True]),
    ],
)
def test_condition_tells_a_boolean_and_a_missing_value_stays_missing(
    condition: dict[str, Any], expected: list[Any]
) -> None:
    assert outcome(to_booleans(pl.Series(["0", "1", "3", None, "x"]), ColumnMapping(**condition))) == expected


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type, misc]


def test_iso_texts_with_an_offset_are_instants() -> None:
    texts = pl.Series(
        ["2018-04-01T00:00:31Z", "2018-04-01 00:00:31.5+02:00", "2018-04-01T00:00-0330", "2018-04-01T00:00:00.1234567z"]
    )
    assert outcome(to_instants(texts, ColumnMapping())) == [
        utc(2018, 4, 1, 0, 0, 31),
        utc(2018, 3, 31, 22, 0, 31, 500_000),
        utc(2018, 4, 1, 3, 30),
        utc(2018, 4, 1, 0, 0, 0, 123_456),
    ]


def test_impossible_dates_and_times_are_no_instants() -> None:
    texts = pl.Series(
        ["2018-02-30T00:00Z", "2018-02-03T24:00Z", "2018-02-03T10:00:60Z", "2018-02-03", "3/2/2018", "", None]
    )
    assert outcome(to_instants(texts, ColumnMapping())) == ["not_an_instant"] * 6 + [None]


def test_local_time_without_a_zone_is_not_guessed() -> None:
    texts = pl.Series(["2018-04-01T00:00:00", "2018-04-01T00:00:00Z"])
    assert outcome(to_instants(texts, ColumnMapping())) == ["no_time_zone", utc(2018, 4, 1)]


def test_local_time_is_read_in_its_zone_unless_it_states_an_offset() -> None:
    texts = pl.Series(["2018-07-01T12:00:00", "2018-01-01T12:00:00", "2018-07-01T12:00:00Z"])
    paris = ColumnMapping(timezone="Europe/Paris")
    assert outcome(to_instants(texts, paris)) == [utc(2018, 7, 1, 10), utc(2018, 1, 1, 11), utc(2018, 7, 1, 12)]


def test_local_time_that_the_clocks_skip_or_repeat_is_not_one_instant() -> None:
    texts = pl.Series(["2018-03-25T02:30:00", "2018-10-28T02:30:00", "2018-10-28T03:00:00"])
    paris = ColumnMapping(timezone="Europe/Paris")
    assert outcome(to_instants(texts, paris)) == ["not_one_instant", "not_one_instant", utc(2018, 10, 28, 2)]


def test_years_beyond_python_s_are_out_of_range() -> None:
    texts = pl.Series(["0000-01-01T00:00Z", "0001-01-01T00:00+01:00", "9999-12-31T23:59Z"])
    assert outcome(to_instants(texts, ColumnMapping())) == ["out_of_range", "out_of_range", utc(9999, 12, 31, 23, 59)]


@pytest.mark.parametrize(
    ("text", "pattern", "timezone", "expected"),
    [
        ("03/02/2018 14:05", "%d/%m/%Y %H:%M", "UTC", utc(2018, 2, 3, 14, 5)),
        ("2018-02-03", "%Y-%m-%d", "America/New_York", utc(2018, 2, 3, 5)),
        ("20180203T140500+0100", "%Y%m%dT%H%M%S%z", None, utc(2018, 2, 3, 13, 5)),
        ("2018-02-03", "%d/%m/%Y", "UTC", "not_an_instant"),
        ("03/02/2018 14:05", "%d/%m/%Y %H:%M", None, "no_time_zone"),
    ],
)
def test_texts_of_another_format(text: str, pattern: str, timezone: str | None, expected: object) -> None:
    assert outcome(to_instants(pl.Series([text]), ColumnMapping(format=pattern, timezone=timezone))) == [expected]


@pytest.mark.parametrize(
    ("unit", "count", "expected"),
    [
        (Unit.SECONDS, 31, utc(2018, 4, 1, 0, 0, 31)),
        (Unit.SECONDS, 31.5, utc(2018, 4, 1, 0, 0, 31, 500_000)),
        (Unit.SECONDS, "31.5", utc(2018, 4, 1, 0, 0, 31, 500_000)),
        (Unit.MILLISECONDS, -1, utc(2018, 3, 31, 23, 59, 59, 999_000)),
        (Unit.MICROSECONDS, 1, utc(2018, 4, 1, 0, 0, 0, 1)),
        (Unit.SECONDS, 2**62, "out_of_range"),
        (Unit.SECONDS, -1e300, "out_of_range"),
        (Unit.SECONDS, "soon", "not_a_number"),
    ],
)
def test_counted_instants(unit: Unit, count: object, expected: object) -> None:
    mapped = ColumnMapping(unit=unit, since=utc(2018, 4, 1))
    assert outcome(to_instants(pl.Series([count]), mapped)) == [expected]


@pytest.mark.parametrize("kind", list(ColumnType))
def test_column_of_nothing_is_nothing_of_any_type(kind: ColumnType) -> None:
    nothing = convert(pl.Series("x", [None, None]), Column("x", kind, ""), ColumnMapping(column="x"))
    assert outcome(nothing) == [None, None]
    assert nothing.values.dtype == POLARS_TYPES[kind]


def test_timestamps_of_the_file_are_instants_if_their_zone_is_known() -> None:
    local = pl.Series([datetime(2018, 7, 1, 12)])  # noqa: DTZ001 (as a file without a zone holds it)
    assert outcome(to_instants(local, ColumnMapping(timezone="Europe/Paris"))) == [utc(2018, 7, 1, 10)]
    assert outcome(to_instants(local.dt.replace_time_zone("Asia/Tokyo"), ColumnMapping())) == [utc(2018, 7, 1, 3)]
    assert outcome(to_instants(pl.Series([date(2018, 7, 1)]), ColumnMapping(timezone="UTC"))) == [utc(2018, 7, 1)]
    with pytest.raises(FileRefused, match="without a time zone") as refused:
        to_instants(local, ColumnMapping())
    assert refused.value.reason is RefusalReason.WRONG_TYPE


def test_instant_after_another() -> None:
    earlier = pl.Series([utc(2018, 4, 1), None, utc(9999, 12, 31)], dtype=pl.Datetime("us", "UTC"))
    assert outcome(to_instants_after(earlier, timedelta(days=7))) == [utc(2018, 4, 8), None, "out_of_range"]


@pytest.mark.parametrize("convert", [to_texts, to_whole_numbers, to_numbers])
def test_type_that_can_never_fit_refuses_the_file_and_names_the_column(convert: Any) -> None:
    with pytest.raises(FileRefused, match="'when'") as refused:
        convert(pl.Series("when", [date(2018, 4, 1)]))
    assert refused.value.column == "when"
