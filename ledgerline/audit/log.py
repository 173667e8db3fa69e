"""Record leaves and their parents, in one transaction with the effect they speak of."""

import re
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from ledgerline.audit.entry import encode_entry, recorded_leaf
from ledgerline.audit.leaf import Kind, Leaf, Parent, RecordedLeaf
from ledgerline.audit.lookup import begins_with, called, places
from ledgerline.audit.merkle import leaf_hash
from ledgerline.audit.rows import insert_rows
from ledgerline.audit.schema import EDGE, LEAF, METADATA, NAME
from ledgerline.core.clock import Clock, SystemClock, instant_text
from ledgerline.core.errors import LedgerlineError
from ledgerline.core.identity import canonical_json

_APPEND_LOCK = 0x1ED6E7  # PostgreSQL advisory lock: appends are one after the other, as SQLite's are by nature
_SQLITE_BUSY_SECONDS = 60
_LOCK_NOT_AVAILABLE = "55P03"  # what PostgreSQL says when a lock was not to be had in time
_FORGET_ATTEMPTS = 10
_FORGET_PAUSE_SECONDS = 0.5
_HEX = re.compile("[0-9a-f]*")

# Made once: building a statement costs more than running it, and these run for every decision.
_NEWEST = sa.select(LEAF.c.sequence, LEAF.c.recorded_at).order_by(LEAF.c.sequence.desc()).limit(1)
_LOCK = sa.select(sa.func.pg_advisory_xact_lock(_APPEND_LOCK))
# Rows that were replaced stay, even in a table that is written anew, for whoever may still see them: who reads this
# database since before, and while a transaction of any database of the server runs since before, everybody.
_SEEN_BY_NOBODY = sa.text(
    "SELECT pg_snapshot_xmin(pg_current_snapshot()) > CAST(:present AS xid8) AND NOT EXISTS (SELECT 1 "
    "FROM pg_stat_activity WHERE (datname = current_database() OR datname IS NULL) AND pid <> pg_backend_pid() "
    "AND age(backend_xmin) > age(CAST(CAST(:present AS xid8) AS xid)))"
)
_READ = sa.select(LEAF.c.sequence, LEAF.c.id, LEAF.c.entry)


class UnknownLeaf(LedgerlineError):
    """No leaf, or more than one, has that id."""


class LogOutdated(LedgerlineError):
    """The evidence database was made by a version whose log had another shape."""


@dataclass(frozen=True, slots=True)
class NewLeaf:
    """A leaf about to be recorded, with what it was made from in a meaningful order."""

    leaf: Leaf
    parents: Sequence[Parent] = ()


