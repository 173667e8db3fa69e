"""What every online store promises, held to every engine."""

import dataclasses
import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from feature_store.definition import Event, Label, LabelOf, instant_of
from feature_store.errors import NoLongerKept, SourceInvalid, StateLost, ViewInvalid
from feature_store.offline import decide
from feature_store.online import DISORDER, OnlineFeatures, OnlineRows, recent_events
from feature_store.stores import OnlineStore, StateName, StoredRow
from feature_store.stores.port import kept
from feature_store.stores.redis import RedisStore
from feature_store.table_view import TableFeature, TableView
from feature_store.views.card_spending import CARD_SPENDING
from feature_store.views.credit_application import CREDIT_APPLICATION
from ledgerline.core.contracts import LEDGER

START = datetime(2024, 1, 1, tzinfo=UTC)
INSTANT = pl.Datetime("us", "UTC")
GREATEST, LEAST = 2**63 - 1, -(2**63)
CLOSES = TableView(
    name="closes",
    description="",
    owner="",
    sources=(LEDGER,),
    key_columns=("entity_id", "event_time", "available_at"),
    features=tuple(TableFeature(name, "", "") for name in ("open", "close")),
    computation=lambda tables: tables[LEDGER.name],
    ttl=timedelta(days=3),
)


@pytest.fixture
def name() -> StateName:
    return StateName("contract", str(next(_COUNT)))


_COUNT = itertools.count()


def payment(number: int | str, hours: float, *, known: float = 0.0, cents: int = 100, **of: str) -> dict[str, Any]:
    made = START + timedelta(hours=hours)
    return {
        "transaction_id": str(number),
        "customer_id": "c",
        "terminal_id": "t",
        "amount_minor": cents,
        "event_time": made,
        "available_at": made + timedelta(hours=known),
    } | of


def label(number: int | str, hours: float, *, fraud: bool = True) -> dict[str, Any]:
    instant = START + timedelta(hours=hours)
    return {"transaction_id": str(number), "is_fraud": fraud, "event_time": instant, "available_at": instant}


def at(hours: float) -> datetime:
    return START + timedelta(hours=hours)


def test_state_is_there_for_whoever_opens_it_by_its_name(online_store: OnlineStore, name: StateName) -> None:
    OnlineFeatures(CARD_SPENDING, online_store.events(CARD_SPENDING, name)).observe(payment(1, 0))
    again = OnlineFeatures(CARD_SPENDING, online_store.events(CARD_SPENDING, name))
    assert len(again) == 1
    assert again.get(at=at(1), customer_id="c", terminal_id="t")["customer_count_1d"] == 1.0


def test_another_definition_or_name_does_not_read_the_state(online_store: OnlineStore, name: StateName) -> None:
    OnlineFeatures(CARD_SPENDING, online_store.events(CARD_SPENDING, name)).observe(payment(1, 0))
    other = dataclasses.replace(CARD_SPENDING, ttl=timedelta(days=30))
    assert other.fingerprint != CARD_SPENDING.fingerprint
    assert len(online_store.events(other, name)) == 0
    assert len(online_store.events(CARD_SPENDING, StateName(name.owner, "another"))) == 0
    assert len(online_store.events(CARD_SPENDING, StateName("another", name.generation))) == 0


def test_an_owners_other_states_are_dropped_and_nobody_elses(online_store: OnlineStore, name: StateName) -> None:
    owner = f"owner of {name.generation}"
    names = [StateName(owner, "old"), StateName(owner, "new"), StateName(f"{owner} not", "old")]
    for each in names:
        OnlineFeatures(CARD_SPENDING, online_store.events(CARD_SPENDING, each)).observe(payment(1, 0))
    online_store.drop_others(owner, [names[1]])
    assert [len(online_store.events(CARD_SPENDING, each)) for each in names] == [0, 1, 1]


def test_payment_that_is_taken_is_answered_and_remembered_as_by_two_calls(
    online_store: OnlineStore, name: StateName
) -> None:
    apart = OnlineFeatures(CARD_SPENDING)
    taken = OnlineFeatures(CARD_SPENDING, online_store.events(CARD_SPENDING, name))
    payments = [payment(1, 0), payment(2, 1, known=3), payment(1, 0), payment(3, 2, cents=700)]
    expected = []
    for each in payments:
        expected.append(apart.vector(each))
        apart.observe(each)

    assert taken.take(payments) == expected

    assert len(taken) == len(apart) == 3
    assert taken.vector(payment(4, 3)) == apart.vector(payment(4, 3))


