"""Walk down from anything that was recorded to everything that was made from it.

There are few entries of most kinds, and they are walked one level after the other. Of requests, decisions, order
intents and venue events there may be tens of millions below one deployment: from a parent with more children than are
read at once, they are counted by the index of edges and never brought here. What may hang below them, and so what has
to be looked for, is what the grammar of edges says: :data:`ledgerline.audit.graph.EDGES`.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from ledgerline.audit.entry import recorded_leaf
from ledgerline.audit.graph import BULK, EDGES
from ledgerline.audit.leaf import Kind, RecordedLeaf
from ledgerline.audit.log import EvidenceLog
from ledgerline.audit.outcomes import labelled_decisions
from ledgerline.audit.schema import EDGE, LEAF
from ledgerline.audit.trace import resolve
from ledgerline.core.clock import parse_instant

MOST_CHILDREN_READ = 10_000
"""A parent with more children than this has its bulk children counted where they are."""

_ASKED_AT_ONCE = 500
_PAGE = 10_000

_FEW_KINDS = tuple(kind for kind in Kind if kind not in BULK)
_BULK_BELOW = {
    kind: tuple(dict.fromkeys(each.child for each in EDGES if kind in each.parents and each.child in BULK))
    for kind in Kind
}
# The edges by which one bulk kind hangs on another, and how many of them may lie below one another.
_BULK_ROLES = sorted({each.role for each in EDGES if each.child in BULK and set(each.parents) & set(BULK)})
_DEEPEST = len(BULK)


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One leaf of many.

    Attributes:
        id: Its leaf id.
        recorded_at: When it was recorded, UTC.
    """

    id: str
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class Many:
    """The leaves of one bulk kind.

    Attributes:
        kind: Which kind.
        count: How many there are.
        first: The one that was recorded first.
        last: The one that was recorded last.
    """

    kind: Kind
    count: int
    first: Occurrence
    last: Occurrence


@dataclass(frozen=True, slots=True)
class Impact:
    """Everything that was made from some leaves, themselves left out.

    Attributes:
        starts: The leaves, at least one.
        counts: How many of each kind there are, in the order of the line; kinds of which there are none are left out.
        leaves: Those of the kinds of which there are few, oldest first.
        many: The bulk kinds among them.
        labelled: Decisions whose outcome is said by a label that came in here. They were not made from it.
    """

    starts: tuple[RecordedLeaf, ...]
    counts: Mapping[Kind, int]
    leaves: tuple[RecordedLeaf, ...]
    many: Mapping[Kind, Many]
    labelled: Many | None
    _below: "_Below"

    @property
    def start(self) -> RecordedLeaf:
        """The leaf that was asked about, or the first of them."""
        return self.starts[0]

    def of(self, kind: Kind) -> tuple[RecordedLeaf, ...]:
        """Return the leaves of one kind of which there are few."""
        return tuple(leaf for leaf in self.leaves if leaf.kind is kind)

    def ids(self, kind: Kind) -> Iterator[str]:
        """Yield the ids of every leaf of one kind, each once; the log is read a page at a time."""
        return self._below.ids(kind)


def impact(log: EvidenceLog, name: str, *, most_children_read: int = MOST_CHILDREN_READ) -> Impact:
    """Return everything that was made from what a person calls ``name``: a file, a version, a run, a decision, ...

    Args:
        log: The evidence log.
        name: As :func:`~ledgerline.audit.trace.resolve` takes it.
        most_children_read: From how many children on a parent's bulk children are counted in the database.

    Raises:
        UnknownLeaf: Nothing, or more than one thing, is called so.
    """
    return impact_of(log, [resolve(log, name)], most_children_read=most_children_read)


def impact_of(
    log: EvidenceLog, starts: Sequence[RecordedLeaf], *, most_children_read: int = MOST_CHILDREN_READ
) -> Impact:
    """Return everything that was made from any of some leaves, each thing once; see :func:`impact`."""
    with log.reading() as connection:
        below = _Below(log, starts, *_walk(connection, starts, most_children_read))
        many = {kind: found for kind in BULK if (found := below.many(connection, kind))}
        leaves = _read(connection, (place for place, kind in below.known.items() if kind not in BULK))
        labelled = _labelled(connection, (*starts, *leaves)) if Kind.OUTCOME in many else None
    counts = {kind: sum(leaf.kind is kind for leaf in leaves) for kind in _FEW_KINDS}
    counts |= {kind: found.count for kind, found in many.items()}
    return Impact(
        tuple(starts), {kind: counts[kind] for kind in Kind if counts.get(kind)}, leaves, many, labelled, below
    )


