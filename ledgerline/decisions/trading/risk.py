"""Before an order may leave: one small rule after the other, each with a verdict and the figures behind it.

Limits stop new risk and never trap an old one: an order that only reduces a position passes all of them. What no order
passes are the conditions under which nothing can be known to reduce: a symbol that has an order out already, a venue
that has blocked the account, a quantity that is none.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Any

from ledgerline.decisions.trading.order import OrderIntent, Side
from ledgerline.decisions.trading.policy import RiskLimits

_NOTHING = Decimal(0)


class RuleName(StrEnum):
    """Every rule, in the order in which they are asked."""

    QUANTITY = "quantity"
    ORDER_OPEN = "order_open"
    ACCOUNT = "account"
    HALT = "halt"
    BOOK = "book"
    STALE_DATA = "stale_data"
    PRICE = "price"
    NOTIONAL = "notional"
    CASH = "cash"
    SHORT_SALE = "short_sale"
    POSITION = "position"
    STOP_LOSS = "stop_loss"
    TRADE_LOSS = "trade_loss"
    DAILY_LOSS = "daily_loss"
    DRAWDOWN = "drawdown"


class DenyReason(StrEnum):
    """Every reason for which an order is not sent."""

    NO_QUANTITY = "no_quantity"
    ORDER_OPEN = "order_open"
    ACCOUNT_BLOCKED = "account_blocked"
    HALTED = "halted"
    BOOK_DIFFERS = "book_differs"
    STALE_DATA = "stale_data"
    PRICE_NOT_CREDIBLE = "price_not_credible"
    NOTIONAL_TOO_LARGE = "notional_too_large"
    NOTIONAL_TOO_SMALL = "notional_too_small"
    NOT_ENOUGH_CASH = "not_enough_cash"
    SHORT_SALE = "short_sale"
    POSITION_LIMIT = "position_limit"
    STOP_LOSS = "stop_loss"
    LOSS_PER_TRADE = "loss_per_trade"
    LOSS_PER_DAY = "loss_per_day"
    DRAWDOWN = "drawdown"


@dataclass(frozen=True, slots=True)
class Verdict:
    """One risk rule's answer about one order intent.

    Attributes:
        rule: Which rule answered.
        denied: ``None`` when the order may pass, otherwise the coded reason.
        detail: The limit and the value that met it, for the operator, e.g. ``"notional 61,200.00 > 50,000"``.
    """

    rule: RuleName
    denied: DenyReason | None
    detail: str

    def values(self) -> dict[str, Any]:
        """Return the verdict as JSON values."""
        return {"rule": self.rule.value, "denied": self.denied.value if self.denied else None, "detail": self.detail}


@dataclass(frozen=True, slots=True)
class Holding:
    """A position.

    Attributes:
        quantity: Shares; negative when short.
        cost: Average price of one.
    """

    quantity: Decimal
    cost: Decimal


@dataclass(frozen=True, slots=True)
class MarkedBook:
    """The account at this session's closes, and everything else that a rule may look at.

    Attributes:
        equity: Cash and positions at the closes.
        cash: Free: what orders on their way may cost is taken off.
        high_water: The highest equity ever marked, this one included.
        day_start: Equity at the previous session's close.
        session: The session that must have closed last, by the venue's clock and the exchange's calendar.
        holdings: By symbol.
        last_session: By symbol, of which session its newest bar is.
        previous_close: By symbol; absent where there is none.
        open_orders: Symbols that have an order on its way.
        account_blocked: Why the venue takes no orders; None when it does.
        halted: By whom and why; None when nobody has.
        differs: How the venue's positions differ from our own book; None when they agree.
    """

    equity: Decimal
    cash: Decimal
    high_water: Decimal
    day_start: Decimal
    session: date
    holdings: Mapping[str, Holding] = field(default_factory=dict)
    last_session: Mapping[str, date] = field(default_factory=dict)
    previous_close: Mapping[str, Decimal] = field(default_factory=dict)
    open_orders: frozenset[str] = frozenset()
    account_blocked: str | None = None
    halted: str | None = None
    differs: str | None = None

    def held(self, symbol: str) -> Decimal:
        """Return the shares held of a symbol; negative when short."""
        holding = self.holdings.get(symbol)
        return holding.quantity if holding else _NOTHING


Rule = Callable[[OrderIntent, MarkedBook, RiskLimits], Verdict]


def only_reduces(intent: OrderIntent, book: MarkedBook) -> bool:
    """Whether all that an order can do is to make a position smaller."""
    held = book.held(intent.symbol)
    return intent.quantity > 0 and held * intent.side.sign < 0 and intent.quantity <= abs(held)


def verdicts(intent: OrderIntent, book: MarkedBook, limits: RiskLimits) -> tuple[Verdict, ...]:
    """Return every rule's verdict; the order may leave when none denies it.

    Where quantity or price is no finite number, there is nothing to compare, and only those two rules answer.
    """
    if not (intent.quantity.is_finite() and intent.reference_price.is_finite()):
        return quantity(intent, book, limits), price(intent, book, limits)
    reduces = only_reduces(intent, book)
    return tuple(
        Verdict(name, None, "only reduces the position")
        if reduces and name not in _UNCONDITIONAL
        else rule(intent, book, limits)
        for name, rule in RULES.items()
    )


def quantity(intent: OrderIntent, _book: MarkedBook, _limits: RiskLimits) -> Verdict:
    """Deny what is not a whole number of shares above zero."""
    whole = (
        intent.quantity.is_finite() and intent.quantity > 0 and intent.quantity == intent.quantity.to_integral_value()
    )
    return _verdict(RuleName.QUANTITY, DenyReason.NO_QUANTITY, not whole, f"{intent.quantity} shares")


def order_open(intent: OrderIntent, book: MarkedBook, _limits: RiskLimits) -> Verdict:
    """Deny a second order of a symbol while the first is out: together they might close more than is held."""
    waits = intent.symbol in book.open_orders
    said = f"{intent.symbol} has an order on its way" if waits else "no other order on its way"
    return _verdict(RuleName.ORDER_OPEN, DenyReason.ORDER_OPEN, waits, said)


def account(_intent: OrderIntent, book: MarkedBook, _limits: RiskLimits) -> Verdict:
    """Deny everything while the venue has blocked the account."""
    blocked = book.account_blocked
    return _verdict(RuleName.ACCOUNT, DenyReason.ACCOUNT_BLOCKED, blocked is not None, blocked or "open for trading")


def halt(_intent: OrderIntent, book: MarkedBook, _limits: RiskLimits) -> Verdict:
    """Deny new risk from the moment a person has halted trading until a person clears it."""
    return _verdict(RuleName.HALT, DenyReason.HALTED, book.halted is not None, book.halted or "not halted")


def same_book(_intent: OrderIntent, book: MarkedBook, _limits: RiskLimits) -> Verdict:
    """Deny new risk while the venue's positions are not the ones that our own fills add up to."""
    said = book.differs or "the venue's positions are ours"
    return _verdict(RuleName.BOOK, DenyReason.BOOK_DIFFERS, book.differs is not None, said)


