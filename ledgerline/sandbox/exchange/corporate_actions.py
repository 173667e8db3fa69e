"""What splits, dividends and changes of name do to positions and to orders that wait."""

from dataclasses import replace
from datetime import datetime
from decimal import ROUND_DOWN, Decimal

from ledgerline.sandbox.exchange.journal import WAITS, Journal, Status, StoredPosition
from ledgerline.sandbox.exchange.tape import CorporateAction

_CENT = Decimal("0.01")


def apply_action(journal: Journal, action: CorporateAction, now: datetime, *, last_close: Decimal | None) -> None:
    """Apply a corporate action before its session opens.

    A split multiplies the shares and leaves what they cost; a fraction of a share is paid out at the last close. A
    dividend is paid in cash at once. Orders that wait for a share that is split or renamed are cancelled, as brokers
    do: they were meant for another share.

    Args:
        journal: The books, in a change.
        action: What happens.
        now: The session's open, UTC.
        last_close: Of the share, before a split in old shares; None where there is none.
    """
    held = next((each for each in journal.positions() if each.symbol == action.symbol), None)
    if action.action == "dividend":
        if held and action.amount is not None:
            _pay(journal, held.quantity * action.amount)
        return
    _cancel_waiting(journal, action.symbol, now)
    if held is None:
        return
    if action.action == "split" and action.ratio:
        exact = held.quantity * action.ratio
        whole = int(exact.to_integral_value(ROUND_DOWN))
        cost = held.cost * whole / exact
        if last_close is not None:
            _pay(journal, (exact - whole) * last_close / action.ratio)
        journal.put_position(StoredPosition(held.symbol, whole, cost))
    elif action.action == "symbol_change" and action.new_symbol:
        journal.put_position(StoredPosition(held.symbol, 0, Decimal(0)))
        journal.put_position(StoredPosition(action.new_symbol, held.quantity, held.cost))


def _pay(journal: Journal, amount: Decimal) -> None:
    journal.put("cash", str(Decimal(journal.get("cash")) + amount.quantize(_CENT)))


def _cancel_waiting(journal: Journal, symbol: str, now: datetime) -> None:
    at = now.isoformat()
    for order in journal.orders(f"{WAITS} AND symbol = ?", (symbol,)):
        journal.update_order(replace(order, status=Status.CANCELED, canceled_at=at, updated_at=at))
