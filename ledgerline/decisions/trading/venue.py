"""The port through which orders reach a market: what any venue must be able to answer, and how it may fail."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Protocol

from ledgerline.core.errors import LedgerlineError
from ledgerline.decisions.trading.order import OrderIntent
from ledgerline.decisions.trading.states import OrderState


class VenueError(LedgerlineError):
    """Something about the venue is not as it should be."""


class VenueUnavailable(VenueError):
    """A question was not answered, and may be asked again."""


class VenueAnswerMalformed(VenueError):
    """An answer does not say what it must."""


class VenueRefused(VenueError):
    """The venue understood, and said no: credentials, permissions, a request that is wrong."""


class OutcomeUnknown(VenueError):
    """An order may or may not have reached the venue: it has to be asked about, and not to be sent again."""


class OrderRefused(VenueError):
    """The venue has refused an order; it does not exist there."""


@dataclass(frozen=True, slots=True)
class VenueClock:
    """What time it is at the venue.

    Attributes:
        now: UTC.
        is_open: Whether trades are made now.
        next_open, next_close: UTC.
    """

    now: datetime
    is_open: bool
    next_open: datetime
    next_close: datetime


@dataclass(frozen=True, slots=True)
class Account:
    """The account's state, money in its currency.

    Attributes:
        equity: Cash and positions.
        cash: Uninvested.
        blocked: Why no orders are taken; None when they are.
        raw: The bytes that said so.
    """

    equity: Decimal
    cash: Decimal
    blocked: str | None
    raw: bytes


@dataclass(frozen=True, slots=True)
class VenuePosition:
    """A position as the venue knows it.

    Attributes:
        symbol: Ticker.
        quantity: Shares; negative when short.
        average_price: Paid, or received, for one.
    """

    symbol: str
    quantity: Decimal
    average_price: Decimal


@dataclass(frozen=True, slots=True)
class VenueOrder:
    """An order as the venue knows it.

    Attributes:
        client_order_id: Our name for it.
        venue_id: Its name there.
        status: The venue's word.
        state: What the word means here.
        filled: Shares so far.
        average_price: At which they were filled; None before the first.
        occurred_at: When the venue last changed it, as it says, or None.
        raw: The bytes that said so.
    """

    client_order_id: str
    venue_id: str
    status: str
    state: OrderState
    filled: Decimal
    average_price: Decimal | None
    occurred_at: str | None
    raw: bytes


@dataclass(frozen=True, slots=True)
class Bar:
    """One session's prices of a symbol, unadjusted.

    Attributes:
        symbol: Ticker.
        session: Which.
        open, high, low, close: Prices, in the listing's currency.
        volume: Shares.
        raw: The bytes that said so.
    """

    symbol: str
    session: date
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    raw: bytes


@dataclass(frozen=True, slots=True)
class BarsAnswer:
    """What a venue said about several symbols' bars.

    Attributes:
        bars: By symbol, oldest first; none for a symbol that it does not know.
        pages: The bytes that said so, in order; at least one.
    """

    bars: Mapping[str, Sequence[Bar]]
    pages: tuple[bytes, ...]


class Venue(Protocol):
    """A place where orders are sent. Reads may be repeated; an order is sent once."""

    def clock(self) -> VenueClock:
        """Return the venue's time.

        Raises:
            VenueUnavailable: No answer.
        """
        ...

    def account(self) -> Account:
        """Return the account.

        Raises:
            VenueUnavailable: No answer.
        """
        ...

    def positions(self) -> Sequence[VenuePosition]:
        """Return every open position.

        Raises:
            VenueUnavailable: No answer.
        """
        ...

    def find_order(self, client_order_id: str) -> VenueOrder | None:
        """Return an order by our name for it, or None where the venue has never heard of it.

        Raises:
            VenueUnavailable: No answer.
        """
        ...

    def submit(self, client_order_id: str, order: bytes) -> VenueOrder:
        """Send an order, exactly once.

        Args:
            client_order_id: Its name.
            order: The body, as :meth:`encode` made it.

        Raises:
            OrderRefused: It does not exist at the venue, and will not.
            OutcomeUnknown: Nobody knows: ask by its name.
        """
        ...

    def encode(self, intent: OrderIntent) -> bytes:
        """Return the bytes that would be sent for an intent."""
        ...

    def bars(self, symbols: Sequence[str], *, first: date, now: datetime) -> BarsAnswer:
        """Return daily bars of ``symbols`` from session ``first`` up to what is known at ``now``, oldest first.

        Raises:
            VenueUnavailable: No answer.
        """
        ...


def decimal_of(value: Any, what: str) -> Decimal:
    """Read a number that came as text, or as JSON read into decimals.

    Raises:
        VenueAnswerMalformed: It is none, or not finite.
    """
    try:
        number = value if isinstance(value, Decimal) else Decimal(str(value))
    except ArithmeticError:
        raise VenueAnswerMalformed(f"{what} is {value!r}, no number") from None
    if not number.is_finite():
        raise VenueAnswerMalformed(f"{what} is {value!r}, no finite number")
    return number
