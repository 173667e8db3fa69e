"""The online executor, one event at a time."""

from datetime import datetime

import pytest

from feature_store.errors import SourceInvalid
from feature_store.online import OnlineFeatures, recent_events


@pytest.fixture
def online(view):
    return OnlineFeatures(view)


def test_vector_has_the_views_features_in_order_as_floats(view, online, payment):
    vector = online.vector(payment("1", 0, cents=250))

    assert tuple(vector) == view.feature_names
    assert vector == {"amount": 2.5, "count": 1.0, "mean": 2.5, "delayed_count": 0.0, "risk": 0.0}
    assert all(type(value) is float for value in vector.values())


def test_asking_remembers_nothing(online, payment):
    for _ in range(3):
        online.vector(payment("1", 0))

    assert online.vector(payment("2", 1))["count"] == 1


def test_event_counts_itself_once_whether_or_not_it_was_observed(online, payment):
    before = online.vector(payment("1", 0))
    online.observe(payment("1", 0))

    assert online.vector(payment("1", 0)) == before


def test_repeated_event_is_ignored(online, payment):
    online.observe(payment("1", 0, cents=100))
    online.observe(payment("1", 0, known=1, cents=900))

    vector = online.vector(payment("2", 2, cents=100))

    assert (vector["count"], vector["mean"]) == (2.0, 1.0)


def test_event_that_arrived_later_is_not_seen_by_an_earlier_decision(online, payment):
    online.observe(payment("2", 3))

    assert online.vector(payment("1", 2))["count"] == 1


def test_event_of_the_same_instant_is_seen_by_those_that_follow_in_numeric_order(online, payment):
    online.observe(payment("10", 5))

    assert online.vector(payment("9", 5))["count"] == 1
    assert online.vector(payment("11", 5))["count"] == 2


def test_label_before_its_event_counts_once_both_are_known(online, payment, label):
    online.observe_label(label("late", 0, known=6))
    online.observe(payment("late", 0, known=8))

    assert online.vector(payment("1", 9))["risk"] == 1.0


def test_later_label_replaces_the_earlier(online, payment, label):
    online.observe(payment("1", 0))
    online.observe_label(label("1", 0, known=9, fraud=False))
    online.observe_label(label("1", 0, known=5))

    assert online.vector(payment("2", 8))["risk"] == 1.0
    assert online.vector(payment("3", 9))["risk"] == 0.0


def test_what_can_no_longer_matter_is_forgotten(online, payment, label):
    for minute in range(60):
        online.observe(payment(str(minute), minute, customer=f"c{minute}"))
        online.observe_label(label(f"unknown {minute}", minute, known=minute))
    long_after = 1440 + 15 + 60  # a day of disorder, the horizon, and the last of them

    for extra in range(60):
        online.observe(payment(f"x{extra}", long_after + extra / 100))

    assert len(online) == 60
    assert online.vector(payment("y", long_after + 1))["count"] == 61


def test_bootstrapped_executor_continues_as_if_it_had_seen_everything(view, frames, payment, label):
    past = [payment("1", 0), payment("2", 3, cents=700), payment("3", 5, customer="other")]
    known = [label("1", 0, known=5), label("not yet here", 4, known=5)]
    seen, restarted = OnlineFeatures(view), OnlineFeatures(view)
    for event in past:
        seen.observe(event)
    for event in known:
        seen.observe_label(event)
    as_of = past[-1]["available_at"]
    restarted.bootstrap(recent_events(view, *frames(past, known), as_of=as_of), as_of=as_of)
    for executor in (seen, restarted):
        executor.observe(payment("not yet here", 4, known=8))

    for follower in (payment("4", 6), payment("5", 9), payment("6", 12)):
        assert restarted.vector(follower) == seen.vector(follower)
    assert restarted.vector(payment("6", 12))["risk"] == 0.5


def test_state_leaves_out_what_is_too_old_and_what_is_not_yet_known(view, frames, payment, label):
    as_of = payment("", 3_000)["event_time"]
    payments = [payment("old", 0), payment("recent", 2_990), payment("not yet", 2_999, known=3_001)]
    labels = [label("recent", 2_990, known=2_995), label("recent", 2_990, known=3_001, fraud=False)]

    state = recent_events(view, *frames(payments, labels), as_of=as_of)

    assert state["transaction_id"].to_list() == ["recent"]
    assert state["is_fraud"].to_list() == [True]


def test_instant_without_a_time_zone_is_refused(online, payment):
    event = payment("1", 0) | {"event_time": datetime(2024, 1, 1)}  # noqa: DTZ001 - the point of the test

    with pytest.raises(SourceInvalid, match="event_time"):
        online.vector(event)


@pytest.mark.parametrize(("column", "value"), [("amount_minor", 12.5), ("amount_minor", None), ("customer_id", 7)])
def test_value_of_the_wrong_type_is_refused_with_its_column(online, payment, column, value):
    with pytest.raises(SourceInvalid, match=column):
        online.observe(payment("1", 0) | {column: value})
    assert len(online) == 0
