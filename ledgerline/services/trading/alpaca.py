"""Alpaca's trading and market data API, as a venue: https://docs.alpaca.markets/reference.

Numbers travel as text or as JSON numbers; both are read into decimals. A duplicate ``client_order_id`` is answered 422
with code 40010001: the order is there already, so it is asked about by its name.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import httpx

from ledgerline.core.identity import canonical_json
from ledgerline.decisions.trading.order import OrderIntent
from ledgerline.decisions.trading.states import state_at_venue
from ledgerline.decisions.trading.venue import (
    Account,
    Bar,
    BarsAnswer,
    OrderRefused,
    OutcomeUnknown,
    VenueAnswerMalformed,
    VenueClock,
    VenueOrder,
    VenuePosition,
    VenueRefused,
    decimal_of,
)
from ledgerline.services.trading.wire import Wire, described

_EXCHANGE_ZONE = ZoneInfo("America/New_York")
_ID_TAKEN = 40010001
_BARS_A_PAGE = 10_000
_MOST_PAGES = 100
_SYMBOLS_AT_ONCE = 100
_BLOCKS = ("trading_blocked", "account_blocked", "trade_suspended_by_user")


class AlpacaVenue:
    """An account at Alpaca, or at anything that speaks its wire format.

    Args:
        trading: Wire to the trading API.
        data: Wire to the market data API.
    """

    def __init__(self, trading: Wire, data: Wire) -> None:
        self._trading = trading
        self._data = data

    def close(self) -> None:
        """End every connection."""
        self._trading.close()
        self._data.close()

    def clock(self) -> VenueClock:
        """Return the venue's time."""
        body = _mapping(self._answer("/v2/clock"))
        moments = {name: _instant(body, name) for name in ("timestamp", "next_open", "next_close")}
        is_open = body.get("is_open") is True
        return VenueClock(moments["timestamp"], is_open, moments["next_open"], moments["next_close"])

    def account(self) -> Account:
        """Return the account; one that is not active, or blocked in any way, takes no orders."""
        raw = self._answer("/v2/account")
        body = _mapping(raw)
        status = body.get("status")
        reasons = [name for name in _BLOCKS if body.get(name) is not False]
        if status != "ACTIVE":
            reasons.append(f"status is {status!r}")
        equity, cash = (decimal_of(body.get(name), f"account's {name}") for name in ("equity", "cash"))
        return Account(equity, cash, ", ".join(reasons) or None, raw)

    def positions(self) -> list[VenuePosition]:
        """Return every open position."""
        listed = _json(self._answer("/v2/positions"))
        if not isinstance(listed, list):
            raise VenueAnswerMalformed("positions are no list")
        return [_position(entry) for entry in listed]

    def find_order(self, client_order_id: str) -> VenueOrder | None:
        """Return an order by our name for it, or None where there is none."""
        query = {"client_order_id": client_order_id}
        raw = self._trading.read("/v2/orders:by_client_order_id", query, absent=True)
        return None if raw is None else _order(raw, client_order_id)

    def encode(self, intent: OrderIntent) -> bytes:
        """Return a market order, good for the day, as the bytes to be sent."""
        return canonical_json(
            {
                "symbol": intent.symbol,
                "qty": str(intent.quantity),
                "side": intent.side.value,
                "type": "market",
                "time_in_force": "day",
                "client_order_id": intent.client_order_id,
            }
        )

    def submit(self, client_order_id: str, order: bytes) -> VenueOrder:
        """Send an order, exactly once; whatever is not a clear yes or a clear no leaves its outcome unknown."""
        try:
            response = self._trading.send("/v2/orders", order)
        except (httpx.ConnectError, httpx.ConnectTimeout) as unreached:
            raise OutcomeUnknown(f"order {client_order_id}: no connection ({type(unreached).__name__})") from unreached
        except httpx.HTTPError as lost:
            raise OutcomeUnknown(f"order {client_order_id}: no answer ({type(lost).__name__})") from lost
        if response.status_code == 200:
            try:
                return _order(response.content, client_order_id)
            except VenueAnswerMalformed as garbled:
                raise OutcomeUnknown(f"order {client_order_id}: {garbled}") from garbled
        if response.status_code in {400, 401, 403, 422} and _code(response) != _ID_TAKEN:
            raise OrderRefused(f"order {client_order_id}: {described(response)}")
        raise OutcomeUnknown(f"order {client_order_id}: {described(response)}")

    def bars(self, symbols: Sequence[str], *, first: date, now: datetime) -> BarsAnswer:
        """Return raw daily bars of ``symbols``, oldest first, every page of them."""
        found: dict[str, list[Bar]] = {symbol: [] for symbol in symbols}
        pages: list[bytes] = []
        for start in range(0, len(symbols), _SYMBOLS_AT_ONCE):
            pages += self._read_bars(symbols[start : start + _SYMBOLS_AT_ONCE], first, now, found)
        bars = {symbol: sorted(each, key=lambda bar: bar.session) for symbol, each in found.items()}
        return BarsAnswer(bars, tuple(pages))

    def _read_bars(
        self, symbols: Sequence[str], first: date, now: datetime, found: dict[str, list[Bar]]
    ) -> list[bytes]:
        query = {
            "symbols": ",".join(symbols),
            "timeframe": "1Day",
            "start": first.isoformat(),
            "end": now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "adjustment": "raw",
            "limit": str(_BARS_A_PAGE),
            "sort": "asc",
        }
        tokens: set[str] = set()
        pages: list[bytes] = []
        for _ in range(_MOST_PAGES):
            raw = _present(self._data.read("/v2/stocks/bars", query), "bars")
            pages.append(raw)
            for symbol, bars in bars_on(raw).items():
                if symbol in found:
                    found[symbol] += bars
            token = _mapping(raw).get("next_page_token")
            if not token:
                return pages
            if token in tokens:
                break
            tokens.add(token)
            query["page_token"] = str(token)
        raise VenueAnswerMalformed("the pages of bars do not end")

    def _answer(self, path: str) -> bytes:
        return _present(self._trading.read(path), path)


