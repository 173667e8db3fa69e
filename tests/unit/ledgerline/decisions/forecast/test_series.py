"""From months of the books to series."""

from datetime import UTC, datetime, timedelta

import polars as pl

from ledgerline.decisions.forecast.series import series_of

LATER = datetime(2030, 1, 1, tzinfo=UTC)


def months(*figures: tuple[int, float], account: str = "revenue", closing_days: int = 4) -> pl.DataFrame:
    """Return rows of one book: the month since 2020-01 and its amount, known some days after its end."""
    ends = [datetime(2020 + (place + 1) // 12, (place + 1) % 12 + 1, 1, tzinfo=UTC) for place, _ in figures]
    return pl.DataFrame(
        {
            "entity_id": ["north"] * len(figures),
            "account": [account] * len(figures),
            "event_time": [end - timedelta(microseconds=1) for end in ends],
            "available_at": [end + timedelta(days=closing_days) for end in ends],
            "amount": [amount for _, amount in figures],
        },
        schema_overrides=dict.fromkeys(("event_time", "available_at"), pl.Datetime("us", "UTC")),
    )


def test_months_come_oldest_first_whatever_order_they_arrive_in():
    rows = months((0, 1.0), (1, 2.0), (2, 3.0)).reverse()
    [series] = series_of(rows, as_of=LATER)
    assert series.values.tolist() == [1.0, 2.0, 3.0]
    assert series.name == "north/revenue"
    assert series.last_month == datetime(2020, 3, 1, tzinfo=UTC)


def test_month_that_ends_at_midnight_is_the_month_before():
    rows = months((11, 5.0)).with_columns(pl.col("event_time").dt.offset_by("1us"))
    [series] = series_of(rows, as_of=LATER)
    assert series.last_month == datetime(2020, 12, 1, tzinfo=UTC)


def test_what_became_known_later_is_not_there():
    rows = months((0, 1.0), (1, 2.0))
    [series] = series_of(rows, as_of=datetime(2020, 2, 29, tzinfo=UTC))
    assert series.values.tolist() == [1.0]


def test_corrected_month_has_its_newest_known_figure():
    rows = pl.concat([months((0, 1.0), (1, 2.0)), months((0, 9.0), closing_days=40)])
    assert series_of(rows, as_of=LATER)[0].values.tolist() == [9.0, 2.0]
    assert series_of(rows, as_of=datetime(2020, 3, 5, tzinfo=UTC))[0].values.tolist() == [1.0, 2.0]


def test_gap_ends_a_series_towards_the_past_and_what_lies_before_is_counted():
    [series] = series_of(months((0, 1.0), (1, 2.0), (3, 4.0), (4, 5.0)), as_of=LATER)
    assert series.values.tolist() == [4.0, 5.0]
    assert series.left_out == 2


def test_month_without_a_figure_is_a_gap():
    rows = months((0, 1.0), (1, 2.0), (2, 3.0)).with_columns(
        amount=pl.when(pl.col("amount") == 2.0).then(None).otherwise("amount")
    )
    assert series_of(rows, as_of=LATER)[0].values.tolist() == [3.0]


def test_accounts_are_series_of_their_own():
    rows = pl.concat([months((0, 1.0)), months((0, 2.0), account="cost")])
    assert [series.name for series in series_of(rows, as_of=LATER)] == ["north/cost", "north/revenue"]


def test_no_rows_are_no_series():
    assert series_of(months((0, 1.0)).clear(), as_of=LATER) == []
