"""The witness: vouches for a log that grows, and for no other."""

import shutil
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from ledgerline.audit import EvidenceLog, Kind, Leaf
from ledgerline.audit.note import NoteKey, NoteSigner
from ledgerline.audit.schema import CHECKPOINT, LEAF, NAME, TREE_NODE
from ledgerline.audit.tree import LogForked, sign_checkpoint
from ledgerline.audit.witness import Published, Witness, WitnessRefused, observe
from ledgerline.core.clock import FixedClock


@pytest.fixture
def look(log: EvidenceLog, signer: NoteSigner, clock: FixedClock):
    """Let the log grow by some entries and sign for them, then let a witness look at it."""

    def apply(witness: Witness, entries: int = 3):
        for _ in range(entries):
            clock.instant += timedelta(seconds=1)
            log.append(Leaf(Kind.REQUEST, {"sha256": clock.instant.isoformat()}))
        sign_checkpoint(log, signer, clock.now())
        return observe(witness, log, clock.now())

    return apply


def forget_and_sign(log: EvidenceLog, signer: NoteSigner, clock: FixedClock) -> None:
    """Sign what the log is now, as somebody would who holds its key and has removed what it signed before."""
    with log.transaction() as transaction:
        transaction.execute(sa.delete(CHECKPOINT))
        transaction.execute(sa.delete(TREE_NODE))
    sign_checkpoint(log, signer, clock.now())


def test_a_growing_log_is_cosigned_and_everything_is_published(witness, look, witness_signer: NoteSigner, clock):
    first = look(witness)
    second = look(witness, entries=4)
    published = Published(witness.published.folder)
    assert list(published.checkpoints()) == [first, second]
    assert (second.checkpoint.size, second.witnessed_at([witness_signer.key])) == (7, clock.now())
    assert len(published.hashes(0, 100)) == 7
    assert (published.key, published.log_key) == (witness_signer.key, witness.log_key)


def test_a_log_that_rests_is_cosigned_again_with_the_new_time(witness, look, witness_signer: NoteSigner, clock):
    look(witness)
    clock.instant += timedelta(seconds=30)
    again = look(witness, entries=0)
    assert (again.checkpoint.size, again.witnessed_at([witness_signer.key])) == (3, clock.now())


def test_a_log_without_a_checkpoint_is_not_vouched_for(witness, log: EvidenceLog, clock: FixedClock):
    assert observe(witness, log, clock.now()) is None
    assert list(witness.published.checkpoints()) == []


def test_history_rewritten_with_the_logs_own_key_is_not_cosigned(witness, look, log, signer, clock):
    vouched = look(witness)
    with log.transaction() as transaction:
        transaction.execute(sa.update(LEAF).where(LEAF.c.sequence == 2).values(hash=b"x" * 32))
    forget_and_sign(log, signer, clock)
    with pytest.raises(LogForked):
        observe(witness, log, clock.now())
    log.append(Leaf(Kind.REQUEST, {"sha256": "more"}))
    forget_and_sign(log, signer, clock)
    with pytest.raises(LogForked, match="do not begin with"):
        observe(witness, log, clock.now())
    assert list(witness.published.checkpoints()) == [vouched]


def test_a_log_cut_short_with_its_own_key_is_not_cosigned(witness, look, log, signer, clock):
    look(witness)
    with log.transaction() as transaction:
        transaction.execute(sa.delete(NAME))
        transaction.execute(sa.delete(LEAF).where(LEAF.c.sequence == 3))
    forget_and_sign(log, signer, clock)
    with pytest.raises(LogForked, match="shrunk"):
        observe(witness, log, clock.now())


def test_a_witness_that_starts_again_goes_on_where_it_was(witness, look, witness_signer, signer):
    look(witness)
    again = Witness(witness.published.folder, witness_signer, signer.key)
    assert again.last == witness.last
    assert look(again).checkpoint.size == 6
    assert [each.checkpoint.size for each in again.published.checkpoints()] == [3, 6]


@pytest.mark.parametrize("left", ["copied hashes", "half a line"])
def test_a_witness_killed_while_writing_goes_on_from_the_last_whole_checkpoint(
    witness, look, witness_signer, signer, left: str
):
    look(witness)
    with (
        witness.published.hashes_path.open("ab") as hashes,
        witness.published.checkpoints_path.open("a") as checkpoints,
    ):
        hashes.write(b"x" * 50)
        if left == "half a line":
            checkpoints.write('{"note": "ledgerline.log/te')
    again = Witness(witness.published.folder, witness_signer, signer.key)
    look(again)
    assert [each.checkpoint.size for each in again.published.checkpoints()] == [3, 6]
    assert len(again.published.hashes(0, 100)) == 6


def test_a_witness_whose_copy_was_changed_says_so_at_its_start(witness, look, witness_signer, signer):
    look(witness)
    content = witness.published.hashes_path.read_bytes()
    witness.published.hashes_path.write_bytes(b"x" + content[1:])
    with pytest.raises(WitnessRefused, match="not the copy"):
        Witness(witness.published.folder, witness_signer, signer.key)


def test_a_witness_keeps_to_its_log_and_to_its_key(witness, look, signer, witness_signer, tmp_path: Path):
    look(witness)
    stranger = NoteKey("ledgerline.log/other", b"k" * 32)
    with pytest.raises(WitnessRefused, match="another folder"):
        Witness(witness.published.folder, witness_signer, stranger)
    with pytest.raises(WitnessRefused, match="another folder"):
        Witness(witness.published.folder, NoteSigner.of("w", signer.private, cosigns=True), signer.key)
    copy = tmp_path / "copy"
    shutil.copytree(witness.published.folder, copy)
    assert Published(copy).last() == witness.last
