"""A small installation, and orders to play with."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ledgerline.audit import Kind, Leaf, Ledger
from ledgerline.core.clock import FixedClock
from ledgerline.core.settings import PROJECT_ROOT, Settings
from ledgerline.decisions.record import NewDecision, decision_id
from ledgerline.decisions.schema import ensure_tables
from ledgerline.decisions.trading import TradingPolicy, trading_policy
from ledgerline.decisions.trading.order import OrderIntent, OrderReason, Side
from ledgerline.decisions.trading.orders import JudgedIntent, SessionPlan
from ledgerline.decisions.trading.risk import DenyReason, RuleName, Verdict
from ledgerline.decisions.trading.schema import ensure_trading_tables
from ledgerline.decisions.trading.states import OrderState
from ledgerline.decisions.trading.venue import VenueOrder

SESSION = date(2018, 10, 1)
NOW = datetime(2018, 10, 1, 21, tzinfo=UTC)
GOOD_UNTIL = datetime(2018, 10, 2, 20, tzinfo=UTC)
BUNDLE = "b" * 64


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    opened = Ledger.open(Settings(home=tmp_path / "home"), FixedClock(NOW))
    ensure_tables(opened)
    ensure_trading_tables(opened)
    return opened


@pytest.fixture(scope="session")
def policy() -> TradingPolicy:
    return trading_policy(PROJECT_ROOT)


@pytest.fixture
def intent() -> Callable[..., OrderIntent]:
    def make(**changes: Any) -> OrderIntent:
        values: dict[str, Any] = {
            "symbol": "AAPL",
            "session": SESSION,
            "side": Side.BUY,
            "quantity": Decimal(10),
            "reference_price": Decimal("200.00"),
            "reason": OrderReason.SIGNAL,
            "bundle": BUNDLE,
        }
        return OrderIntent(**{**values, **changes})

    return make


@pytest.fixture
def plan(ledger: Ledger) -> Callable[..., SessionPlan]:
    """Plans a session of some intents, each after a decision of its own."""
    deployment = ledger.log.append(Leaf(Kind.DEPLOYMENT, {"family": "price", "bundle": BUNDLE}))

    def make(*intents: OrderIntent, denied: frozenset[str] = frozenset(), session: date = SESSION) -> SessionPlan:
        return SessionPlan(
            session=session,
            bundle=BUNDLE,
            deployment=deployment,
            policy="c" * 64,
            decisions=[_decision(each, deployment) for each in intents],
            intents=[_judged(each, each.symbol in denied) for each in intents],
            evidence={"account": b'{"equity": "100000"}'},
            good_until=GOOD_UNTIL,
        )

    return make


@pytest.fixture
def seen() -> Callable[..., VenueOrder]:
    def make(name: str, state: OrderState, *, filled: str = "0", price: str | None = None) -> VenueOrder:
        status = "new" if state is OrderState.ACCEPTED else state.value
        return VenueOrder(
            client_order_id=name,
            venue_id=f"venue-{name[-6:]}",
            status=status,
            state=state,
            filled=Decimal(filled),
            average_price=None if price is None else Decimal(price),
            occurred_at=None,
            raw=f"{name} {status} {filled}".encode(),
        )

    return make


def _judged(intent: OrderIntent, denied: bool) -> JudgedIntent:
    verdict = Verdict(RuleName.CASH, DenyReason.NOT_ENOUGH_CASH if denied else None, "said so")
    subject = f"{intent.symbol}@{intent.session}"
    return JudgedIntent(intent, (verdict,), decision_id("price", subject), f"send {intent.symbol}".encode())


def _decision(intent: OrderIntent, deployment: str) -> NewDecision:
    return NewDecision(
        family="price",
        subject=f"{intent.symbol}@{intent.session}",
        body=b'{"bars": {}}',
        event={"symbol": intent.symbol, "event_time": "2018-10-01T20:00:00.000000Z"},
        vector={"rsi_14": 50.0},
        answer={"signal": "BUY"},
        bundle=BUNDLE,
        deployment=deployment,
        decided_at=NOW,
    )
