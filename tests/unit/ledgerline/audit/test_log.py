"""The evidence log's contract, held by every engine."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import sqlalchemy as sa

from ledgerline.audit import EvidenceLog, Kind, Leaf, Parent, UnknownLeaf
from ledgerline.audit.log import LogOutdated, NewLeaf
from ledgerline.audit.verify import entries_holding
from ledgerline.core.clock import FixedClock
from ledgerline.core.identity import sha256_bytes

RAW = Leaf(Kind.RAW_FILE, {"sha256": "ab" * 32}, {"path": "transactions/one.csv"})


def test_a_leaf_is_found_again_with_all_that_was_said_of_it(log: EvidenceLog, clock: FixedClock):
    leaf_id = log.append(RAW)
    found = log.get(leaf_id[:10])
    assert (found.id, found.kind, found.sequence, found.recorded_at) == (RAW.id, Kind.RAW_FILE, 1, clock.instant)
    assert found.identity == RAW.identity
    assert found.detail == RAW.detail


def test_the_same_identity_recorded_twice_is_one_leaf_and_the_first_detail_stands(log: EvidenceLog):
    first = log.append(RAW)
    second = log.append(Leaf(Kind.RAW_FILE, RAW.identity, {"path": "elsewhere.csv"}))
    assert first == second
    assert [leaf.detail["path"] for leaf in log.leaves(Kind.RAW_FILE)] == ["transactions/one.csv"]


def test_an_id_does_not_depend_on_when_it_was_recorded(log: EvidenceLog, clock: FixedClock):
    clock.instant += timedelta(days=1)
    assert log.append(RAW) == RAW.id


def test_parents_and_children_are_found_with_their_roles(log: EvidenceLog):
    raw = log.append(RAW)
    batch = log.append(Leaf(Kind.LANDED_BATCH, {"rows": 3}), [Parent(raw, "raw")])
    assert [(role, leaf.id) for role, leaf in log.parents(batch)] == [("raw", raw)]
    assert [(role, leaf.id) for role, leaf in log.children(raw)] == [("raw", batch)]


def test_a_leaf_cannot_name_a_parent_that_the_log_lacks(log: EvidenceLog):
    with pytest.raises(UnknownLeaf, match="not in the log"):
        log.append(Leaf(Kind.LANDED_BATCH, {"rows": 3}), [Parent("0" * 64, "raw")])
    assert log.leaves(Kind.LANDED_BATCH) == []


def test_an_effect_that_fails_leaves_no_leaf_behind(log: EvidenceLog):
    with pytest.raises(RuntimeError), log.transaction() as transaction:
        log.record(transaction, RAW)
        raise RuntimeError
    assert log.find(RAW.id) is None
    assert entries_holding(log) == 0


def test_leaves_recorded_by_many_threads_form_one_unbroken_chain(log: EvidenceLog):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda i: log.append(Leaf(Kind.DECISION, {"decision_id": str(i)})), range(40)))
    assert entries_holding(log) == 40


def test_an_unknown_or_ambiguous_prefix_is_refused(log: EvidenceLog):
    for i in range(40):
        log.append(Leaf(Kind.DECISION, {"decision_id": str(i)}))
    for nothing in ("zz", "%", "A", "0" * 65):
        with pytest.raises(UnknownLeaf, match="no leaf"):
            log.get(nothing)
    with pytest.raises(UnknownLeaf, match="several"):
        log.get("")


def test_every_leaf_is_found_by_its_whole_id_and_by_a_beginning_that_tells_it_apart(log: EvidenceLog):
    for leaf_id in [log.append(Leaf(Kind.DECISION, {"decision_id": str(i)})) for i in range(40)]:
        assert (log.get(leaf_id).id, log.get(leaf_id[:12]).id) == (leaf_id, leaf_id)


def test_leaves_are_told_apart_by_whole_values_of_their_identity(log: EvidenceLog):
    one, more = {"family": "fraud", "dates": {"family": "credit"}}, {"family": "fraud2"}
    for identity in (one, more):
        log.append(Leaf(Kind.MODEL_BUNDLE, identity))
    assert [leaf.identity for leaf in log.leaves(Kind.MODEL_BUNDLE, family="fraud")] == [one]
    assert log.leaves(Kind.MODEL_BUNDLE, family="credit") == []


def test_leaves_are_found_by_what_people_call_them(log: EvidenceLog):
    said = log.append(Leaf(Kind.RAW_FILE, {"sha256": "ab" * 32}, {"path": 'Zürich/"one"\\two.csv'}))
    other = log.append(Leaf(Kind.RAW_FILE, {"sha256": "abcd" * 16}, {"path": "other.csv"}))
    bundle = log.append(Leaf(Kind.MODEL_BUNDLE, {"digest": "d1" * 32}, {"family": "fraud", "model_version": 3}))
    for name in ('Zürich/"one"\\two.csv', "ab" * 32):
        assert [leaf.id for leaf in log.called(name)] == [said]
    assert [leaf.id for leaf in log.called("ababa", or_begins=True)] == [said]
    assert [leaf.id for leaf in log.called("ab", or_begins=True)] == [said, other]
    assert [leaf.id for leaf in log.called("fraud@3")] == [bundle]
    assert log.called("ababa") == log.called("fraud@") == log.called("fraud@4") == []


def test_the_newest_of_a_kind_is_the_last_recorded_that_fits(log: EvidenceLog):
    for number, family in enumerate(["fraud", "credit", "fraud", "price"]):
        log.append(Leaf(Kind.EVALUATION, {"family": family, "number": number}))
    assert (newest := log.latest(Kind.EVALUATION, family="fraud")) is not None
    assert newest.identity["number"] == 2
    assert log.latest(Kind.EVALUATION, family="forecast") is None


def test_leaves_recorded_together_may_name_each_other_and_each_is_recorded_once(log: EvidenceLog):
    batch = Leaf(Kind.LANDED_BATCH, {"rows": 3})
    with log.transaction() as transaction:
        ids = log.record_all(transaction, [NewLeaf(RAW), NewLeaf(batch, [Parent(RAW.id, "raw")]), NewLeaf(RAW)])
    assert ids == [RAW.id, batch.id, RAW.id]
    assert [leaf.sequence for leaf in (log.get(RAW.id), log.get(batch.id))] == [1, 2]
    assert [leaf.id for _, leaf in log.parents(batch.id)] == [RAW.id]
    assert entries_holding(log) == 2


def test_a_clock_set_back_does_not_make_a_later_entry_the_earlier_one(log: EvidenceLog, clock: FixedClock):
    log.append(RAW)
    noon, clock.instant = clock.instant, clock.instant - timedelta(hours=1)
    assert log.get(log.append(Leaf(Kind.LANDED_BATCH, {"rows": 3}))).recorded_at == noon


def test_a_log_of_another_shape_is_left_alone_and_said(url: str):
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE leaf (sequence INTEGER PRIMARY KEY, id TEXT, chain_hash TEXT)")
    engine.dispose()
    with pytest.raises(LogOutdated, match="earlier version"):
        EvidenceLog(url)


def numbered(i: int) -> Leaf:
    return Leaf(Kind.RAW_FILE, {"sha256": sha256_bytes(f"{i}".encode())}, {"path": f"file {i}"})


def test_what_was_rolled_back_is_not_taken_for_recorded(log: EvidenceLog):
    """Another leaf takes the place of one that never came to be."""
    with pytest.raises(RuntimeError), log.transaction() as transaction:
        log.record(transaction, numbered(1))
        log.record(transaction, numbered(2))
        raise RuntimeError
    EvidenceLog(log.url).append(numbered(3))
    with log.transaction() as transaction:
        log.record_all(transaction, [NewLeaf(numbered(1)), NewLeaf(numbered(4), [Parent(numbered(3).id, "after")])])
        log.record(transaction, numbered(1))
    assert [leaf.identity for leaf in log.leaves(Kind.RAW_FILE)] == [numbered(i).identity for i in (3, 1, 4)]
    assert entries_holding(log) == 3
