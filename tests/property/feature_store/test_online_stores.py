"""Random histories through every online store: late, repeated, restated, of one instant, in any order.

The oracle is the offline executor, which another property test holds to a brute-force oracle.
"""

import itertools
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_store.expressions import feature
from feature_store.features import Aggregation, Derived, EventSequence, Measure, RowExpression, Source, WindowAggregate
from feature_store.offline import compute, decide
from feature_store.online import DISORDER, OnlineFeatures, OnlineRows, recent_events
from feature_store.stores import OnlineStore, StateName
from feature_store.table_view import TableFeature, TableView
from feature_store.transforms import Divided
from feature_store.view import FeatureView
from ledgerline.core.contracts import FRAUD_LABELS, LEDGER, TRANSACTIONS

START = datetime(2024, 2, 27, tzinfo=UTC)
INSTANT = pl.Datetime("us", "UTC")
CENTS = Measure(Source.EVENTS, "amount_minor", divide_by=100)
FRAUD = Measure(Source.LABELS, "is_fraud")
OF_CENTS = tuple(how for how in Aggregation if how is not Aggregation.COUNT)


def hours(count: float) -> timedelta:
    return timedelta(hours=count)


def window(by: str, how: Aggregation, of: Measure | None = None, **declared: Any) -> WindowAggregate:
    name = "_".join(map(str, (by, how, of and of.column, *itertools.chain(*declared.items()))))
    half_life = hours(3) if how is Aggregation.EW_MEAN else None
    return WindowAggregate(
        name=name, by=by, how=how, of=of, half_life=half_life, description="", unit="", **{"over": hours(10)} | declared
    )


def view(ttl: timedelta | None) -> FeatureView:
    customer = [window("customer_id", how, CENTS) for how in OF_CENTS]
    return FeatureView(
        name="everything",
        description="",
        owner="",
        events=TRANSACTIONS,
        labels=FRAUD_LABELS,
        entities=("customer_id", "terminal_id"),
        features=(
            RowExpression("amount", "amount_minor", Divided(by=100), "", ""),
            *customer,
            window("customer_id", Aggregation.COUNT),
            window("customer_id", Aggregation.MEAN, FRAUD, delay=hours(2), empty=0.0),
            window("customer_id", Aggregation.LAST, CENTS, lag=2, over=hours(40)),
            window("terminal_id", Aggregation.COUNT, delay=hours(5)),
            window("terminal_id", Aggregation.SUM, FRAUD, delay=hours(5), over=hours(40)),
            window("terminal_id", Aggregation.MEAN, FRAUD, delay=hours(5), empty=0.0),
            window("terminal_id", Aggregation.MAX, CENTS, rows=2, over=hours(40)),
            window("terminal_id", Aggregation.MEAN, CENTS, rows=3, over=hours(40)),
            EventSequence(
                name="newest",
                by="customer_id",
                of=CENTS,
                rows=3,
                over=hours(40),
                delay=hours(1),
                description="",
                unit="",
            ),
            Derived(name="share", expression=feature("amount") / feature(customer[0].name), description="", unit=""),
            Derived(
                name="spread", expression=feature(customer[1].name) - feature(customer[2].name), description="", unit=""
            ),
        ),
        ttl=ttl,
    )


VIEWS = {"for ever": view(None), "for 30 hours": view(hours(30))}
LASTING = st.sampled_from(sorted(VIEWS))
NAMES = (StateName("property", str(number)) for number in itertools.count())


@dataclass(frozen=True)
class History:
    """Payments and labels in arrival order, and when each was written: no later than a day out of order."""

    payments: list[dict[str, Any]]
    labels: list[dict[str, Any]]
    delays: list[timedelta]

    @property
    def frames(self) -> tuple[pl.DataFrame, pl.DataFrame]:
        text = dict.fromkeys(("transaction_id", "customer_id", "terminal_id"), pl.String)
        instants = {"event_time": INSTANT, "available_at": INSTANT}
        return (
            pl.DataFrame(self.payments, schema={**text, "amount_minor": pl.Int64, **instants}),
            pl.DataFrame(self.labels, schema={"transaction_id": pl.String, "is_fraud": pl.Boolean, **instants}),
        )

    @property
    def in_order(self) -> list[dict[str, Any]]:
        """Payments and labels as they became known, a label before the payments of its instant."""
        return sorted([*self.payments, *self.labels], key=arrival)

    @property
    def as_written(self) -> list[dict[str, Any]]:
        """The same out of order, some of them twice."""
        delayed = [(row["available_at"] + delay, row) for row, delay in zip(self.in_order, self.delays, strict=False)]
        again = [(at + DISORDER / 2, row) for at, row in delayed[::3]]
        within = [(at, row) for at, row in delayed + again if at <= row["available_at"] + DISORDER]
        return [row for _, row in sorted(within, key=lambda entry: entry[0])]


