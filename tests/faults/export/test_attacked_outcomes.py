"""Exports that begin at what came of decisions: they hold, and whatever is forged about an outcome is found."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from ledgerline.audit import Kind
from ledgerline.audit.verify_export import Problem, verify
from ledgerline.decisions.outcome import Outcome, record_outcomes
from ledgerline.decisions.trading.order import OrderIntent, OrderReason, Side
from ledgerline.decisions.trading.orders import (
    JudgedIntent,
    SessionPlan,
    claim,
    commit_session,
    record_seen,
    take_fence,
)
from ledgerline.decisions.trading.outcomes import record_trade_outcomes
from ledgerline.decisions.trading.risk import RuleName, Verdict
from ledgerline.decisions.trading.schema import ensure_trading_tables
from ledgerline.decisions.trading.states import OrderState
from ledgerline.decisions.trading.venue import VenueOrder

Entry = dict[str, Any]


def trade(made, session: int, side: Side, price: str) -> None:
    """Order ten shares after the installation's decision, and see them filled."""
    ledger, day = made.ledger, made.clock.now().date() + timedelta(days=session)
    intent = OrderIntent("AAPL", day, side, Decimal(10), Decimal(price), OrderReason.SIGNAL, made.digest)
    [deployment] = ledger.log.leaves(Kind.DEPLOYMENT)
    plan = SessionPlan(
        session=day,
        bundle=made.digest,
        deployment=deployment.id,
        policy="c" * 64,
        decisions=[],
        intents=[JudgedIntent(intent, (Verdict(RuleName.CASH, None, "enough"),), made.decision, b"order")],
        evidence={"account": b'{"equity": "100000"}'},
        good_until=made.clock.now() + timedelta(days=9),
    )
    token = take_fence(ledger)
    commit_session(ledger, plan, token=token)
    name = intent.client_order_id
    claim(ledger, name, token=token, venue_now=made.clock.now())
    seen = VenueOrder(name, f"v-{side}", "filled", OrderState.FILLED, Decimal(10), Decimal(price), None, side.encode())
    record_seen(ledger, seen)


@pytest.fixture(scope="module")
def traded(line: ModuleType, exported: ModuleType, tmp_path_factory: pytest.TempPathFactory):
    """An installation whose decision has a label, two fills and a gain."""
    made = exported.installation(line, tmp_path_factory.mktemp("home"))
    ensure_trading_tables(made.ledger)
    decision, receipt = made.ledger.log.latest(Kind.DECISION), made.ledger.log.latest(Kind.VALIDATION_RECEIPT)
    record_outcomes(made.ledger, [Outcome(decision.id, "t1", {"is_fraud": True}, made.clock.now(), label=receipt.id)])
    trade(made, 0, Side.BUY, "200.10")
    trade(made, 1, Side.SELL, "210.50")
    assert record_trade_outcomes(made.ledger) == 3
    made.look()
    return made


@pytest.fixture
def folder(traded, tmp_path: Path) -> Path:
    names = (leaf.id for leaf in traded.ledger.log.leaves(Kind.OUTCOME))
    return traded.export(tmp_path / "export", *names)


def outcomes(entries: list[Entry]) -> Iterator[Entry]:
    return (entry for entry in entries if entry["kind"] == Kind.OUTCOME)


def saying(name: str) -> Callable[[list[Entry]], Entry]:
    """Return what finds the outcome that says something by this name."""
    return lambda entries: next(entry for entry in outcomes(entries) if name in entry["identity"]["came"])


def test_an_export_of_outcomes_holds_and_tells_what_came(folder: Path, traded, exported: ModuleType) -> None:
    assert exported.found(folder, traded) == []
    report = verify(folder)
    assert report.checked["outcomes held to what says so"] == 4
    told = "\n".join(report.story)
    assert "what came of it: is_fraud True" in told
    assert "gain 104.00" in told


def came(name: str, **changes: Any) -> Callable[[list[Entry]], None]:
    return lambda entries: saying(name)(entries)["identity"]["came"].update(changes)


def without(name: str, role: str) -> Callable[[list[Entry]], None]:
    def drop(entries: list[Entry]) -> None:
        entry = saying(name)(entries)
        entry["parents"] = [parent for parent in entry["parents"] if parent[1] != role]

    return drop


def silent(entries: list[Entry]) -> None:
    """Let the label's outcome name neither a receipt nor an order."""
    without("is_fraud", "label")(entries)
    del saying("is_fraud")(entries)["detail"]["label"]


def led_elsewhere(entries: list[Entry]) -> None:
    """Let the fill of the purchase name the venue's word on the sale."""
    events = [entry["id"] for entry in entries if entry["kind"] == Kind.VENUE_EVENT]
    fill = saying("quantity")(entries)
    fill["identity"]["event"] = events[1]
    fill["parents"] = [[events[1], role] if role == "event" else [parent, role] for parent, role in fill["parents"]]


def kept_out(entries: list[Entry]) -> None:
    """Let the label's receipt have kept the label out."""
    named = saying("is_fraud")(entries)["detail"]["label"]
    next(entry for entry in entries if entry["id"] == named)["identity"]["verdict"] = "blocked"


@pytest.mark.parametrize(
    ("name", "forgery", "problem"),
    [
        ("gain", came("gain", gain="1040.00"), Problem.CONTRADICTION),
        ("gain", came("gain", cost="100.10"), Problem.CONTRADICTION),
        ("gain", came("gain", price="300.00"), Problem.CONTRADICTION),
        ("quantity", came("quantity", filled="11"), Problem.CONTRADICTION),
        ("quantity", came("quantity", average_price="1"), Problem.CONTRADICTION),
        ("gain", came("gain", gain="a lot"), Problem.MALFORMED),
        ("gain", came("gain", closed="1E+999999999"), Problem.MALFORMED),
        ("gain", came("gain", gain=104.0), Problem.MALFORMED),
        ("is_fraud", without("is_fraud", "label"), Problem.CONTRADICTION),
        ("quantity", without("quantity", "event"), Problem.CONTRADICTION),
        ("gain", without("gain", "intent"), Problem.CONTRADICTION),
        ("is_fraud", without("is_fraud", "decision"), Problem.CONTRADICTION),
        ("is_fraud", silent, Problem.CONTRADICTION),
        ("quantity", led_elsewhere, Problem.CONTRADICTION),
        ("is_fraud", kept_out, Problem.CONTRADICTION),
    ],
)
def test_whoever_holds_both_keys_and_forges_an_outcome_is_found_out_at_that_entry(
    folder: Path,
    traded,
    exported: ModuleType,
    name: str,
    forgery: Callable[[list[Entry]], None],
    problem: Problem,
) -> None:
    forged = next(leaf for leaf in traded.ledger.log.leaves(Kind.OUTCOME) if name in leaf.identity["came"])
    exported.forge(traded, folder, forgery, log=traded.log, witness=traded.witness_key)
    assert (f"entry {forged.sequence}", problem) in exported.found(folder, traded)
