"""The exchange: one paper account, whole shares, market orders that are filled at the next session's open.

With daily bars there is one price a session at which an order can meet the market: its open. So an order that comes
while the market is open waits for the next open, as one that comes in the night does; a day's order lives until the
close of the first session in which it can trade.
"""

import uuid
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

from ledgerline.sandbox.exchange.corporate_actions import apply_action
from ledgerline.sandbox.exchange.journal import (
    WAITS,
    Journal,
    Side,
    Status,
    StoredOrder,
    StoredPosition,
    TimeInForce,
)
from ledgerline.sandbox.exchange.matching import fill_price, fill_quantity
from ledgerline.sandbox.exchange.refusals import absent, id_taken, insufficient, unprocessable
from ledgerline.sandbox.exchange.tape import Bar, Tape
from ledgerline.sandbox.sessions import PRESENT, following_session, session_close, session_open

START_CASH = Decimal(100_000)
_NAMESPACE = uuid.UUID("7d0c4f0e-3b62-5a53-9f0a-0a4f7d5c2a11")


@dataclass(frozen=True, slots=True)
class Moment:
    """What time it is at the exchange.

    Attributes:
        now: UTC.
        is_open: Whether a session is under way.
        next_open, next_close: UTC; after the last session they are the calendar's, and never come.
        session: The session that closed last; None where there never was one.
        passed: How many of the world's future sessions have closed.
        left: How many have not.
    """

    now: datetime
    is_open: bool
    next_open: datetime
    next_close: datetime
    session: date | None
    passed: int
    left: int

    @property
    def ended(self) -> bool:
        """Whether the market is closed for good."""
        return self.left == 0


@dataclass(frozen=True, slots=True)
class Holding:
    """A position at the newest prices.

    Attributes:
        position: As kept.
        price: Newest.
        last_close: Of the session before.
        available: Shares that no open order is to sell.
    """

    position: StoredPosition
    price: Decimal
    last_close: Decimal
    available: int


@dataclass(frozen=True, slots=True)
class Standing:
    """The account.

    Attributes:
        cash: Dollars.
        reserved: What open purchases may cost.
        holdings: Every position.
        last_equity: At the close of the session before.
    """

    cash: Decimal
    reserved: Decimal
    holdings: Sequence[Holding]
    last_equity: Decimal

    @property
    def invested(self) -> Decimal:
        """What the positions are worth."""
        return sum((each.position.quantity * each.price for each in self.holdings), Decimal(0))


@dataclass(frozen=True, slots=True)
class NewOrder:
    """An order as asked for, well-formed.

    Attributes:
        client_order_id: The client's name for it; None for one of ours.
        symbol: What.
        side: Which way.
        quantity: Whole shares above zero.
        time_in_force: How long it waits.
    """

    client_order_id: str | None
    symbol: str
    side: Side
    quantity: int
    time_in_force: TimeInForce


