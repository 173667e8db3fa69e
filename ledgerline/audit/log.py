"""Record leaves and their parents, in one transaction with the effect they speak of."""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from ledgerline.audit.leaf import Kind, Leaf, Parent, RecordedLeaf
from ledgerline.audit.schema import EDGE, LEAF, METADATA
from ledgerline.core.clock import Clock, SystemClock, instant_text, parse_instant
from ledgerline.core.errors import LedgerlineError
from ledgerline.core.identity import canonical_json, sha256_bytes

GENESIS_HASH = "0" * 64
_APPEND_LOCK = 0x1ED6E7  # PostgreSQL advisory lock: appends are one after the other, as SQLite's are by nature
_SQLITE_BUSY_SECONDS = 60
_HEX = re.compile("[0-9a-f]*")
_AFTER_HEX_DIGITS = "g"


class UnknownLeaf(LedgerlineError):
    """No leaf, or more than one, has that id."""


class EvidenceBroken(LedgerlineError):
    """The log's chain does not hold: an entry was changed, dropped or moved."""


class EvidenceLog:
    """The append-only log, and the transactions in which effects commit together with their leaves.

    Args:
        url: SQLAlchemy URL: SQLite (write-ahead log, full sync) or PostgreSQL.
        clock: Where ``recorded_at`` comes from.
    """

    def __init__(self, url: str, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._engine = _engine(url)
        self._reading_level = "AUTOCOMMIT" if self._engine.dialect.name == "sqlite" else "REPEATABLE READ"
        METADATA.create_all(self._engine)

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Yield a connection on which effects and leaves commit together, or not at all."""
        with self._engine.begin() as connection:
            yield connection

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Yield a connection that takes no write lock and sees one moment for as long as it reads."""
        with self._engine.connect().execution_options(isolation_level=self._reading_level) as connection:
            yield connection

    def record(self, transaction: Connection, leaf: Leaf, parents: Sequence[Parent] = ()) -> str:
        """Append ``leaf`` to the log and return its id; a leaf that is there already is left as it is.

        Args:
            transaction: From :meth:`transaction`, holding the effect that the leaf speaks of.
            leaf: The fact.
            parents: What it was made from, in a meaningful order.

        Raises:
            UnknownLeaf: A parent is not in the log.
        """
        if transaction.dialect.name == "postgresql":
            transaction.execute(sa.select(sa.func.pg_advisory_xact_lock(_APPEND_LOCK)))
        leaf_id = leaf.id
        if transaction.execute(sa.select(LEAF.c.sequence).where(LEAF.c.id == leaf_id)).first():
            return leaf_id
        self._require(transaction, parents, leaf)
        last = transaction.execute(
            sa.select(LEAF.c.sequence, LEAF.c.chain_hash).order_by(LEAF.c.sequence.desc()).limit(1)
        ).first()
        row = {
            "sequence": (last.sequence if last else 0) + 1,
            "id": leaf_id,
            "kind": leaf.kind.value,
            "identity": canonical_json(dict(leaf.identity)),
            "detail": canonical_json(dict(leaf.detail)),
            "recorded_at": instant_text(self._clock.now()),
        }
        edges = [
            {"child": leaf_id, "position": position, "parent": parent.id, "role": parent.role}
            for position, parent in enumerate(parents)
        ]
        row["chain_hash"] = _chain_hash(last.chain_hash if last else GENESIS_HASH, row, edges)
        transaction.execute(sa.insert(LEAF), row)
        if edges:
            transaction.execute(sa.insert(EDGE), edges)
        return leaf_id

    def append(self, leaf: Leaf, parents: Sequence[Parent] = ()) -> str:
        """Record a leaf in a transaction of its own, for effects that are files and already content-addressed."""
        if self.find(leaf.id) is not None:
            return leaf.id
        with self.transaction() as transaction:
            return self.record(transaction, leaf, parents)

    def find(self, leaf_id: str) -> RecordedLeaf | None:
        """Return the leaf with exactly this id, or None."""
        with self.reading() as connection:
            row = connection.execute(sa.select(LEAF).where(LEAF.c.id == leaf_id)).first()
        return _recorded(row) if row else None

    def get(self, prefix: str) -> RecordedLeaf:
        """Return the leaf whose id starts with ``prefix``.

        Raises:
            UnknownLeaf: None does, or several do.
        """
        # As a range, which the index of ids answers; LIKE would read the whole log.
        named = sa.and_(prefix <= LEAF.c.id, LEAF.c.id < prefix + _AFTER_HEX_DIGITS)
        with self.reading() as connection:
            rows = connection.execute(sa.select(LEAF).where(named).limit(2)).all() if _HEX.fullmatch(prefix) else []
        if len(rows) != 1:
            problem = "no leaf's id starts with" if not rows else "several leaves' ids start with"
            raise UnknownLeaf(f"{problem} {prefix!r}")
        return _recorded(rows[0])

    def leaves(self, kind: Kind, **identity: Any) -> list[RecordedLeaf]:
        """Return the leaves of one kind, oldest first, whose identity has the given values."""
        written = [canonical_json({name: value})[1:-1] for name, value in identity.items()]
        found = self._of_kind(kind, lambda row: all(part in row.identity for part in written))
        return [leaf for leaf in found if all(leaf.identity.get(name) == value for name, value in identity.items())]

    def mentioning(self, kind: Kind, text: str) -> list[RecordedLeaf]:
        """Return the leaves of one kind, oldest first, whose identity or detail holds ``text`` somewhere."""
        written = canonical_json(text)[1:-1]
        return self._of_kind(kind, lambda row: written in row.identity or written in row.detail)

    def latest(self, kind: Kind, **identity: Any) -> RecordedLeaf | None:
        """Return the newest leaf of one kind whose identity has the given values, or None."""
        found = self.leaves(kind, **identity)
        return found[-1] if found else None

    def parents(self, leaf_id: str) -> list[tuple[str, RecordedLeaf]]:
        """Return ``(role, leaf)`` for everything the leaf was made from, in recorded order."""
        statement = (
            sa.select(EDGE.c.role, *LEAF.c)
            .join(LEAF, LEAF.c.id == EDGE.c.parent)
            .where(EDGE.c.child == leaf_id)
            .order_by(EDGE.c.position)
        )
        return self._related(statement)

    def children(self, leaf_id: str) -> list[tuple[str, RecordedLeaf]]:
        """Return ``(role, leaf)`` for everything that was made from the leaf, oldest first."""
        statement = (
            sa.select(EDGE.c.role, *LEAF.c)
            .join(LEAF, LEAF.c.id == EDGE.c.child)
            .where(EDGE.c.parent == leaf_id)
            .order_by(LEAF.c.sequence)
        )
        return self._related(statement)

    def check_chain(self) -> int:
        """Recompute every id and the whole chain; return how many entries hold.

        Raises:
            EvidenceBroken: Naming the first entry that does not.
        """
        with self.reading() as connection:
            edges: dict[str, list[dict[str, Any]]] = {}
            for edge in connection.execute(sa.select(EDGE).order_by(EDGE.c.child, EDGE.c.position)).mappings():
                edges.setdefault(edge["child"], []).append(dict(edge))
            previous = GENESIS_HASH
            expected_sequence = 1
            for row in connection.execute(sa.select(LEAF).order_by(LEAF.c.sequence)).mappings():
                body = {name: value for name, value in row.items() if name != "chain_hash"}
                if (
                    row["sequence"] != expected_sequence
                    or _id_of(row) != row["id"]
                    or _chain_hash(previous, body, edges.pop(row["id"], [])) != row["chain_hash"]
                ):
                    raise EvidenceBroken(
                        f"the evidence log does not hold at entry {row['sequence']} ({row['kind']} {row['id']})"
                    )
                previous = row["chain_hash"]
                expected_sequence += 1
        if edges:
            raise EvidenceBroken(f"the evidence log has edges of entries that it lacks: {', '.join(sorted(edges))}")
        return expected_sequence - 1

    def _of_kind(self, kind: Kind, wanted: Callable[[Any], bool]) -> list[RecordedLeaf]:
        """Judge rows by their bytes first: reading them as JSON takes ten times as long, and few are wanted."""
        statement = sa.select(LEAF).where(LEAF.c.kind == kind.value).order_by(LEAF.c.sequence)
        with self.reading() as connection:
            return [_recorded(row) for row in connection.execute(statement) if wanted(row)]

    def _related(self, statement: sa.Select[Any]) -> list[tuple[str, RecordedLeaf]]:
        with self.reading() as connection:
            return [(row.role, _recorded(row)) for row in connection.execute(statement)]

    @staticmethod
    def _require(transaction: Connection, parents: Sequence[Parent], leaf: Leaf) -> None:
        for parent in parents:
            if not transaction.execute(sa.select(LEAF.c.sequence).where(LEAF.c.id == parent.id)).first():
                raise UnknownLeaf(f"{leaf.kind} names {parent.id} as its {parent.role}, which is not in the log")


def _id_of(row: sa.RowMapping) -> str | None:
    """Return the id that a row's kind and identity stand for, or None where they are not even an entry's."""
    try:
        return Leaf(Kind(row["kind"]), json.loads(row["identity"])).id
    except (ValueError, TypeError):
        return None


def _chain_hash(previous: str, row: dict[str, Any], edges: list[dict[str, Any]]) -> str:
    entry = {
        "previous": previous,
        "sequence": row["sequence"],
        "id": row["id"],
        "detail": sha256_bytes(row["detail"]),
        "recorded_at": row["recorded_at"],
        "parents": [[edge["parent"], edge["role"]] for edge in edges],
    }
    return sha256_bytes(canonical_json(entry))


def _recorded(row: Any) -> RecordedLeaf:
    return RecordedLeaf(
        sequence=row.sequence,
        id=row.id,
        kind=Kind(row.kind),
        identity=json.loads(row.identity),
        detail=json.loads(row.detail),
        recorded_at=parse_instant(row.recorded_at),
        chain_hash=row.chain_hash,
    )


def _engine(url: str) -> Engine:
    parsed = sa.make_url(url)
    if parsed.get_backend_name() != "sqlite":
        return sa.create_engine(parsed)
    if parsed.database and parsed.database != ":memory:":
        Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
    engine = sa.create_engine(parsed, connect_args={"timeout": _SQLITE_BUSY_SECONDS})

    @sa.event.listens_for(engine, "connect")
    def _configure(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # SQLAlchemy begins; the driver must not
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        reads = connection.get_execution_options().get("isolation_level") == "AUTOCOMMIT"
        # Readers take no lock, and see one moment for as long as they read.
        connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")

    return engine
