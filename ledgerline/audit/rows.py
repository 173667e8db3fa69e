"""Insert many rows at once, as each engine takes them fastest."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection


def insert_rows(connection: Connection, table: sa.Table, rows: Sequence[tuple[Any, ...]]) -> None:
    """Insert rows whose values are in the order of the table's columns; none is well."""
    if not rows:
        return
    if connection.dialect.name == "sqlite":
        # As text, over tuples: taking dictionaries apart costs more than SQLite's own work.
        connection.exec_driver_sql(_statement(table, connection.dialect), list(rows))
        return
    # Returning makes SQLAlchemy write many rows into one statement; one statement a row is one round trip a row.
    names = [column.name for column in table.columns]
    returning = sa.insert(table).returning(sa.literal(1))
    connection.execute(returning, [dict(zip(names, row, strict=True)) for row in rows])


def plain_rows(
    connection: Connection, statement: sa.Select[*tuple[Any, ...]], parameters: Mapping[str, Any] | None = None
) -> list[tuple[Any, ...]]:
    """Return the rows of columns whose values need no reading, as the driver gives them: half of the time of Rows."""
    result = connection.execute(statement, parameters)
    rows: list[tuple[Any, ...]] = list(result.cursor.fetchall()) if result.cursor is not None else []
    result.close()
    return rows


@cache
def _statement(table: sa.Table, dialect: sa.Dialect) -> str:
    return str(sa.insert(table).compile(dialect=dialect))
