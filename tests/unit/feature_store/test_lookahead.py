"""The look-ahead test passes honest computations and catches planted leaks."""

from collections.abc import Mapping

import polars as pl
import pytest

from feature_store.lookahead import Found, differences, leaks
from feature_store.offline import compute


@pytest.fixture
def history(frames, payment, label):
    payments = [
        payment(str(minute), minute, cents=100 + minute, known=minute + (7 if minute % 5 == 0 else 0))
        for minute in range(60)
    ]
    events, labels = frames(payments, [label(str(minute), minute, known=minute + 8) for minute in range(0, 60, 3)])
    return {"transactions": events, "fraud_labels": labels}


@pytest.fixture
def cuts(payment):
    return [payment("", minute)["event_time"] for minute in (20, 33.5, 50)]


def test_executor_does_not_look_ahead(view, history, cuts):
    assert leaks(view, view.compute, history, cuts=cuts) == []


def test_label_used_before_it_was_known_is_caught(view, history, cuts):
    def leaking(sources: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
        events, labels = sources["transactions"], sources["fraud_labels"]
        return compute(view, events, labels.with_columns(available_at="event_time"))

    found = leaks(view, leaking, history, cuts=cuts)

    assert {leak.column for leak in found} == {"risk"}
    assert all(leak.rows > 0 for leak in found)


def test_late_payment_joined_by_event_time_is_caught(view, history, cuts):
    def leaking(sources: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
        events, labels = sources["transactions"], sources["fraud_labels"]
        early = compute(view, events.with_columns(available_at="event_time"), labels)
        known = events.select("transaction_id", "available_at")
        return early.drop("available_at").join(known, on="transaction_id").sort("available_at", "event_time")

    assert {"count", "mean"} <= {leak.column for leak in leaks(view, leaking, history, cuts=cuts)}


def test_scaling_by_the_whole_history_is_caught(view, history, cuts):
    def leaking(sources: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
        events, labels = sources["transactions"], sources["fraud_labels"]
        return compute(view, events, labels).with_columns(pl.col("amount") / pl.col("amount").max())

    assert {leak.column for leak in leaks(view, leaking, history, cuts=cuts)} == {"amount"}


def test_customer_who_is_another_once_a_later_payment_comes_is_caught(view, history, cuts):
    def leaking(sources: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
        events, labels = sources["transactions"], sources["fraud_labels"]
        known = pl.lit(f"customer known at {events['available_at'].max()}")
        return compute(view, events, labels).with_columns(customer_id=known)

    assert {leak.column for leak in leaks(view, leaking, history, cuts=cuts)} == {"customer_id"}


@pytest.mark.parametrize(
    ("column", "other"),
    [
        ("customer_id", pl.lit("another")),
        ("terminal_id", pl.lit("another")),
        ("event_time", pl.col("event_time").dt.offset_by("-1us")),
        ("available_at", pl.col("available_at").dt.offset_by("1us")),
    ],
)
def test_sealed_key_that_is_not_what_its_rows_give_is_found(view, history, cuts, column, other):
    again = view.compute(history)
    sealed = again.with_columns(pl.when(pl.int_range(pl.len()) == 3).then(other).otherwise(column).alias(column))

    (leak,) = differences(view, sealed, again, cuts[0], Found.SEALED)

    assert (leak.column, leak.rows, leak.example, leak.found) == (column, 1, again["transaction_id"][3], Found.SEALED)


def test_rows_that_come_and_go_are_caught(view, history, cuts):
    def leaking(sources: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
        events, labels = sources["transactions"], sources["fraud_labels"]
        return compute(view, events, labels).filter(pl.len() % 2 == 0)

    assert {leak.column for leak in leaks(view, leaking, history, cuts=cuts)} == {"transaction_id"}