def _labelled(connection: Connection, leaves: Iterable[RecordedLeaf]) -> Many | None:
    receipts = [leaf.sequence for leaf in leaves if leaf.kind in (Kind.VALIDATION_RECEIPT, Kind.RELEASE)]
    found = labelled_decisions(connection, receipts)
    if not found:
        return None
    first, last = (_occurrence(connection, sequence) for sequence in (found[0], found[-1]))
    return Many(Kind.DECISION, len(found), first, last)


@dataclass(frozen=True, slots=True)
class _Prolific:
    """A leaf with more children than are read at once."""

    sequence: int
    kind: Kind


def _walk(connection: Connection, starts: Sequence[RecordedLeaf], most: int) -> tuple[dict[int, Kind], list[_Prolific]]:
    """Return sequence and kind of what is known one by one, and the parents of what is not."""
    known: dict[int, Kind] = {}
    prolific: list[_Prolific] = []
    level = {start.sequence: start.kind for start in starts}
    while level:
        found: dict[int, Kind] = {}
        for parents in _parts(sorted(level), _ASKED_AT_ONCE):
            few, many = _by_children(connection, parents, most)
            found |= _children(connection, few)
            for parent in many:
                prolific.append(_Prolific(parent, level[parent]))
                found |= _few_children(connection, parent)
        level = {sequence: kind for sequence, kind in found.items() if sequence not in known}
        known |= level
    return known, prolific


def _by_children(connection: Connection, parents: Sequence[int], most: int) -> tuple[list[int], list[int]]:
    """Tell the parents that have few children together from those that have many alone."""
    some = sa.select(EDGE.c.child).where(EDGE.c.parent.in_(parents)).limit(most + 1).subquery()
    if _count(connection, some) <= most:
        return list(parents), []
    if len(parents) == 1:
        return [], list(parents)
    half = len(parents) // 2
    (few, many), (more_few, more_many) = (
        _by_children(connection, part, most) for part in (parents[:half], parents[half:])
    )
    return few + more_few, many + more_many


def _children(connection: Connection, parents: Sequence[int]) -> dict[int, Kind]:
    statement = (
        sa.select(LEAF.c.sequence, LEAF.c.kind)
        .join(EDGE, LEAF.c.sequence == EDGE.c.child)
        .where(EDGE.c.parent.in_(parents))
    )
    return {sequence: Kind(kind) for sequence, kind in connection.execute(statement)} if parents else {}


def _few_children(connection: Connection, parent: int) -> dict[int, Kind]:
    """Return the children of the kinds of which there are few, looked for among all of these kinds."""
    statement = sa.select(LEAF.c.sequence, LEAF.c.kind).where(
        LEAF.c.kind.in_([kind.value for kind in _FEW_KINDS]),
        parent < LEAF.c.sequence,
        _is_child(LEAF.c.sequence, [parent]),
    )
    return {sequence: Kind(kind) for sequence, kind in connection.execute(statement)}


