"""Random histories through both executors and a brute-force oracle: late, repeated, of one instant, without labels."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_store.features import Aggregation, Measure, RowExpression, Source, WindowAggregate
from feature_store.lookahead import leaks
from feature_store.offline import compute
from feature_store.online import OnlineFeatures, recent_events
from feature_store.transforms import Divided, HourUntil, WeekdayFrom
from feature_store.view import FeatureView
from ledgerline.core.contracts import FRAUD_LABELS, TRANSACTIONS

START = datetime(2024, 2, 27, tzinfo=UTC)
INSTANT = pl.Datetime("us", "UTC")
CENTS = Measure(Source.EVENTS, "amount_minor", divide_by=100)
FRAUD = Measure(Source.LABELS, "is_fraud")


def _window(by: str, how: Aggregation, of: Measure | None, hours: int, delay: int) -> WindowAggregate:
    return WindowAggregate(
        name=f"{by}_{how}_{of.column if of else 'rows'}_{hours}_{delay}",
        by=by,
        how=how,
        of=of,
        over=timedelta(hours=hours),
        delay=timedelta(hours=delay),
        empty=-1.0 if how is Aggregation.SUM else 0.0,
        description="",
        unit="",
    )


VIEW = FeatureView(
    name="random",
    description="",
    owner="",
    events=TRANSACTIONS,
    labels=FRAUD_LABELS,
    entities=("customer_id", "terminal_id"),
    features=(
        RowExpression("amount", "amount_minor", Divided(by=100), "", ""),
        RowExpression("weekend", "event_time", WeekdayFrom(first=5), "", ""),
        RowExpression("night", "event_time", HourUntil(last=6), "", ""),
        *(
            _window(by, how, of, hours, delay)
            for by in ("customer_id", "terminal_id")
            for hours, delay in ((1, 0), (10, 0), (10, 5), (40, 5))
            for how, of in (
                (Aggregation.COUNT, None),
                (Aggregation.MEAN, CENTS),
                (Aggregation.SUM, CENTS),
                (Aggregation.MEAN, FRAUD),
                (Aggregation.SUM, FRAUD),
            )
        ),
    ),
)

# Whole hours collide on purpose: windows of whole hours then begin and end exactly on events.
HOURS = st.one_of(st.integers(0, 120), st.integers(0, 1200).map(lambda tenths: tenths / 10))
LATENESS = st.one_of(st.just(0), st.just(0), st.integers(0, 60))


@dataclass(frozen=True)
class History:
    """Payments and labels as rows, and as the frames of their contracts."""

    payments: list[dict[str, Any]]
    labels: list[dict[str, Any]]

    @property
    def frames(self) -> tuple[pl.DataFrame, pl.DataFrame]:
        text = dict.fromkeys(("transaction_id", "customer_id", "terminal_id"), pl.String)
        instants = {"event_time": INSTANT, "available_at": INSTANT}
        return (
            pl.DataFrame(self.payments, schema={**text, "amount_minor": pl.Int64, **instants}),
            pl.DataFrame(self.labels, schema={"transaction_id": pl.String, "is_fraud": pl.Boolean, **instants}),
        )


@st.composite
def histories(draw: st.DrawFn) -> History:
    ids = draw(st.lists(st.integers(0, 1500), min_size=1, max_size=25, unique=True))
    payments, labels = [], []
    for number in ids:
        made = draw(HOURS)
        copies = draw(st.sampled_from((1, 1, 1, 2)))
        for _ in range(copies):
            payments.append(
                {
                    "transaction_id": str(number),
                    "customer_id": draw(st.sampled_from("ab")),
                    "terminal_id": draw(st.sampled_from("xyz")),
                    "amount_minor": draw(st.integers(1, 99_999)),
                    "event_time": START + timedelta(hours=made),
                    "available_at": START + timedelta(hours=made + draw(LATENESS)),
                }
            )
        for _ in range(draw(st.sampled_from((0, 1, 1, 2)))):
            misdated = draw(st.sampled_from((0, 0, 0, 1, -200)))
            labels.append(
                {
                    "transaction_id": str(number) if draw(st.integers(0, 9)) else "nobody's",
                    "is_fraud": draw(st.booleans()),
                    "event_time": START + timedelta(hours=made + misdated),
                    "available_at": START + timedelta(hours=made + draw(st.integers(0, 50))),
                }
            )
    return History(draw(st.permutations(payments)), labels)


def arrival(row: dict[str, Any]) -> tuple[datetime, int, str]:
    return row["available_at"], len(row["transaction_id"]), row["transaction_id"]


def first_arrivals(payments: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return payments in arrival order, each id once."""
    unique: dict[str, dict[str, Any]] = {}
    for row in sorted(payments, key=arrival):
        unique.setdefault(row["transaction_id"], row)
    return list(unique.values())