def test_whole_numbers_of_any_size_and_any_text_come_back_as_they_were(
    online_store: OnlineStore, name: StateName
) -> None:
    store = online_store.events(CARD_SPENDING, name)
    ids = ["1", "été 🏦", "a|b\n'\"", "x" * 300, ""]
    events = [
        Event(each, ("kö:nig", ""), instant, instant + 5, (value,), (Label(instant + 7, (value,)),))
        for instant, (each, value) in enumerate(zip(ids, (GREATEST, LEAST, 0, -1, 2**53 + 1), strict=True))
    ]
    store.write(events, [LabelOf("late: ü", 9, Label(-9, (LEAST,)))])
    found = store.read(("kö:nig", ""), "late: ü")
    assert found.early == (Label(-9, (LEAST,)),)
    for of_entity in found.events:
        assert sorted((e.id, e.event_time, e.available_at, e.values) for e in of_entity) == sorted(
            (e.id, e.event_time, e.available_at, e.values) for e in events
        )
    assert {e.id: e.labels for e in found.events[1]} == {e.id: e.labels for e in events}
    known = store.read((None, "nobody"), "été 🏦")
    assert known.known is not None
    assert (known.known.values, known.known.labels, known.events) == ((LEAST,), (Label(8, (LEAST,)),), ([], []))


def test_event_whose_id_is_the_empty_text_counts_once_however_often_it_comes(
    online_store: OnlineStore, name: StateName
) -> None:
    online = OnlineFeatures(CARD_SPENDING, online_store.events(CARD_SPENDING, name))
    online.observe_label(label("", 2))
    fresh = online.vector(payment("", 0, known=3))
    for _ in range(2):
        online.observe(payment("", 0, known=3))
    assert len(online) == 1
    assert online.vector(payment("", 0, known=3)) == fresh
    assert fresh["customer_count_1d"] == 1.0
    later = online.vector(payment(1, 7 * 24 + 1))
    assert (later["customer_count_30d"], later["terminal_risk_30d"]) == (2.0, 1.0)


def test_number_beyond_64_bits_is_refused_by_its_column(online_store: OnlineStore, name: StateName) -> None:
    online = OnlineFeatures(CARD_SPENDING, online_store.events(CARD_SPENDING, name))
    with pytest.raises(SourceInvalid, match=r"amount_minor.*64 bits"):
        online.observe(payment(1, 0, cents=GREATEST + 1))
    assert len(online) == 0


def test_earlier_arrival_of_an_event_takes_the_place_of_the_later_with_its_labels(
    online_store: OnlineStore, name: StateName
) -> None:
    online = OnlineFeatures(CARD_SPENDING, online_store.events(CARD_SPENDING, name))
    online.observe(payment(1, 0, known=5, cents=900, customer_id="wrong", terminal_id="t"))
    online.observe_label(label(1, 6))
    online.observe(payment(1, 0, known=1, cents=100))
    online.observe(payment(1, 0, known=7, cents=700))
    assert len(online) == 1
    assert online.get(at=at(8), customer_id="wrong", terminal_id=None)["customer_count_1d"] == 0.0
    right = online.get(at=at(7 * 24 + 8), customer_id="c", terminal_id="t")
    assert (right["customer_mean_amount_30d"], right["terminal_risk_30d"]) == (1.0, 1.0)


def test_decision_about_entities_sees_what_was_known_and_has_no_row(online_store: OnlineStore, name: StateName) -> None:
    online = OnlineFeatures(CARD_SPENDING, online_store.events(CARD_SPENDING, name))
    online.observe(payment(1, 0, cents=300))
    online.observe(payment(2, 1, known=3, cents=500))
    found = online.get(at=at(2), customer_id="c", terminal_id="t")
    assert list(found) == list(CARD_SPENDING.feature_names)
    assert (found["amount"], found["is_night"]) == (None, None)
    assert (found["customer_count_1d"], found["customer_mean_amount_1d"]) == (1.0, 3.0)
    assert online.get(at=at(4), customer_id="c", terminal_id=None)["customer_mean_amount_1d"] == 4.0


@pytest.mark.parametrize("entities", [{"customer_id": "c"}, {"customer_id": "c", "terminal_id": "t", "card": "x"}])
def test_decision_about_other_entities_than_the_views_is_refused(
    online_store: OnlineStore, name: StateName, entities: dict[str, str]
) -> None:
    online = OnlineFeatures(CARD_SPENDING, online_store.events(CARD_SPENDING, name))
    with pytest.raises(SourceInvalid, match="customer_id, terminal_id"):
        online.get(at=at(0), **entities)
    with pytest.raises(SourceInvalid, match="customer_id is 7"):
        online.get(at=at(0), customer_id=7, terminal_id="t")  # type: ignore[arg-type]  # the point of the test