def arrival(row: dict[str, Any]) -> tuple[datetime, bool, int, str]:
    name = row["transaction_id"]
    return row["available_at"], "is_fraud" not in row, len(name), name


@st.composite
def histories(draw: st.DrawFn) -> History:
    ids = draw(st.lists(st.integers(0, 1500), min_size=1, max_size=20, unique=True))
    payments, labels = [], []
    late = st.one_of(st.just(0), st.just(0), st.integers(0, 60))
    for number in ids:
        made = draw(st.integers(0, 120))  # whole hours collide on purpose
        knowns = draw(st.lists(late, min_size=1, max_size=2, unique=True))
        payments += [
            {
                "transaction_id": str(number),
                "customer_id": draw(st.sampled_from("ab")),
                "terminal_id": draw(st.sampled_from("xyz")),
                "amount_minor": draw(st.one_of(st.integers(1, 99_999), st.just(2**56), st.just(-(2**56)))),
                "event_time": START + hours(made),
                "available_at": START + hours(made + known),
            }
            for known in knowns
        ]
        labels += [
            {
                "transaction_id": str(number) if draw(st.integers(0, 9)) else "nobody's",
                "is_fraud": draw(st.booleans()),
                "event_time": START + hours(made),
                "available_at": START + hours(made + draw(st.integers(0, 50))),
            }
            for _ in range(draw(st.sampled_from((0, 1, 1, 2, 3))))
        ]
    delay = st.sampled_from((0, 0, 1, 12, 24)).map(hours)
    count = len(payments) + len(labels)
    return History(payments, labels, draw(st.lists(delay, min_size=count, max_size=count)))


def write(online: OnlineFeatures, row: dict[str, Any]) -> None:
    (online.observe_label if "is_fraud" in row else online.observe)(row)


def close(found: list[dict[str, Any]], expected: list[dict[str, Any]]) -> None:
    """Assert that vectors agree to one part in 10^9, nulls and lists included."""
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert list(one) == list(other)
        for name, value in one.items():
            values, wanted = ([each] if not isinstance(each, list) else each for each in (value, other[name]))
            assert [each is None for each in values] == [each is None for each in wanted], name
            numbers, others = ([each for each in of if each is not None] for of in (values, wanted))
            assert numbers == pytest.approx(others, rel=1e-9, abs=1e-9), name


def asked(online: OnlineFeatures, decisions: pl.DataFrame) -> list[dict[str, Any]]:
    return [online.get(**decision) for decision in decisions.iter_rows(named=True)]


def decisions_after(instant: datetime) -> pl.DataFrame:
    """Decisions about every pair of entities, at instants from ``instant`` on, on and beside the whole hours."""
    rows = [
        {"at": instant + hours(after), "customer_id": customer, "terminal_id": terminal}
        for after in (0, 0.5, 7, 24, 31, 60)
        for customer, terminal in itertools.product(("a", "b", "unknown", None), ("x", "y", None))
        if customer != "b" or terminal != "y"
    ]
    return pl.DataFrame(rows, schema={"at": INSTANT, "customer_id": pl.String, "terminal_id": pl.String})


@settings(max_examples=20, deadline=None)
@given(histories(), LASTING)
def test_each_event_in_turn_is_answered_as_the_offline_executor_does(online_store: OnlineStore, history, lasting):
    view = VIEWS[lasting]
    online = OnlineFeatures(view, online_store.events(view, next(NAMES)))
    offline = {row["transaction_id"]: row for row in compute(view, *history.frames).to_dicts()}
    found, expected = [], []
    for row in history.in_order:
        of = offline[row["transaction_id"]] if "is_fraud" not in row else None
        if of and of["available_at"] == row["available_at"]:
            found.append(online.vector(row))
            expected.append({name: of[name] for name in view.feature_names})
        write(online, row)
    close(found, expected)


@settings(max_examples=20, deadline=None)
@given(histories(), LASTING)
def test_what_was_written_late_twice_and_out_of_order_answers_as_the_offline_executor_does(
    online_store: OnlineStore, history, lasting
):
    view = VIEWS[lasting]
    online = OnlineFeatures(view, online_store.events(view, next(NAMES)))
    for row in history.as_written:
        write(online, row)
    newest = history.in_order[-1]["available_at"]
    decisions = decisions_after(newest - DISORDER)
    close(asked(online, decisions), decide(view, *history.frames, decisions).to_dicts())


