"""At what price, and how much of it, an order is filled: pure functions over decimals."""

from decimal import ROUND_DOWN, Decimal
from hashlib import sha256

from ledgerline.sandbox.exchange.journal import Side

LARGEST_SLIPPAGE_BP = Decimal(8)
"""No fill is further than this from the open."""

PARTICIPATION = Decimal("0.10")
"""Of a session's volume, the orders of one session together get at most this share."""

_TICK = Decimal("0.0001")
_BASIS_POINT = Decimal("0.0001")
_STEPS = 1_000


def slippage_bp(order_id: str) -> Decimal:
    """Return by how many basis points an order's fills are worse than the open: 0 to 8, by its id alone."""
    step = int.from_bytes(sha256(order_id.encode()).digest()[:8]) % (_STEPS + 1)
    return LARGEST_SLIPPAGE_BP * step / _STEPS


def fill_price(open_price: Decimal, side: Side, order_id: str) -> Decimal:
    """Return the price of one share: the open, and a little worse.

    Args:
        open_price: Of the session.
        side: A purchase pays more, a sale gets less.
        order_id: Whose fill it is.
    """
    worse = slippage_bp(order_id) * _BASIS_POINT
    return (open_price * (1 + worse if side is Side.BUY else 1 - worse)).quantize(_TICK)


def fill_quantity(*, wanted: int, volume: int, taken: int, side: Side, price: Decimal, cash: Decimal, held: int) -> int:
    """Return how many whole shares are filled.

    Args:
        wanted: What the order still lacks.
        volume: Of the session.
        taken: What earlier orders got of it.
        side: A purchase is limited by cash, a sale by what is held.
        price: Of one share.
        cash: In the account.
        held: Shares in the account.
    """
    available = int((PARTICIPATION * volume).to_integral_value(ROUND_DOWN)) - taken
    own = int((cash / price).to_integral_value(ROUND_DOWN)) if side is Side.BUY else held
    return max(0, min(wanted, available, own))