def oracle(history: History) -> list[dict[str, float]]:
    """Compute every feature by its definition, reading everything for every value."""
    rows = first_arrivals(history.payments)
    return [_by_definition(row, rows[: position + 1], history.labels) for position, row in enumerate(rows)]


def _by_definition(
    row: dict[str, Any], arrived: list[dict[str, Any]], labels: list[dict[str, Any]]
) -> dict[str, float]:
    now = row["available_at"]

    def fraud(event: dict[str, Any]) -> int:
        known = [
            (label["available_at"], label["is_fraud"])
            for label in labels
            if label["transaction_id"] == event["transaction_id"] and label["available_at"] <= now
        ]
        return int(max(known)[1]) if known else 0

    values: dict[str, float] = {
        "amount": row["amount_minor"] / 100,
        "weekend": row["event_time"].weekday() >= 5,
        "night": row["event_time"].hour <= 6,
    }
    for window in VIEW.windows:
        end = now - window.delay
        counted = [
            event
            for event in arrived
            if event[window.by] == row[window.by] and end - window.over < event["event_time"] <= end
        ]
        if window.of is None:
            values[window.name] = len(counted)
        elif not counted:
            values[window.name] = window.empty
        else:
            total = sum(fraud(event) if window.of is FRAUD else event["amount_minor"] for event in counted)
            shared = total / len(counted) if window.how is Aggregation.MEAN else total
            values[window.name] = shared / window.of.divide_by
    return values


def replay(online: OnlineFeatures, history: History, *, after: datetime | None = None) -> list[dict[str, float]]:
    """Feed labels and payments as they became known; return the vector of each first arrival."""
    stream = sorted(
        [(label["available_at"], 0, (0, ""), label) for label in history.labels]
        + [(row["available_at"], 1, arrival(row)[1:], row) for row in history.payments],
        key=lambda entry: entry[:3],
    )
    first = {id(row) for row in first_arrivals(history.payments)}
    vectors = []
    for moment, is_payment, _, row in stream:
        if after and moment <= after:
            continue
        if is_payment and id(row) in first:
            vectors.append(online.vector(row))
        (online.observe if is_payment else online.observe_label)(row)
    return vectors


@settings(max_examples=150, deadline=None)
@given(histories())
def test_both_executors_and_the_definition_agree_to_the_last_bit(history):
    expected = oracle(history)

    offline = compute(VIEW, *history.frames)

    assert offline["transaction_id"].to_list() == [row["transaction_id"] for row in first_arrivals(history.payments)]
    assert offline.select(VIEW.feature_names).to_dicts() == expected
    assert replay(OnlineFeatures(VIEW), history) == expected


@settings(max_examples=100, deadline=None)
@given(histories(), st.integers(0, 180))
def test_executor_that_restarts_from_a_state_goes_on_to_the_last_bit(history, hours):
    as_of = START + timedelta(hours=hours)
    restarted = OnlineFeatures(VIEW)
    restarted.bootstrap(recent_events(VIEW, *history.frames, as_of=as_of), as_of=as_of)

    vectors = replay(restarted, history, after=as_of)

    rows = zip(first_arrivals(history.payments), oracle(history), strict=True)
    assert vectors == [values for row, values in rows if row["available_at"] > as_of]


@settings(max_examples=75, deadline=None)
@given(histories(), st.lists(st.integers(0, 180), min_size=1, max_size=3))
def test_truncated_history_reproduces_every_past_value_bit_for_bit(history, hours):
    cuts = [START + timedelta(hours=hour) for hour in hours]

    transactions, labels = history.frames
    sources = {"transactions": transactions, "fraud_labels": labels}
    assert leaks(VIEW, VIEW.compute, sources, cuts=cuts) == []
