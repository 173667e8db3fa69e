"""Every kind of feature over random histories: both executors against a brute-force oracle, nulls included."""

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_store.expressions import feature
from feature_store.features import (
    Aggregation,
    Derived,
    EventSequence,
    Measure,
    RowExpression,
    Source,
    WindowAggregate,
)
from feature_store.lookahead import leaks
from feature_store.offline import compute, decide
from feature_store.online import OnlineFeatures
from feature_store.transforms import Divided
from feature_store.view import FeatureView
from ledgerline.core.contracts import (
    AVAILABLE_AT,
    EVENT_TIME,
    FRAUD_LABELS,
    Column,
    ColumnType,
    DatasetContract,
    Domain,
    Timeliness,
)

START = datetime(2024, 2, 27, tzinfo=UTC)
INSTANT = pl.Datetime("us", "UTC")
HOUR = timedelta(hours=1)
PAYMENTS = DatasetContract(
    name="rated_payments",
    version=1,
    domain=Domain.BUSINESS,
    columns=(
        Column("transaction_id", ColumnType.STRING, "names the payment"),
        Column("customer_id", ColumnType.STRING, "who pays"),
        Column("terminal_id", ColumnType.STRING, "where"),
        Column("amount_minor", ColumnType.MINOR_UNITS, "how much"),
        Column("rate", ColumnType.NUMBER, "at what rate"),
        EVENT_TIME,
        AVAILABLE_AT,
    ),
    key=("transaction_id",),
    timeliness=Timeliness.OBSERVED,
    owner="tests",
    retention_days=None,
    description="Payments with a rate.",
)
CENTS = Measure(Source.EVENTS, "amount_minor", divide_by=100)
RATE = Measure(Source.EVENTS, "rate", divide_by=1_000)
FRAUD = Measure(Source.LABELS, "is_fraud")


def _windows() -> list[WindowAggregate]:
    windows = []
    for by in ("customer_id", "terminal_id"):
        for hours, delay, rows in ((10, 0, None), (10, 0, 2), (40, 5, None), (40, 5, 3)):
            span = {"by": by, "over": hours * HOUR, "delay": delay * HOUR, "rows": rows, "description": "", "unit": ""}
            name = f"{by}_{hours}_{delay}_{rows}"
            windows += [
                WindowAggregate(name=f"{name}_count", how=Aggregation.COUNT, **span),
                *(
                    WindowAggregate(name=f"{name}_{how}_{of.column}", how=how, of=of, **span)
                    for how in (Aggregation.SUM, Aggregation.MEAN, Aggregation.MIN, Aggregation.MAX, Aggregation.STD)
                    for of in (CENTS, RATE)
                ),
                *(
                    WindowAggregate(name=f"{name}_last_{lag}", how=Aggregation.LAST, of=CENTS, lag=lag, **span)
                    for lag in (0, 1, 2)
                ),
                WindowAggregate(
                    name=f"{name}_ew", how=Aggregation.EW_MEAN, of=RATE, half_life=timedelta(hours=3), **span
                ),
            ]
            if rows is None:
                windows.append(WindowAggregate(name=f"{name}_risk", how=Aggregation.MEAN, of=FRAUD, **span))
    return windows


WINDOWS = _windows()
SEQUENCES = [
    EventSequence(name="last_amounts", by="customer_id", of=CENTS, rows=4, over=60 * HOUR, description="", unit=""),
    EventSequence(
        name="old_rates", by="terminal_id", of=RATE, rows=2, over=60 * HOUR, delay=5 * HOUR, description="", unit=""
    ),
]
USUAL = "customer_id_10_0_None_mean_amount_minor"
VIEW = FeatureView(
    name="every_kind",
    description="",
    owner="",
    events=PAYMENTS,
    labels=FRAUD_LABELS,
    entities=("customer_id", "terminal_id"),
    features=(
        RowExpression("amount", "amount_minor", Divided(by=100), "", ""),
        *WINDOWS,
        *SEQUENCES,
        Derived(name="to_usual", expression=feature("amount") / feature(USUAL) - 1, description="", unit=""),
        Derived(
            name="spread",
            expression=(
                feature("terminal_id_40_5_None_max_amount_minor") - feature("terminal_id_40_5_None_min_amount_minor")
            ).log1p(),
            description="",
            unit="",
        ),
        Derived(name="is_high", expression=feature("to_usual") > 0.43210987, description="", unit=""),
    ),
)
SHORT_LIVED = replace(VIEW, name="short_lived", ttl=6 * HOUR)