def test_decision_further_back_than_what_is_kept_is_refused(online_store: OnlineStore, name: StateName) -> None:
    online = OnlineFeatures(CARD_SPENDING, online_store.events(CARD_SPENDING, name))
    online.observe(payment(1, 100))
    online.get(at=at(100) - DISORDER, customer_id="c", terminal_id="t")
    with pytest.raises(NoLongerKept, match="card_spending"):
        online.get(at=at(99.9) - DISORDER, customer_id="c", terminal_id="t")


def test_late_event_further_back_than_what_is_kept_is_refused_as_a_decision_is(
    online_store: OnlineStore, name: StateName
) -> None:
    online = OnlineFeatures(CARD_SPENDING, online_store.events(CARD_SPENDING, name))
    for day in range(60):
        online.observe(payment(day, 24 * day))
    newest = 24 * 59
    assert online.vector(payment("late", newest - 24))["customer_count_7d"] == 8.0
    with pytest.raises(NoLongerKept, match="card_spending"):
        online.vector(payment("late", newest - 24.1))
    assert online.vector(payment("late", newest - 240, known=240))["customer_count_7d"] == 7.0


def test_bootstrapped_state_refuses_what_lies_before_the_moment_that_it_was_made_for(
    online_store: OnlineStore, name: StateName
) -> None:
    days = range(40)
    payments = pl.DataFrame(
        [payment(day, 24 * day) for day in days], schema_overrides={"event_time": INSTANT, "available_at": INSTANT}
    )
    labels = pl.DataFrame(
        [label(day, 24 * day) for day in days], schema_overrides={"event_time": INSTANT, "available_at": INSTANT}
    )
    as_of = at(24 * 60)
    online = OnlineFeatures(CARD_SPENDING, online_store.events(CARD_SPENDING, name))
    online.bootstrap(recent_events(CARD_SPENDING, payments, labels, as_of), as_of=as_of)
    for hours in (24 * 40, 24 * 59 - 0.1):
        with pytest.raises(NoLongerKept, match="card_spending"):
            online.get(at=at(hours), customer_id="c", terminal_id="t")
        with pytest.raises(NoLongerKept, match="card_spending"):
            online.vector(payment("new", hours))
    asked = pl.DataFrame(
        [{"customer_id": "c", "terminal_id": "t", "at": at(24 * 59)}], schema_overrides={"at": INSTANT}
    )
    (offline,) = decide(CARD_SPENDING, payments, labels, asked).to_dicts()
    assert online.get(at=at(24 * 59), customer_id="c", terminal_id="t") == offline
    with pytest.raises(SourceInvalid, match="as_of"):
        online.bootstrap(payments.clear(), as_of=as_of.replace(tzinfo=None))


def test_what_can_no_longer_matter_is_forgotten(online_store: OnlineStore, name: StateName) -> None:
    store = online_store.events(CARD_SPENDING, name)
    begin, lasts = instant_of(START, ""), kept(CARD_SPENDING)
    olds = [Event(f"old {n}", (f"c{n}", "t"), begin + n, begin + n, (1,)) for n in range(50)]
    store.write(olds, [LabelOf("nobody's", begin, Label(begin, (1,)))])
    new = begin + lasts + 49
    store.write([Event("new", ("c0", "t"), new - 1, new - 1, (1,))], [])
    assert len(store) == 1 + 1  # the last of the old is as old as may be
    store.write([], [LabelOf("new", new, Label(new, (0,)))])
    found = store.read(("c0", "t"), "nobody's")
    assert [[event.id for event in events] for events in found.events] == [["new"], ["new"]]
    assert found.early == ()


def test_id_that_was_forgotten_and_is_used_again_is_a_new_event_online_and_the_first_one_offline(
    online_store: OnlineStore, name: StateName
) -> None:
    online = OnlineFeatures(CARD_SPENDING, online_store.events(CARD_SPENDING, name))
    lasts = kept(CARD_SPENDING) / 3_600_000_000  # hours
    history = [payment(1, 0), payment(2, lasts + 1), payment(1, lasts + 2)]
    for each in history:
        online.observe(each)
    assert len(online) == 2
    asked = {"customer_id": "c", "terminal_id": "t", "at": at(lasts + 3)}
    instants = {"event_time": INSTANT, "available_at": INSTANT}
    labels = pl.DataFrame([label(2, 0)], schema_overrides=instants).clear()
    (offline,) = decide(
        CARD_SPENDING,
        pl.DataFrame(history, schema_overrides=instants),
        labels,
        pl.DataFrame([asked], schema_overrides={"at": INSTANT}),
    ).to_dicts()
    assert (online.get(**asked)["customer_count_1d"], offline["customer_count_1d"]) == (2.0, 1.0)


