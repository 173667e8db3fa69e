"""Sums that 64 bits do not hold are refused, never wrong."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from feature_store.errors import SourceInvalid, ViewInvalid
from feature_store.expressions import feature
from feature_store.features import Aggregation, Derived, Measure, Source
from feature_store.offline import compute
from feature_store.online import OnlineFeatures
from feature_store.transforms import Divided
from ledgerline.core.contracts import TRANSACTIONS, Column, ColumnType

START = datetime(2024, 1, 1, tzinfo=UTC)
RATED = replace(TRANSACTIONS, columns=(*TRANSACTIONS.columns, Column("rate", ColumnType.NUMBER, "at what rate")))


def rows(**values):
    count = len(next(iter(values.values())))
    minutes = [START + timedelta(minutes=minute) for minute in range(count)]
    same = {"customer_id": ["c"] * count, "terminal_id": ["t"] * count}
    frame = {"transaction_id": [str(number) for number in range(count)], **same, "amount_minor": [1] * count}
    instants = {"event_time": minutes, "available_at": minutes}
    schema = dict.fromkeys(("event_time", "available_at"), pl.Datetime("us", "UTC"))
    return pl.DataFrame({**frame, **values, **instants}, schema_overrides=schema)


def over(view, how, column, divide_by=1):
    window = replace(view.windows[1], name="w", how=how, of=Measure(Source.EVENTS, column, divide_by=divide_by))
    return replace(view, events=RATED, features=(window,))


@pytest.mark.parametrize("how", [Aggregation.SUM, Aggregation.MEAN, Aggregation.STD])
def test_amounts_that_may_add_up_to_more_than_64_bits_are_refused(view, how):
    with pytest.raises(SourceInvalid, match="amount_minor: the values of 3 events may add up"):
        compute(over(view, how, "amount_minor"), rows(amount_minor=[2**62] * 3))


@pytest.mark.parametrize(("rate", "divide_by"), [(1e14, 10**6), (float("nan"), 1), (float("inf"), 1)])
def test_number_that_has_no_whole_steps_in_64_bits_is_refused_offline_and_online(view, rate, divide_by):
    rated = over(view, Aggregation.MAX, "rate", divide_by)
    one = rows(rate=[rate])

    with pytest.raises(SourceInvalid, match="rate"):
        compute(rated, one)
    with pytest.raises(SourceInvalid, match="rate"):
        OnlineFeatures(rated).vector(one.row(0, named=True))


def test_extremes_of_the_least_whole_number_are_themselves(view):
    amounts = [-(2**63), 5, -7]

    greatest = compute(over(view, Aggregation.MAX, "amount_minor"), rows(amount_minor=amounts))
    least = compute(over(view, Aggregation.MIN, "amount_minor"), rows(amount_minor=amounts))

    assert greatest["w"].to_list() == [float(-(2**63)), 5.0, 5.0]
    assert least["w"].to_list() == [float(-(2**63))] * 3


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda view: {"features": (replace(view.windows[0], name="customer_id"),)}, "named like a key column"),
        (lambda view: {"entities": ("customer_id", "customer_id", "terminal_id")}, "stands twice"),
        (lambda view: {"features": (replace(view.windows[1], empty=float("nan")),)}, "an empty window"),
        (
            lambda view: {"features": (replace(view.windows[1], of=Measure(Source.EVENTS, "amount_minor", 10**18)),)},
            "steps a unit",
        ),
        (
            lambda view: {"features": (Derived(name="d", expression=feature("a") == 3, description="", unit=""),)},
            "no expression",
        ),
        (lambda view: {"features": (replace(view.row_features[0], transform=Divided(by=0)),)}, "divided by zero"),
    ],
)
def test_declaration_that_could_not_be_computed_is_refused(view, change, said):
    with pytest.raises(ViewInvalid, match=said):
        replace(view, **change(view))
