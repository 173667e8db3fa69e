"""From one session's features to decisions and judged orders: everything that is put on record, before any of it is."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from ledgerline.core.clock import instant_text
from ledgerline.core.identity import sha256_bytes
from ledgerline.decisions.record import NewDecision, decision_id
from ledgerline.decisions.trading import FAMILY, TradingPolicy, judge_session
from ledgerline.decisions.trading.order import OrderIntent, OrderReason, Side
from ledgerline.decisions.trading.orders import JudgedIntent, SessionPlan
from ledgerline.decisions.trading.risk import MarkedBook, verdicts
from ledgerline.decisions.trading.signals import Signal
from ledgerline.decisions.trading.sizing import sized, stop_is_reached
from ledgerline.decisions.trading.venue import BarsAnswer, Venue
from ledgerline.services.trading.live_features import SessionRow
from ledgerline.services.trading.serving import PriceServing
from ledgerline.services.trading.sessions import close_of, next_session


@dataclass(frozen=True, slots=True)
class SessionFacts:
    """What a session is decided on.

    Attributes:
        session: Which.
        rows: One a symbol that traded.
        answer: The venue's bars.
        account: The bytes of the venue's account.
        book: The account at the session's closes.
        now: When it is decided, UTC.
    """

    session: date
    rows: Sequence[SessionRow]
    answer: BarsAnswer
    account: bytes
    book: MarkedBook
    now: datetime


def planned(facts: SessionFacts, serving: PriceServing, policy: TradingPolicy, venue: Venue) -> SessionPlan:
    """Return a session's decisions, and its orders with every rule's verdict."""
    decisions = {row.symbol: _decision(row, facts, serving, policy) for row in facts.rows}
    wanted = _wanted(facts, decisions, serving, policy)
    return SessionPlan(
        session=facts.session,
        bundle=serving.digest,
        deployment=serving.deployment.id,
        policy=policy.id,
        decisions=list(decisions.values()),
        intents=list(_judged(wanted, facts.book, decisions, policy, venue)),
        evidence={"account": facts.account},
        good_until=close_of(next_session(facts.session)),
    )


def subject_of(symbol: str, session: date) -> str:
    """Return what a decision is about, e.g. ``AAPL@2018-10-01``."""
    return f"{symbol}@{session.isoformat()}"


def _decision(row: SessionRow, facts: SessionFacts, serving: PriceServing, policy: TradingPolicy) -> NewDecision:
    subject = subject_of(row.symbol, facts.session)
    bars = [bar for bar in facts.answer.bars.get(row.symbol, ()) if bar.session <= facts.session]
    answer: dict[str, Any] = {
        "decision_id": decision_id(FAMILY, subject),
        "subject": subject,
        **judge_session(serving.model, policy.signals, row.vector),
        "model": {"name": serving.name, "digest": serving.digest},
        "deployment": serving.deployment.id,
        "decided_at": instant_text(facts.now),
    }
    event = {
        "symbol": row.symbol,
        "session": facts.session.isoformat(),
        "event_time": instant_text(close_of(facts.session)),
        "close": str(row.close),
        # Every page that the venue answered with; they are in the object store.
        "bars": [sha256_bytes(page) for page in facts.answer.pages],
    }
    return NewDecision(
        family=FAMILY,
        subject=subject,
        body=bars[-1].raw if bars else facts.answer.pages[-1],
        event=event,
        vector=dict(row.vector),
        answer=answer,
        bundle=serving.digest,
        deployment=serving.deployment.id,
        decided_at=facts.now,
    )


def _wanted(
    facts: SessionFacts, decisions: Mapping[str, NewDecision], serving: PriceServing, policy: TradingPolicy
) -> list[tuple[SessionRow, Signal, OrderReason]]:
    """Return who wants an order and why: what closes first, then purchases, the most probable rise first."""
    wanted = []
    for row in facts.rows:
        holding = facts.book.holdings.get(row.symbol)
        signal, reason = Signal(decisions[row.symbol].answer["signal"]), OrderReason.SIGNAL
        if holding and stop_is_reached(held=holding.quantity, cost=holding.cost, price=row.close, limits=policy.limits):
            signal, reason = (Signal.SELL if holding.quantity > 0 else Signal.BUY), OrderReason.STOP_LOSS
        if signal is not Signal.HOLD:
            wanted.append((row, signal, reason))
    return sorted(
        wanted,
        key=lambda each: (each[1].buys, -decisions[each[0].symbol].answer["probability_up"], each[0].symbol),
    )


def _judged(
    wanted: Sequence[tuple[SessionRow, Signal, OrderReason]],
    book: MarkedBook,
    decisions: Mapping[str, NewDecision],
    policy: TradingPolicy,
    venue: Venue,
) -> Iterator[JudgedIntent]:
    """Size and judge one order after the other; what a purchase may cost is no longer free for the next."""
    for row, signal, reason in wanted:
        size = sized(
            signal,
            held=book.held(row.symbol),
            cash=book.cash,
            price=row.close,
            sizing=policy.sizing,
            limits=policy.limits,
        )
        if size is None:
            continue
        side, quantity = size
        intent = _intent(row, side, quantity, reason, book.session, decisions[row.symbol].bundle)
        found = verdicts(intent, book, policy.limits)
        judged = JudgedIntent(intent, found, decisions[row.symbol].decision_id, venue.encode(intent))
        if judged.allowed and side is Side.BUY:
            book = replace(book, cash=book.cash - intent.notional)
        yield judged


def _intent(
    row: SessionRow, side: Side, quantity: Decimal, reason: OrderReason, session: date, bundle: str
) -> OrderIntent:
    return OrderIntent(
        symbol=row.symbol,
        session=session,
        side=side,
        quantity=quantity,
        reference_price=row.close,
        reason=reason,
        bundle=bundle,
    )