def bars_on(page: bytes) -> dict[str, list[Bar]]:
    """Return the bars that one page of the venue's answer holds, by symbol.

    Raises:
        VenueAnswerMalformed: It is no such page.
    """
    found = _mapping(page).get("bars") or {}
    return {symbol: [_bar(symbol, entry, page) for entry in bars] for symbol, bars in found.items()}


def _present(raw: bytes | None, what: str) -> bytes:
    if raw is None:
        raise VenueRefused(f"{what}: nothing there")
    return raw


def _json(raw: bytes) -> Any:
    try:
        return json.loads(raw, parse_float=Decimal)
    except ValueError as garbled:
        raise VenueAnswerMalformed(f"no valid JSON: {raw[:80]!r}") from garbled


def _mapping(raw: bytes) -> Mapping[str, Any]:
    body = _json(raw)
    if not isinstance(body, dict):
        raise VenueAnswerMalformed(f"no object: {raw[:80]!r}")
    return body


def _instant(body: Mapping[str, Any], name: str) -> datetime:
    try:
        instant = datetime.fromisoformat(_to_microseconds(str(body[name])))
    except (KeyError, ValueError) as wrong:
        raise VenueAnswerMalformed(f"{name} is {body.get(name)!r}, no instant") from wrong
    if instant.tzinfo is None:
        raise VenueAnswerMalformed(f"{name} is {body[name]!r}, without a time zone")
    return instant.astimezone(UTC)


def _to_microseconds(text: str) -> str:
    """Cut Alpaca's nanoseconds: ``2018-10-01T09:30:00.123456789-04:00``."""
    whole, point, rest = text.partition(".")
    if not point:
        return text
    digits = rest[: len(rest) - len(rest.lstrip("0123456789"))]
    return f"{whole}.{digits[:6]}{rest[len(digits) :]}"


def _position(entry: Any) -> VenuePosition:
    if not isinstance(entry, dict):
        raise VenueAnswerMalformed("a position is no object")
    symbol = str(entry.get("symbol"))
    quantity = decimal_of(entry.get("qty"), f"quantity of {symbol}")
    if entry.get("side") == "short":
        quantity = -abs(quantity)
    return VenuePosition(symbol, quantity, decimal_of(entry.get("avg_entry_price"), f"entry price of {symbol}"))


def _order(raw: bytes, client_order_id: str) -> VenueOrder:
    body = _mapping(raw)
    if body.get("client_order_id") != client_order_id:
        raise VenueAnswerMalformed(f"asked about order {client_order_id}, told about {body.get('client_order_id')!r}")
    status, price = str(body.get("status")), body.get("filled_avg_price")
    changed = next((body[name] for name in ("filled_at", "canceled_at", "updated_at") if body.get(name)), None)
    return VenueOrder(
        client_order_id=client_order_id,
        venue_id=str(body.get("id")),
        status=status,
        state=state_at_venue(status),
        filled=decimal_of(body.get("filled_qty") or 0, "filled quantity"),
        average_price=None if price is None else decimal_of(price, "filled average price"),
        occurred_at=None if changed is None else str(changed),
        raw=raw,
    )


def _bar(symbol: str, entry: Any, raw: bytes) -> Bar:
    if not isinstance(entry, dict):
        raise VenueAnswerMalformed(f"a bar of {symbol} is no object")
    session = _instant(entry, "t").astimezone(_EXCHANGE_ZONE).date()
    prices = {name: decimal_of(entry.get(key), f"{name} of {symbol} on {session}") for name, key in _BAR_KEYS.items()}
    return Bar(symbol=symbol, session=session, raw=raw, **prices)


_BAR_KEYS = {"open": "o", "high": "h", "low": "l", "close": "c", "volume": "v"}


def _code(response: httpx.Response) -> int | None:
    try:
        body = response.json()
    except ValueError:
        return None
    code = body.get("code") if isinstance(body, dict) else None
    return code if isinstance(code, int) else None
