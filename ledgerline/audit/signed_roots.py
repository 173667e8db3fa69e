"""What the log and its witness have signed, as verification holds the log against it."""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from ledgerline.audit.checkpoint import Checkpoint, SignedCheckpoint
from ledgerline.audit.finding import Finding, Problem
from ledgerline.audit.merkle import fold
from ledgerline.audit.note import NoteInvalid, NoteKey
from ledgerline.audit.schema import CHECKPOINT
from ledgerline.audit.witness import Published
from ledgerline.core.clock import instant_text

# Between an entry and the witness's look at it lie the keeper's pause and the witness's, and two clocks.
_WITNESS_LAG = timedelta(minutes=3)


@dataclass(frozen=True, slots=True)
class Trust:
    """Whom to believe.

    Attributes:
        log_key: The log's own key; None believes no checkpoint of the database.
        witness: What the witness has published; None leaves only the log's own word.
        witness_keys: Whose cosignatures count.
    """

    log_key: NoteKey | None = None
    witness: Published | None = None
    witness_keys: tuple[NoteKey, ...] = ()


@dataclass
class Witnessed:
    """What the witness has seen of the log.

    Attributes:
        published: Where its copy of the entries' hashes is.
        size: How many entries its newest cosigned checkpoint covers.
        at: When that was cosigned, UTC; None without a witness.
    """

    published: Published | None
    size: int = 0
    at: datetime | None = None
    _sizes: list[int] = field(default_factory=list)  # of the cosigned checkpoints, ascending, beside the moments
    _earliest: list[str] = field(default_factory=list)  # of what was recorded after the look
    _latest: list[str] = field(default_factory=list)  # of what it saw

    def add(self, size: int, at: datetime) -> None:
        """Add a look at the log, newer than those before it."""
        self.size, self.at = size, at
        self._sizes.append(size)
        self._earliest.append(instant_text(at - _WITNESS_LAG))
        self._latest.append(instant_text(at + _WITNESS_LAG))

    def hashes(self, begin: int, end: int) -> list[bytes]:
        """Return the copied hashes of the entries from ``begin`` up to ``end``, counted from 0; those vouched for."""
        until = min(end, self.size)
        return self.published.hashes(begin, until) if self.published and begin < until else []

    def contradicts(self, sequence: int, recorded_at: str) -> str | None:
        """Return how the witness's looks at the log contradict an entry's time, or None."""
        after = bisect_left(self._sizes, sequence)  # the first look that saw the entry
        if after and recorded_at < self._earliest[after - 1]:
            return f"{recorded_at} is too early: the witness did not see it at {self._earliest[after - 1]}"
        if after < len(self._latest) and recorded_at > self._latest[after]:
            return f"{recorded_at} is too late: the witness saw it before {self._latest[after]}"
        return None


class SignedRoots:
    """The roots that the log and its witness have signed, by the size of the log.

    Args:
        connection: From :meth:`EvidenceLog.reading`.
        trust: Whom to believe.
        first: The first entry that is read, from 1.
        findings: Takes what does not hold.

    Attributes:
        sizes: Where roots were signed, ascending.
        largest: The largest of them; 0 for none.
        compared: How many were compared.
        witnessed: What the witness has seen.
    """

    def __init__(self, connection: Connection, trust: Trust, first: int, findings: list[Finding]) -> None:
        self._findings = findings
        self._by_size: dict[int, dict[bytes, str]] = {}  # whose the roots are
        self._holds_to = first - 1
        self.compared = 0
        self.witnessed = Witnessed(trust.witness)
        for checkpoint, at in self._cosigned(trust):
            self._add("the witness", checkpoint)
            self.witnessed.add(checkpoint.size, at)
        for checkpoint in self._signed(connection, trust.log_key):
            self._add("the log", checkpoint)
        self.sizes = sorted(self._by_size)
        self.largest = max(self.sizes, default=0)

    def holds(self, size: int, roots: Sequence[bytes]) -> bool:
        """Whether the root over these perfect subtrees, side by side, is the one that was signed at this size."""
        self.compared += 1
        first, signed, root = self._holds_to + 1, self._by_size[size], fold(roots)
        if root not in signed:
            who = " and ".join(dict.fromkeys(signed.values()))
            self._find(first, Problem.UNPROVEN, f"{who} has signed another root over entries {first} to {size}")
            return False
        for other in signed.keys() - {root}:
            self._find(size, Problem.FORGED, f"{signed[other]} has signed a second root over these {size} entries")
        self._holds_to = size
        return True

    def _find(self, sequence: int, problem: Problem, detail: str) -> None:
        self._findings.append(Finding(sequence, problem, detail))

    def _add(self, who: str, checkpoint: Checkpoint) -> None:
        self._by_size.setdefault(checkpoint.size, {}).setdefault(checkpoint.root, who)

    def _cosigned(self, trust: Trust) -> Iterator[tuple[Checkpoint, datetime]]:
        if trust.witness is None:
            return
        try:
            for signed in trust.witness.checkpoints():
                at = signed.witnessed_at(trust.witness_keys)
                if at is not None:
                    yield signed.checkpoint, at
        except NoteInvalid as forged:
            self._find(self.witnessed.size + 1, Problem.FORGED, f"what the witness has published: {forged}")

    def _signed(self, connection: Connection, log_key: NoteKey | None) -> Iterator[Checkpoint]:
        if log_key is None:
            return
        statement = sa.select(CHECKPOINT.c.size, CHECKPOINT.c.note).order_by(CHECKPOINT.c.size)
        for row in connection.execute(statement):
            try:
                checkpoint = SignedCheckpoint.parse(row.note, log_key).checkpoint
            except NoteInvalid as forged:
                self._find(row.size, Problem.FORGED, f"the checkpoint at this size: {forged}")
                continue
            if checkpoint.size != row.size:
                self._find(row.size, Problem.FORGED, f"the checkpoint stored here is of {checkpoint.size} entries")
            yield checkpoint
