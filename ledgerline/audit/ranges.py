"""Check a range of the log's entries: all that can be said of an entry by what is stored of it and of those before."""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from ledgerline.audit.entry import Entry, EntryMalformed, ReadEntry, decode_entry, read_entry, recorded_leaf
from ledgerline.audit.finding import Finding, Problem
from ledgerline.audit.graph import EdgeType, misfits
from ledgerline.audit.leaf import Kind, RecordedLeaf
from ledgerline.audit.lookup import stored_names
from ledgerline.audit.merkle import Frontier, leaf_hashes
from ledgerline.audit.rows import plain_rows
from ledgerline.audit.schema import EDGE, LEAF
from ledgerline.audit.signed_roots import Witnessed

_CHUNK = 1 << 13

Check = Callable[[RecordedLeaf], str | None]
"""Something more to check of a leaf of one kind: None, or what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked of every entry, in whichever process it is read.

    Attributes:
        witnessed: What the witness has seen.
        signed_sizes: The sizes of the log at which roots were signed, ascending.
        hashes_only: Leave out what the entries say.
        grammar: What may be made from what; empty lets edges be any.
    """

    witnessed: Witnessed
    signed_sizes: Sequence[int]
    hashes_only: bool
    grammar: Sequence[EdgeType]

    def sizes_within(self, begin: int, end: int) -> Sequence[int]:
        """Return the sizes above ``begin`` up to ``end`` at which a root was signed."""
        return self.signed_sizes[bisect_right(self.signed_sizes, begin) : bisect_right(self.signed_sizes, end)]


_Row = tuple[Any, ...]
"""Sequence, entry and hash; then id, kind and moment, where more than hashes are checked."""