@settings(max_examples=20, deadline=None)
@given(histories(), LASTING)
def test_order_leaves_no_trace_in_what_is_remembered(online_store: OnlineStore, history, lasting):
    view = VIEWS[lasting]
    written, in_order = (online_store.events(view, next(NAMES)) for _ in range(2))
    for store, rows in ((written, history.as_written), (in_order, history.in_order)):
        executor = OnlineFeatures(view, store)
        for row in rows:
            write(executor, row)
    assert len(written) == len(in_order)
    for customer, terminal in itertools.product("ab", "xyz"):
        one, other = (store.read((customer, terminal), None) for store in (written, in_order))
        assert one.newest == other.newest
        for events, others in zip(one.events, other.events, strict=True):
            assert sorted(map(content, events)) == sorted(map(content, others))


def content(event: Any) -> tuple[Any, ...]:
    return event.arrival, event.event_time, event.values, event.labels


@settings(max_examples=20, deadline=None)
@given(histories(), LASTING, st.integers(0, 180))
def test_store_that_starts_from_a_state_answers_as_the_offline_executor_does(
    online_store: OnlineStore, history, lasting, after
):
    view = VIEWS[lasting]
    as_of = START + hours(after)
    online = OnlineFeatures(view, online_store.events(view, next(NAMES)))
    state = recent_events(view, *history.frames, as_of=as_of)
    online.bootstrap(state, as_of=as_of)
    online.bootstrap(state, as_of=as_of)
    close(
        asked(online, decisions_after(as_of)[:4]),
        decide(view, *known(history, as_of), decisions_after(as_of)[:4]).to_dicts(),
    )
    for row in history.in_order:
        if row["available_at"] > as_of:
            write(online, row)
    newest = max(as_of, history.in_order[-1]["available_at"])
    decisions = decisions_after(newest - DISORDER)
    close(asked(online, decisions), decide(view, *history.frames, decisions).to_dicts())


def known(history: History, at: datetime) -> tuple[pl.DataFrame, pl.DataFrame]:
    payments, labels = (frame.filter(pl.col("available_at") <= at) for frame in history.frames)
    return payments, labels


def table_view(ttl: timedelta | None) -> TableView:
    return TableView(
        name="closes",
        description="",
        owner="",
        sources=(LEDGER,),
        key_columns=("entity_id", "account", "event_time", "available_at"),
        features=tuple(TableFeature(name, "", "") for name in ("one", "two")),
        computation=lambda tables: tables[LEDGER.name],
        ttl=ttl,
    )


@st.composite
def rows(draw: st.DrawFn) -> list[dict[str, Any]]:
    drawn = draw(
        st.lists(
            st.tuples(
                st.sampled_from("ab"), st.integers(0, 60), st.integers(0, 30), st.one_of(st.none(), st.floats(-1, 1))
            ),
            min_size=1,
            max_size=15,
            unique_by=lambda row: row[:3],
        )
    )
    return [
        {
            "entity_id": entity,
            "account": "4000",
            "event_time": START + hours(event),
            "available_at": START + hours(event + late),
            "one": float(number),
            "two": value,
        }
        for number, (entity, event, late, value) in enumerate(drawn)
    ]


def frame(written: list[dict[str, Any]]) -> pl.DataFrame:
    text, numbers = ("entity_id", "account"), ("one", "two")
    schema = {**dict.fromkeys(text, pl.String), "event_time": INSTANT, "available_at": INSTANT}
    return pl.DataFrame(written, schema={**schema, **dict.fromkeys(numbers, pl.Float64)})


def newest_row(written: list[dict[str, Any]], entity: str, at: datetime, ttl: timedelta | None) -> dict[str, Any]:
    """Read every row for the newest of an entity, by definition."""
    of = [row for row in written if row["entity_id"] == entity]
    newest = max(of, key=lambda row: (row["event_time"], row["available_at"]), default=None)
    if newest is None or (ttl is not None and at - newest["event_time"] > ttl):
        return {"one": None, "two": None}
    return {name: newest[name] for name in ("one", "two")}


@settings(max_examples=20, deadline=None)
@given(rows(), st.integers(1, 15), st.sampled_from((None, hours(10))))
def test_rows_written_in_any_order_and_twice_leave_the_newest_of_each_key(online_store: OnlineStore, rows, cut, ttl):
    view = table_view(ttl)
    online = OnlineRows(view, online_store.rows(view, next(NAMES)))
    for written in (rows[:cut], rows[cut:], rows[: cut // 2]):
        online.write(frame(written))
    newest = max(row["available_at"] for row in rows)
    for at, entity in itertools.product((newest, newest + hours(5), newest + hours(50)), ("a", "b", "unknown")):
        assert online.get(at=at, entity_id=entity, account="4000") == newest_row(rows, entity, at, ttl)
