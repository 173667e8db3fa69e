"""Find entries by id or name: an index that is filled block by block, and the open block as it is.

Ids are hashes and come in no order. An index of them, kept at every append, would write a page for every entry, and
cost more than the entries themselves. So it takes in a whole block of entries at a time, sorted.
"""

import json
import weakref
from collections.abc import Iterable, Iterator

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Transaction

from ledgerline.audit.entry import names_in, recorded_leaf
from ledgerline.audit.leaf import NAMED_KINDS, RecordedLeaf
from ledgerline.audit.rows import insert_rows
from ledgerline.audit.schema import LEAF, LOOKUP
from ledgerline.core.identity import sha256_bytes

BLOCK = 4_096
_KEY_DIGITS = 15  # 60 bits: a number that every database holds
_HEX = frozenset("0123456789abcdef")
_ASKED_AT_ONCE = 10_000

_ROW = (LEAF.c.sequence, LEAF.c.id, LEAF.c.entry)
_WHOLE = (sa.func.coalesce(sa.func.max(LEAF.c.sequence), 0) // BLOCK * BLOCK).label("whole")
_IN_OPEN_BLOCK = LEAF.c.sequence > sa.select(_WHOLE).scalar_subquery()
_INDEXED = sa.join(LOOKUP, LEAF, LEAF.c.sequence == LOOKUP.c.leaf)
_FIND_INDEXED = sa.select(LEAF.c.id, LEAF.c.sequence).select_from(_INDEXED)
# One parameter however many are asked for: taking a list of parameters apart costs more than the asking.
_AMONG_KEYS = {
    "sqlite": LOOKUP.c.key.in_(sa.text("SELECT value FROM json_each(:keys)")),
    "postgresql": LOOKUP.c.key == sa.any_(sa.bindparam("keys", type_=sa.ARRAY(sa.BigInteger))),
}
_FIND_INDEXED_BY = {engine: _FIND_INDEXED.where(among) for engine, among in _AMONG_KEYS.items()}
_STORED_BY = {engine: sa.select(LOOKUP.c.key, LOOKUP.c.leaf).where(among) for engine, among in _AMONG_KEYS.items()}
_FIND_OPEN = sa.select(LEAF.c.id, LEAF.c.sequence).where(
    _IN_OPEN_BLOCK, LEAF.c.id.in_(sa.bindparam("ids", expanding=True))
)


_IDS_AFTER = sa.select(LEAF.c.id, LEAF.c.sequence).where(LEAF.c.sequence > sa.bindparam("after"))


def key_of(name: str) -> int:
    """Return the number under which an id or a name is found; those of hexadecimal digits sort as the digits do."""
    digits = name[:_KEY_DIGITS]
    if len(digits) < _KEY_DIGITS or not _HEX.issuperset(digits):
        digits = sha256_bytes(name.encode())[:_KEY_DIGITS]
    return int(digits, 16)


def places(connection: Connection, ids: Iterable[str]) -> dict[str, int]:
    """Return the sequence of every one of these ids that is in the log."""
    wanted = sorted(set(ids))
    found: dict[str, int] = {}
    for begin in range(0, len(wanted), _ASKED_AT_ONCE):
        part = wanted[begin : begin + _ASKED_AT_ONCE]
        found.update({row.id: row.sequence for row in connection.execute(_FIND_OPEN, {"ids": part})})
        found.update(indexed_places(connection, [each for each in part if each not in found]))
    return found


def indexed_places(connection: Connection, ids: Iterable[str]) -> dict[str, int]:
    """Return the sequence of every one of these ids that is in a whole block."""
    wanted = {key_of(each): each for each in ids}
    if not wanted:
        return {}
    engine, keys = connection.dialect.name, list(wanted)
    rows = connection.execute(_FIND_INDEXED_BY[engine], {"keys": json.dumps(keys) if engine == "sqlite" else keys})
    return {leaf_id: sequence for leaf_id, sequence in rows if wanted.get(key_of(leaf_id)) == leaf_id}


def begins_with(connection: Connection, prefix: str, limit: int) -> list[RecordedLeaf]:
    """Return the first leaves whose id begins with some hexadecimal digits."""
    last = prefix + "g"  # the letter after the last digit
    named = sa.and_(prefix <= LEAF.c.id, LEAF.c.id < last)
    indexed = sa.select(*_ROW).select_from(_INDEXED).where(_beginning(prefix), named)
    opened = sa.select(*_ROW).where(_IN_OPEN_BLOCK, named)
    rows = [*connection.execute(indexed.limit(limit)), *connection.execute(opened.limit(limit))]
    return [recorded_leaf(*row) for row in rows[:limit]]


def called(connection: Connection, name: str, *, or_begins: bool, limit: int) -> list[RecordedLeaf]:
    """Return the leaves that people call so, oldest first; names of other than hexadecimal digits only as a whole."""
    keyed = _beginning(name) if or_begins and _is_hex(name) else LOOKUP.c.key == key_of(name)
    indexed = sa.select(*_ROW).select_from(_INDEXED).where(keyed).order_by(LEAF.c.sequence)
    kinds = [kind.value for kind in NAMED_KINDS]
    opened = sa.select(*_ROW).where(_IN_OPEN_BLOCK, LEAF.c.kind.in_(kinds)).order_by(LEAF.c.sequence)
    found: list[RecordedLeaf] = []
    for statement in (indexed, opened):
        for row in connection.execute(statement):
            names = names_in(row.entry)
            if name in names or (or_begins and any(each.startswith(name) for each in names)):
                found.append(recorded_leaf(*row))
                if len(found) == limit:
                    return found
    return found


def index_whole_blocks(connection: Connection, before: int, size: int) -> None:
    """Take the blocks into the index that became whole while the log grew from ``before`` to ``size`` entries."""
    for begin in range(before // BLOCK * BLOCK, size // BLOCK * BLOCK, BLOCK):
        keys = sorted({(key_of(name), sequence) for sequence, name in _names_of_block(connection, begin)})
        insert_rows(connection, LOOKUP, keys)


def keys_of(leaf_id: str, names: Iterable[str]) -> set[int]:
    """Return the keys under which an entry of a whole block is found."""
    return {key_of(leaf_id), *map(key_of, names)}


def stored_keys(connection: Connection, keys: Iterable[int]) -> set[tuple[int, int]]:
    """Return the keys and sequences that the index holds of these keys."""
    engine, asked = connection.dialect.name, sorted(set(keys))
    if not asked:
        return set()
    result = connection.execute(_STORED_BY[engine], {"keys": json.dumps(asked) if engine == "sqlite" else asked})
    return {(key, leaf) for key, leaf in result}


def _names_of_block(connection: Connection, begin: int) -> Iterator[tuple[int, str]]:
    within = (begin < LEAF.c.sequence, LEAF.c.sequence <= begin + BLOCK)
    for sequence, leaf_id in connection.execute(sa.select(LEAF.c.sequence, LEAF.c.id).where(*within)):
        yield sequence, leaf_id
    named = sa.select(LEAF.c.sequence, LEAF.c.entry).where(
        *within, LEAF.c.kind.in_([kind.value for kind in NAMED_KINDS])
    )
    for sequence, entry in connection.execute(named):
        for name in names_in(entry):
            yield sequence, name


def _beginning(prefix: str) -> sa.ColumnElement[bool]:
    digits = prefix[:_KEY_DIGITS]
    first, last = digits.ljust(_KEY_DIGITS, "0"), digits.ljust(_KEY_DIGITS, "f")
    return sa.and_(int(first, 16) <= LOOKUP.c.key, LOOKUP.c.key <= int(last, 16))


def _is_hex(text: str) -> bool:
    return bool(text) and _HEX.issuperset(text)


class OpenBlock:
    """Where the ids of the open block are, kept in memory by a process that appends: to ask at every append costs more.

    Only what was there when a transaction began to append is kept: it is committed. What the transaction itself has
    appended is read again, so that what is rolled back was never known.
    """

    def __init__(self) -> None:
        self._places: dict[str, int] = {}
        self._begin = self._known = 0
        self._transaction: weakref.ReferenceType[Transaction] | None = None

    def places(self, transaction: Connection, ids: Iterable[str], size: int) -> dict[str, int]:
        """Return the sequence of every one of these ids that is in the open block of a log of ``size`` entries.

        Nobody else may append meanwhile: the transaction holds the lock that appending needs.
        """
        own = self._appended_by(transaction, size)
        found = {each: place for each in ids if (place := self._places.get(each) or own.get(each))}
        return found

    def _appended_by(self, transaction: Connection, size: int) -> dict[str, int]:
        running = transaction.get_transaction()
        if running is not None and self._transaction is not None and self._transaction() is running:
            return _ids_after(transaction, self._known) if size > self._known else {}
        begin = size // BLOCK * BLOCK
        if begin != self._begin or size < self._known:
            self._places, self._begin, self._known = {}, begin, begin
        if size > self._known:
            self._places |= _ids_after(transaction, self._known)
            self._known = size
        self._transaction = weakref.ref(running) if running is not None else None
        return {}


def _ids_after(connection: Connection, sequence: int) -> dict[str, int]:
    rows = connection.execute(_IDS_AFTER, {"after": sequence})
    return dict(rows.all())