class EvidenceLog:
    """The append-only log, and the transactions in which effects commit together with their leaves.

    Args:
        url: SQLAlchemy URL: SQLite (write-ahead log, full sync) or PostgreSQL.
        clock: Where ``recorded_at`` comes from.

    Attributes:
        url: As given.

    Raises:
        LogOutdated: Another version's log is there.
    """

    def __init__(self, url: str, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self.url = url
        self._engine = _engine(url)
        self._is_sqlite = self._engine.dialect.name == "sqlite"
        self._reading_level = "AUTOCOMMIT" if self._is_sqlite else "REPEATABLE READ"
        _require_own_shape(self._engine)
        METADATA.create_all(self._engine)

    def dispose(self) -> None:
        """Close every connection."""
        self._engine.dispose()

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Yield a connection on which effects and leaves commit together, or not at all."""
        with self._engine.begin() as connection:
            yield connection

    def take_turn(self, transaction: Connection) -> None:
        """Let a transaction go on alone among those that take their turn or append, until it ends.

        SQLite's are one after the other by nature; PostgreSQL's would wait for each other's rows, crosswise too.
        """
        if not self._is_sqlite:
            transaction.execute(_LOCK)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Yield a connection that takes no write lock and sees one moment for as long as it reads."""
        with self._engine.connect().execution_options(isolation_level=self._reading_level) as connection:
            yield connection

    def forget_replaced(self, tables: Sequence[sa.Table]) -> bool:
        """Rewrite what the database's files still hold of values that were replaced or deleted.

        SQLite overwrites them in place, and its journal is written back and emptied; PostgreSQL writes the tables anew.
        Backups and archived journals are the operator's to let go.

        Returns:
            Whether nothing is left of them. Who has read the database since before they went may still ask for them,
            and is waited for a while; nobody else waits meanwhile.
        """
        forget = self._forget_of_sqlite if self._is_sqlite else self._forget_of_postgresql
        with self._engine.connect().execution_options(isolation_level="AUTOCOMMIT") as plain:
            return forget(plain, tables, _attempts())

    def _forget_of_sqlite(self, plain: Connection, _tables: Sequence[sa.Table], attempts: Iterator[None]) -> bool:
        journal = plain.connection.cursor()
        plain.rollback()  # nothing is written back within a transaction
        journal.execute("PRAGMA busy_timeout = 0")  # waiting here would hold up who writes
        try:
            return any(not journal.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] for _ in attempts)
        finally:
            journal.execute(f"PRAGMA busy_timeout = {_SQLITE_BUSY_SECONDS * 1000}")

    def _forget_of_postgresql(self, plain: Connection, tables: Sequence[sa.Table], attempts: Iterator[None]) -> bool:
        present = plain.exec_driver_sql("SELECT pg_current_xact_id()::text").scalar_one()
        if not any(plain.execute(_SEEN_BY_NOBODY, {"present": present}).scalar_one() for _ in attempts):
            return False
        plain.exec_driver_sql("SET lock_timeout = '2s'")  # whoever comes after a table's lock is asked for waits too
        try:
            for table in tables:
                plain.exec_driver_sql(f"VACUUM FULL {table.name}")
        except sa.exc.DBAPIError as error:
            if _LOCK_NOT_AVAILABLE not in str(error.orig):
                raise
            return False
        finally:
            plain.exec_driver_sql("RESET lock_timeout")
        return True

    def record(self, transaction: Connection, leaf: Leaf, parents: Sequence[Parent] = ()) -> str:
        """Append ``leaf`` to the log and return its id; a leaf that is there already is left as it is.

        Args:
            transaction: From :meth:`transaction`, holding the effect that the leaf speaks of.
            leaf: The fact.
            parents: What it was made from, in a meaningful order.

        Raises:
            UnknownLeaf: A parent is not in the log.
        """
        return self.record_all(transaction, [NewLeaf(leaf, parents)])[0]

    def record_all(self, transaction: Connection, new: Sequence[NewLeaf]) -> list[str]:
        """Append leaves in their order and return their ids, as :meth:`record` does one by one.

        A leaf may name those before it as its parents.

        Raises:
            UnknownLeaf: A parent is not in the log.
        """
        self.take_turn(transaction)
        newest = transaction.execute(_NEWEST).first()
        sequence = newest.sequence if newest else 0
        # A clock set back must not make a later entry look the earlier one.
        recorded_at = max(instant_text(self._clock.now()), newest.recorded_at if newest else "")
        entries = [encode_entry(each.leaf, each.parents, recorded_at) for each in new]
        parents = (parent.id for each in new for parent in each.parents)
        place = places(transaction, {*(leaf_id for leaf_id, _ in entries), *parents})
        leaves: list[tuple[Any, ...]] = []
        edges: list[tuple[Any, ...]] = []
        names: list[tuple[Any, ...]] = []
        for each, (leaf_id, entry) in zip(new, entries, strict=True):
            if leaf_id in place:
                continue
            sequence += 1
            for position, parent in enumerate(each.parents):
                if (found := place.get(parent.id)) is None:
                    raise UnknownLeaf(
                        f"{each.leaf.kind} names {parent.id} as its {parent.role}, which is not in the log"
                    )
                edges.append((sequence, position, found, parent.role))
            leaves.append((sequence, leaf_id, each.leaf.kind.value, recorded_at, entry, leaf_hash(entry)))
            names.extend((name, sequence) for name in each.leaf.names)
            place[leaf_id] = sequence
        for table, rows in ((LEAF, leaves), (EDGE, edges), (NAME, names)):
            insert_rows(transaction, table, rows)
        return [leaf_id for leaf_id, _ in entries]

    def append(self, leaf: Leaf, parents: Sequence[Parent] = ()) -> str:
        """Record a leaf in a transaction of its own, for effects that are files and already content-addressed."""
        leaf_id = leaf.id
        with self.reading() as connection:
            if places(connection, [leaf_id]):
                return leaf_id
        with self.transaction() as transaction:
            return self.record(transaction, leaf, parents)

    def find(self, leaf_id: str) -> RecordedLeaf | None:
        """Return the leaf with exactly this id, or None."""
        with self.reading() as connection:
            return find_leaf(connection, leaf_id)

    def get(self, prefix: str) -> RecordedLeaf:
        """Return the leaf whose id starts with ``prefix``.

        Raises:
            UnknownLeaf: None does, or several do.
        """
        with self.reading() as connection:
            found = begins_with(connection, prefix, 2) if _HEX.fullmatch(prefix) else []
        if len(found) != 1:
            problem = "no leaf's id starts with" if not found else "several leaves' ids start with"
            raise UnknownLeaf(f"{problem} {prefix!r}")
        return found[0]

    def called(self, name: str, *, or_begins: bool = False, limit: int = 100) -> list[RecordedLeaf]:
        """Return the leaves that people call ``name`` (:attr:`Leaf.names`), oldest first.

        Args:
            name: A decision id, a digest, a path, ``fraud@3``, ...
            or_begins: Also those whose name begins so.
            limit: No more than this many.
        """
        with self.reading() as connection:
            return called(connection, name, or_begins=or_begins, limit=limit)

    def leaves(self, kind: Kind, **identity: Any) -> list[RecordedLeaf]:
        """Return the leaves of one kind, oldest first, whose identity has the given values."""
        return list(self._of_kind(kind, identity, newest_first=False))

    def latest(self, kind: Kind, **identity: Any) -> RecordedLeaf | None:
        """Return the newest leaf of one kind whose identity has the given values, or None."""
        with closing(self._of_kind(kind, identity, newest_first=True)) as found:
            return next(found, None)

    def parents(self, leaf_id: str) -> list[tuple[str, RecordedLeaf]]:
        """Return ``(role, leaf)`` for everything the leaf was made from, in recorded order."""
        return self._beside(leaf_id, ours=EDGE.c.child, other=EDGE.c.parent, order=EDGE.c.position)

    def children(self, leaf_id: str) -> list[tuple[str, RecordedLeaf]]:
        """Return ``(role, leaf)`` for everything that was made from the leaf, oldest first."""
        return self._beside(leaf_id, ours=EDGE.c.parent, other=EDGE.c.child, order=EDGE.c.child)

    def _beside(
        self, leaf_id: str, *, ours: sa.Column[Any], other: sa.Column[Any], order: sa.Column[Any]
    ) -> list[tuple[str, RecordedLeaf]]:
        with self.reading() as connection:
            place = places(connection, [leaf_id]).get(leaf_id)
            statement = (
                sa.select(EDGE.c.role, LEAF.c.sequence, LEAF.c.id, LEAF.c.entry)
                .join(LEAF, LEAF.c.sequence == other)
                .where(ours == place)
                .order_by(order)
            )
            return [(row[0], recorded_leaf(*row[1:])) for row in connection.execute(statement)]

    def _of_kind(
        self, kind: Kind, identity: dict[str, Any], *, newest_first: bool
    ) -> Generator[RecordedLeaf, None, None]:
        """Judge rows by their bytes first: reading them as JSON takes ten times as long, and few are wanted."""
        order = LEAF.c.sequence.desc() if newest_first else LEAF.c.sequence
        statement = _READ.where(LEAF.c.kind == kind.value).order_by(order)
        written = [canonical_json({name: value})[1:-1] for name, value in identity.items()]
        with self.reading() as connection:
            for row in connection.execute(statement):
                if not all(part in row.entry for part in written):
                    continue
                leaf = recorded_leaf(*row)
                if all(leaf.identity.get(name) == value for name, value in identity.items()):
                    yield leaf


