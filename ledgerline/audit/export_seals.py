"""The signatures that an export stands on: the checkpoint, what the witness saw, keys and proofs."""

import json
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import sqlalchemy as sa

from ledgerline.audit.checkpoint import Checkpoint, SignedCheckpoint
from ledgerline.audit.leaf import RecordedLeaf
from ledgerline.audit.ledger import Ledger
from ledgerline.audit.log import EvidenceLog
from ledgerline.audit.merkle import (
    PerfectRoot,
    ProofInvalid,
    check_inclusion,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
)
from ledgerline.audit.note import Note, NoteInvalid, NoteKey, NoteSigner
from ledgerline.audit.schema import CHECKPOINT
from ledgerline.audit.tree import sign_checkpoint, stored_tree
from ledgerline.audit.verify_export import CHECKPOINT as CHECKPOINT_FILE
from ledgerline.audit.verify_export import LOG_KEY, PROOFS, WITNESS_KEY
from ledgerline.audit.witness import Published
from ledgerline.core.errors import LedgerlineError

ENTRY_DIGITS = 10
"""How many digits an entry's position has in the name of its file."""


class ExportRefused(LedgerlineError):
    """An export that would not hold, or that would overwrite something, is not made."""


@dataclass(frozen=True, slots=True)
class Seals:
    """The signatures that an export stands on.

    Attributes:
        checkpoint: What the proofs are against: the first that the witness cosigned with all entries in it, or else the
            first that the log signed. The first, because it says the most about time, and stays the first.
        looks: Other checkpoints that the witness cosigned: the last before each entry and the first with it.
        log_key: The log's public key, or None where it is not known here.
        witness_key: The witness's, or None.
        witnessed: Up to which entry they reach.
    """

    checkpoint: SignedCheckpoint
    looks: Mapping[str, SignedCheckpoint]
    log_key: NoteKey | None
    witness_key: NoteKey | None
    witnessed: int

    @classmethod
    def of(cls, ledger: Ledger, leaves: Sequence[RecordedLeaf], signer: NoteSigner | None) -> "Seals":
        """Choose the checkpoints for some entries, signing one where none covers the newest and there is a signer.

        Raises:
            ExportRefused: No checkpoint covers the newest entry, and none can be signed here.
        """
        newest = leaves[-1].sequence
        log_key = _log_key(ledger)
        published = Published(ledger.settings.witness_path)
        witness_key, pinned = published.key, published.log_key
        looks = {}
        if witness_key and pinned and log_key in (None, pinned):
            looks = _looks(published, pinned, witness_key, [leaf.sequence for leaf in leaves])
        covering = [signed for signed in looks.values() if signed.checkpoint.size >= newest]
        checkpoint = covering[0] if covering else _signed_by_log(ledger, newest, log_key, signer)
        witnessed = max((signed.checkpoint.size for signed in looks.values()), default=0)
        return cls(
            checkpoint,
            {path: signed for path, signed in looks.items() if signed != checkpoint},
            log_key,
            witness_key,
            min(witnessed, newest),
        )

    def files(self, log: EvidenceLog, leaves: Sequence[RecordedLeaf]) -> dict[str, bytes]:
        """Return the checkpoints, proofs and keys by path.

        Raises:
            ExportRefused: An entry is not in the log that was signed.
        """
        keys = {LOG_KEY: self.log_key, WITNESS_KEY: self.witness_key if self.looks or self.witnessed else None}
        notes = {CHECKPOINT_FILE: self.checkpoint, **self.looks}
        return {
            PROOFS: self._proofs(log, leaves),
            **{path: str(signed.note).encode() for path, signed in notes.items()},
            **{path: f"{key.text}\n".encode() for path, key in keys.items() if key},
        }

    def _proofs(self, log: EvidenceLog, leaves: Sequence[RecordedLeaf]) -> bytes:
        size = self.checkpoint.checkpoint.size
        with log.reading() as connection:
            perfect = cache(stored_tree(connection))
            inclusion = {str(leaf.sequence): self._inclusion(perfect, leaf) for leaf in leaves}
            consistency = {
                path: [each.hex() for each in consistency_proof(perfect, *sorted((look.checkpoint.size, size)))]
                for path, look in self.looks.items()
            }
        proofs = {"consistency": consistency, "inclusion": inclusion}
        return (json.dumps(proofs, indent=1, sort_keys=True) + "\n").encode()

    def _inclusion(self, perfect: PerfectRoot, leaf: RecordedLeaf) -> list[str]:
        signed = self.checkpoint.checkpoint
        proof = inclusion_proof(perfect, leaf.sequence - 1, signed.size)
        try:
            check_inclusion(leaf_hash(leaf.entry), leaf.sequence - 1, signed.size, proof, signed.root)
        except ProofInvalid as unproven:
            raise ExportRefused(
                f"entry {leaf.sequence} ({leaf.kind} {leaf.id}) is not in the log that was signed: it, or others, were "
                "changed. Look with `ledgerline audit verify`, and export from a backup that holds"
            ) from unproven
        return [each.hex() for each in proof]