Row = dict[str, Any]
# Whole hours collide on purpose: windows of whole hours then begin and end exactly on events.
HOURS = st.one_of(st.integers(0, 120), st.integers(0, 1200).map(lambda tenths: tenths / 10))
LATENESS = st.one_of(st.just(0), st.just(0), st.integers(0, 60))


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[Row], list[Row]]:
    ids = draw(st.lists(st.integers(0, 1500), min_size=1, max_size=14, unique=True))
    payments, labels = [], []
    for number in ids:
        made = draw(HOURS)
        for _ in range(draw(st.sampled_from((1, 1, 1, 2)))):
            payments.append(
                {
                    "transaction_id": str(number),
                    "customer_id": draw(st.sampled_from("ab")),
                    "terminal_id": draw(st.sampled_from("xy")),
                    "amount_minor": draw(st.integers(-99_999, 99_999)),
                    "rate": draw(st.floats(-50, 50, allow_nan=False)),
                    "event_time": START + made * HOUR,
                    "available_at": START + (made + draw(LATENESS)) * HOUR,
                }
            )
        for _ in range(draw(st.sampled_from((0, 1, 2)))):
            labels.append(
                {
                    "transaction_id": str(number),
                    "is_fraud": draw(st.booleans()),
                    "event_time": START + made * HOUR,
                    "available_at": START + (made + draw(st.integers(0, 50))) * HOUR,
                }
            )
    return draw(st.permutations(payments)), labels


def frames(payments: list[Row], labels: list[Row]) -> tuple[pl.DataFrame, pl.DataFrame]:
    text = dict.fromkeys(("transaction_id", "customer_id", "terminal_id"), pl.String)
    instants = {"event_time": INSTANT, "available_at": INSTANT}
    return (
        pl.DataFrame(payments, schema={**text, "amount_minor": pl.Int64, "rate": pl.Float64, **instants}),
        pl.DataFrame(labels, schema={"transaction_id": pl.String, "is_fraud": pl.Boolean, **instants}),
    )


def arrival(row: Row) -> tuple[datetime, int, str]:
    return row["available_at"], len(row["transaction_id"]), row["transaction_id"]


def first_arrivals(payments: list[Row]) -> list[Row]:
    unique: dict[str, Row] = {}
    for row in sorted(payments, key=arrival):
        unique.setdefault(row["transaction_id"], row)
    return list(unique.values())


def by_definition(
    view: FeatureView, row: Row | None, entities: Row, now: datetime, arrived: list[Row], labels: list[Row]
) -> Row:
    """Compute every feature of one decision by its definition, reading everything for every value."""
    values: Row = {"amount": None if row is None else row["amount_minor"] / 100}
    for each in WINDOWS:
        counted = _counted(each, entities, now, arrived)
        values[each.name] = _aggregate(each, counted, now, labels)
    for each in SEQUENCES:
        counted = _counted(each, entities, now, arrived)[-each.rows :]
        known = [_number(each.of, event) for event in counted]
        values[each.name] = [None] * (each.rows - len(known)) + known
    if view.ttl is not None:
        for each in (*WINDOWS, *SEQUENCES):
            seen = [e["event_time"] for e in arrived if e[each.by] == entities[each.by] and e["event_time"] <= now]
            if not seen or now - max(seen) > view.ttl:
                values[each.name] = [None] * each.rows if isinstance(each, EventSequence) else None
    amount, usual = values["amount"], values[USUAL]
    values["to_usual"] = None if amount is None or not usual else amount / usual - 1
    high, low = (values[f"terminal_id_40_5_None_{end}_amount_minor"] for end in ("max", "min"))
    values["spread"] = None if high is None else math.log1p(high - low)
    values["is_high"] = None if values["to_usual"] is None else float(values["to_usual"] > 0.43210987)
    return {name: values[name] for name in view.feature_names}


def _counted(each: WindowAggregate | EventSequence, entities: Row, now: datetime, arrived: list[Row]) -> list[Row]:
    """Return the events of the window, oldest first; of one time, as they arrived."""
    end = now - each.delay
    inside = [e for e in arrived if e[each.by] == entities[each.by] and end - each.over < e["event_time"] <= end]
    return sorted(inside, key=lambda event: (event["event_time"], arrival(event)))


def _number(of: Measure, event: Row) -> float:
    if of is RATE:
        return round(event["rate"] * 1_000) / 1_000
    return event["amount_minor"] / 100