@dataclass
class RangeCheck:
    """Reads entries, one after the other.

    Attributes:
        connection: From :meth:`EvidenceLog.reading`.
        asked: What is asked of every entry.
        findings: Takes what does not hold.
        holds: Whether the root over these subtrees is the one that was signed at this size; asked at every signed size.
        frontier: The tree of the entries before these; None if it is not known. Grows, and becomes None once it is
            another tree than was signed.
        checks: More to check, by kind.
        recorded_at: The latest moment of the entries before these, ISO 8601 UTC. Grows.
        entries: How many were read.
        edges: How many edges they have.
        names: How many names.
    """

    connection: Connection
    asked: Asked
    findings: list[Finding]
    holds: Callable[[int, Sequence[bytes]], bool]
    frontier: Frontier | None
    checks: Mapping[Kind, Check] = field(default_factory=dict)
    recorded_at: str = ""
    entries: int = 0
    edges: int = 0
    names: int = 0

    def read(self, begin: int, end: int) -> Iterator[int]:
        """Read the entries from ``begin`` up to ``end``, counted from 0; yield how far it is every few thousand."""
        for start in range(begin, end, _CHUNK):
            until = min(end, start + _CHUNK)
            rows = self._rows(start, until)
            self.entries += len(rows)
            self._hashes(rows, start, until)
            if not self.asked.hashes_only:
                self._entries(rows, start, until)
            yield until

    def _find(self, sequence: int, problem: Problem, detail: str) -> None:
        self.findings.append(Finding(sequence, problem, detail))

    def _rows(self, begin: int, end: int) -> list[_Row]:
        more = () if self.asked.hashes_only else (LEAF.c.id, LEAF.c.kind, LEAF.c.recorded_at)
        columns = (LEAF.c.sequence, LEAF.c.entry, LEAF.c.hash, *more)
        within = sa.select(*columns).where(begin < LEAF.c.sequence, LEAF.c.sequence <= end)
        return plain_rows(self.connection, within.order_by(LEAF.c.sequence))

    def _hashes(self, rows: Sequence[_Row], begin: int, end: int) -> None:
        """Compare bytes with hashes, hashes with the witness's copy, and roots with those that were signed."""
        places = [row[0] for row in rows]
        if places != list(range(begin + 1, end + 1)):
            for sequence in sorted(set(range(begin + 1, end + 1)) - set(places)):
                self._find(sequence, Problem.MISSING, "no such entry")
            self.frontier = None
        stored = [row[2] for row in rows]
        found = leaf_hashes([row[1] for row in rows])
        seen = self.asked.witnessed.hashes(begin, end) if self.frontier else []
        if found != stored or seen != found[: len(seen)]:
            self._name_changed(places, found, stored, seen)
        if self.frontier:
            # The tree of what was there once, so that one changed entry does not hide the next.
            self.frontier = self._grown(self.frontier, [*seen, *stored[len(seen) :]], begin)

    def _name_changed(
        self, places: Sequence[int], found: Sequence[bytes], stored: Sequence[bytes], seen: Sequence[bytes]
    ) -> None:
        for sequence, now, then, copy in zip_longest(places, found, stored, seen):
            if now != then:
                self._find(sequence, Problem.CHANGED, "its bytes were changed after it was recorded")
            elif copy and copy != now:
                self._find(sequence, Problem.REWRITTEN, "it is not what the witness has seen")

    def _grown(self, frontier: Frontier, hashes: Sequence[bytes], begin: int) -> Frontier | None:
        """Let the tree grow, and compare its root wherever one was signed; None once it is another tree."""
        at = begin
        for size in self.asked.sizes_within(begin, begin + len(hashes)):
            frontier.extend(hashes[at - begin : size - begin])
            at = size
            if not self.holds(size, frontier.roots):
                return None
        frontier.extend(hashes[at - begin :])
        return frontier

    def _entries(self, rows: Sequence[_Row], begin: int, end: int) -> None:
        """Compare what the entries say with what is stored of them beside, and check what they sign."""
        edges = _edges(self.connection, begin, end)
        names: set[tuple[str, int]] = set()
        fitting: dict[int, Entry] = {}  # entries whose edges are stored as they say
        for row in rows:
            sequence, content, leaf_id = row[0], row[1], row[3]
            try:
                entry = read_entry(content)
            except EntryMalformed as garbled:
                self._find(sequence, Problem.MALFORMED, str(garbled))
                continue
            self._compare(entry, row)
            if self._has_its_edges(sequence, entry, edges.pop(sequence, [])) and self.asked.grammar:
                fitting[sequence] = decode_entry(content)
            if entry.names:
                names.update((name, sequence) for name in entry.names)
            check = self.checks.get(entry.kind)
            if check and (problem := check(recorded_leaf(sequence, leaf_id, content))):
                self._find(sequence, Problem.SIGNATURE, problem)
        for sequence, problem in misfits(self.connection, fitting, self.asked.grammar) if fitting else ():
            self._find(sequence, Problem.EDGE, problem)
        for child in edges:
            self._find(child, Problem.EDGE, "an edge of an entry that is not there")
        for name, sequence in sorted(names - stored_names(self.connection, {name for name, _ in names})):
            self._find(sequence, Problem.MISNAMED, f"it is not found by its name {name!r}")
        self.names += len(names)

    def _compare(self, entry: ReadEntry, row: _Row) -> None:
        """Compare an entry's own id, kind and moment with those that are stored, and its moment with the others."""
        sequence, _, _, leaf_id, kind, moment = row
        if not entry.id == leaf_id == entry.own_id:
            self._find(sequence, Problem.MISNAMED, f"{kind} {leaf_id} is called {entry.own_id} by what it says")
        if kind != entry.kind or moment != entry.recorded_at:
            self._find(sequence, Problem.MISNAMED, f"{leaf_id} is stored as {kind} of {moment}")
        if entry.recorded_at < self.recorded_at:
            self._find(sequence, Problem.BACK_DATED, f"{entry.recorded_at} is before the entry before it")
        else:
            self.recorded_at = entry.recorded_at
        if problem := self.asked.witnessed.contradicts(sequence, entry.recorded_at):
            self._find(sequence, Problem.BACK_DATED, problem)

    def _has_its_edges(self, sequence: int, entry: ReadEntry, stored: Sequence[tuple[str, str, int | None]]) -> bool:
        """Compare an entry's edges as it says them with those that are stored."""
        said = entry.parents
        if not said and not stored:
            return True
        self.edges += len(stored)
        if said != [[parent, role] for parent, role, _ in stored]:
            self._find(sequence, Problem.EDGE, f"{entry.kind} {entry.id} was made from {said}; stored is {stored}")
            return False
        if late := [role for _, role, place in stored if place is None or place >= sequence]:
            self._find(sequence, Problem.EDGE, f"{entry.kind} {entry.id} has a parent after itself: {', '.join(late)}")
            return False
        return True


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
