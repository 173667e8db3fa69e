"""The trading job tells what came of its orders once they have left, and goes on trading where it cannot."""

import threading
import time
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest

from ledgerline.audit import Kind, Leaf, Ledger
from ledgerline.core.clock import instant_text
from ledgerline.core.settings import Settings
from ledgerline.decisions.record import NewDecision
from ledgerline.decisions.schema import ensure_tables
from ledgerline.decisions.trading.order import OrderIntent, OrderReason, Side
from ledgerline.decisions.trading.orders import JudgedIntent, SessionPlan, all_orders, commit_session, take_fence
from ledgerline.decisions.trading.risk import RuleName, Verdict
from ledgerline.decisions.trading.schema import ensure_trading_tables
from ledgerline.decisions.trading.states import OrderState
from ledgerline.services.trading.alpaca import AlpacaVenue
from ledgerline.services.trading.metrics import TradingMetrics
from ledgerline.services.trading.trader import Trader
from ledgerline.services.trading.wire import Wire

BUNDLE = "d" * 64
PATIENCE_SECONDS = 30


@pytest.fixture
def venue(exchange: Any, exchanges: ModuleType) -> Iterator[AlpacaVenue]:
    headers = {"APCA-API-KEY-ID": exchanges.KEY_ID, "APCA-API-SECRET-KEY": exchanges.SECRET_KEY}
    venue = AlpacaVenue(*(Wire(exchange.url, headers, pause=lambda _: None, timeout=httpx.Timeout(5)) for _ in "td"))
    yield venue
    venue.close()


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    opened = Ledger.open(Settings(home=tmp_path / "home"))
    ensure_tables(opened)
    ensure_trading_tables(opened)
    return opened


@pytest.fixture
def commit(ledger: Ledger, venue: AlpacaVenue) -> Callable[..., str]:
    """Puts an order and the decision that it follows on record, as a session does; nothing is sent yet."""

    def make(session: date, side: Side, symbol: str = "ALAR") -> str:
        deployment = ledger.log.append(Leaf(Kind.DEPLOYMENT, {"family": "price", "bundle": BUNDLE}))
        now = ledger.clock.now()
        decision = NewDecision(
            family="price",
            subject=f"{symbol}@{session}",
            body=b"bars",
            event={"symbol": symbol, "event_time": instant_text(now)},
            vector={"rsi_14": 50.0},
            answer={"signal": side.value},
            bundle=BUNDLE,
            deployment=deployment,
            decided_at=now,
        )
        intent = OrderIntent(symbol, session, side, Decimal(3), Decimal(50), OrderReason.SIGNAL, BUNDLE)
        verdict = Verdict(RuleName.CASH, None, "enough")
        judged = JudgedIntent(intent, (verdict,), decision.decision_id, venue.encode(intent))
        plan = SessionPlan(
            session=session,
            bundle=BUNDLE,
            deployment=deployment,
            policy="c" * 64,
            decisions=[decision],
            intents=[judged],
            evidence={"account": b"{}"},
            good_until=venue.clock().now + timedelta(days=30),
        )
        assert commit_session(ledger, plan, token=take_fence(ledger))
        return intent.client_order_id

    return make


@pytest.fixture
def trade(ledger: Ledger, venue: AlpacaVenue) -> Iterator[Callable[[], Trader]]:
    """Starts trading jobs, which end with the test."""
    started: list[Trader] = []

    def start() -> Trader:
        trader = Trader(ledger, venue, TradingMetrics(), every=timedelta(milliseconds=20), stopping=threading.Event())
        trader.start()
        started.append(trader)
        return trader

    yield start
    for trader in started:
        trader.stop()


def wait_for(reached: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not reached():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def state_of(ledger: Ledger, name: str) -> OrderState:
    return next(order.state for order in all_orders(ledger) if order.client_order_id == name)


def came(ledger: Ledger) -> list[set[str]]:
    return [set(leaf.identity["came"]) for leaf in ledger.log.leaves(Kind.OUTCOME)]


FILL, GAIN = {"filled", "average_price", "quantity"}, {"closed", "cost", "filled", "gain", "price"}


def test_fills_and_gains_are_on_record_after_the_venue_s_word_and_once_over_a_restart(
    ledger: Ledger, exchange: Any, commit: Callable[..., str], trade: Callable[[], Trader]
) -> None:
    bought = commit(date(2018, 9, 27), Side.BUY)
    trader = trade()
    wait_for(lambda: state_of(ledger, bought) is OrderState.ACCEPTED, "the order to leave")
    assert came(ledger) == []
    exchange.sandbox("POST", "clock", {"steps": 1})
    wait_for(lambda: len(came(ledger)) == 1, "the fill to be told")
    trader.stop()
    sold = commit(date(2018, 9, 28), Side.SELL)
    trade()
    wait_for(lambda: state_of(ledger, sold) is OrderState.ACCEPTED, "the sale to leave")
    exchange.sandbox("POST", "clock", {"steps": 1})
    wait_for(lambda: len(came(ledger)) == 3, "the gain to be told")
    assert came(ledger) == [FILL, FILL, GAIN]
    for outcome in ledger.log.leaves(Kind.OUTCOME):
        event = ledger.log.get(outcome.identity["event"])
        assert event.identity["status"] == "filled"
        assert event.sequence < outcome.sequence


def test_orders_leave_and_fill_though_what_came_of_them_cannot_be_kept(
    ledger: Ledger,
    exchange: Any,
    commit: Callable[..., str],
    trade: Callable[[], Trader],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(*_: Any, **__: Any) -> int:
        raise OSError("no space left on device")

    name = commit(date(2018, 10, 2), Side.BUY)
    with monkeypatch.context() as broken:
        broken.setattr("ledgerline.services.trading.trader.record_trade_outcomes", full)
        trade()
        wait_for(lambda: state_of(ledger, name) is OrderState.ACCEPTED, "the order to leave")
        exchange.sandbox("POST", "clock", {"steps": 1})
        wait_for(lambda: state_of(ledger, name) is OrderState.FILLED, "the order to be filled")
        assert came(ledger) == []
    wait_for(lambda: came(ledger) == [FILL], "the fill to be told once there is space")