def _attempts() -> Iterator[None]:
    for attempt in range(_FORGET_ATTEMPTS):
        if attempt:
            time.sleep(_FORGET_PAUSE_SECONDS)
        yield


def find_leaf(connection: Connection, leaf_id: str) -> RecordedLeaf | None:
    """Return the leaf with exactly this id, or None, as a transaction sees it."""
    place = places(connection, [leaf_id]).get(leaf_id)
    row = connection.execute(_READ.where(LEAF.c.sequence == place)).first() if place else None
    return recorded_leaf(*row) if row else None


def _require_own_shape(engine: Engine) -> None:
    inspector = sa.inspect(engine)
    if not inspector.has_table(LEAF.name):
        return
    have = {column["name"] for column in inspector.get_columns(LEAF.name)}
    if lacking := {column.name for column in LEAF.columns} - have:
        raise LogOutdated(
            f"the evidence log at {engine.url.render_as_string()} was made by an earlier version (no "
            f"{', '.join(sorted(lacking))}); its entries cannot be read by this one: use a new home or database"
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
        connection.execute("PRAGMA secure_delete=ON")  # what is erased leaves no trace in the file

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        reads = connection.get_execution_options().get("isolation_level") == "AUTOCOMMIT"
        # Readers take no lock, and see one moment for as long as they read.
        connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")

    return engine
