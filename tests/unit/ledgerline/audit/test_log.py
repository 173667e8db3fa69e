"""The evidence log's contract, held by every engine."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import sqlalchemy as sa

from ledgerline.audit import EvidenceLog, Kind, Leaf, Parent, UnknownLeaf
from ledgerline.audit.log import EvidenceBroken
from ledgerline.audit.schema import EDGE, LEAF
from ledgerline.core.clock import FixedClock

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
    assert log.check_chain() == 0


def test_leaves_recorded_by_many_threads_form_one_unbroken_chain(log: EvidenceLog):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda i: log.append(Leaf(Kind.DECISION, {"decision_id": str(i)})), range(40)))
    assert log.check_chain() == 40


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


@pytest.mark.parametrize(
    "attack",
    [
        sa.update(LEAF).where(LEAF.c.sequence == 2).values(detail=b'{"n":"9"}'),
        sa.update(LEAF).where(LEAF.c.sequence == 2).values(identity=b'{"decision_id":"9"}'),
        sa.update(LEAF).where(LEAF.c.sequence == 2).values(identity=b"no JSON"),
        sa.update(LEAF).where(LEAF.c.sequence == 2).values(kind="no kind"),
        sa.update(LEAF).where(LEAF.c.sequence == 2).values(recorded_at="2001-01-01T00:00:00.000000Z"),
        sa.update(EDGE).where(EDGE.c.position == 0).values(role="other"),
    ],
    ids=["detail", "identity", "garbled", "kind", "time", "edge"],
)
def test_a_changed_entry_breaks_the_chain_and_is_named(log: EvidenceLog, attack: sa.Update):
    raw = log.append(RAW)
    for i in range(3):
        log.append(Leaf(Kind.DECISION, {"decision_id": str(i)}, {"n": str(i)}), [Parent(raw, "raw")])
    assert log.check_chain() == 4
    with log.transaction() as transaction:
        transaction.execute(attack)
    with pytest.raises(EvidenceBroken, match="entry 2"):
        log.check_chain()


def test_leaves_are_told_apart_by_whole_values_of_their_identity(log: EvidenceLog):
    one, more = {"family": "fraud", "dates": {"family": "credit"}}, {"family": "fraud2"}
    for identity in (one, more):
        log.append(Leaf(Kind.MODEL_BUNDLE, identity))
    assert [leaf.identity for leaf in log.leaves(Kind.MODEL_BUNDLE, family="fraud")] == [one]
    assert log.leaves(Kind.MODEL_BUNDLE, family="credit") == []


def test_leaves_that_mention_a_text_are_found_however_json_spells_it(log: EvidenceLog):
    said = Leaf(Kind.RAW_FILE, {"sha256": "ab" * 32}, {"path": 'Zürich/"one"\\two.csv'})
    log.append(said)
    log.append(Leaf(Kind.RAW_FILE, {"sha256": "cd" * 32}, {"path": "other.csv"}))
    for text in ('Zürich/"one"\\two.csv', "abab"):
        assert [leaf.id for leaf in log.mentioning(Kind.RAW_FILE, text)] == [said.id]
    assert log.mentioning(Kind.LANDED_BATCH, "abab") == []
