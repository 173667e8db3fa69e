"""How much to order: a tenth of the cash, never more than the stop may lose, and a sale closes what is held."""

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from ledgerline.decisions.trading.order import Side
from ledgerline.decisions.trading.policy import RiskLimits, SizingRules
from ledgerline.decisions.trading.signals import Signal

_ONE_SHARE = Decimal(1)
_NOTHING = Decimal(0)


def sized(
    signal: Signal, *, held: Decimal, cash: Decimal, price: Decimal, sizing: SizingRules, limits: RiskLimits
) -> tuple[Side, Decimal] | None:
    """Return side and whole shares, or None where the signal asks for nothing that may be done.

    A purchase is for who holds nothing, or for who is short, and then it only covers; a sale is for who is long. Money
    put into one position is the cash share, but at most what loses ``loss_per_trade`` when its stop is reached.

    Args:
        signal: What the votes came to.
        held: Shares held; negative when short.
        cash: Free cash, in the account's currency.
        price: Of one share, above zero.
        sizing: The shares of cash.
        limits: Stop loss and loss per trade.
    """
    if signal.sells:
        return (Side.SELL, _closing(held, signal, sizing)) if held > 0 else None
    if not signal.buys or held > 0:
        return None
    if held < 0:
        return Side.BUY, _closing(-held, signal, sizing)
    money = max(_NOTHING, cash) * sizing.cash_share * (sizing.small_share if signal.is_small else 1)
    shares = (min(money, limits.loss_per_trade / limits.stop_loss) / price).to_integral_value(ROUND_FLOOR)
    return (Side.BUY, shares) if shares >= _ONE_SHARE else None


def stop_is_reached(*, held: Decimal, cost: Decimal, price: Decimal, limits: RiskLimits) -> bool:
    """Return whether a position has lost what it may.

    Args:
        held: Shares; negative when short.
        cost: Average price paid, or received when short.
        price: The present one.
        limits: The stop, as a share of the cost.
    """
    return held != 0 and cost > 0 and (price - cost) * held <= -limits.stop_loss * cost * abs(held)


def _closing(shares: Decimal, signal: Signal, sizing: SizingRules) -> Decimal:
    """Return all of a position, or its small share, rounded up so that one share is closed too."""
    if not signal.is_small:
        return shares
    return min(shares, (shares * sizing.small_share).to_integral_value(ROUND_CEILING))
