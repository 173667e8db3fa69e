"""Signed notes and checkpoints, by the words of their specifications and by notes that others have signed."""

from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ledgerline.audit.checkpoint import Checkpoint, SignedCheckpoint
from ledgerline.audit.note import Note, NoteInvalid, NoteKey, NoteSigner

# From the documentation of Go's golang.org/x/mod/sumdb/note, where the format was first written down.
GO_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_NOTE = (
    "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n\n"
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
# From c2sp.org/tlog-cosignature.
COSIGNED = (
    "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n"
    "— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE"
    "+xeMcTOAYQ8=\n"
    "— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+"
    "mbIUBkBIfZ+qnA==\n"
)
NOON = datetime(2018, 10, 1, 12, tzinfo=UTC)


def signer(name: str = "log.example/1", *, cosigns: bool = False) -> NoteSigner:
    return NoteSigner.of(name, Ed25519PrivateKey.generate(), cosigns=cosigns)


def test_a_note_that_others_have_signed_verifies_with_their_key():
    note, key = Note.parse(GO_NOTE), NoteKey.parse(GO_KEY)
    assert note.is_signed_by(key)
    assert (str(note), key.text) == (GO_NOTE, GO_KEY)


def test_a_note_that_others_have_signed_does_not_verify_once_a_letter_is_changed():
    changed = Note.parse(GO_NOTE.replace("answer", "Answer"))
    with pytest.raises(NoteInvalid, match="not what PeterNeumann signed"):
        changed.is_signed_by(NoteKey.parse(GO_KEY))


def test_the_specifications_example_is_read_as_a_checkpoint():
    note = Note.parse(COSIGNED)
    checkpoint = Checkpoint.parse(note.text)
    assert (checkpoint.origin, checkpoint.size) == ("example.com/behind-the-sofa", 20852163)
    assert (checkpoint.text, str(note)) == (note.text, COSIGNED)


def test_a_checkpoint_comes_back_with_its_logs_signature_and_its_witnesss_time():
    log, witness = signer(), signer("witness.example/1", cosigns=True)
    signed = SignedCheckpoint.sign(Checkpoint(log.key.name, 7, b"r" * 32), log).cosigned(witness, NOON)
    read = SignedCheckpoint.parse(str(signed.note), NoteKey.parse(log.key.text))
    assert read == signed
    assert read.witnessed_at([NoteKey.parse(witness.key.text)]) == NOON


def test_a_cosignature_holds_for_its_own_time_only():
    log, witness = signer(), signer("witness.example/1", cosigns=True)
    signed = SignedCheckpoint.sign(Checkpoint(log.key.name, 7, b"r" * 32), log)
    earlier, later = (signed.cosigned(witness, at).note.signatures[-1] for at in (NOON, NOON.replace(hour=13)))
    common = next(i for i, (a, b) in enumerate(zip(earlier, later, strict=True)) if a != b)
    mixed = signed.note.with_signature(later[: common + 3] + earlier[common + 3 :])
    with pytest.raises(NoteInvalid, match="not what witness"):
        mixed.witnessed_at([witness.key])


def test_a_strangers_signature_counts_for_nothing():
    log, stranger = signer(), signer()
    signed = SignedCheckpoint.sign(Checkpoint(log.key.name, 7, b"r" * 32), stranger)
    assert not signed.note.is_signed_by(log.key)
    with pytest.raises(NoteInvalid, match="not signed by"):
        SignedCheckpoint.parse(str(signed.note), log.key)
    assert signed.witnessed_at([signer("witness.example/1", cosigns=True).key]) is None


def test_another_logs_checkpoint_is_refused_though_its_signature_holds():
    log = signer()
    signed = SignedCheckpoint.sign(Checkpoint("log.example/2", 7, b"r" * 32), log)
    with pytest.raises(NoteInvalid, match="checkpoint of 'log"):
        SignedCheckpoint.parse(str(signed.note), log.key)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "text without signature\n",
        "text\n\nno signature line\n",
        GO_NOTE.rstrip("\n"),
        GO_NOTE.replace("answer", "ans\twer"),
        GO_NOTE + "one more line\n",
    ],
)
def test_what_is_no_signed_note_is_refused(text: str):
    with pytest.raises(NoteInvalid):
        Note.parse(text)


@pytest.mark.parametrize("size", ["07", "-1", "+7", "7 ", "seven", ""])
def test_a_checkpoint_written_in_another_way_is_refused(size: str):
    text = Checkpoint("log.example/1", 7, b"r" * 32).text.replace("\n7\n", f"\n{size}\n")
    with pytest.raises(NoteInvalid, match="not a checkpoint"):
        Checkpoint.parse(text)


@pytest.mark.parametrize(
    "change", [("PeterNeumann", "Peter"), ("c74f20a3", "c74f20a4"), ("ARpc", "Ahpc"), ("ARpc", "!")]
)
def test_a_key_whose_id_is_another_keys_or_that_is_none_is_refused(change: tuple[str, str]):
    with pytest.raises(NoteInvalid):
        NoteKey.parse(GO_KEY.replace(*change))


def test_a_witness_must_say_when():
    with pytest.raises(NoteInvalid, match="say when"):
        signer("witness.example/1", cosigns=True).sign("text\n")
