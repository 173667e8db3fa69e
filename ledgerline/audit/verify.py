"""Check the evidence log: every hash, root, signature, edge and name, against itself and against its witness."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import zip_longest
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from ledgerline.audit.checkpoint import Checkpoint, SignedCheckpoint
from ledgerline.audit.entry import Entry, EntryMalformed, ReadEntry, decode_entry, read_entry, recorded_leaf
from ledgerline.audit.graph import EdgeType, misfits
from ledgerline.audit.leaf import Kind, RecordedLeaf
from ledgerline.audit.log import EvidenceLog
from ledgerline.audit.lookup import stored_names
from ledgerline.audit.merkle import Frontier, frontier_of, leaf_hashes
from ledgerline.audit.note import NoteInvalid, NoteKey
from ledgerline.audit.rows import plain_rows
from ledgerline.audit.schema import CHECKPOINT, EDGE, LEAF, NAME
from ledgerline.audit.tree import LogForked, size_of, stored_tree
from ledgerline.audit.witness import Published
from ledgerline.core.clock import instant_text
from ledgerline.core.errors import LedgerlineError

_CHUNK = 1 << 12
_MOST_FINDINGS = 100
# Between an entry and the witness's look at it lie the keeper's pause and the witness's, and two clocks.
_WITNESS_LAG = timedelta(minutes=3)


class EvidenceBroken(LedgerlineError):
    """The evidence log does not hold."""


class Problem(StrEnum):
    """What is wrong with an entry."""

    MISSING = "missing"  # its place in the log is empty
    CHANGED = "changed"  # its bytes are not those that were hashed when it was recorded
    REWRITTEN = "rewritten"  # bytes and hash agree, but the witness has seen another hash
    UNPROVEN = "unproven"  # it is among entries over which a signed root does not hold
    FORGED = "forged"  # a checkpoint at this size is not signed by whom it says
    MALFORMED = "malformed"  # its bytes are no entry
    MISNAMED = "misnamed"  # its id, kind, time or names are stored otherwise than the entry says
    BACK_DATED = "back_dated"  # it says to be recorded when others were there already, or the witness before it
    EDGE = "edge"  # what it was made from is stored otherwise than the entry says, or does not fit the grammar
    SIGNATURE = "signature"  # a signature in it, or the bytes that it names, do not hold
    EFFECT = "effect"  # what was committed together with it is no longer what it says


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that does not hold.

    Attributes:
        sequence: The first entry that it is about, from 1.
        problem: What kind of thing.
        detail: What was found, for a person.
    """

    sequence: int
    problem: Problem
    detail: str

    def __str__(self) -> str:
        return f"entry {self.sequence}: {self.problem}: {self.detail}"


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


@dataclass(frozen=True, slots=True)
class Verification:
    """What came of checking.

    Attributes:
        entries: How many entries were read.
        edges: How many edges.
        checkpoints: How many signed roots were compared.
        witnessed: How many entries the newest cosigned checkpoint covers.
        witnessed_at: When it was cosigned, UTC; None without a witness.
        findings: What does not hold, by entry, the first hundred.
    """

    entries: int
    edges: int
    checkpoints: int
    witnessed: int
    witnessed_at: datetime | None
    findings: tuple[Finding, ...]

    @property
    def holds(self) -> bool:
        """Whether nothing was found."""
        return not self.findings


Check = Callable[[RecordedLeaf], str | None]
"""Something more to check of a leaf of one kind: None, or what is wrong with it."""


def check_log(
    log: EvidenceLog,
    trust: Trust | None = None,
    *,
    first: int = 1,
    last: int | None = None,
    hashes_only: bool = False,
    checks: Mapping[Kind, Check] | None = None,
    grammar: Sequence[EdgeType] = (),
    progress: Callable[[int, int], None] | None = None,
) -> Verification:
    """Read the log and say what in it does not hold.

    Args:
        log: The evidence log.
        trust: Whom to believe; without it the log is only compared with itself.
        first: The first entry to read, from 1.
        last: The last; None reads to the end.
        hashes_only: Leave out what the entries say: only bytes, hashes, roots and the witness's copy.
        checks: More to check, by kind.
        grammar: What may be made from what, :data:`ledgerline.audit.graph.EDGES`; without it edges may be any.
        progress: Called with the entries read and to be read.
    """
    with log.reading() as connection:
        run = _Run(connection, trust or Trust(), first, last, hashes_only, checks or {}, grammar, progress)
        return run.verification()