def test_bootstrapped_state_answers_as_the_offline_executor_and_says_how_far_it_is(
    online_store: OnlineStore, name: StateName
) -> None:
    count = 1_007
    payments = pl.DataFrame(
        [payment(n, n / 4, cents=n, customer_id=f"c{n % 40}", terminal_id=f"t{n % 25}") for n in range(count)],
        schema_overrides={"event_time": INSTANT, "available_at": INSTANT},
    )
    labels = pl.DataFrame(
        [label(n, n / 4 + 30, fraud=n % 7 == 0) for n in range(0, count - 200, 3)],
        schema_overrides={"event_time": INSTANT, "available_at": INSTANT},
    )
    as_of = at(count / 4)
    store = online_store.events(CARD_SPENDING, name)
    online = OnlineFeatures(CARD_SPENDING, store)
    state = recent_events(CARD_SPENDING, payments, labels, as_of)
    told: list[tuple[int, int]] = []
    online.bootstrap(state, as_of=as_of, progress=lambda done, of: told.append((done, of)))
    assert told == [(min(done, count), count) for done in range(store.at_once, count + store.at_once, store.at_once)]
    decisions = pl.DataFrame(
        [{"customer_id": f"c{n}", "terminal_id": f"t{n}", "at": as_of + timedelta(days=n)} for n in range(30)],
        schema_overrides={"at": INSTANT},
    )
    offline = decide(CARD_SPENDING, payments, labels, decisions).to_dicts()
    assert [online.get(**asked) for asked in decisions.iter_rows(named=True)] == offline


def closes(*written: tuple[str, float, float, float | None]) -> pl.DataFrame:
    return pl.DataFrame(
        [
            {"entity_id": entity, "event_time": at(event), "available_at": at(known), "open": 1.0, "close": close}
            for entity, event, known, close in written
        ],
        schema={"entity_id": pl.String, "event_time": INSTANT, "available_at": INSTANT}
        | dict.fromkeys(CLOSES.feature_names, pl.Float64),
    )


@pytest.fixture
def rows(online_store: OnlineStore, name: StateName) -> OnlineRows:
    return OnlineRows(CLOSES, online_store.rows(CLOSES, name))


def test_late_row_does_not_take_the_place_of_a_newer_one_and_a_restated_one_does(rows: OnlineRows) -> None:
    rows.write(closes(("a", 24, 24, 2.0)))
    rows.write(closes(("a", 0, 30, 9.0)))
    assert rows.get(at=at(31), entity_id="a") == {"open": 1.0, "close": 2.0}
    rows.write(closes(("a", 24, 32, None)))
    assert rows.get(at=at(33), entity_id="a") == {"open": 1.0, "close": None}
    rows.write(closes(("a", 24, 24, 2.0)))
    assert rows.get(at=at(33), entity_id="a") == {"open": 1.0, "close": None}


def test_row_beyond_its_ttl_and_unknown_key_have_nulls(rows: OnlineRows) -> None:
    rows.write(closes(("a", 0, 1, 2.0)))
    nothing = {"open": None, "close": None}
    assert rows.get(at=at(72), entity_id="a")["close"] == 2.0
    assert rows.get(at=at(72) + timedelta(microseconds=1), entity_id="a") == nothing
    assert rows.get(at=at(1), entity_id="b") == nothing
    assert rows.get(at=at(1), entity_id=None) == nothing


def test_instant_before_the_row_that_is_kept_is_refused(rows: OnlineRows) -> None:
    rows.write(closes(("a", 0, 1, 2.0)))
    rows.write(closes(("a", 5, 6, 3.0)))
    with pytest.raises(NoLongerKept, match=r"closes.*row of a"):
        rows.get(at=at(5.9), entity_id="a")
    assert rows.get(at=at(6), entity_id="a")["close"] == 3.0


