"""Checkpoints: what the log is at one size, signed (c2sp.org/tlog-checkpoint)."""

import base64
import binascii
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from ledgerline.audit.note import Note, NoteInvalid, NoteKey, NoteSigner

_HASH_BYTES = 32


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a log is at one size.

    Attributes:
        origin: Which log.
        size: How many entries it has.
        root: The Merkle tree's root over them, 32 bytes.
    """

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        """The text that is signed."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"

    @classmethod
    def parse(cls, text: str) -> "Checkpoint":
        """Read a checkpoint from its text, which may be written in one way only.

        Raises:
            NoteInvalid: It is none.
        """
        lines = text.split("\n")
        try:
            checkpoint = cls(lines[0], int(lines[1]), base64.b64decode(lines[2], validate=True))
        except (IndexError, ValueError, binascii.Error) as garbled:
            raise NoteInvalid(f"not a checkpoint: {text[:80]!r}") from garbled
        well_formed = checkpoint.origin and checkpoint.size >= 0 and len(checkpoint.root) == _HASH_BYTES
        if not well_formed or checkpoint.text != text:
            raise NoteInvalid(f"not a checkpoint: {text[:80]!r}")
        return checkpoint


@dataclass(frozen=True, slots=True)
class SignedCheckpoint:
    """A checkpoint with the signatures under it.

    Attributes:
        checkpoint: What is signed.
        note: The note that carries it.
    """

    checkpoint: Checkpoint
    note: Note

    @classmethod
    def sign(cls, checkpoint: Checkpoint, signer: NoteSigner) -> "SignedCheckpoint":
        """Sign a checkpoint as the log that it is of."""
        return cls(checkpoint, Note(checkpoint.text, (signer.sign(checkpoint.text),)))

    @classmethod
    def parse(cls, content: str, log_key: NoteKey) -> "SignedCheckpoint":
        """Read a signed checkpoint.

        Args:
            content: The note.
            log_key: The key of the log that it must be of.

        Raises:
            NoteInvalid: It is none, or the log has not signed it.
        """
        note = Note.parse(content)
        checkpoint = Checkpoint.parse(note.text)
        if checkpoint.origin != log_key.name or not note.is_signed_by(log_key):
            raise NoteInvalid(f"the checkpoint of {checkpoint.origin!r} is not signed by {log_key.name!r}")
        return cls(checkpoint, note)

    def cosigned(self, witness: NoteSigner, at: datetime) -> "SignedCheckpoint":
        """Return it with a witness's cosignature."""
        return SignedCheckpoint(self.checkpoint, self.note.with_signature(witness.sign(self.note.text, at)))

    def witnessed_at(self, witnesses: Iterable[NoteKey]) -> datetime | None:
        """Return when one of these witnesses last cosigned it, UTC, or None."""
        return self.note.witnessed_at(witnesses)
