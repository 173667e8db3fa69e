"""Alpaca's JSON: https://docs.alpaca.markets/reference. Money and quantities are texts, prices of bars are numbers."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import NAMESPACE_URL, uuid5
from zoneinfo import ZoneInfo

from ledgerline.sandbox.exchange.engine import Holding, Moment, Standing
from ledgerline.sandbox.exchange.journal import StoredOrder
from ledgerline.sandbox.exchange.tape import Bar
from ledgerline.sandbox.sessions import session_close, session_open

NEW_YORK = ZoneInfo("America/New_York")

_EXCHANGE = "NYSE"
_CLASS = "us_equity"
_CENT = Decimal("0.01")
_TICK = Decimal("0.0001")
_SHARE = Decimal("0.000001")
_NOTHING = Decimal(0)

Json = dict[str, Any]


def account_message(standing: Standing, *, account_id: str, created_at: datetime) -> Json:
    """Return the account: cash only, nothing lent, nothing sold short."""
    equity = standing.cash + standing.invested
    power = _money(max(_NOTHING, standing.cash - standing.reserved))
    return {
        "id": account_id,
        "account_number": f"SANDBOX{account_id[:8].upper()}",
        "status": "ACTIVE",
        "currency": "USD",
        "cash": _money(standing.cash),
        "buying_power": power,
        "regt_buying_power": power,
        "daytrading_buying_power": "0",
        "non_marginable_buying_power": power,
        "portfolio_value": _money(equity),
        "equity": _money(equity),
        "last_equity": _money(standing.last_equity),
        "long_market_value": _money(standing.invested),
        "short_market_value": "0",
        "position_market_value": _money(standing.invested),
        "initial_margin": _money(standing.invested),
        "maintenance_margin": "0",
        "last_maintenance_margin": "0",
        "sma": "0",
        "multiplier": "1",
        "daytrade_count": 0,
        "pattern_day_trader": False,
        "trading_blocked": False,
        "transfers_blocked": False,
        "account_blocked": False,
        "trade_suspended_by_user": False,
        "shorting_enabled": False,
        "accrued_fees": "0",
        "created_at": _utc(created_at),
    }


def order_message(order: StoredOrder) -> Json:
    """Return an order."""
    average = (order.paid / order.filled).quantize(_TICK) if order.filled else None
    return {
        "id": order.id,
        "client_order_id": order.client_order_id,
        "created_at": _text(order.submitted_at),
        "updated_at": _text(order.updated_at),
        "submitted_at": _text(order.submitted_at),
        "filled_at": _text(order.filled_at),
        "expired_at": _text(order.expired_at),
        "canceled_at": _text(order.canceled_at),
        "failed_at": None,
        "replaced_at": None,
        "replaced_by": None,
        "replaces": None,
        "asset_id": asset_id(order.symbol),
        "symbol": order.symbol,
        "asset_class": _CLASS,
        "notional": None,
        "qty": str(order.quantity),
        "filled_qty": str(order.filled),
        "filled_avg_price": None if average is None else _plain(average),
        "order_class": "",
        "order_type": "market",
        "type": "market",
        "side": order.side.value,
        "time_in_force": order.time_in_force.value,
        "limit_price": None,
        "stop_price": None,
        "status": order.status.value,
        "extended_hours": False,
        "legs": None,
        "trail_percent": None,
        "trail_price": None,
        "hwm": None,
        "subtag": None,
        "source": None,
    }


def position_message(holding: Holding) -> Json:
    """Return a position, which is always long."""
    position = holding.position
    worth, before = position.quantity * holding.price, position.quantity * holding.last_close
    return {
        "asset_id": asset_id(position.symbol),
        "symbol": position.symbol,
        "exchange": _EXCHANGE,
        "asset_class": _CLASS,
        "asset_marginable": False,
        "qty": str(position.quantity),
        "qty_available": str(holding.available),
        "side": "long",
        "avg_entry_price": _plain((position.cost / position.quantity).quantize(_TICK)),
        "market_value": _money(worth),
        "cost_basis": _money(position.cost),
        "unrealized_pl": _money(worth - position.cost),
        "unrealized_plpc": _ratio(worth - position.cost, position.cost),
        "unrealized_intraday_pl": _money(worth - before),
        "unrealized_intraday_plpc": _ratio(worth - before, before),
        "current_price": _plain(holding.price),
        "lastday_price": _plain(holding.last_close),
        "change_today": _ratio(holding.price - holding.last_close, holding.last_close),
    }


def clock_message(moment: Moment) -> Json:
    """Return the clock, in New York's time."""
    return {
        "timestamp": moment.now.astimezone(NEW_YORK).isoformat(),
        "is_open": moment.is_open,
        "next_open": moment.next_open.astimezone(NEW_YORK).isoformat(),
        "next_close": moment.next_close.astimezone(NEW_YORK).isoformat(),
    }


def calendar_message(session: date) -> Json:
    """Return a day of the calendar, in New York's time."""
    opens, closes = (instant.astimezone(NEW_YORK) for instant in (session_open(session), session_close(session)))
    return {
        "date": session.isoformat(),
        "open": f"{opens:%H:%M}",
        "close": f"{closes:%H:%M}",
        "session_open": "0400",
        "session_close": "2000",
    }


def asset_message(symbol: str, *, name: str, is_traded: bool) -> Json:
    """Return what there is to trade."""
    return {
        "id": asset_id(symbol),
        "class": _CLASS,
        "exchange": _EXCHANGE,
        "symbol": symbol,
        "name": name,
        "status": "active" if is_traded else "inactive",
        "tradable": is_traded,
        "marginable": False,
        "shortable": False,
        "easy_to_borrow": False,
        "fractionable": False,
        "attributes": [],
    }


def bar_message(bar: Bar) -> Json:
    """Return a daily bar: its time is the session's midnight in New York."""
    midnight = datetime(bar.session.year, bar.session.month, bar.session.day, tzinfo=NEW_YORK)
    typical = ((bar.high + bar.low + bar.close) / 3).quantize(_TICK)
    return {
        "t": _utc(midnight),
        "o": float(bar.open),
        "h": float(bar.high),
        "l": float(bar.low),
        "c": float(bar.close),
        "v": bar.volume,
        "n": max(1, bar.volume // 100),
        "vw": float(typical),
    }


def asset_id(symbol: str) -> str:
    """Return the id of what a symbol stands for."""
    return str(uuid5(NAMESPACE_URL, f"sandbox:{symbol}"))


def _money(amount: Decimal) -> str:
    return _plain(amount.quantize(_CENT))


def _ratio(part: Decimal, whole: Decimal) -> str:
    return _plain((part / whole).quantize(_SHARE)) if whole else "0"


def _plain(number: Decimal) -> str:
    """Write a decimal without exponent and without idle zeros."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") or "0" if "." in text else text


def _text(instant: str | None) -> str | None:
    return None if instant is None else _utc(datetime.fromisoformat(instant))


def _utc(instant: datetime) -> str:
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
