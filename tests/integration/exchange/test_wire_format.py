"""Alpaca's own client understands everything that the exchange says."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from types import ModuleType
from typing import Any
from uuid import uuid4

import httpx
import polars as pl
import pytest
from alpaca.common.exceptions import APIError
from alpaca.data.enums import Adjustment
from alpaca.data.historical import StockHistoricalDataClient
from alpaca.data.requests import StockBarsRequest
from alpaca.data.timeframe import TimeFrame
from alpaca.trading.client import TradingClient
from alpaca.trading.enums import OrderSide, OrderStatus, OrderType, PositionSide, QueryOrderStatus, TimeInForce
from alpaca.trading.requests import GetAssetsRequest, GetCalendarRequest, GetOrdersRequest, MarketOrderRequest


@pytest.fixture(scope="module")
def trading(exchange: Any, exchanges: ModuleType) -> TradingClient:
    return TradingClient(exchanges.KEY_ID, exchanges.SECRET_KEY, paper=True, url_override=exchange.url)


@pytest.fixture(scope="module")
def data(exchange: Any, exchanges: ModuleType) -> StockHistoricalDataClient:
    return StockHistoricalDataClient(exchanges.KEY_ID, exchanges.SECRET_KEY, url_override=exchange.url)


@pytest.fixture(scope="module")
def delivered(world: Path) -> pl.DataFrame:
    return pl.concat(pl.read_csv(path, try_parse_dates=True) for path in sorted(world.glob("market/prices_*.csv")))


@pytest.fixture
def ask(exchange: Any, exchanges: ModuleType) -> Callable[..., httpx.Response]:
    headers = {"APCA-API-KEY-ID": exchanges.KEY_ID, "APCA-API-SECRET-KEY": exchanges.SECRET_KEY}

    def asked(method: str, path: str, **more: Any) -> httpx.Response:
        more = {"headers": headers} | more
        return httpx.request(method, exchange.url + path, trust_env=False, timeout=20, **more)

    return asked


def market_order(symbol: str = "ALAR", quantity: float = 10, side: OrderSide = OrderSide.BUY) -> MarketOrderRequest:
    return MarketOrderRequest(
        symbol=symbol, qty=quantity, side=side, time_in_force=TimeInForce.DAY, client_order_id=f"test-{uuid4()}"
    )


def refusal(trading: TradingClient, order: MarketOrderRequest) -> APIError:
    with pytest.raises(APIError) as refused:
        trading.submit_order(order)
    return refused.value


def test_account_is_active_and_adds_up(trading: TradingClient) -> None:
    account = trading.get_account()
    assert account.status == "ACTIVE"
    assert account.currency == "USD"
    assert float(account.cash) + float(account.long_market_value) == pytest.approx(float(account.equity), abs=0.02)
    assert (account.trading_blocked, account.account_blocked, account.shorting_enabled) == (False, False, False)


def test_clock_and_calendar_are_new_york_s(trading: TradingClient) -> None:
    clock = trading.get_clock()
    assert clock.timestamp >= datetime(2018, 10, 1, tzinfo=UTC)
    assert clock.timestamp < clock.next_open < clock.next_close
    assert clock.next_open.strftime("%H:%M %z") in ("09:30 -0400", "09:30 -0500")
    days = trading.get_calendar(GetCalendarRequest(start=date(2018, 11, 21), end=date(2018, 11, 25)))
    assert [(f"{day.date}", f"{day.open:%H:%M}", f"{day.close:%H:%M}") for day in days] == [
        ("2018-11-21", "09:30", "16:00"),
        ("2018-11-23", "09:30", "13:00"),  # the day after Thanksgiving is short
    ]


def test_assets_are_the_shares_that_have_traded(trading: TradingClient, delivered: pl.DataFrame) -> None:
    symbols = set(delivered["symbol"])
    assert {asset.symbol for asset in trading.get_all_assets()} == symbols
    active = {asset.symbol for asset in trading.get_all_assets(GetAssetsRequest(status="active"))}
    assert symbols - active == {"DUAE"}  # it has changed its name
    asset = trading.get_asset("ALAR")
    assert (asset.name, asset.tradable, asset.fractionable) == ("Alder Systems", True, False)
    assert trading.get_asset(asset.id).symbol == "ALAR"
    with pytest.raises(APIError) as absent:
        trading.get_asset("NONE")
    assert absent.value.status_code == 404


def test_order_is_accepted_filled_at_the_next_open_and_becomes_a_position(
    exchange: Any, trading: TradingClient, data: StockHistoricalDataClient
) -> None:
    order = trading.submit_order(market_order(quantity=10))
    assert (order.status, order.type, order.qty, order.filled_qty) == (
        OrderStatus.ACCEPTED,
        OrderType.MARKET,
        "10",
        "0",
    )
    before = {position.symbol: float(position.qty) for position in trading.get_all_positions()}
    session = exchange.sandbox("POST", "clock", {"steps": 1})["session"]
    filled = trading.get_order_by_client_id(order.client_order_id)
    assert filled == trading.get_order_by_id(order.id)
    assert (filled.status, filled.filled_qty) == (OrderStatus.FILLED, "10")
    day = date.fromisoformat(session)
    begin = datetime(day.year, day.month, day.day, tzinfo=UTC)
    request = StockBarsRequest(symbol_or_symbols="ALAR", timeframe=TimeFrame.Day, start=begin)
    (bar,) = data.get_stock_bars(request)["ALAR"]
    assert bar.open <= float(filled.filled_avg_price) <= bar.open * 1.0008 + 0.0001
    position = trading.get_open_position("ALAR")
    assert position.side is PositionSide.LONG
    assert float(position.qty) == before.get("ALAR", 0) + 10
    assert float(position.current_price) == bar.close
    assert float(position.market_value) == pytest.approx(float(position.qty) * bar.close)


def test_filled_order_cannot_be_canceled_and_a_waiting_one_can(exchange: Any, trading: TradingClient) -> None:
    done = trading.submit_order(market_order())
    exchange.sandbox("POST", "clock", {"steps": 1})
    with pytest.raises(APIError) as refused:
        trading.cancel_order_by_id(done.id)
    assert refused.value.status_code == 422
    waiting = trading.submit_order(market_order())
    trading.cancel_order_by_id(waiting.id)
    assert trading.get_order_by_id(waiting.id).status is OrderStatus.CANCELED
    others = [trading.submit_order(market_order()) for _ in range(2)]
    assert {answer.id for answer in trading.cancel_orders()} == {order.id for order in others}


def test_orders_are_listed_by_status_newest_first(exchange: Any, trading: TradingClient) -> None:
    done = trading.submit_order(market_order("BIAH"))
    exchange.sandbox("POST", "clock", {"steps": 1})
    waiting = [trading.submit_order(market_order("BIAH")) for _ in range(3)]
    only = {"symbols": ["BIAH"], "limit": 500}
    names = [order.id for order in trading.get_orders(GetOrdersRequest(status=QueryOrderStatus.OPEN, **only))]
    assert names == [order.id for order in waiting[::-1]]
    closed = trading.get_orders(GetOrdersRequest(status=QueryOrderStatus.CLOSED, **only))
    assert [order.id for order in closed] == [done.id]
    everything = trading.get_orders(GetOrdersRequest(status=QueryOrderStatus.ALL, symbols=["BIAH"], limit=2))
    assert [order.id for order in everything] == [order.id for order in waiting[:0:-1]]
    trading.cancel_orders()


def test_refusals_carry_alpaca_s_codes(trading: TradingClient) -> None:
    order = market_order()
    trading.submit_order(order)
    twice = refusal(trading, order)
    assert (twice.status_code, twice.code) == (422, 40010001)
    dear = refusal(trading, market_order(quantity=10**7))
    assert (dear.status_code, dear.code, dear.message) == (403, 40310000, "insufficient buying power")
    short = refusal(trading, market_order("FJAD", 5, OrderSide.SELL))
    assert (short.status_code, short.code) == (403, 40310000)
    unknown = refusal(trading, market_order("NONE"))
    assert unknown.status_code == 422
    assert unknown.code != 40010001
    fraction = refusal(trading, market_order(quantity=0.5))
    assert (fraction.status_code, fraction.code) == (422, 42210000)
    with pytest.raises(APIError) as absent:
        trading.get_order_by_client_id("never sent")
    assert (absent.value.status_code, absent.value.code) == (404, 40410000)
    trading.cancel_orders()


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"type": "limit", "limit_price": "5"}, 422),
        ({"notional": "100"}, 422),
        ({"time_in_force": "ioc"}, 422),
        ({"side": "hold"}, 422),
        ({"qty": "NaN"}, 422),
        ({"qty": "-1"}, 422),
        ({"client_order_id": "x" * 129}, 422),
        ({"extended_hours": True}, 422),
    ],
)
def test_orders_of_other_kinds_are_refused_and_leave_nothing(
    ask: Callable[..., httpx.Response], changed: dict[str, Any], status: int
) -> None:
    order = {"symbol": "ALAR", "qty": "1", "side": "buy", "type": "market", "time_in_force": "day"}
    before = len(ask("GET", "/v2/orders?status=all&limit=500").json())
    response = ask("POST", "/v2/orders", json=order | changed)
    assert response.status_code == status
    assert set(response.json()) == {"code", "message"}
    assert ask("POST", "/v2/orders", content=b"{").status_code == 400
    assert len(ask("GET", "/v2/orders?status=all&limit=500").json()) == before


def test_bars_of_the_past_are_the_delivered_ones(data: StockHistoricalDataClient, delivered: pl.DataFrame) -> None:
    request = StockBarsRequest(
        symbol_or_symbols=["ALAR", "DUAEN"],
        timeframe=TimeFrame.Day,
        start=datetime(2018, 1, 1, tzinfo=UTC),
        end=datetime(2018, 9, 29, tzinfo=UTC),
        adjustment=Adjustment.RAW,
    )
    bars = data.get_stock_bars(request)
    for symbol in ("ALAR", "DUAEN"):
        own = delivered.filter(pl.col("symbol") == symbol).sort("session")
        got = [(bar.timestamp.date(), bar.open, bar.high, bar.low, bar.close, bar.volume) for bar in bars[symbol]]
        assert got == own.select("session", "open", "high", "low", "close", "volume").rows()


def test_pages_add_up_to_the_whole_and_each_keeps_to_its_limit(ask: Callable[..., httpx.Response]) -> None:
    query = {"symbols": "CEAR,ALAR,BIAH", "timeframe": "1Day", "start": "2018-08-01", "end": "2018-09-28"}
    whole = ask("GET", "/v2/stocks/bars", params=query | {"limit": "10000"}).json()
    assert whole["next_page_token"] is None
    assert list(whole["bars"]) == ["ALAR", "BIAH", "CEAR"]
    found: dict[str, list[Any]] = {}
    token: str | None = ""
    while token is not None:
        page = ask("GET", "/v2/stocks/bars", params=query | {"limit": "17", "page_token": token}).json()
        assert 0 < sum(map(len, page["bars"].values())) <= 17
        for symbol, bars in page["bars"].items():
            found.setdefault(symbol, []).extend(bars)
        token = page["next_page_token"]
    assert found == whole["bars"]
    newest = ask("GET", "/v2/stocks/bars", params=query | {"sort": "desc", "limit": "1", "symbols": "ALAR"}).json()
    assert newest["bars"]["ALAR"] == whole["bars"]["ALAR"][-1:]


def test_bar_is_known_when_its_session_has_closed_and_no_sooner(
    exchange: Any, ask: Callable[..., httpx.Response]
) -> None:
    query = {"symbols": "ALAR", "timeframe": "1Day", "start": "2018-10-01", "end": "2019-12-31", "limit": "1000"}
    clock = exchange.sandbox("POST", "clock", {"steps": 1})
    bars = ask("GET", "/v2/stocks/bars", params=query).json()["bars"]["ALAR"]
    assert len(bars) == clock["sessions_passed"]
    assert bars[-1]["t"] == f"{clock['session']}T04:00:00Z"


@pytest.mark.parametrize(
    "wrong",
    [
        {"timeframe": "1Min"},
        {"adjustment": "all"},
        {"symbols": ""},
        {"limit": "0"},
        {"start": "yesterday"},
        {"page_token": "%%"},
        {"sort": "up"},
    ],
)
def test_bars_of_other_kinds_are_refused(ask: Callable[..., httpx.Response], wrong: dict[str, str]) -> None:
    query = {"symbols": "ALAR", "timeframe": "1Day", "start": "2018-09-01"} | wrong
    response = ask("GET", "/v2/stocks/bars", params=query)
    assert (response.status_code, response.json()["code"]) == (400, 40010000)


def test_nobody_without_both_credentials_learns_anything(ask: Callable[..., httpx.Response]) -> None:
    for headers in ({}, {"APCA-API-KEY-ID": "key of the tests", "APCA-API-SECRET-KEY": "guessed"}):
        for method, path in (("GET", "account"), ("POST", "orders"), ("GET", "stocks/bars"), ("GET", "nothing")):
            response = ask(method, f"/v2/{path}", headers=headers)
            assert (response.status_code, response.json()["message"]) == (403, "forbidden.")


def test_web_pages_and_other_host_names_are_turned_away(ask: Callable[..., httpx.Response]) -> None:
    body = {"steps": 1}
    before = ask("GET", "/sandbox/clock").json()
    assert ask("POST", "/sandbox/clock", json=body, headers={"origin": "http://evil.test"}).status_code == 403
    assert ask("POST", "/sandbox/clock", json=body, headers={"host": "evil.test"}).status_code == 400
    assert ask("GET", "/sandbox/clock").json() == before