class Exchange:
    """The exchange and its one account.

    Args:
        tape: What is traded.
        state: The file that the books are kept in.

    Raises:
        OtherWorld: The file holds another world's books.
    """

    def __init__(self, tape: Tape, state: Path) -> None:
        self.tape = tape
        self.account_id = str(uuid.uuid5(_NAMESPACE, tape.identity))
        start = {
            "cash": str(START_CASH),
            "last_equity": str(START_CASH),
            "equity_at_close": str(START_CASH),
            "passed": "0",
            "open": "0",
            "pace": "",
        }
        self.journal = Journal(state, identity=tape.identity, start=start)

    def close(self) -> None:
        """Close the books."""
        self.journal.close()

    def moment(self) -> Moment:
        """Return what time it is."""
        with self.journal.look():
            passed, is_open = int(self.journal.get("passed")), self.journal.get("open") == "1"
        future = self.tape.future
        session = future[passed - 1] if passed else (self.tape.past[-1] if self.tape.past else None)
        now = session_open(future[passed]) if is_open else session_close(future[passed - 1]) if passed else PRESENT
        following = following_session(now)
        ends = session_close(future[passed]) if is_open else session_close(following)
        return Moment(now, is_open, session_open(following), ends, session, passed, len(future) - passed)

    def submit(self, order: NewOrder) -> StoredOrder:
        """Take an order; it is durable when this returns.

        Raises:
            Refused: It is not taken.
        """
        with self.journal.change():
            name = order.client_order_id or str(uuid.uuid4())
            if self.journal.orders("client_order_id = ?", (name,)):
                raise id_taken()
            moment = self.moment()
            reference = self._reference(order, moment)
            self._require_means(order, reference)
            taken = StoredOrder(
                id=str(uuid.uuid5(_NAMESPACE, name)),
                client_order_id=name,
                symbol=order.symbol,
                side=order.side,
                quantity=order.quantity,
                time_in_force=order.time_in_force,
                reference_price=reference,
                first_session=moment.passed + moment.is_open,
                status=Status.ACCEPTED,
                filled=0,
                paid=Decimal(0),
                submitted_at=moment.now.isoformat(),
                updated_at=moment.now.isoformat(),
                filled_at=None,
                expired_at=None,
                canceled_at=None,
            )
            self.journal.add_order(taken)
        return taken

    def order(self, order_id: str) -> StoredOrder:
        """Return an order by the exchange's name for it.

        Raises:
            Refused: There is none.
        """
        return self._one("id = ?", order_id)

    def order_named(self, client_order_id: str) -> StoredOrder:
        """Return an order by the client's name for it.

        Raises:
            Refused: There is none.
        """
        return self._one("client_order_id = ?", client_order_id)

    def orders(self) -> list[StoredOrder]:
        """Return every order, as they came."""
        with self.journal.look():
            return self.journal.orders()

    def cancel(self, order_id: str) -> StoredOrder:
        """Cancel what is left of an open order.

        Raises:
            Refused: There is none, or it is not open any more.
        """
        with self.journal.change():
            order = self._one("id = ?", order_id)
            if not order.status.is_open:
                raise unprocessable(f'order is already in "{order.status}" state')
            now = self.moment().now.isoformat()
            canceled = replace(order, status=Status.CANCELED, canceled_at=now, updated_at=now)
            self.journal.update_order(canceled)
        return canceled

    def cancel_all(self) -> list[StoredOrder]:
        """Cancel every open order."""
        with self.journal.change():
            return [self.cancel(order.id) for order in self.journal.orders(WAITS)]

    def standing(self) -> Standing:
        """Return the account at the newest prices."""
        with self.journal.look():
            waiting = self.journal.orders(WAITS)
            reserved = sum(
                (order.remaining * order.reference_price for order in waiting if order.side is Side.BUY), Decimal(0)
            )
            moment = self.moment()
            holdings = [self._holding(position, moment, waiting) for position in self.journal.positions()]
            cash, last_equity = Decimal(self.journal.get("cash")), Decimal(self.journal.get("last_equity"))
        return Standing(cash, reserved, holdings, last_equity)

    def is_traded(self, symbol: str) -> bool:
        """Whether a symbol traded in the newest session that has begun."""
        newest = self.newest_session()
        return newest is not None and self.tape.bar(symbol, newest) is not None

    def newest_session(self) -> date | None:
        """Return the newest session that has begun; what happens after its open is known at its close."""
        moment = self.moment()
        return self.tape.future[moment.passed] if moment.is_open else moment.session

    def step(self) -> bool:
        """Let the next thing happen: a session opens, or the one under way closes. Done as a whole, or not at all.

        Returns:
            Whether anything was left to happen.
        """
        with self.journal.change():
            moment = self.moment()
            if moment.ended:
                return False
            session = self.tape.future[moment.passed]
            if moment.is_open:
                self._close(session, moment.passed)
            else:
                self._open(session, moment.passed)
        return True

    def pass_session(self) -> None:
        """Let a whole session pass, or what is left of the one under way; nothing where there is none."""
        with self.journal.change():
            if self.step() and self.moment().is_open:
                self.step()

    def _open(self, session: date, number: int) -> None:
        now = session_open(session)
        self.journal.put("last_equity", self.journal.get("equity_at_close"))
        for action in self.tape.actions(session):
            apply_action(self.journal, action, now, last_close=self.tape.close_before(action.symbol, session))
        taken: dict[str, int] = defaultdict(int)
        for order in self.journal.orders(WAITS):
            bar = self.tape.bar(order.symbol, session)
            if bar is not None and order.first_session <= number:
                taken[order.symbol] += self._fill(order, bar, taken[order.symbol], now)
        self.journal.put("open", "1")

    def _fill(self, order: StoredOrder, bar: Bar, taken: int, now: datetime) -> int:
        price, cash = fill_price(bar.open, order.side, order.id), Decimal(self.journal.get("cash"))
        held = self._position(order.symbol)
        quantity = fill_quantity(
            wanted=order.remaining,
            volume=bar.volume,
            taken=taken,
            side=order.side,
            price=price,
            cash=cash,
            held=held.quantity,
        )
        if quantity == 0:
            return 0
        value, at = quantity * price, now.isoformat()
        if order.side is Side.BUY:
            changed = StoredPosition(order.symbol, held.quantity + quantity, held.cost + value)
        else:
            left = held.quantity - quantity
            changed = StoredPosition(order.symbol, left, held.cost * left / held.quantity)
        done = order.filled + quantity == order.quantity
        self.journal.put("cash", str(cash - value if order.side is Side.BUY else cash + value))
        self.journal.put_position(changed)
        self.journal.add_fill(order.id, bar.session.isoformat(), quantity, price)
        self.journal.update_order(
            replace(
                order,
                status=Status.FILLED if done else Status.PARTIALLY_FILLED,
                filled=order.filled + quantity,
                paid=order.paid + value,
                updated_at=at,
                filled_at=at if done else None,
            )
        )
        return quantity

    def _close(self, session: date, number: int) -> None:
        now = session_close(session).isoformat()
        for order in self.journal.orders(WAITS):
            if order.time_in_force is not TimeInForce.UNTIL_CANCELED and order.first_session <= number:
                self.journal.update_order(replace(order, status=Status.EXPIRED, expired_at=now, updated_at=now))
        worth = Decimal(self.journal.get("cash"))
        for position in self.journal.positions():
            bar = self.tape.latest(position.symbol, session)
            worth += position.cost if bar is None else position.quantity * bar.close
        self.journal.put("equity_at_close", str(worth))
        self.journal.put("passed", str(number + 1))
        self.journal.put("open", "0")

    def _holding(self, position: StoredPosition, moment: Moment, waiting: Sequence[StoredOrder]) -> Holding:
        symbol, session = position.symbol, self.newest_session()
        bar = self.tape.latest(symbol, session) if session else None
        price = position.cost / position.quantity
        if bar is not None:
            price = bar.open if moment.is_open and bar.session == session else bar.close
        before = self.tape.close_before(symbol, session) if session else None
        to_sell = sum(order.remaining for order in waiting if (order.symbol, order.side) == (symbol, Side.SELL))
        return Holding(position, price, price if before is None else before, position.quantity - to_sell)

    def _position(self, symbol: str) -> StoredPosition:
        found = [position for position in self.journal.positions() if position.symbol == symbol]
        return found[0] if found else StoredPosition(symbol, 0, Decimal(0))

    def _reference(self, order: NewOrder, moment: Moment) -> Decimal:
        """Return the last close of what is ordered.

        Raises:
            Refused: It is not traded, or nothing is any more.
        """
        if moment.left - moment.is_open <= 0:
            raise unprocessable("the market is closed for good: this world has no further session")
        bar = self.tape.latest(order.symbol, moment.session) if moment.session else None
        if bar is None:
            raise unprocessable(f'asset "{order.symbol}" not found')
        if not self.is_traded(order.symbol):
            raise unprocessable(f"asset {order.symbol} is not active")
        return bar.close

    def _require_means(self, order: NewOrder, reference: Decimal) -> None:
        """Refuse an order that the account cannot pay for, or deliver.

        Raises:
            Refused: With what there is.
        """
        waiting = self.journal.orders(WAITS)
        if order.side is Side.SELL:
            to_sell = sum(each.remaining for each in waiting if (each.symbol, each.side) == (order.symbol, Side.SELL))
            available = self._position(order.symbol).quantity - to_sell
            if order.quantity > available:
                raise insufficient(
                    f"insufficient qty available for order (requested: {order.quantity}, available: {available})"
                )
            return
        reserved = sum((each.remaining * each.reference_price for each in waiting if each.side is Side.BUY), Decimal(0))
        if order.quantity * reference > Decimal(self.journal.get("cash")) - reserved:
            raise insufficient("insufficient buying power")

    def _one(self, where: str, value: str) -> StoredOrder:
        with self.journal.look():
            found = self.journal.orders(where, (value,))
        if not found:
            raise absent(f"order not found for {value}")
        return found[0]