def _log_key(ledger: Ledger) -> NoteKey | None:
    path = ledger.settings.keys_path / "log.vkey"
    return NoteKey.parse(path.read_text(encoding="utf-8")) if path.exists() else None


def _looks(
    published: Published, log_key: NoteKey, witness_key: NoteKey, sequences: Sequence[int]
) -> dict[str, SignedCheckpoint]:
    """Return by path the last checkpoints that were cosigned before each entry and the first that were with it.

    A witness cosigns every few seconds, for years: what is not chosen is not verified.

    Raises:
        NoteInvalid: What was chosen is not signed by the log, or not by the witness.
    """
    notes = list(_notes(published))
    sizes = [int(note.text.split("\n", 2)[1]) for note in notes]
    places: set[int] = set()
    for sequence in sequences:
        first_with = bisect_left(sizes, sequence)
        places |= {place for place in (first_with - 1, first_with) if 0 <= place < len(notes)}
    found = {}
    for place in sorted(places):
        signed = SignedCheckpoint.parse(str(notes[place]), log_key)
        at = signed.witnessed_at([witness_key])
        if at is None:
            raise NoteInvalid(
                f"{published.checkpoints_path} holds a checkpoint that {witness_key.name} has not cosigned"
            )
        found[f"witness/{signed.checkpoint.size:0{ENTRY_DIGITS}d}-{int(at.timestamp())}.txt"] = signed
    return found


def _notes(published: Published) -> Iterator[Note]:
    """Yield what a witness has published, unverified; a line that a kill has cut short is none."""
    if not published.checkpoints_path.exists():
        return
    with published.checkpoints_path.open(encoding="utf-8") as lines:
        for line in lines:
            if line.endswith("\n"):
                yield Note.parse(json.loads(line)["note"])


def _signed_by_log(ledger: Ledger, newest: int, log_key: NoteKey | None, signer: NoteSigner | None) -> SignedCheckpoint:
    """Return the first checkpoint that the log has signed with an entry in it, signing one where there is none."""
    statement = sa.select(CHECKPOINT.c.note).where(CHECKPOINT.c.size >= newest).order_by(CHECKPOINT.c.size).limit(1)
    with ledger.log.reading() as connection:
        stored = connection.execute(statement).scalar()
    if stored is not None:
        if log_key:
            return SignedCheckpoint.parse(stored, log_key)
        note = Note.parse(stored)
        return SignedCheckpoint(Checkpoint.parse(note.text), note)
    if signer is None:
        raise ExportRefused(
            f"the log has signed no checkpoint with entry {newest} in it yet; start its keeper (`ledgerline run`, or "
            "python -m ledgerline.audit.keeper) and export again"
        )
    return sign_checkpoint(ledger.log, signer, ledger.clock.now())