def stale_data(intent: OrderIntent, book: MarkedBook, _limits: RiskLimits) -> Verdict:
    """Deny new risk in a symbol whose newest bar is not of the session that closed last."""
    newest = book.last_session.get(intent.symbol)
    stale = newest != book.session or intent.session != book.session
    said = f"newest bar {newest or 'none'}, decided for {intent.session}, last session {book.session}"
    return _verdict(RuleName.STALE_DATA, DenyReason.STALE_DATA, stale, said)


def price(intent: OrderIntent, book: MarkedBook, limits: RiskLimits) -> Verdict:
    """Deny a price that is none, or that moved further from the previous close than is believed."""
    now, before = intent.reference_price, book.previous_close.get(intent.symbol)
    if not now.is_finite() or now <= 0:
        return _verdict(RuleName.PRICE, DenyReason.PRICE_NOT_CREDIBLE, True, f"price {now}")
    if before is None or before <= 0:
        return _verdict(RuleName.PRICE, DenyReason.PRICE_NOT_CREDIBLE, True, "no previous close to compare with")
    move = abs(now / before - 1)
    said = f"moved {move:.4f} from the previous close, at most {limits.price_move}"
    return _verdict(RuleName.PRICE, DenyReason.PRICE_NOT_CREDIBLE, move > limits.price_move, said)


def notional(intent: OrderIntent, _book: MarkedBook, limits: RiskLimits) -> Verdict:
    """Deny an order that is larger or smaller than any that is ever meant."""
    if intent.notional > limits.largest_notional:
        said = f"notional {intent.notional:,.2f} > {limits.largest_notional:,}"
        return Verdict(RuleName.NOTIONAL, DenyReason.NOTIONAL_TOO_LARGE, said)
    said = f"notional {intent.notional:,.2f}, at least {limits.smallest_notional:,}"
    too_small = not intent.notional >= limits.smallest_notional
    return _verdict(RuleName.NOTIONAL, DenyReason.NOTIONAL_TOO_SMALL, too_small, said)