def entries_holding(log: EvidenceLog, trust: Trust | None = None) -> int:
    """Check the whole log and return how many entries it has.

    Raises:
        EvidenceBroken: Naming the first that does not hold.
    """
    verification = check_log(log, trust)
    if not verification.holds:
        raise EvidenceBroken(f"the evidence log does not hold at {verification.findings[0]}")
    return verification.entries


_Row = tuple[Any, ...]
"""Sequence, entry and hash; then id, kind and moment, where more than hashes are checked."""


@dataclass
class _Run:
    """One pass over the log."""

    connection: Connection
    trust: Trust
    first: int
    last: int | None
    hashes_only: bool
    checks: Mapping[Kind, Check]
    grammar: Sequence[EdgeType]
    progress: Callable[[int, int], None] | None
    findings: list[Finding] = field(default_factory=list)
    edges: int = 0
    names: int = 0

    def verification(self) -> Verification:
        size = size_of(self.connection)
        end = min(self.last or size, size)
        roots = _SignedRoots(self)
        self._look_for_cut(roots, size)
        try:
            frontier = frontier_of(stored_tree(self.connection), self.first - 1)
        except LogForked as lacking:
            self.find(self.first, Problem.MISSING, str(lacking))
            frontier = None
        recorded_at = ""
        entries = 0
        for begin in range(self.first - 1, end, _CHUNK):
            until = min(end, begin + _CHUNK)
            rows = self._rows(begin, until)
            entries += len(rows)
            frontier = self._hashes(rows, begin, until, frontier, roots)
            if not self.hashes_only:
                recorded_at = self._entries(rows, begin, until, recorded_at, roots)
            if self.progress:
                self.progress(until - self.first + 1, end - self.first + 1)
            if len(self.findings) >= _MOST_FINDINGS:
                break
        if not self.hashes_only and self.first == 1 and end == size:
            self._look_for_strays()
            if (
                frontier
                and not self.findings
                and frontier_of(stored_tree(self.connection), end).roots != frontier.roots
            ):
                self.find(1, Problem.UNPROVEN, "the subtrees that are stored for proofs are not those of the entries")
        findings = tuple(sorted(self.findings, key=lambda finding: finding.sequence)[:_MOST_FINDINGS])
        return Verification(entries, self.edges, roots.compared, roots.witnessed, roots.witnessed_at, findings)

    def find(self, sequence: int, problem: Problem, detail: str) -> None:
        self.findings.append(Finding(sequence, problem, detail))

    def _rows(self, begin: int, end: int) -> list[_Row]:
        more = () if self.hashes_only else (LEAF.c.id, LEAF.c.kind, LEAF.c.recorded_at)
        columns = (LEAF.c.sequence, LEAF.c.entry, LEAF.c.hash, *more)
        within = sa.select(*columns).where(begin < LEAF.c.sequence, LEAF.c.sequence <= end)
        return plain_rows(self.connection, within.order_by(LEAF.c.sequence))

    def _look_for_cut(self, roots: "_SignedRoots", size: int) -> None:
        if roots.largest > size:
            who = "the witness has seen" if roots.witnessed > size else "the log has signed for"
            self.find(size + 1, Problem.MISSING, f"{who} {roots.largest} entries; everything after {size} is gone")

    def _hashes(
        self, rows: Sequence[Any], begin: int, end: int, frontier: Frontier | None, roots: "_SignedRoots"
    ) -> Frontier | None:
        """Compare bytes with hashes, hashes with the witness's copy, and roots with those that were signed."""
        places = [row[0] for row in rows]
        if places != list(range(begin + 1, end + 1)):
            for sequence in sorted(set(range(begin + 1, end + 1)) - set(places)):
                self.find(sequence, Problem.MISSING, "no such entry")
            frontier = None
        stored = [row[2] for row in rows]
        found = leaf_hashes([row[1] for row in rows])
        seen = self._seen(begin, end, roots) if frontier else []
        if found != stored or seen != found[: len(seen)]:
            self._name_changed(places, found, stored, seen)
        # The tree of what was there once, so that one changed entry does not hide the next.
        return self._grow(frontier, [*seen, *stored[len(seen) :]], roots) if frontier else None

    def _name_changed(
        self, places: Sequence[int], found: Sequence[bytes], stored: Sequence[bytes], seen: Sequence[bytes]
    ) -> None:
        for sequence, now, then, copy in zip_longest(places, found, stored, seen):
            if now != then:
                self.find(sequence, Problem.CHANGED, "its bytes were changed after it was recorded")
            elif copy and copy != now:
                self.find(sequence, Problem.REWRITTEN, "it is not what the witness has seen")

    def _grow(self, frontier: Frontier, hashes: Sequence[bytes], roots: "_SignedRoots") -> Frontier | None:
        """Let the tree grow, and compare its root wherever one was signed; None once it is another tree."""
        begin = frontier.size
        for size in roots.sizes_within(begin, begin + len(hashes)):
            frontier.extend(hashes[frontier.size - begin : size - begin])
            if not roots.holds(size, frontier.root()):
                return None
        frontier.extend(hashes[frontier.size - begin :])
        return frontier

    def _seen(self, begin: int, end: int, roots: "_SignedRoots") -> list[bytes]:
        """Return the witness's copy of these entries' hashes, as far as it has vouched for them."""
        until = min(end, roots.witnessed)
        return self.trust.witness.hashes(begin, until) if self.trust.witness and begin < until else []

    def _entries(self, rows: Sequence[_Row], begin: int, end: int, recorded_at: str, roots: "_SignedRoots") -> str:
        """Compare what the entries say with what is stored of them beside, and check what they sign."""
        edges = _edges(self.connection, begin, end)
        names: set[tuple[str, int]] = set()
        fitting: dict[int, Entry] = {}  # entries whose edges are stored as they say
        for sequence, content, _, leaf_id, kind, moment in rows:
            try:
                entry = read_entry(content)
            except EntryMalformed as garbled:
                self.find(sequence, Problem.MALFORMED, str(garbled))
                continue
            if not entry.id == leaf_id == entry.own_id:
                self.find(sequence, Problem.MISNAMED, f"{kind} {leaf_id} is called {entry.own_id} by what it says")
            if kind != entry.kind or moment != entry.recorded_at:
                self.find(sequence, Problem.MISNAMED, f"{leaf_id} is stored as {kind} of {moment}")
            if entry.recorded_at < recorded_at:
                self.find(sequence, Problem.BACK_DATED, f"{entry.recorded_at} is before the entry before it")
            recorded_at = max(recorded_at, entry.recorded_at)
            if problem := roots.contradicts(sequence, entry.recorded_at):
                self.find(sequence, Problem.BACK_DATED, problem)
            if self._has_its_edges(sequence, entry, edges.pop(sequence, [])) and self.grammar:
                fitting[sequence] = decode_entry(content)
            names.update((name, sequence) for name in entry.names)
            check = self.checks.get(entry.kind)
            if check and (problem := check(recorded_leaf(sequence, leaf_id, content))):
                self.find(sequence, Problem.SIGNATURE, problem)
        for sequence, problem in misfits(self.connection, fitting, self.grammar) if self.grammar else ():
            self.find(sequence, Problem.EDGE, problem)
        for child in edges:
            self.find(child, Problem.EDGE, "an edge of an entry that is not there")
        for name, sequence in sorted(names - stored_names(self.connection, {name for name, _ in names})):
            self.find(sequence, Problem.MISNAMED, f"it is not found by its name {name!r}")
        self.names += len(names)
        return recorded_at

    def _has_its_edges(self, sequence: int, entry: ReadEntry, stored: Sequence[tuple[str, str, int | None]]) -> bool:
        """Compare an entry's edges as it says them with those that are stored."""
        self.edges += len(stored)
        said = entry.parents
        if len(said) != len(stored) or any(
            each[0] != parent or each[1] != role for each, (parent, role, _) in zip(said, stored, strict=True)
        ):
            self.find(sequence, Problem.EDGE, f"{entry.kind} {entry.id} was made from {said}; stored is {stored}")
            return False
        if late := [role for _, role, place in stored if place is None or place >= sequence]:
            self.find(sequence, Problem.EDGE, f"{entry.kind} {entry.id} has a parent after itself: {', '.join(late)}")
            return False
        return True

    def _look_for_strays(self) -> None:
        """Look for edges and names of entries that there are not."""
        for what, column in (("of", EDGE.c.child), ("to", EDGE.c.parent)):
            known = sa.exists().where(LEAF.c.sequence == column)
            for sequence in self.connection.execute(sa.select(column).where(~known).limit(_MOST_FINDINGS)).scalars():
                self.find(sequence, Problem.EDGE, f"an edge {what} an entry that is not there")
        stored = self.connection.execute(sa.select(sa.func.count()).select_from(NAME)).scalar_one()
        if stored != self.names and not self.findings:
            self.find(1, Problem.MISNAMED, f"{stored} names are stored, not {self.names}")


