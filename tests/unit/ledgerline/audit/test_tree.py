"""The log as a Merkle tree, on every engine: checkpoints and proofs."""

import pytest
import sqlalchemy as sa

from ledgerline.audit import EvidenceLog, Kind, Leaf
from ledgerline.audit.log import NewLeaf
from ledgerline.audit.merkle import Frontier, ProofInvalid, check_consistency, check_inclusion, leaf_hash
from ledgerline.audit.note import NoteInvalid, NoteSigner
from ledgerline.audit.schema import CHECKPOINT, LEAF, NAME, TREE_NODE
from ledgerline.audit.tree import (
    LogForked,
    latest_checkpoint,
    prove_consistency,
    prove_inclusion,
    sign_checkpoint,
)
from ledgerline.core.clock import FixedClock


def grow(log: EvidenceLog, size: int) -> None:
    """Let the log grow to this many entries."""
    with log.reading() as connection:
        begin = connection.execute(sa.select(sa.func.count()).select_from(LEAF)).scalar_one()
    with log.transaction() as transaction:
        log.record_all(transaction, [NewLeaf(Leaf(Kind.REQUEST, {"sha256": str(i)})) for i in range(begin, size)])


def roots_of(log: EvidenceLog) -> list[bytes]:
    """Return the root at every size, by growing a tree over the entries' bytes."""
    frontier, roots = Frontier(), []
    with log.reading() as connection:
        for entry in connection.execute(sa.select(LEAF.c.entry).order_by(LEAF.c.sequence)).scalars():
            frontier.append(leaf_hash(entry))
            roots.append(frontier.root())
    return roots


@pytest.fixture
def grown(log: EvidenceLog, signer: NoteSigner, clock: FixedClock) -> EvidenceLog:
    """A log with checkpoints at sizes around those at which tiles become complete."""
    for size in (1, 255, 256, 300, 513, 1_100):
        grow(log, size)
        sign_checkpoint(log, signer, clock.now())
    return log


def test_every_checkpoint_signs_the_root_over_the_entries_bytes(grown: EvidenceLog, signer: NoteSigner):
    roots = roots_of(grown)
    newest = latest_checkpoint(grown, signer.key)
    assert newest is not None
    assert (newest.checkpoint.size, newest.checkpoint.root) == (1_100, roots[-1])
    with grown.reading() as connection:
        sizes = list(connection.execute(sa.select(CHECKPOINT.c.size).order_by(CHECKPOINT.c.size)).scalars())
        tiles = connection.execute(sa.select(sa.func.count()).select_from(TREE_NODE)).scalar()
    assert (sizes, tiles) == ([1, 255, 256, 300, 513, 1_100], 4)


def test_a_log_that_has_not_grown_keeps_its_checkpoint(grown: EvidenceLog, signer: NoteSigner, clock: FixedClock):
    before = latest_checkpoint(grown, signer.key)
    assert sign_checkpoint(grown, signer, clock.now()) == before


def test_an_empty_log_has_a_checkpoint_too(log: EvidenceLog, signer: NoteSigner, clock: FixedClock):
    assert latest_checkpoint(log, signer.key) is None
    assert sign_checkpoint(log, signer, clock.now()).checkpoint.size == 0
    grow(log, 1)
    assert sign_checkpoint(log, signer, clock.now()).checkpoint.size == 1


@pytest.mark.parametrize("sequence", [1, 2, 256, 257, 700, 1_024, 1_025, 1_100])
def test_an_entry_is_proven_to_be_in_the_log(grown: EvidenceLog, signer: NoteSigner, sequence: int):
    newest = latest_checkpoint(grown, signer.key)
    assert newest is not None
    proof = prove_inclusion(grown, sequence, newest)
    with grown.reading() as connection:
        entry = connection.execute(sa.select(LEAF.c.entry).where(LEAF.c.sequence == sequence)).scalar_one()
    check_inclusion(leaf_hash(entry), sequence - 1, 1_100, proof.hashes, newest.checkpoint.root)


def test_an_entry_recorded_after_a_checkpoint_is_not_in_it(grown: EvidenceLog, signer: NoteSigner):
    newest = latest_checkpoint(grown, signer.key)
    assert newest is not None
    grow(grown, 1_101)
    with pytest.raises(ProofInvalid):
        prove_inclusion(grown, 1_101, newest)


@pytest.mark.parametrize("old", [0, 1, 255, 256, 300, 512, 1_099, 1_100])
def test_the_log_is_proven_to_have_only_grown(grown: EvidenceLog, old: int):
    roots = [Frontier().root(), *roots_of(grown)]
    check_consistency(old, roots[old], 1_100, roots[1_100], prove_consistency(grown, old, 1_100))


@pytest.mark.parametrize("sequence", [1, 300, 1_100])
def test_a_log_that_was_rewritten_is_not_signed_again(
    grown: EvidenceLog, signer: NoteSigner, clock: FixedClock, sequence: int
):
    with grown.transaction() as transaction:
        transaction.execute(sa.update(LEAF).where(LEAF.c.sequence == sequence).values(hash=b"x" * 32))
        transaction.execute(sa.delete(TREE_NODE))
    grow(grown, 1_101)
    with pytest.raises(LogForked, match="not those that it has signed for"):
        sign_checkpoint(grown, signer, clock.now())


def test_a_log_that_was_cut_short_is_not_signed_again(grown: EvidenceLog, signer: NoteSigner, clock: FixedClock):
    with grown.transaction() as transaction:
        transaction.execute(sa.delete(NAME))
        transaction.execute(sa.delete(LEAF).where(LEAF.c.sequence > 1_050))
    with pytest.raises(LogForked, match="lacks"):
        sign_checkpoint(grown, signer, clock.now())


def test_another_key_does_not_sign_on(grown: EvidenceLog, clock: FixedClock, witness_signer: NoteSigner):
    with pytest.raises(NoteInvalid):
        sign_checkpoint(grown, witness_signer, clock.now())