class _Below:
    """What lies below some leaves: what is known one by one, and what hangs on their prolific members."""

    def __init__(
        self, log: EvidenceLog, starts: Sequence[RecordedLeaf], known: dict[int, Kind], prolific: list[_Prolific]
    ) -> None:
        self.log, self.known = log, known
        self._before = min(start.sequence for start in starts)  # nothing below lies before the first of them
        self._direct = {kind: [each.sequence for each in prolific if kind in _BULK_BELOW[each.kind]] for kind in BULK}
        # Whose kind of child is not said by the kind of its parent is looked at.
        self._is_mixed = {
            kind: any(len(_BULK_BELOW[each.kind]) > 1 for each in prolific if kind in _BULK_BELOW[each.kind])
            for kind in BULK
        }
        self._prolific = [each.sequence for each in prolific]
        self._indirect = _kinds_below({kind for kind in BULK if self._direct[kind]})

    def many(self, connection: Connection, kind: Kind) -> Many | None:
        """Return how many leaves of a bulk kind there are, the first and the last, or None."""
        known = [sequence for sequence, each in self.known.items() if each is kind]
        if kind in self._indirect:
            count, ends = self._scanned(connection, kind)
        else:
            count, ends = self._counted(connection, kind)
        count += len(known) - self._known_among(connection, kind, known)
        ends += known
        if not count:
            return None
        first, last = (_occurrence(connection, sequence) for sequence in (min(ends), max(ends)))
        return Many(kind, count, first, last)

    def ids(self, kind: Kind) -> Iterator[str]:
        """Yield the ids of the leaves of a kind, each once."""
        yield from self._known_ids(kind)
        if kind in self._indirect:
            statement = sa.select(LEAF.c.sequence, LEAF.c.id).where(
                LEAF.c.kind == kind.value, self._hangs_below(LEAF.c.sequence)
            )
            yield from self._pages(statement, LEAF.c.sequence, but_of=())
            return
        parents = self._direct.get(kind, [])
        for number, parent in enumerate(parents):
            statement = (
                sa.select(LEAF.c.sequence, LEAF.c.id)
                .join(EDGE, LEAF.c.sequence == EDGE.c.child)
                .where(EDGE.c.parent == parent, LEAF.c.kind == kind.value)
            )
            yield from self._pages(statement, EDGE.c.child, but_of=parents[:number])

    def _counted(self, connection: Connection, kind: Kind) -> tuple[int, list[int]]:
        """Count the children of prolific parents by the index of edges."""
        parents = self._direct[kind]
        if not parents:
            return 0, []
        count = _count(connection, _distinct_children(parents, kind if self._is_mixed[kind] else None))
        if not self._is_mixed[kind]:  # what else is among them is of the kinds of which there are few, so it is known
            others = [sequence for sequence, each in self.known.items() if each is not kind]
            count -= _children_among(connection, others, parents)
        ends = [end for parent in parents for end in _ends(connection, parent, kind)]
        return count, ends

    def _scanned(self, connection: Connection, kind: Kind) -> tuple[int, list[int]]:
        """Look at every leaf of the kind for a way up to a prolific parent: children of millions are not looked for."""
        sequence = LEAF.c.sequence
        statement = sa.select(sa.func.count(), sa.func.min(sequence), sa.func.max(sequence)).where(
            LEAF.c.kind == kind.value, self._before < sequence, self._hangs_below(sequence)
        )
        count, first, last = connection.execute(statement).one()
        return count, [end for end in (first, last) if end is not None]

    def _known_among(self, connection: Connection, kind: Kind, known: Sequence[int]) -> int:
        """Return how many of the leaves that are known one by one were counted in the database too."""
        if kind not in self._indirect:
            return _children_among(connection, known, self._direct[kind])
        scanned = sa.select(LEAF.c.sequence).where(self._hangs_below(LEAF.c.sequence))
        parts = (scanned.where(LEAF.c.sequence.in_(part)) for part in _parts(known, _ASKED_AT_ONCE))
        return sum(_count(connection, part.subquery()) for part in parts)

    def _hangs_below(self, sequence: Any) -> sa.ColumnElement[bool]:
        """Whether edges between bulk kinds, and then one more, lead up from a leaf to a prolific parent."""

        def way_up(child: Any, deepest: int) -> sa.ColumnElement[bool]:
            edge = EDGE.alias()
            arrives: sa.ColumnElement[bool] = edge.c.parent.in_(self._prolific)
            if deepest:
                arrives = sa.or_(arrives, sa.and_(edge.c.role.in_(_BULK_ROLES), way_up(edge.c.parent, deepest - 1)))
            return sa.exists().where(edge.c.child == child, arrives)

        return way_up(sequence, _DEEPEST)

    def _known_ids(self, kind: Kind) -> Iterator[str]:
        known = sorted(sequence for sequence, each in self.known.items() if each is kind)
        for part in _parts(known, _ASKED_AT_ONCE):
            with self.log.reading() as connection:
                statement = sa.select(LEAF.c.id).where(LEAF.c.sequence.in_(part)).order_by(LEAF.c.sequence)
                ids = connection.execute(statement).scalars().all()
            yield from ids

    def _pages(self, statement: sa.Select[Any], place: sa.Column[int], *, but_of: Sequence[int]) -> Iterator[str]:
        """Yield the ids of what is not known one by one, nor a child of certain parents."""
        after = self._before
        while True:
            with self.log.reading() as connection:
                rows = connection.execute(statement.where(after < place).order_by(place).limit(_PAGE)).all()
                ids = {row.sequence: row.id for row in rows if row.sequence not in self.known}
                before = set(_those_among(connection, list(ids), but_of))
            yield from (leaf_id for sequence, leaf_id in ids.items() if sequence not in before)
            if len(rows) < _PAGE:
                return
            after = rows[-1].sequence


