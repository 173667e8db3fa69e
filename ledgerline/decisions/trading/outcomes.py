"""What came of orders: every fill that the venue has told of, and what every closed quantity has brought.

Read from what is on record already, so that it can be done at any time after: no order waits for it.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import takewhile
from typing import Any

import sqlalchemy as sa

from ledgerline.audit import Ledger
from ledgerline.core.clock import parse_instant
from ledgerline.decisions.outcome import Outcome, record_outcomes
from ledgerline.decisions.schema import DECISION, ensure_tables
from ledgerline.decisions.trading.book import Closing, book_of
from ledgerline.decisions.trading.orders import Order, all_orders
from ledgerline.decisions.trading.schema import ORDER, VENUE_EVENT, ensure_trading_tables

_NOTHING = Decimal(0)


@dataclass(frozen=True, slots=True)
class _Said:
    """One thing that the venue has said of an order: what was filled by then, and its average price."""

    leaf: str
    filled: Decimal
    average_price: Decimal | None
    received_at: datetime


def newest_event(ledger: Ledger) -> int:
    """Return the position of what the venue has said last; 0 before it has said anything."""
    with ledger.log.reading() as connection:
        return int(connection.execute(sa.select(sa.func.max(VENUE_EVENT.c.sequence))).scalar() or 0)


def record_trade_outcomes(ledger: Ledger, *, after: int = 0) -> int:
    """Put on record what came of orders, with their fills and with what they have closed.

    A gain is known once nothing more can come of the order, nor of one before it in the same symbol: the average cost
    rests on those. An order that no decision led to has no outcome.

    Args:
        ledger: The installation.
        after: Position of the venue's event up to which this was done before; 0 looks at everything.

    Returns:
        How many outcomes are new.
    """
    ensure_tables(ledger)
    ensure_trading_tables(ledger)
    return record_outcomes(ledger, _outcomes(ledger, after))


def _outcomes(ledger: Ledger, after: int) -> Iterator[Outcome]:
    orders, decisions, said = all_orders(ledger), _decisions(ledger), _said(ledger)
    moved = _moved(ledger, after)
    by_symbol: dict[str, list[Order]] = {}
    for order in orders:
        if order.symbol in moved:
            by_symbol.setdefault(order.symbol, []).append(order)
    for line in by_symbol.values():
        for order in line:
            if decision := decisions.get(order.client_order_id):
                yield from _fills(order, decision, said.get(order.client_order_id, ()))
        for closing in book_of(takewhile(lambda order: order.state.is_final, line)).closings:
            name = closing.order.client_order_id
            if name in decisions:
                yield _gain(closing, decisions[name], said[name])


def _fills(order: Order, decision: str, said: Sequence[_Said]) -> Iterator[Outcome]:
    before = _NOTHING
    for each in said:
        if each.filled > before:
            came = {
                "filled": str(each.filled),
                "average_price": None if each.average_price is None else str(each.average_price),
                "quantity": str(each.filled - before),
            }
            yield _outcome(order, decision, came, each)
            before = each.filled


def _gain(closing: Closing, decision: str, said: Sequence[_Said]) -> Outcome:
    """Return the outcome of a closing trade; the last event that told of its fill says quantity and price."""
    order = closing.order
    last = next(each for each in reversed(said) if each.filled == order.filled and each.average_price is not None)
    came = {
        "closed": str(closing.quantity),
        "cost": str(closing.cost),
        "filled": str(order.filled),
        "gain": str(closing.gain),
        "price": str(order.average_price),
    }
    return _outcome(order, decision, came, last)


def _outcome(order: Order, decision: str, came: Mapping[str, Any], said: _Said) -> Outcome:
    return Outcome(
        decision=decision,
        subject=f"{order.side} {order.symbol}",
        came=came,
        known_at=said.received_at,
        intent=order.leaf,
        event=said.leaf,
    )


def _decisions(ledger: Ledger) -> dict[str, str]:
    """Return the leaf of the decision that each order followed, by the order's name."""
    statement = sa.select(ORDER.c.client_order_id, DECISION.c.leaf).join(
        DECISION, DECISION.c.decision_id == ORDER.c.decision
    )
    with ledger.log.reading() as connection:
        return dict(connection.execute(statement).all())


def _said(ledger: Ledger) -> dict[str, list[_Said]]:
    """Return what the venue has said of each order, in order."""
    found: dict[str, list[_Said]] = {}
    with ledger.log.reading() as connection:
        for row in connection.execute(sa.select(VENUE_EVENT).order_by(VENUE_EVENT.c.sequence)):
            price = None if row.average_price is None else Decimal(row.average_price)
            said = _Said(row.leaf, Decimal(row.filled), price, parse_instant(row.received_at))
            found.setdefault(row.client_order_id, []).append(said)
    return found


def _moved(ledger: Ledger, after: int) -> Collection[str]:
    """Return the symbols of which the venue has said something since."""
    statement = (
        sa.select(ORDER.c.symbol)
        .join(VENUE_EVENT, VENUE_EVENT.c.client_order_id == ORDER.c.client_order_id)
        .where(VENUE_EVENT.c.sequence > after)
        .distinct()
    )
    with ledger.log.reading() as connection:
        return set(connection.execute(statement).scalars())
