"""What is ordered, and what it is called: quantities and prices are decimals, and names follow from what is meant."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Any

from ledgerline.core.identity import content_id

STRATEGY = "daily_votes"
_ID_DIGITS = 40
_ID_START = "ll-"


class Side(StrEnum):
    """Which way a trade goes."""

    BUY = "buy"
    SELL = "sell"

    @property
    def sign(self) -> int:
        """1 for a purchase, -1 for a sale."""
        return 1 if self is Side.BUY else -1


class OrderReason(StrEnum):
    """Why an order is wanted."""

    SIGNAL = "signal"
    STOP_LOSS = "stop_loss"


@dataclass(frozen=True, slots=True)
class OrderIntent:
    """A market order that is wanted, before anybody has asked whether it may be sent.

    Attributes:
        symbol: Ticker.
        session: The session after whose close it was decided.
        side: Buy or sell.
        quantity: Shares, whole and above zero.
        reference_price: The session's close, in the account's currency: what the order is judged at.
        reason: Why.
        bundle: Digest of the model that decided.
        strategy: Name of the rules that made an order of the decision.
        attempt: 1, and one more for every deliberate repetition after a final refusal.
    """

    symbol: str
    session: date
    side: Side
    quantity: Decimal
    reference_price: Decimal
    reason: OrderReason
    bundle: str
    strategy: str = STRATEGY
    attempt: int = 1

    @property
    def notional(self) -> Decimal:
        """Quantity at the reference price."""
        return self.quantity * self.reference_price

    @property
    def client_order_id(self) -> str:
        """The name under which the venue knows the order; see :func:`client_order_id`."""
        return client_order_id(
            bundle=self.bundle,
            strategy=self.strategy,
            symbol=self.symbol,
            session=self.session,
            side=self.side,
            attempt=self.attempt,
        )

    def values(self) -> dict[str, Any]:
        """Return the intent as JSON values, decimals as text."""
        return {
            "client_order_id": self.client_order_id,
            "symbol": self.symbol,
            "session": self.session.isoformat(),
            "side": self.side.value,
            "quantity": str(self.quantity),
            "reference_price": str(self.reference_price),
            "reason": self.reason.value,
            "bundle": self.bundle,
            "strategy": self.strategy,
            "attempt": self.attempt,
        }


def client_order_id(*, bundle: str, strategy: str, symbol: str, session: date, side: Side, attempt: int) -> str:
    """Return the one name of an order: who decides again in the same place names it the same.

    A venue takes a name once, so that an order whose fate is unknown can be asked about, and cannot be doubled. The
    quantity is left out on purpose: whoever computes another one after a restart must not get a second order by it.

    Returns:
        ``ll-`` and 40 hex digits; Alpaca takes up to 128 characters.
    """
    named = {
        "bundle": bundle,
        "strategy": strategy,
        "symbol": symbol,
        "session": session.isoformat(),
        "side": side.value,
        "attempt": attempt,
    }
    return _ID_START + content_id(named)[:_ID_DIGITS]