def _aggregate(window: WindowAggregate, counted: list[Row], now: datetime, labels: list[Row]) -> float | None:
    if window.rows is not None:
        counted = counted[-window.rows :]
    if window.how is Aggregation.COUNT:
        return len(counted)
    if window.how is Aggregation.LAST:
        return _number(window.of, counted[-1 - window.lag]) if window.lag < len(counted) else None
    if not counted:
        return None
    if window.of is FRAUD:
        return sum(_is_fraud(event, now, labels) for event in counted) / len(counted)
    numbers = [_number(window.of, event) for event in counted]
    if window.how is Aggregation.EW_MEAN:
        weights = [0.5 ** ((now - event["event_time"]) / window.half_life) for event in counted]
        return sum(map(math.prod, zip(weights, numbers, strict=True))) / sum(weights)
    mean = math.fsum(numbers) / len(numbers)
    return {
        Aggregation.SUM: math.fsum(numbers),
        Aggregation.MEAN: mean,
        Aggregation.MIN: min(numbers),
        Aggregation.MAX: max(numbers),
        Aggregation.STD: math.sqrt(math.fsum((number - mean) ** 2 for number in numbers) / len(numbers)),
    }[window.how]


def _is_fraud(event: Row, now: datetime, labels: list[Row]) -> int:
    known = [
        (label["available_at"], label["is_fraud"])
        for label in labels
        if label["transaction_id"] == event["transaction_id"] and label["available_at"] <= now
    ]
    return int(max(known)[1]) if known else 0


def same(found: list[Row], expected: list[Row]) -> None:
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert one.keys() == other.keys()
        for name in other:
            left, right = (value if isinstance(value, list) else [value] for value in (one[name], other[name]))
            assert [each is None for each in left] == [each is None for each in right], name
            assert [each for each in left if each is not None] == pytest.approx(
                [each for each in right if each is not None], rel=1e-9, abs=1e-9
            ), name


def replay(view: FeatureView, payments: list[Row], labels: list[Row]) -> list[Row]:
    """Feed labels and payments as they became known; return the vector of each first arrival."""
    online, first = OnlineFeatures(view), {id(row) for row in first_arrivals(payments)}
    stream = [(label["available_at"], 0, (0, ""), label) for label in labels]
    stream += [(row["available_at"], 1, arrival(row)[1:], row) for row in payments]
    vectors = []
    for _, is_payment, _, row in sorted(stream, key=lambda entry: entry[:3]):
        if id(row) in first:
            vectors.append(online.vector(row))
        (online.observe if is_payment else online.observe_label)(row)
    return vectors


@pytest.mark.parametrize("view", [VIEW, SHORT_LIVED], ids=lambda view: view.name)
@settings(max_examples=40, deadline=None)
@given(history=histories())
def test_every_kind_of_feature_is_the_same_offline_online_and_by_definition(view, history):
    payments, labels = history
    rows = first_arrivals(payments)
    expected = [
        by_definition(view, row, row, row["available_at"], rows[: position + 1], labels)
        for position, row in enumerate(rows)
    ]

    offline = compute(view, *frames(payments, labels))

    assert offline["transaction_id"].to_list() == [row["transaction_id"] for row in rows]
    same(offline.select(view.feature_names).to_dicts(), expected)
    same(replay(view, payments, labels), expected)


@pytest.mark.parametrize("view", [VIEW, SHORT_LIVED], ids=lambda view: view.name)
@settings(max_examples=25, deadline=None)
@given(
    history=histories(),
    asked=st.lists(st.tuples(HOURS, st.sampled_from(["a", "b", "c", None]), st.sampled_from("xyz")), max_size=6),
)
def test_decision_about_entities_sees_what_had_arrived_by_its_instant(view, history, asked):
    payments, labels = history
    rows = first_arrivals(payments)
    decisions = [{"customer_id": c, "terminal_id": t, "at": START + hours * HOUR} for hours, c, t in asked]

    found = decide(
        view,
        *frames(payments, labels),
        pl.DataFrame(decisions, schema={"customer_id": pl.String, "terminal_id": pl.String, "at": INSTANT}),
    )

    expected = [
        by_definition(view, None, each, each["at"], [r for r in rows if r["available_at"] <= each["at"]], labels)
        for each in decisions
    ]
    same(found.to_dicts(), expected)


@settings(max_examples=20, deadline=None)
@given(history=histories(), hours=st.lists(st.integers(0, 180), min_size=1, max_size=2))
def test_truncated_history_reproduces_every_kind_of_feature_bit_for_bit(history, hours):
    payments, labels = frames(*history)
    sources = {PAYMENTS.name: payments, FRAUD_LABELS.name: labels}

    assert leaks(SHORT_LIVED, SHORT_LIVED.compute, sources, cuts=[START + hour * HOUR for hour in hours]) == []


@settings(max_examples=20, deadline=None)
@given(history=histories(), hours=st.integers(0, 180))
def test_rows_decided_since_an_instant_are_those_of_the_whole_history(history, hours):
    payments, labels = frames(*history)
    since = START + hours * HOUR

    whole = compute(VIEW, payments, labels)

    assert compute(VIEW, payments, labels, since=since).equals(whole.filter(pl.col("available_at") >= since))
