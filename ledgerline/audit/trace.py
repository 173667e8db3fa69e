"""Walk back from anything that was recorded to the raw bytes and the people behind it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from ledgerline.audit.entry import recorded_leaf
from ledgerline.audit.leaf import Kind, Leaf, RecordedLeaf
from ledgerline.audit.log import EvidenceLog, UnknownLeaf
from ledgerline.audit.schema import EDGE, LEAF
from ledgerline.core.storage import ObjectCorrupt, ObjectMissing, ObjectStore

_SHORTEST_PREFIX = 6
_SHOWN_DIGITS = 12
_SHOWN_CANDIDATES = 5
_ID_PREFIX = re.compile(rf"[0-9a-f]{{{_SHORTEST_PREFIX},64}}")
_READ_AT_ONCE = 1_000


def _edges_behind() -> sa.Select[int, int, int, str]:
    edge = (EDGE.c.child, EDGE.c.position, EDGE.c.parent, EDGE.c.role)
    behind = sa.select(*edge).where(EDGE.c.child == sa.bindparam("start")).cte("behind", recursive=True)
    behind = behind.union(sa.select(*edge).join(behind, EDGE.c.child == behind.c.parent))
    return sa.select(behind.c.child, behind.c.position, behind.c.parent, behind.c.role)


# A walk is two statements, not one a leaf: hundreds of landed batches may lie behind one decision.
_EDGES_BEHIND = _edges_behind()
_READ = sa.select(LEAF.c.sequence, LEAF.c.id, LEAF.c.entry).where(
    LEAF.c.sequence.in_(sa.bindparam("wanted", expanding=True))
)


@dataclass(frozen=True, slots=True)
class Step:
    """One leaf on the way back, and what it was made from.

    Attributes:
        role: What this leaf was to the one that leads here; empty for the start.
        leaf: The leaf.
        parents: The steps behind it, in recorded order; empty where the leaf was met before on this walk.
        met_before: Whether the leaf's own parents are written out elsewhere in the same trace.
    """

    role: str
    leaf: RecordedLeaf
    parents: tuple["Step", ...]
    met_before: bool = False

    def walk(self) -> Iterator["Step"]:
        """Yield this step and every step behind it, depth first."""
        yield self
        for parent in self.parents:
            yield from parent.walk()


@dataclass(frozen=True, slots=True)
class RawBytes:
    """Where a trace ends: a raw file as it was received.

    Attributes:
        sha256: What ``sha256sum`` must print for it.
        path: Its name where it was received.
        location: Where its bytes are kept now.
        problem: None when the bytes were read again and hash to ``sha256``; otherwise what is wrong with them.
    """

    sha256: str
    path: str
    location: str
    problem: str | None


def resolve(log: EvidenceLog, name: str) -> RecordedLeaf:
    """Find what a person means by ``name``.

    It may be a leaf id, a decision id, a client order id, a bundle digest, a file's SHA-256 (or the first six or more
    digits of any), a model version such as ``fraud@3``, a feature version's tag, the path of an ingested file, or the
    whole SHA-256 of a request.

    Raises:
        UnknownLeaf: Nothing, or more than one thing, is called so.
    """
    if exactly := log.find(name) or log.find(Leaf(Kind.REQUEST, {"sha256": name}).id):
        return exactly
    found = log.called(name)
    if not found and _ID_PREFIX.fullmatch(name):
        found = log.called(name, or_begins=True)
        if not found:
            return log.get(name)
    if len(found) > 1:
        candidates = ", ".join(f"{leaf.kind} {leaf.id[:_SHOWN_DIGITS]}" for leaf in found[:_SHOWN_CANDIDATES])
        more = f" and {len(found) - _SHOWN_CANDIDATES} more" if len(found) > _SHOWN_CANDIDATES else ""
        raise UnknownLeaf(f"{len(found)} things are called {name!r}: {candidates}{more}; give one of these ids")
    if not found:
        raise UnknownLeaf(
            f"nothing recorded is called {name!r}; give a decision id, a model version (fraud@1), a digest or an "
            f"ingested file's path, or at least {_SHORTEST_PREFIX} leading digits of an id"
        )
    return found[0]


def trace(log: EvidenceLog, start: RecordedLeaf) -> Step:
    """Walk from ``start`` through every parent to the leaves that have none.

    A leaf that several others were made from is written out once and marked ``met_before`` where it comes again.
    """
    with log.reading() as connection:
        rows = connection.execute(_EDGES_BEHIND, {"start": start.sequence}).all()
        edges = sorted((child, position, parent, role) for child, position, parent, role in rows)
        leaves = _leaves(connection, {parent for _, _, parent, _ in edges})
    parents: dict[int, list[tuple[str, RecordedLeaf]]] = {}
    for child, _, parent, role in edges:
        parents.setdefault(child, []).append((role, leaves[parent]))
    met: set[int] = set()

    def step(role: str, leaf: RecordedLeaf) -> Step:
        if leaf.sequence in met:
            return Step(role, leaf, (), met_before=True)
        met.add(leaf.sequence)
        return Step(role, leaf, tuple(step(*parent) for parent in parents.get(leaf.sequence, ())))

    return step("", start)


def _leaves(connection: Connection, sequences: set[int]) -> dict[int, RecordedLeaf]:
    wanted = sorted(sequences)
    found: dict[int, RecordedLeaf] = {}
    for begin in range(0, len(wanted), _READ_AT_ONCE):
        rows = connection.execute(_READ, {"wanted": wanted[begin : begin + _READ_AT_ONCE]}).all()
        found.update((sequence, recorded_leaf(sequence, leaf_id, entry)) for sequence, leaf_id, entry in rows)
    return found


def raw_bytes(objects: ObjectStore, start: Step) -> list[RawBytes]:
    """Read every raw file behind ``start`` again and say whether it still hashes to its name."""
    found = []
    for step in start.walk():
        if step.leaf.kind is not Kind.RAW_FILE or step.met_before:
            continue
        sha256 = step.leaf.identity["sha256"]
        try:
            with objects.local(sha256):
                problem = None
        except (ObjectCorrupt, ObjectMissing) as error:
            problem = str(error)
        found.append(RawBytes(sha256, str(step.leaf.detail.get("path", "")), objects.location(sha256), problem))
    return found