def test_row_that_nobody_can_read_any_more_is_forgotten(rows: OnlineRows) -> None:
    rows.write(closes(("a", 0, 1, 2.0)))
    rows.write(closes(("b", 24 * 4 + 1, 24 * 4 + 1, 2.0)))
    assert rows.get(at=at(24 * 4 + 1), entity_id="a")["close"] is None
    with pytest.raises(NoLongerKept, match="closes"):
        rows.get(at=at(2), entity_id="a")


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        (closes(("a", 0, 1, 2.0)).drop("close"), "lack the column close"),
        (closes(("a", 0, 1, 2.0)).with_columns(pl.col("close").cast(pl.Float32)), "closes.close is Float32"),
        (closes(("a", 0, 1, 2.0)).with_columns(entity_id=pl.lit(None, pl.String)), "entity_id is null in 1 rows"),
    ],
)
def test_rows_that_are_not_the_views_are_refused_by_their_column(
    rows: OnlineRows, wrong: pl.DataFrame, named: str
) -> None:
    with pytest.raises(SourceInvalid, match=named):
        rows.write(wrong)


@pytest.mark.parametrize("value", [7, True, 7.0, b"7"])
def test_key_of_another_type_than_the_contracts_is_refused_and_not_taken_for_an_unknown_one(
    rows: OnlineRows, value: Any
) -> None:
    rows.write(closes(("7", 0, 1, 2.0)))
    assert rows.get(at=at(2), entity_id="7")["close"] == 2.0
    with pytest.raises(SourceInvalid, match=r"entity_id is .*it must be text or None"):
        rows.get(at=at(2), entity_id=value)
    with pytest.raises(SourceInvalid, match="entity_id is Int64"):
        rows.write(closes(("7", 0, 1, 2.0)).cast({"entity_id": pl.Int64}))


def test_row_is_looked_up_by_the_whole_key_and_nothing_else(rows: OnlineRows) -> None:
    with pytest.raises(SourceInvalid, match="entity_id"):
        rows.get(at=at(0), symbol="a")


def test_open_view_has_no_fixed_features_to_keep() -> None:
    with pytest.raises(ViewInvalid, match="open"):
        OnlineRows(CREDIT_APPLICATION)


Keys = Callable[[str], list[str]]


@pytest.fixture
def keys(redis_store: RedisStore) -> Keys:
    """Return the keys that hold a text."""

    def matching(text: str) -> list[str]:
        return [key.decode() for key in redis_store.call("KEYS", "*") if text in key.decode()]

    return matching


def test_no_key_stays_for_ever(redis_store: RedisStore, name: StateName, keys: Keys) -> None:
    events, rows = redis_store.events(CARD_SPENDING, name), redis_store.rows(CLOSES, name)
    events.write([Event("1", ("c", "t"), 0, 0, (1,))], [LabelOf("2", 0, Label(0, (1,)))])
    rows.write([StoredRow(("a",), 0, 0, (1.0, None))])
    lifetimes = {key: redis_store.call("PTTL", key) for key in keys(f"{{{name.owner}/{name.generation}/")}
    assert len(lifetimes) == 5 + 2 + 3
    longest = timedelta(days=38) // timedelta(milliseconds=1) + 1
    assert all(0 < lifetime <= longest for lifetime in lifetimes.values()), lifetimes


@pytest.mark.parametrize("dropped", ["of:0:c", "of:1:t", "event", "expiring", "count", "newest"])
def test_state_of_which_redis_dropped_a_part_is_not_answered_from(
    redis_store: RedisStore, name: StateName, keys: Keys, dropped: str
) -> None:
    online = OnlineFeatures(CARD_SPENDING, redis_store.events(CARD_SPENDING, name))
    online.observe(payment(1, 0))
    (key,) = [key for key in keys(f"{{{name.owner}/{name.generation}/") if key.endswith(f":{dropped}")]
    redis_store.call("UNLINK", key)
    with pytest.raises(StateLost, match="bootstrap"):
        online.vector(payment(2, 1))


def test_state_that_is_gone_altogether_is_neither_answered_from_nor_begun_anew(
    redis_store: RedisStore, name: StateName, keys: Keys
) -> None:
    online = OnlineFeatures(CARD_SPENDING, redis_store.events(CARD_SPENDING, name))
    online.observe(payment(1, 0))
    redis_store.call("UNLINK", *keys(f"{{{name.owner}/{name.generation}/"))
    with pytest.raises(StateLost, match="bootstrap"):
        online.vector(payment(2, 1))
    with pytest.raises(StateLost, match="bootstrap"):
        online.observe(payment(2, 1))


def test_payment_is_taken_by_a_redis_that_forgot_the_scripts(redis_store: RedisStore, name: StateName) -> None:
    online = OnlineFeatures(CARD_SPENDING, redis_store.events(CARD_SPENDING, name))
    online.take([payment(1, 0)])
    redis_store.call("SCRIPT FLUSH")

    online.take([payment(2, 1)])

    assert len(online) == 2
