"""Our own book: what our orders' fills add up to, whatever the venue says; and the report on how trading stands."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from typing import Any

from ledgerline.audit import Ledger
from ledgerline.core.clock import instant_text
from ledgerline.decisions.trading.halt import halt_in_force
from ledgerline.decisions.trading.marks import Mark, all_marks, standing
from ledgerline.decisions.trading.orders import Order, all_orders, last_decided
from ledgerline.decisions.trading.performance import performance
from ledgerline.decisions.trading.risk import Holding
from ledgerline.decisions.trading.schema import ensure_trading_tables
from ledgerline.decisions.trading.states import OrderState
from ledgerline.decisions.trading.venue import VenuePosition

_NOTHING = Decimal(0)
_CENT = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class Closing:
    """An order by which a position was closed, or a part of it.

    Attributes:
        order: Which.
        quantity: Shares of it that closed something; what is beyond them opened a position the other way.
        cost: The average cost of one share of the position before it.
        gain: What it brought against that cost, in the account's currency and before fees.
    """

    order: Order
    quantity: Decimal
    cost: Decimal
    gain: Decimal


@dataclass(frozen=True, slots=True)
class Book:
    """Positions and closed trades.

    Attributes:
        holdings: By symbol; none of them is empty.
        closings: Every closing trade, in order.
    """

    holdings: Mapping[str, Holding] = field(default_factory=dict)
    closings: Sequence[Closing] = ()

    @property
    def gains(self) -> Sequence[Decimal]:
        """What every closing trade brought against the average cost, in order."""
        return tuple(closing.gain for closing in self.closings)

    @property
    def realised(self) -> Decimal:
        """What all closing trades brought together."""
        return sum(self.gains, _NOTHING)


def book_of(orders: Iterable[Order]) -> Book:
    """Add up the fills of orders, in their order, at average cost."""
    holdings: dict[str, Holding] = {}
    closings: list[Closing] = []
    for order in orders:
        if order.filled == 0 or order.average_price is None:
            continue
        held = holdings.pop(order.symbol, Holding(_NOTHING, _NOTHING))
        after, closed, gain = _traded(held, order.signed_fill, order.average_price)
        if after.quantity != 0:
            holdings[order.symbol] = after
        if closed:
            closings.append(Closing(order, closed, held.cost, gain))
    return Book(holdings, tuple(closings))


def differences(book: Book, venue: Sequence[VenuePosition]) -> str | None:
    """Say how the venue's positions differ from our own book, or return None."""
    theirs = {position.symbol: position.quantity for position in venue if position.quantity != 0}
    ours = {symbol: holding.quantity for symbol, holding in book.holdings.items()}
    wrong = [symbol for symbol in sorted(ours | theirs) if ours.get(symbol, _NOTHING) != theirs.get(symbol, _NOTHING)]
    if not wrong:
        return None
    said = [f"{symbol}: ours {ours.get(symbol, 0)}, the venue's {theirs.get(symbol, 0)}" for symbol in wrong[:5]]
    more = f" and {len(wrong) - 5} more" if len(wrong) > 5 else ""
    return f"positions differ: {'; '.join(said)}{more}"


def trading_status(ledger: Ledger) -> dict[str, Any]:
    """Return how trading stands, from the evidence database alone: JSON values, money and quantities as text.

    Keys: ``standing`` (the job's last word: code, message, model, bundle, since; None before it ever ran), ``halt``,
    ``session`` (decided last), ``account``, ``orders`` (oldest first), ``order_counts`` by state, ``fills``,
    ``positions``, ``realised``, ``unrealised``, and the performance: ``total_return``, ``sharpe``, ``max_drawdown``,
    ``win_rate``, ``trades``.
    """
    ensure_trading_tables(ledger)
    orders, marks, said = all_orders(ledger), all_marks(ledger), standing(ledger)
    book, halt, session = book_of(orders), halt_in_force(ledger), last_decided(ledger)
    counted = {state: sum(order.state is state for order in orders) for state in OrderState}
    return {
        "standing": asdict(said) if said else None,
        "halt": {"person": halt.person, "reason": halt.reason, "at": instant_text(halt.at)} if halt else None,
        "session": session.isoformat() if session else None,
        "account": _account(marks),
        "orders": [_order_values(order) for order in orders],
        "order_counts": {state.value: count for state, count in counted.items() if count},
        "fills": sum(order.filled > 0 for order in orders),
        "positions": [
            {"symbol": symbol, "quantity": str(held.quantity), "cost": str(held.cost.quantize(_CENT))}
            for symbol, held in sorted(book.holdings.items())
        ],
        "realised": str(book.realised.quantize(_CENT)),
        "unrealised": _unrealised(marks, book),
        **asdict(performance([float(mark.equity) for mark in marks], [float(gain) for gain in book.gains])),
    }


def _traded(held: Holding, change: Decimal, price: Decimal) -> tuple[Holding, Decimal, Decimal]:
    """Return the holding after a trade, how much of a position it closed, and what that brought."""
    quantity = held.quantity + change
    if held.quantity * change >= 0:
        cost = (held.cost * abs(held.quantity) + price * abs(change)) / abs(quantity)
        return Holding(quantity, cost), _NOTHING, _NOTHING
    closed = min(abs(change), abs(held.quantity))
    gain = (price - held.cost) * closed * (1 if held.quantity > 0 else -1)
    turned = held.quantity * quantity < 0
    return Holding(quantity, price if turned else held.cost), closed, gain


def _account(marks: Sequence[Mark]) -> dict[str, Any] | None:
    if not marks:
        return None
    newest = marks[-1]
    return {
        "session": newest.session.isoformat(),
        "equity": str(newest.equity),
        "cash": str(newest.cash),
        "high_water": str(newest.high_water),
        "drawdown": float(1 - newest.equity / newest.high_water) if newest.high_water > 0 else None,
    }


def _unrealised(marks: Sequence[Mark], book: Book) -> str | None:
    """What open positions have gained: the equity that is no cash, less what it cost."""
    if not marks:
        return None
    cost = sum((held.cost * held.quantity for held in book.holdings.values()), _NOTHING)
    return str((marks[-1].equity - marks[-1].cash - cost).quantize(_CENT))


def _order_values(order: Order) -> dict[str, Any]:
    return {
        "client_order_id": order.client_order_id,
        "session": order.session.isoformat(),
        "symbol": order.symbol,
        "side": order.side,
        "quantity": str(order.quantity),
        "reference_price": str(order.reference_price),
        "reason": order.reason,
        "state": order.state.value,
        "filled": str(order.filled),
        "average_price": str(order.average_price) if order.average_price is not None else None,
        "refusal": order.refusal,
    }
