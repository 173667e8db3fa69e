"""States in one SQLite file: they survive the process, and other processes of the machine read them.

Write-ahead log, one transaction a call, ``synchronous=NORMAL``: a killed process loses nothing; a machine that loses
power may lose the last moments, and the state is bootstrapped again as after any start. What an owner left behind is
dropped by the first opening that finds it unwritten, by the engine's clock, for as long as an event is remembered.

An event's record lies under each of its entities, clustered, so that a decision reads one range an entity.
"""

import json
import sqlite3
import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from feature_store.definition import Event, LabelOf
from feature_store.errors import StateLost, StoreUnavailable
from feature_store.stores.in_process import newness, united
from feature_store.stores.port import EventStore, KeptRow, Key, RowStore, Seen, StateName, StoredRow, kept, kept_row
from feature_store.stores.records import EventCodec, RowCodec
from feature_store.table_view import TableView
from feature_store.view import FeatureView

# AUTOINCREMENT: a number is never given again, so that who holds a dropped state cannot read another's.
_SCHEMA = """
CREATE TABLE IF NOT EXISTS state (
    number INTEGER PRIMARY KEY AUTOINCREMENT, owner TEXT NOT NULL, generation TEXT NOT NULL, view TEXT NOT NULL,
    fingerprint TEXT NOT NULL, newest INTEGER, written INTEGER NOT NULL, lifetime INTEGER NOT NULL,
    UNIQUE (owner, generation, view, fingerprint)
);
CREATE TABLE IF NOT EXISTS event (
    state INTEGER NOT NULL, id TEXT NOT NULL, available_at INTEGER NOT NULL, expires INTEGER NOT NULL,
    entities TEXT NOT NULL, PRIMARY KEY (state, id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS event_expires ON event (state, expires);
CREATE TABLE IF NOT EXISTS of_entity (
    state INTEGER NOT NULL, place INTEGER NOT NULL, entity TEXT NOT NULL, id TEXT NOT NULL, record BLOB NOT NULL,
    PRIMARY KEY (state, place, entity, id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS early_label (
    state INTEGER NOT NULL, id TEXT NOT NULL, expires INTEGER NOT NULL, labels BLOB NOT NULL,
    PRIMARY KEY (state, id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS early_label_expires ON early_label (state, expires);
CREATE TABLE IF NOT EXISTS row (
    state INTEGER NOT NULL, key TEXT NOT NULL, expires INTEGER, record BLOB NOT NULL, PRIMARY KEY (state, key)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS row_expires ON row (state, expires);
"""
_TABLES = ("event", "of_entity", "early_label", "row")
_BUSY_SECONDS = 5.0
_WRITTEN_AT_ONCE = 10_000  # a page is written once a transaction, however many of its records change
_FORGOTTEN_AT_ONCE = 64
_CACHE_KIB = 64 * 1024
_MAPPED_BYTES = 1 << 30
_FOR_EVER = 3_650 * 86_400  # seconds; a table view without a TTL


