"""The offline executor sees what a decision saw, no more and no less."""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest

from feature_store.errors import SourceInvalid
from feature_store.features import Aggregation
from feature_store.offline import compute

START = int(datetime(2024, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000


def test_payment_counts_itself_and_those_before_it_in_the_window(computed, payment):
    rows = computed([payment("1", 0, cents=100), payment("2", 3, cents=200), payment("3", 9, cents=600)])

    assert [rows[name]["count"] for name in "123"] == [1, 2, 3]
    assert [rows[name]["mean"] for name in "123"] == [1.0, 1.5, 3.0]


def test_window_is_open_at_its_start_and_closed_at_its_end(computed, payment):
    rows = computed([payment("1", 0), payment("2", 9.999), payment("3", 10)])

    assert rows["2"]["count"] == 2
    assert rows["3"]["count"] == 2, "the payment exactly ten minutes ago has left"


def test_other_customers_do_not_count(computed, payment):
    rows = computed([payment("1", 0), payment("2", 1, customer="other")])

    assert rows["2"]["count"] == 1


def test_late_payment_is_invisible_before_it_arrives_and_counts_afterwards(computed, payment):
    rows = computed([payment("late", 1, known=6), payment("before", 4), payment("after", 8)])

    assert rows["before"]["count"] == 1
    assert rows["late"]["count"] == 2, "decided at minute six, it sees itself and the one at minute four"
    assert rows["after"]["count"] == 3


def test_payment_later_than_its_own_window_counts_for_nobody_and_gives_the_empty_value(computed, payment):
    rows = computed([payment("late", 0, known=30), payment("next", 30)])

    assert (rows["late"]["count"], rows["late"]["mean"]) == (0, 0.0)
    assert rows["next"]["count"] == 1


def test_payments_of_one_instant_see_each_other_in_the_order_of_numeric_ids(computed, payment):
    rows = computed([payment("10", 5), payment("9", 5), payment("100", 5)])

    assert [rows[name]["count"] for name in ("9", "10", "100")] == [1, 2, 3]


def test_repeated_payment_counts_once_as_it_first_arrived(computed, payment):
    rows = computed(
        [payment("1", 0, known=2, cents=500), payment("1", 0, known=0, cents=100), payment("2", 3, cents=300)]
    )

    assert len(rows) == 2
    assert rows["1"]["amount"] == 1.0
    assert (rows["2"]["count"], rows["2"]["mean"]) == (2, 2.0)


def test_delayed_window_begins_at_the_delay_and_ends_after_its_length(computed, payment):
    rows = computed([payment("1", 0), payment("2", 4.999), payment("3", 5), payment("4", 14.999), payment("5", 15)])

    assert [rows[name]["delayed_count"] for name in "12345"] == [0, 0, 1, 3, 2]


def test_risk_is_the_share_of_known_frauds_among_the_delayed_payments(computed, payment, label):
    payments = [payment("1", 0), payment("2", 1), payment("3", 2), payment("4", 9)]

    rows = computed(payments, [label("1", 0, known=5), label("2", 1, known=6, fraud=False)])

    assert rows["4"]["delayed_count"] == 3
    assert rows["4"]["risk"] == 1 / 3, "the third has no label and counts as genuine"
    assert rows["1"]["risk"] == 0.0, "nothing in the window"


def test_label_counts_from_the_instant_it_is_known(computed, payment, label):
    rows = computed([payment("1", 0), payment("2", 7.999), payment("3", 8)], [label("1", 0, known=8)])

    assert (rows["2"]["delayed_count"], rows["2"]["risk"]) == (1, 0.0)
    assert rows["3"]["risk"] == 1.0


def test_label_known_before_its_delay_waits_for_the_delay(computed, payment, label):
    rows = computed([payment("1", 0), payment("2", 4), payment("3", 6)], [label("1", 0, known=1)])

    assert [rows[name]["risk"] for name in "23"] == [0.0, 1.0]


def test_later_label_replaces_the_earlier_from_its_own_availability_on(computed, payment, label):
    labels = [label("1", 0, known=5), label("1", 0, known=9, fraud=False)]

    rows = computed([payment("1", 0), payment("2", 8), payment("3", 9)], labels)

    assert [rows[name]["risk"] for name in "23"] == [1.0, 0.0]


def test_of_two_labels_of_one_instant_fraud_holds(computed, payment, label):
    labels = [label("1", 0, known=5), label("1", 0, known=5, fraud=False)]

    assert computed([payment("1", 0), payment("2", 6)], labels)["2"]["risk"] == 1.0


def test_label_of_a_payment_that_is_late_counts_once_the_payment_has_arrived(computed, payment, label):
    payments = [payment("late", 0, known=8), payment("before", 7), payment("after", 9)]

    rows = computed(payments, [label("late", 0, known=6)])

    assert rows["before"]["delayed_count"] == 0
    assert (rows["after"]["delayed_count"], rows["after"]["risk"]) == (1, 1.0)


def test_label_is_its_payments_by_id_whatever_time_it_states(computed, payment, label):
    rows = computed([payment("1", 0), payment("2", 6)], [label("1", -500, known=5), label("nobody's", 0, known=5)])

    assert rows["2"]["risk"] == 1.0


def test_rows_come_in_arrival_order_whatever_order_they_were_given_in(view, frames, payment):
    events, labels = frames([payment("3", 9), payment("20", 4), payment("1", 2, known=10), payment("5", 4)])

    assert compute(view, events, labels)["transaction_id"].to_list() == ["5", "20", "3", "1"]


def test_no_payments_give_no_rows_with_every_column(view, frames):
    rows = compute(view, *frames([]))

    assert rows.height == 0
    assert rows.columns == [*view.key_columns, *view.feature_names]


def test_whole_amounts_divide_exactly_as_python_divides_them(view, frames, payment):
    events, labels = frames([payment(str(cents), cents, cents=cents) for cents in range(1, 3000, 7)])

    rows = compute(view, events, labels)

    assert rows["amount"].to_list() == [cents / 100 for cents in range(1, 3000, 7)]


def test_null_is_refused_with_its_column(view, frames, payment):
    events, labels = frames([payment("1", 0) | {"amount_minor": None}])

    with pytest.raises(SourceInvalid, match="amount_minor"):
        compute(view, events, labels)


def test_amount_as_a_float_is_refused(view, frames, payment):
    events, labels = frames([payment("1", 0)])

    with pytest.raises(SourceInvalid, match="amount_minor is Float64"):
        compute(view, events.with_columns(pl.col("amount_minor").cast(pl.Float64)), labels)


def test_missing_column_is_refused_by_name(view, frames, payment):
    events, labels = frames([payment("1", 0)])

    with pytest.raises(SourceInvalid, match="terminal_id is absent"):
        compute(view, events.drop("terminal_id"), labels)


def test_history_worked_on_by_every_core_is_that_of_each_customer_alone(view):
    """Large enough that entities are shared out among threads; each alone is not."""
    generator = np.random.default_rng(7)
    rows, customers = 30_000, 40
    minutes = pl.Series(generator.integers(0, 5_000, rows)) * 60_000_000
    made = (minutes + START).cast(pl.Datetime("us", "UTC"))
    late = pl.Series(generator.integers(0, 4, rows)) * 60_000_000
    transactions = pl.DataFrame(
        {
            "transaction_id": [str(number) for number in range(rows)],
            "customer_id": [f"c{number}" for number in generator.integers(0, customers, rows)],
            "terminal_id": "t",
            "amount_minor": generator.integers(1, 10_000, rows),
            "event_time": made,
            "available_at": made + late.cast(pl.Duration("us")),
        }
    )
    of_customers = replace(view, features=tuple(each for each in view.features if each.name in ("count", "mean")))

    whole = compute(of_customers, transactions)

    for customer in ("c0", "c39"):
        alone = compute(of_customers, transactions.filter(pl.col("customer_id") == customer))
        assert whole.filter(pl.col("customer_id") == customer).equals(alone)


@pytest.mark.parametrize("late", [0, 3], ids=["in order", "out of order"])
@pytest.mark.parametrize("how", [Aggregation.MIN, Aggregation.MAX])
def test_extremes_of_a_busy_customer_are_those_of_each_window(view, how, late):
    generator = np.random.default_rng(3)
    rows = 400
    minutes = np.sort(generator.integers(0, 300, rows))
    arrived = minutes + generator.integers(0, late + 1, rows)
    amounts = generator.integers(-500, 500, rows)
    transactions = pl.DataFrame(
        {
            "transaction_id": [str(number) for number in range(rows)],
            "customer_id": "c",
            "terminal_id": "t",
            "amount_minor": amounts,
            "event_time": pl.Series(minutes * 60_000_000 + START).cast(pl.Datetime("us", "UTC")),
            "available_at": pl.Series(arrived * 60_000_000 + START).cast(pl.Datetime("us", "UTC")),
        }
    )
    window = replace(view.windows[1], name="extreme", how=how)

    found = compute(replace(view, features=(window,)), transactions)

    order = np.lexsort((np.arange(rows), arrived))
    best = min if how is Aggregation.MIN else max
    expected = [
        best(
            amounts[other] / 100
            for other in order[: position + 1]
            if arrived[row] - 10 < minutes[other] <= arrived[row]
        )
        for position, row in enumerate(order)
    ]
    assert found["extreme"].to_list() == expected