def cash(intent: OrderIntent, book: MarkedBook, _limits: RiskLimits) -> Verdict:
    """Deny a purchase that free cash does not pay for."""
    lacking = intent.side is Side.BUY and intent.notional > book.cash
    said = f"notional {intent.notional:,.2f}, free cash {book.cash:,.2f}"
    return _verdict(RuleName.CASH, DenyReason.NOT_ENOUGH_CASH, lacking, said)


def short_sale(intent: OrderIntent, book: MarkedBook, _limits: RiskLimits) -> Verdict:
    """Deny selling more than is held."""
    held = book.held(intent.symbol)
    beyond = intent.side is Side.SELL and intent.quantity > max(held, _NOTHING)
    return _verdict(RuleName.SHORT_SALE, DenyReason.SHORT_SALE, beyond, f"{intent.quantity} of {held} held")


def position(intent: OrderIntent, book: MarkedBook, limits: RiskLimits) -> Verdict:
    """Deny what would make a position larger than its share of the equity."""
    after = abs(book.held(intent.symbol) + intent.side.sign * intent.quantity) * intent.reference_price
    most = limits.position_share * book.equity
    said = f"position {after:,.2f} of at most {most:,.2f}"
    return _verdict(RuleName.POSITION, DenyReason.POSITION_LIMIT, after > most, said)


def stop_loss(intent: OrderIntent, book: MarkedBook, limits: RiskLimits) -> Verdict:
    """Deny adding to a position that has lost what makes it be closed."""
    holding = book.holdings.get(intent.symbol)
    if holding is None or holding.quantity == 0 or holding.cost <= 0:
        return Verdict(RuleName.STOP_LOSS, None, "no position")
    direction = 1 if holding.quantity > 0 else -1
    lost = (holding.cost - intent.reference_price) * direction / holding.cost
    said = f"position is {-lost:+.4f} of its cost, stop at {-limits.stop_loss}"
    return _verdict(RuleName.STOP_LOSS, DenyReason.STOP_LOSS, lost >= limits.stop_loss, said)


def trade_loss(intent: OrderIntent, _book: MarkedBook, limits: RiskLimits) -> Verdict:
    """Deny a position that would lose more than a trade may until its stop is reached."""
    loss = intent.notional * limits.stop_loss
    said = f"loses {loss:,.2f} at the stop, at most {limits.loss_per_trade:,}"
    return _verdict(RuleName.TRADE_LOSS, DenyReason.LOSS_PER_TRADE, loss > limits.loss_per_trade, said)


def daily_loss(_intent: OrderIntent, book: MarkedBook, limits: RiskLimits) -> Verdict:
    """Deny new risk once today's marked-to-market loss has reached the limit."""
    lost = book.day_start - book.equity
    said = f"lost {lost:,.2f} since the previous close, at most {limits.loss_per_day:,}"
    return _verdict(RuleName.DAILY_LOSS, DenyReason.LOSS_PER_DAY, lost >= limits.loss_per_day, said)


def drawdown(_intent: OrderIntent, book: MarkedBook, limits: RiskLimits) -> Verdict:
    """Deny new risk once equity lies too far below the highest that was ever marked."""
    down = 1 - book.equity / book.high_water if book.high_water > 0 else Decimal(1)
    said = f"{down:.4f} below {book.high_water:,.2f}, at most {limits.drawdown}"
    return _verdict(RuleName.DRAWDOWN, DenyReason.DRAWDOWN, down >= limits.drawdown, said)


RULES: Mapping[RuleName, Rule] = {
    RuleName.QUANTITY: quantity,
    RuleName.ORDER_OPEN: order_open,
    RuleName.ACCOUNT: account,
    RuleName.HALT: halt,
    RuleName.BOOK: same_book,
    RuleName.STALE_DATA: stale_data,
    RuleName.PRICE: price,
    RuleName.NOTIONAL: notional,
    RuleName.CASH: cash,
    RuleName.SHORT_SALE: short_sale,
    RuleName.POSITION: position,
    RuleName.STOP_LOSS: stop_loss,
    RuleName.TRADE_LOSS: trade_loss,
    RuleName.DAILY_LOSS: daily_loss,
    RuleName.DRAWDOWN: drawdown,
}
_UNCONDITIONAL = frozenset({RuleName.QUANTITY, RuleName.ORDER_OPEN, RuleName.ACCOUNT})


def _verdict(rule: RuleName, reason: DenyReason, denied: bool, detail: str) -> Verdict:
    return Verdict(rule, reason if denied else None, detail)