class SqliteStore:
    """States in one file, made if it is not there.

    Args:
        path: The file.

    Raises:
        StoreUnavailable: It cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.RLock()
        with self._answering():
            path.parent.mkdir(parents=True, exist_ok=True)
            # One connection, shared under the lock; transactions are begun and ended in so many words.
            self._connection = sqlite3.connect(
                path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = NORMAL")
            self._connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
            self._connection.execute(f"PRAGMA mmap_size = {_MAPPED_BYTES}")
            self._connection.executescript(_SCHEMA)
        with self.transaction("IMMEDIATE") as connection:
            left = connection.execute("SELECT number FROM state WHERE written + lifetime < unixepoch()").fetchall()
            self._drop([number for (number,) in left])

    def events(self, view: FeatureView, name: StateName) -> EventStore:
        """Return a state; see :class:`~feature_store.stores.port.OnlineStore`."""
        return _SqliteEvents(self, view, self._state(view, name, kept(view) // 1_000_000 + 1))

    def rows(self, view: TableView, name: StateName) -> RowStore:
        """Return a state; see :class:`~feature_store.stores.port.OnlineStore`."""
        remembered = kept_row(view)
        return _SqliteRows(
            self, view, self._state(view, name, remembered // 1_000_000 + 1 if remembered else _FOR_EVER)
        )

    def drop_others(self, owner: str, kept: Collection[StateName]) -> None:
        """Forget an owner's other states; see :class:`~feature_store.stores.port.OnlineStore`."""
        with self.transaction("IMMEDIATE") as connection:
            found = connection.execute("SELECT number, generation FROM state WHERE owner = ?", (owner,)).fetchall()
            self._drop([number for number, generation in found if StateName(owner, generation) not in kept])

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    @contextmanager
    def transaction(self, kind: str) -> Iterator[sqlite3.Connection]:
        """Give the connection for one transaction: ``DEFERRED`` to read of one moment, ``IMMEDIATE`` to write.

        Raises:
            StoreUnavailable: The engine refuses; what was begun is undone.
        """
        with self._lock, self._answering():
            self._connection.execute(f"BEGIN {kind}")
            try:
                yield self._connection
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    @contextmanager
    def _answering(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as refused:
            raise StoreUnavailable(
                f"the online store {self.path} does not answer ({refused}); it can be removed and bootstrapped again"
            ) from refused

    def _state(self, view: FeatureView | TableView, name: StateName, lifetime: int) -> int:
        named = (name.owner, name.generation, view.name, view.fingerprint)
        with self.transaction("IMMEDIATE") as connection:
            connection.execute(
                "INSERT INTO state (owner, generation, view, fingerprint, written, lifetime) "
                "VALUES (?, ?, ?, ?, unixepoch(), ?) ON CONFLICT DO UPDATE SET written = unixepoch()",
                (*named, lifetime),
            )
            (number,) = connection.execute(
                "SELECT number FROM state WHERE owner = ? AND generation = ? AND view = ? AND fingerprint = ?", named
            ).fetchone()
        return int(number)

    def _drop(self, numbers: Sequence[int]) -> None:
        for number in numbers:
            for table in _TABLES:
                self._connection.execute(f"DELETE FROM {table} WHERE state = ?", (number,))  # noqa: S608 (ours)
            self._connection.execute("DELETE FROM state WHERE number = ?", (number,))


class _State:
    """What both kinds of state share: which it is, and what is the newest instant in it."""

    at_once = _WRITTEN_AT_ONCE

    def __init__(self, store: SqliteStore, number: int) -> None:
        self._store = store
        self._number = number

    def _newest(self, connection: sqlite3.Connection) -> int | None:
        found = connection.execute("SELECT newest FROM state WHERE number = ?", (self._number,)).fetchone()
        if found is None:
            raise StateLost(f"the state was dropped from the online store {self._store.path}; bootstrap it again")
        newest: int | None = found[0]
        return newest

    def _advance(self, connection: sqlite3.Connection, instants: list[int]) -> int:
        known = self._newest(connection)
        newest = max(instants if known is None else [*instants, known])
        connection.execute(
            "UPDATE state SET newest = ?, written = unixepoch() WHERE number = ?", (newest, self._number)
        )
        return newest


class _SqliteEvents(_State):
    """The events of one state; see :class:`~feature_store.stores.port.EventStore`."""

    def __init__(self, store: SqliteStore, view: FeatureView, number: int) -> None:
        super().__init__(store, number)
        self._codec = EventCodec(view)
        self._kept = kept(view)

    def __len__(self) -> int:
        """Return how many events are remembered."""
        with self._store.transaction("DEFERRED") as connection:
            (count,) = connection.execute("SELECT count(*) FROM event WHERE state = ?", (self._number,)).fetchone()
        return int(count)

    def write(self, events: Sequence[Event], labels: Sequence[LabelOf], *, as_of: int | None = None) -> None:
        """Take up events and labels in one transaction."""
        instants = [event.available_at for event in events] + [said.label.known_from for said in labels]
        instants += [] if as_of is None else [as_of]
        if not instants:
            return
        with self._store.transaction("IMMEDIATE") as connection:
            newest = self._advance(connection, instants)
            for event in events:
                self._remember(connection, event)
            for label in labels:
                self._attach(connection, label)
            self._forget(connection, newest, _FORGOTTEN_AT_ONCE + len(instants))

    def read(self, entities: Sequence[str | None], event_id: str | None) -> Seen:
        """Return what is remembered of a decision's entities, in one transaction."""
        with self._store.transaction("DEFERRED") as connection:
            newest = self._newest(connection)
            found = [
                connection.execute(
                    "SELECT id, record FROM of_entity WHERE state = ? AND place = ? AND entity = ?",
                    (self._number, place, entity),
                ).fetchall()
                for place, entity in enumerate(entities)
            ]
            known = None if event_id is None else self._known(connection, event_id)
            early = None if event_id is None or known else self._early(connection, event_id)
        read, wanted = self._codec.read_events, self._codec.reads_labels
        return Seen(
            tuple(read(records, labels=labels) for records, labels in zip(found, wanted, strict=True)),
            known[0] if known else None,
            self._codec.read_labels(early[1]) if early else (),
            newest,
        )

    def take(self, events: Sequence[Event]) -> list[Seen]:
        """Return what is remembered of each event's entities, and take it up before the next."""
        held = []
        for event in events:
            held.append(self.read(event.entities, event.id))
            self.write([event], [])
        return held

    def _known(self, connection: sqlite3.Connection, event_id: str) -> tuple[Event, tuple[str, ...]] | None:
        """Return an event and its entities."""
        found = connection.execute(
            "SELECT entities FROM event WHERE state = ? AND id = ?", (self._number, event_id)
        ).fetchone()
        if found is None:
            return None
        entities = tuple(json.loads(found[0]))
        (record,) = connection.execute(
            "SELECT record FROM of_entity WHERE state = ? AND place = 0 AND entity = ? AND id = ?",
            (self._number, entities[0], event_id),
        ).fetchone()
        return self._codec.read_event(event_id, record), entities

    def _early(self, connection: sqlite3.Connection, event_id: str) -> tuple[int, bytes] | None:
        found: tuple[int, bytes] | None = connection.execute(
            "SELECT expires, labels FROM early_label WHERE state = ? AND id = ?", (self._number, event_id)
        ).fetchone()
        return found

    def _remember(self, connection: sqlite3.Connection, event: Event) -> None:
        present = self._known(connection, event.id)
        if present is not None:
            known, entities = present
            labels = united(known.labels, event.labels)
            if known.available_at <= event.available_at:
                if labels != known.labels:
                    self._put(connection, known.with_labels(labels), entities)
                return
            self._remove(connection, event.id, entities)
        else:
            early = self._early(connection, event.id)
            labels = united(self._codec.read_labels(early[1]) if early else (), event.labels)
            if early:
                connection.execute("DELETE FROM early_label WHERE state = ? AND id = ?", (self._number, event.id))
        connection.execute(
            "INSERT INTO event (state, id, available_at, expires, entities) VALUES (?, ?, ?, ?, ?)",
            (self._number, event.id, event.available_at, event.event_time + self._kept, json.dumps(event.entities)),
        )
        self._put(connection, event.with_labels(labels), event.entities)

    def _attach(self, connection: sqlite3.Connection, said: LabelOf) -> None:
        present = self._known(connection, said.event_id)
        if present is not None:
            known, entities = present
            labels = united(known.labels, (said.label,))
            if labels != known.labels:
                self._put(connection, known.with_labels(labels), entities)
            return
        expires, known_labels = self._early(connection, said.event_id) or (0, b"")
        labels = united(self._codec.read_labels(known_labels), (said.label,))
        connection.execute(
            "INSERT OR REPLACE INTO early_label (state, id, expires, labels) VALUES (?, ?, ?, ?)",
            (
                self._number,
                said.event_id,
                max(expires, said.newest_instant + self._kept),
                self._codec.labels(labels),
            ),
        )

    def _put(self, connection: sqlite3.Connection, event: Event, entities: Sequence[str]) -> None:
        record = self._codec.event(event)
        connection.executemany(
            "INSERT OR REPLACE INTO of_entity (state, place, entity, id, record) VALUES (?, ?, ?, ?, ?)",
            [(self._number, place, entity, event.id, record) for place, entity in enumerate(entities)],
        )

    def _remove(self, connection: sqlite3.Connection, event_id: str, entities: Sequence[str]) -> None:
        connection.execute("DELETE FROM event WHERE state = ? AND id = ?", (self._number, event_id))
        connection.executemany(
            "DELETE FROM of_entity WHERE state = ? AND place = ? AND entity = ? AND id = ?",
            [(self._number, place, entity, event_id) for place, entity in enumerate(entities)],
        )

    def _forget(self, connection: sqlite3.Connection, now: int, most: int) -> None:
        """Drop what can no longer matter, a bounded number of things at a time."""
        of = (self._number, now, most)
        stale = connection.execute(
            "SELECT id, entities FROM event WHERE state = ? AND expires <= ? LIMIT ?", of
        ).fetchall()
        for event_id, entities in stale:
            self._remove(connection, event_id, json.loads(entities))
        connection.execute(
            "DELETE FROM early_label WHERE state = ?1 AND id IN "
            "(SELECT id FROM early_label WHERE state = ?1 AND expires <= ?2 LIMIT ?3)",
            of,
        )


class _SqliteRows(_State):
    """The rows of one state; see :class:`~feature_store.stores.port.RowStore`."""

    def __init__(self, store: SqliteStore, view: TableView, number: int) -> None:
        super().__init__(store, number)
        self._codec = RowCodec(view)
        self._kept = kept_row(view)

    def write(self, rows: Sequence[StoredRow]) -> None:
        """Take up rows in one transaction."""
        if not rows:
            return
        with self._store.transaction("IMMEDIATE") as connection:
            newest = self._advance(connection, [row.available_at for row in rows])
            for row in rows:
                present = self._row(connection, row.key)
                if present is not None and newness(present) > newness(row):
                    continue
                expires = None if self._kept is None else row.event_time + self._kept
                connection.execute(
                    "INSERT OR REPLACE INTO row (state, key, expires, record) VALUES (?, ?, ?, ?)",
                    (self._number, json.dumps(row.key), expires, self._codec.row(row)),
                )
            connection.execute(
                "DELETE FROM row WHERE state = ?1 AND key IN "
                "(SELECT key FROM row WHERE state = ?1 AND expires <= ?2 LIMIT ?3)",
                (self._number, newest, _FORGOTTEN_AT_ONCE + len(rows)),
            )

    def read(self, key: Key) -> KeptRow:
        """Return the row of a key."""
        with self._store.transaction("DEFERRED") as connection:
            return KeptRow(self._row(connection, key), self._newest(connection))

    def _row(self, connection: sqlite3.Connection, key: Key) -> StoredRow | None:
        found = connection.execute(
            "SELECT record FROM row WHERE state = ? AND key = ?", (self._number, json.dumps(key))
        ).fetchone()
        return None if found is None else self._codec.read_row(key, found[0])
