"""Find entries by their ids and names."""

import json
from collections.abc import Collection

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from ledgerline.audit.entry import recorded_leaf
from ledgerline.audit.leaf import RecordedLeaf
from ledgerline.audit.rows import plain_rows
from ledgerline.audit.schema import LEAF, NAME

_AFTER_HEX_DIGITS = "g"
_AFTER_ANY_TEXT = "\U0010ffff"
_ROW = (LEAF.c.sequence, LEAF.c.id, LEAF.c.entry)


def _among(column: sa.Column[str]) -> dict[str, sa.ColumnElement[bool]]:
    """Return the condition that a column is one of some texts, by engine.

    They are one parameter however many they are: to take a list of parameters apart costs more than to ask.
    """
    return {
        "sqlite": column.in_(sa.text("SELECT value FROM json_each(:texts)")),
        "postgresql": column == sa.any_(sa.bindparam("texts", type_=sa.ARRAY(sa.Text))),
    }


_PLACES = {engine: sa.select(LEAF.c.id, LEAF.c.sequence).where(among) for engine, among in _among(LEAF.c.id).items()}
_NAMES = {engine: sa.select(NAME.c.name, NAME.c.leaf).where(among) for engine, among in _among(NAME.c.name).items()}


def places(connection: Connection, ids: Collection[str]) -> dict[str, int]:
    """Return the sequence of every one of these ids that is in the log."""
    return dict(_ask(connection, _PLACES, ids))


def stored_names(connection: Connection, names: Collection[str]) -> set[tuple[str, int]]:
    """Return every one of these names that is stored, with the sequence of the leaf that is called so."""
    return {(name, sequence) for name, sequence in _ask(connection, _NAMES, names)}


def begins(column: sa.Column[str], prefix: str) -> sa.ColumnElement[bool]:
    """Return the condition that a column of hexadecimal digits begins so: a range, which an index answers.

    LIKE would read the whole table.
    """
    return sa.and_(prefix <= column, column < prefix + _AFTER_HEX_DIGITS)


def begins_with(connection: Connection, prefix: str, limit: int) -> list[RecordedLeaf]:
    """Return the first leaves whose id begins with some hexadecimal digits."""
    found = connection.execute(sa.select(*_ROW).where(begins(LEAF.c.id, prefix)).limit(limit))
    return [recorded_leaf(*row) for row in found]


def called(connection: Connection, name: str, *, or_begins: bool, limit: int) -> list[RecordedLeaf]:
    """Return the leaves that people call so, oldest first."""
    beginning = sa.and_(name <= NAME.c.name, NAME.c.name < name + _AFTER_ANY_TEXT)
    wanted = sa.select(NAME.c.leaf).where(beginning if or_begins else NAME.c.name == name).limit(limit)
    statement = sa.select(*_ROW).where(LEAF.c.sequence.in_(wanted)).order_by(LEAF.c.sequence)
    return [recorded_leaf(*row) for row in connection.execute(statement)]


def _ask(
    connection: Connection, statements: dict[str, sa.Select[str, int]], texts: Collection[str]
) -> list[tuple[str, int]]:
    if not texts:
        return []
    engine, asked = connection.dialect.name, list(texts)
    return plain_rows(connection, statements[engine], {"texts": json.dumps(asked) if engine == "sqlite" else asked})