def _parts(sequences: Iterable[int], size: int) -> Iterator[list[int]]:
    rest = iter(sequences)
    while part := list(islice(rest, size)):
        yield part


def _kinds_below(kinds: set[Kind]) -> set[Kind]:
    """Return the bulk kinds that are made from bulk kinds."""
    below = {child for kind in kinds for child in _BULK_BELOW[kind]}
    return below if below <= kinds else below | _kinds_below(kinds | below)


def _is_child(sequence: Any, parents: Sequence[int]) -> sa.ColumnElement[bool]:
    return sa.exists().where(EDGE.c.child == sequence, EDGE.c.parent.in_(parents))


def _distinct_children(parents: Sequence[int], kind: Kind | None) -> sa.Subquery:
    """Return the children of some parents, each once, in order: so the index's own runs are merged, and none sorted."""
    each = [sa.select(EDGE.c.child).where(EDGE.c.parent == parent) for parent in parents]
    if kind is not None:
        each = [one.join(LEAF, LEAF.c.sequence == EDGE.c.child).where(LEAF.c.kind == kind.value) for one in each]
    return each[0].distinct().subquery() if len(each) == 1 else sa.union(*each).order_by("child").subquery()


def _those_among(connection: Connection, sequences: Sequence[int], parents: Sequence[int]) -> Iterator[int]:
    """Yield those of the leaves that are children of some parents."""
    if not parents:
        return
    for part in _parts(sequences, _ASKED_AT_ONCE):
        statement = sa.select(LEAF.c.sequence).where(LEAF.c.sequence.in_(part), _is_child(LEAF.c.sequence, parents))
        yield from connection.execute(statement).scalars()


def _children_among(connection: Connection, sequences: Sequence[int], parents: Sequence[int]) -> int:
    return sum(1 for _ in _those_among(connection, sequences, parents))


def _ends(connection: Connection, parent: int, kind: Kind) -> Iterator[int]:
    """Yield the first and the last child of a kind."""
    statement = (
        sa.select(EDGE.c.child)
        .join(LEAF, LEAF.c.sequence == EDGE.c.child)
        .where(EDGE.c.parent == parent, LEAF.c.kind == kind.value)
        .limit(1)
    )
    for order in (EDGE.c.child.asc(), EDGE.c.child.desc()):
        yield from connection.execute(statement.order_by(order)).scalars()


def _occurrence(connection: Connection, sequence: int) -> Occurrence:
    statement = sa.select(LEAF.c.id, LEAF.c.recorded_at).where(LEAF.c.sequence == sequence)
    leaf_id, recorded_at = connection.execute(statement).one()
    return Occurrence(leaf_id, parse_instant(recorded_at))


def _read(connection: Connection, sequences: Iterable[int]) -> tuple[RecordedLeaf, ...]:
    columns = sa.select(LEAF.c.sequence, LEAF.c.id, LEAF.c.entry)
    return tuple(
        recorded_leaf(*row)
        for part in _parts(sorted(sequences), _ASKED_AT_ONCE)
        for row in connection.execute(columns.where(LEAF.c.sequence.in_(part)).order_by(LEAF.c.sequence))
    )


def _count(connection: Connection, found: sa.Subquery) -> int:
    return int(connection.execute(sa.select(sa.func.count()).select_from(found)).scalar_one())