class _SignedRoots:
    """The roots that the log and its witness have signed, by the size of the log."""

    def __init__(self, run: _Run) -> None:
        self._run = run
        self.by_size: dict[int, dict[bytes, str]] = {}  # whose the roots are
        self.compared = self.witnessed = self.largest = 0
        self.witnessed_at: datetime | None = None
        self._sizes: list[int] = []  # of the cosigned ones, ascending, beside the times
        self._times: list[datetime] = []
        self._holds_to = run.first - 1
        for checkpoint, at in self._cosigned():
            self._add("the witness", checkpoint)
            self._sizes.append(checkpoint.size)
            self._times.append(at)
            self.witnessed, self.witnessed_at = checkpoint.size, at
        for checkpoint in self._signed():
            self._add("the log", checkpoint)
        self._signed_sizes = sorted(self.by_size)
        self._earliest = [instant_text(at - _WITNESS_LAG) for at in self._times]
        self._latest = [instant_text(at + _WITNESS_LAG) for at in self._times]

    def holds(self, size: int, root: bytes) -> bool:
        """Whether a root is the one that was signed at this size."""
        self.compared += 1
        first, signed = self._holds_to + 1, self.by_size[size]
        if root not in signed:
            who = " and ".join(dict.fromkeys(signed.values()))
            self._run.find(first, Problem.UNPROVEN, f"{who} has signed another root over entries {first} to {size}")
            return False
        for other in signed.keys() - {root}:
            self._run.find(size, Problem.FORGED, f"{signed[other]} has signed a second root over these {size} entries")
        self._holds_to = size
        return True

    def sizes_within(self, begin: int, end: int) -> list[int]:
        """Return the sizes above ``begin`` up to ``end`` at which a root was signed."""
        return self._signed_sizes[bisect_right(self._signed_sizes, begin) : bisect_right(self._signed_sizes, end)]

    def contradicts(self, sequence: int, recorded_at: str) -> str | None:
        """Return how the witness's looks at the log contradict an entry's time, or None."""
        after = bisect_left(self._sizes, sequence)  # the first look that saw the entry
        if after and recorded_at < self._earliest[after - 1]:
            return f"{recorded_at} is too early: the witness did not see it at {self._earliest[after - 1]}"
        if after < len(self._latest) and recorded_at > self._latest[after]:
            return f"{recorded_at} is too late: the witness saw it before {self._latest[after]}"
        return None

    def _add(self, who: str, checkpoint: Checkpoint) -> None:
        self.by_size.setdefault(checkpoint.size, {}).setdefault(checkpoint.root, who)
        self.largest = max(self.largest, checkpoint.size)

    def _cosigned(self) -> Iterator[tuple[Checkpoint, datetime]]:
        trust = self._run.trust
        if trust.witness is None:
            return
        try:
            for signed in trust.witness.checkpoints():
                at = signed.witnessed_at(trust.witness_keys)
                if at is not None:
                    yield signed.checkpoint, at
        except NoteInvalid as forged:
            self._run.find(self.witnessed + 1, Problem.FORGED, f"what the witness has published: {forged}")

    def _signed(self) -> Iterator[Checkpoint]:
        log_key = self._run.trust.log_key
        if log_key is None:
            return
        statement = sa.select(CHECKPOINT.c.size, CHECKPOINT.c.note).order_by(CHECKPOINT.c.size)
        for row in self._run.connection.execute(statement):
            try:
                checkpoint = SignedCheckpoint.parse(row.note, log_key).checkpoint
            except NoteInvalid as forged:
                self._run.find(row.size, Problem.FORGED, f"the checkpoint at this size: {forged}")
                continue
            if checkpoint.size != row.size:
                self._run.find(row.size, Problem.FORGED, f"the checkpoint stored here is of {checkpoint.size} entries")
            yield checkpoint


def _edges(connection: Connection, begin: int, end: int) -> dict[int, list[tuple[str, str, int | None]]]:
    """Return ``(parent's id, role, parent's sequence)`` of every edge, by child and in order."""
    parent = LEAF.alias()
    statement = (
        sa.select(EDGE.c.child, parent.c.id, EDGE.c.role, parent.c.sequence)
        .outerjoin(parent, parent.c.sequence == EDGE.c.parent)
        .where(begin < EDGE.c.child, EDGE.c.child <= end)
        .order_by(EDGE.c.child, EDGE.c.position)
    )
    found: dict[int, list[tuple[str, str, int | None]]] = {}
    for child, parent_id, role, sequence in plain_rows(connection, statement):
        found.setdefault(child, []).append((parent_id, role, sequence))
    return found
