"""The exchange's books in one SQLite file: every change is durable before anybody is told of it."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass, replace
from decimal import Decimal
from enum import StrEnum
from pathlib import Path

from ledgerline.core.errors import LedgerlineError

_SCHEMA = """
CREATE TABLE IF NOT EXISTS book (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS orders (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    client_order_id TEXT NOT NULL UNIQUE,
    symbol TEXT NOT NULL,
    side TEXT NOT NULL,
    quantity INTEGER NOT NULL,
    time_in_force TEXT NOT NULL,
    reference_price TEXT NOT NULL,
    first_session INTEGER NOT NULL,
    status TEXT NOT NULL,
    filled INTEGER NOT NULL DEFAULT 0,
    paid TEXT NOT NULL DEFAULT '0',
    submitted_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    filled_at TEXT,
    expired_at TEXT,
    canceled_at TEXT
) STRICT;
CREATE TABLE IF NOT EXISTS fills (
    number INTEGER PRIMARY KEY,
    order_id TEXT NOT NULL REFERENCES orders (id),
    session TEXT NOT NULL,
    quantity INTEGER NOT NULL,
    price TEXT NOT NULL,
    UNIQUE (order_id, session)
) STRICT;
CREATE TABLE IF NOT EXISTS positions (symbol TEXT PRIMARY KEY, quantity INTEGER NOT NULL, cost TEXT NOT NULL) STRICT;
"""
_ORDER_COLUMNS = (
    "id, client_order_id, symbol, side, quantity, time_in_force, reference_price, first_session, status, filled, paid, "
    "submitted_at, updated_at, filled_at, expired_at, canceled_at"
)


class Side(StrEnum):
    """Which way an order goes."""

    BUY = "buy"
    SELL = "sell"


class TimeInForce(StrEnum):
    """How long an order waits."""

    DAY = "day"
    AT_THE_OPEN = "opg"
    UNTIL_CANCELED = "gtc"


class Status(StrEnum):
    """Where an order stands, in Alpaca's words."""

    ACCEPTED = "accepted"
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    CANCELED = "canceled"
    EXPIRED = "expired"

    @property
    def is_open(self) -> bool:
        """Whether something may still come of it."""
        return self in {Status.ACCEPTED, Status.PARTIALLY_FILLED}


WAITS = "status IN ('accepted', 'partially_filled')"
"""The condition of orders of which something may still come."""


class OtherWorld(LedgerlineError):
    """The books are those of an exchange in another world."""


@dataclass(frozen=True, slots=True)
class StoredOrder:
    """An order as kept.

    Attributes:
        id: The exchange's name for it.
        client_order_id: The client's.
        symbol: What is traded.
        side: Which way.
        quantity: Whole shares.
        time_in_force: How long it waits.
        reference_price: The last close when it came: what it reserves cash by.
        first_session: Number of the first session in which it can trade.
        status: Where it stands.
        filled: Shares so far.
        paid: Dollars for them.
        submitted_at, updated_at, filled_at, expired_at, canceled_at: Simulated instants.
    """

    id: str
    client_order_id: str
    symbol: str
    side: Side
    quantity: int
    time_in_force: TimeInForce
    reference_price: Decimal
    first_session: int
    status: Status
    filled: int
    paid: Decimal
    submitted_at: str
    updated_at: str
    filled_at: str | None
    expired_at: str | None
    canceled_at: str | None

    @property
    def remaining(self) -> int:
        """Shares that it still lacks."""
        return self.quantity - self.filled


@dataclass(frozen=True, slots=True)
class StoredPosition:
    """A position as kept.

    Attributes:
        symbol: What is held.
        quantity: Whole shares, above zero.
        cost: Dollars paid for all of them.
    """

    symbol: str
    quantity: int
    cost: Decimal


class Journal:
    """The books; one thread at a time.

    Args:
        path: The file, made where there is none.
        identity: Of the world's future.
        start: What the books say in the beginning.

    Raises:
        OtherWorld: The file belongs to another world.
    """

    def __init__(self, path: Path, *, identity: str, start: dict[str, str]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.RLock()
        self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")
        with self.change():
            for statement in _SCHEMA.split(";\n"):
                self._connection.execute(statement)
            if self._value("identity") is None:
                for name, value in {**start, "identity": identity}.items():
                    self.put(name, value)
            elif self._value("identity") != identity:
                raise OtherWorld(f"{path} holds the books of another world; remove it, and the account starts anew")

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    @contextmanager
    def change(self) -> Iterator[None]:
        """Hold the books; what is done within is durable as a whole at the end, or not done."""
        with self._lock:
            if self._connection.in_transaction:
                yield
                return
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    @contextmanager
    def look(self) -> Iterator[None]:
        """Hold the books, so that several questions are answered as of one moment."""
        with self._lock:
            yield

    def get(self, name: str) -> str:
        """Return what the books say under a name that has been there from the start."""
        value = self._value(name)
        if value is None:
            raise KeyError(name)
        return value

    def put(self, name: str, value: str) -> None:
        """Write something under a name."""
        self._connection.execute("INSERT OR REPLACE INTO book VALUES (?, ?)", (name, value))

    def add_order(self, order: StoredOrder) -> None:
        """Write a new order."""
        self._connection.execute(
            f"INSERT INTO orders ({_ORDER_COLUMNS}) VALUES ({', '.join('?' * 16)})",  # noqa: S608  # our own names
            _values(order),
        )

    def update_order(self, order: StoredOrder) -> None:
        """Write what has changed about an order."""
        self._connection.execute(
            "UPDATE orders SET symbol = ?, status = ?, filled = ?, paid = ?, updated_at = ?, filled_at = ?, "
            "expired_at = ?, canceled_at = ? WHERE id = ?",
            (
                order.symbol,
                order.status,
                order.filled,
                str(order.paid),
                order.updated_at,
                order.filled_at,
                order.expired_at,
                order.canceled_at,
                order.id,
            ),
        )

    def add_fill(self, order_id: str, session: str, quantity: int, price: Decimal) -> None:
        """Write a fill; an order has at most one a session."""
        self._connection.execute(
            "INSERT INTO fills (order_id, session, quantity, price) VALUES (?, ?, ?, ?)",
            (order_id, session, quantity, str(price)),
        )

    def orders(self, where: str = "1", values: tuple[object, ...] = ()) -> list[StoredOrder]:
        """Return orders as they came.

        Args:
            where: A condition of ours.
            values: Its parameters.
        """
        rows = self._connection.execute(
            f"SELECT {_ORDER_COLUMNS} FROM orders WHERE {where} ORDER BY number",  # noqa: S608  # our own conditions
            values,
        )
        return [_order(row) for row in rows]

    def positions(self) -> list[StoredPosition]:
        """Return every position, by symbol."""
        rows = self._connection.execute("SELECT symbol, quantity, cost FROM positions ORDER BY symbol")
        return [StoredPosition(symbol, quantity, Decimal(cost)) for symbol, quantity, cost in rows]

    def put_position(self, position: StoredPosition) -> None:
        """Write a position; one without shares is none."""
        self._connection.execute("DELETE FROM positions WHERE symbol = ?", (position.symbol,))
        if position.quantity:
            self._connection.execute(
                "INSERT INTO positions VALUES (?, ?, ?)", (position.symbol, position.quantity, str(position.cost))
            )

    def _value(self, name: str) -> str | None:
        row = self._connection.execute("SELECT value FROM book WHERE name = ?", (name,)).fetchone()
        return None if row is None else str(row[0])


def _values(order: StoredOrder) -> tuple[object, ...]:
    return tuple(str(value) if isinstance(value, Decimal) else value for value in astuple(order))


def _order(row: tuple[object, ...]) -> StoredOrder:
    stored = StoredOrder(*row)  # type: ignore[arg-type]  # texts, until the next line
    return replace(
        stored,
        side=Side(stored.side),
        time_in_force=TimeInForce(stored.time_in_force),
        status=Status(stored.status),
        reference_price=Decimal(stored.reference_price),
        paid=Decimal(stored.paid),
    )
