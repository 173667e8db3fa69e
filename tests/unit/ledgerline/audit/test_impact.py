"""From a raw file down to the decisions, on every engine."""

from datetime import timedelta
from types import ModuleType

import pytest

from ledgerline.audit import EvidenceLog, Kind, UnknownLeaf
from ledgerline.audit.impact import impact
from ledgerline.audit.trace import resolve, trace
from ledgerline.core.clock import FixedClock

DECISIONS = 12


@pytest.fixture
def line(log: EvidenceLog, clock: FixedClock, lines: ModuleType):
    """A line with many decisions, each a minute after the other, every third with an order; and another line."""
    line = lines.whole_line(log, 1)
    lines.whole_line(log, 2)
    digest = log.get(line.ids["bundle"]).identity["digest"]
    for number in range(1, DECISIONS):
        clock.instant += timedelta(minutes=1)
        lines.decide(line, subject=f"MSFT {number}", bundle=digest)
        if number % 3 == 0:
            lines.order(line, name=f"order-1-{number}", bundle=digest)
    return line


@pytest.mark.parametrize("most", [0, 5, 10_000], ids=["all counted", "some counted", "none counted"])
def test_everything_below_a_raw_file_is_counted_by_kind(log: EvidenceLog, line, most: int):
    found = impact(log, "payments/1-0.csv", most_children_read=most)
    assert dict(found.counts) == {
        Kind.REFUSED_FILE: 1,
        Kind.LANDED_BATCH: 1,
        Kind.VALIDATION_RECEIPT: 1,
        Kind.FEATURE_VERSION: 1,
        Kind.TRAINING_SET: 1,
        Kind.TRAINING_RUN: 1,
        Kind.MODEL_BUNDLE: 1,
        Kind.EVALUATION: 1,
        Kind.APPROVAL: 1,
        Kind.DEPLOYMENT: 1,
        Kind.DECISION: DECISIONS,
        Kind.FORECAST: 1,
        Kind.SCORED_BATCH: 1,
        Kind.ORDER_INTENT: 4,
        Kind.VENUE_EVENT: 4,
        Kind.OUTCOME: 2,
        Kind.RELEASE: 1,
        Kind.MONITORING: 1,
        Kind.ERASURE: 1,
    }
    for kind, count in found.counts.items():
        assert len(set(found.ids(kind))) == count
    assert [leaf.id for leaf in found.of(Kind.MODEL_BUNDLE)] == [line.ids["bundle"]]


@pytest.mark.parametrize("most", [0, 10_000], ids=["counted", "read"])
def test_the_first_and_the_last_decision_have_their_times(log: EvidenceLog, clock: FixedClock, line, most: int):
    many = impact(log, "payments/1-1.csv", most_children_read=most).many[Kind.DECISION]
    assert (many.last.id, many.last.recorded_at) == (line.ids["decision"], clock.instant)
    assert many.first.recorded_at == clock.instant - timedelta(minutes=DECISIONS - 1)


@pytest.mark.parametrize("most", [0, 10_000], ids=["counted", "read"])
def test_decisions_of_which_a_label_told_are_named_below_the_label_s_file_and_no_other(
    log: EvidenceLog, line, most: int
):
    (label,) = log.leaves(
        Kind.OUTCOME, decision=log.get(line.ids["label"]).identity["decision"], came={"is_fraud": True}
    )
    for name in ("payments/1-1.csv", line.ids["receipt 1"]):
        found = impact(log, name, most_children_read=most).labelled
        assert found is not None
        assert (found.count, found.first.id, found.last.id) == (1, *[label.identity["decision"]] * 2)
    assert impact(log, "payments/1-0.csv", most_children_read=most).labelled is None


def test_below_one_decision_are_its_order_and_what_the_venue_said(log: EvidenceLog, line):
    decision = next(leaf for role, leaf in log.parents(line.ids["intent"]) if role == "decision")
    assert dict(impact(log, decision.id).counts) == {Kind.ORDER_INTENT: 1, Kind.VENUE_EVENT: 1}


def test_nothing_is_below_what_nothing_was_made_from(log: EvidenceLog, line):
    found = impact(log, line.ids["event"])
    assert (dict(found.counts), found.leaves, dict(found.many)) == ({}, (), {})


def test_what_has_no_name_in_the_log_is_refused(log: EvidenceLog, line):
    with pytest.raises(UnknownLeaf):
        impact(log, "payments/9-9.csv")


def test_a_trace_comes_back_up_to_every_file(log: EvidenceLog, line):
    start = trace(log, resolve(log, "order-1-9"))
    assert {step.leaf.id for step in start.walk() if step.leaf.kind is Kind.RAW_FILE} == {
        line.ids["raw 0"],
        line.ids["raw 1"],
    }
