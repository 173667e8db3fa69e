"""The order path's records: every step commits together with its leaf, before or after the wire, never across it.

decided -> one transaction: decisions, intents with verdicts, orders and what is to be sent (:func:`commit_session`)
a sender takes an order up under its fencing token (:func:`claim`), sends it once, and writes down what came of it
(:func:`record_seen`, :func:`record_refused`, :func:`record_unknown`)
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from ledgerline.audit import Kind, Leaf, Ledger, Parent
from ledgerline.core.clock import instant_text, parse_instant
from ledgerline.core.errors import LedgerlineError
from ledgerline.core.identity import canonical_json, sha256_bytes
from ledgerline.decisions.record import NewDecision, find_decision, record_decision
from ledgerline.decisions.trading.halt import halt_within
from ledgerline.decisions.trading.order import OrderIntent, Side
from ledgerline.decisions.trading.risk import Verdict
from ledgerline.decisions.trading.schema import FENCE, ORDER, OUTBOX, SESSION, VENUE_EVENT
from ledgerline.decisions.trading.states import OrderState, advanced
from ledgerline.decisions.trading.venue import VenueOrder

JOB = "trading"


class Fenced(LedgerlineError):
    """Another trading job has started since: this one may send nothing any more."""


@dataclass(frozen=True, slots=True)
class JudgedIntent:
    """An order that is wanted, and what the risk rules say.

    Attributes:
        intent: What is wanted.
        verdicts: Every rule's answer.
        decision: Id of the decision that it follows.
        body: What would be sent.
    """

    intent: OrderIntent
    verdicts: tuple[Verdict, ...]
    decision: str
    body: bytes

    @property
    def allowed(self) -> bool:
        """Whether no rule denies it."""
        return all(verdict.denied is None for verdict in self.verdicts)


@dataclass(frozen=True, slots=True)
class SessionPlan:
    """Everything that one session comes to.

    Attributes:
        session: Which.
        bundle: Digest of the model.
        deployment: Leaf id of the deployment by which it decides.
        policy: Content id of the trading policy.
        decisions: One a symbol.
        intents: What is wanted, allowed or not.
        evidence: Raw answers of the venue that the orders rest on, by what they are, e.g. ``account``.
        good_until: Orders are not sent for the first time after this.
    """

    session: date
    bundle: str
    deployment: str
    policy: str
    decisions: Sequence[NewDecision]
    intents: Sequence[JudgedIntent]
    evidence: Mapping[str, bytes]
    good_until: datetime


@dataclass(frozen=True, slots=True)
class Order:
    """An order as it is on record.

    Attributes:
        client_order_id: Its name.
        symbol: Ticker.
        session: After whose close it was decided.
        side: ``buy`` or ``sell``.
        quantity: Shares wanted.
        reference_price: The close it was decided at.
        reason: Why it was wanted.
        state: Where it stands.
        filled: Shares filled.
        average_price: At which; None before the first.
        refusal: Why it was denied or refused; None otherwise.
        verdicts: The risk rules' answers.
        committed_at: When it came on record, UTC.
        changed_at: When its state last changed, UTC.
        leaf: Its leaf id.
    """

    client_order_id: str
    symbol: str
    session: date
    side: str
    quantity: Decimal
    reference_price: Decimal
    reason: str
    state: OrderState
    filled: Decimal
    average_price: Decimal | None
    refusal: str | None
    verdicts: Sequence[Mapping[str, Any]]
    committed_at: datetime
    changed_at: datetime
    leaf: str

    @property
    def signed_fill(self) -> Decimal:
        """What the order has added to the position."""
        return self.filled if self.side == "buy" else -self.filled


def take_fence(ledger: Ledger) -> int:
    """Become the only sender: return a token that outdates everybody's before."""
    with ledger.log.transaction() as transaction:
        held = transaction.execute(sa.select(FENCE.c.token).where(FENCE.c.job == JOB)).scalar()
        if held is None:
            transaction.execute(sa.insert(FENCE), {"job": JOB, "token": 1})
            return 1
        transaction.execute(sa.update(FENCE).where(FENCE.c.job == JOB).values(token=held + 1))
        return int(held) + 1


def is_decided(ledger: Ledger, session: date) -> bool:
    """Whether a session's decisions and orders are on record."""
    with ledger.log.reading() as connection:
        return _decided(connection, session)


def last_decided(ledger: Ledger) -> date | None:
    """Return the newest session that was decided, or None."""
    with ledger.log.reading() as connection:
        newest = connection.execute(sa.select(sa.func.max(SESSION.c.session))).scalar()
    return date.fromisoformat(newest) if newest else None


def commit_session(ledger: Ledger, plan: SessionPlan, *, token: int) -> bool:
    """Put a session's decisions, its orders and what is to be sent on record, all of it or nothing.

    Returns:
        Whether it was done now; False where the session was decided before, and nothing changed.

    Raises:
        Fenced: Another job has taken over.
    """
    for content in plan.evidence.values():
        ledger.objects.put(content)
    now = instant_text(ledger.clock.now())
    with ledger.log.transaction() as transaction:
        _require_fence(transaction, token)
        if _decided(transaction, plan.session):
            return False
        answers = [_request(ledger, transaction, name, content) for name, content in plan.evidence.items()]
        for decision in plan.decisions:
            if find_decision(transaction, decision.decision_id) is None:
                record_decision(ledger, transaction, decision)
        for judged in plan.intents:
            _commit_intent(ledger, transaction, plan, judged, answers, now)
        transaction.execute(
            sa.insert(SESSION),
            {
                "session": plan.session.isoformat(),
                "bundle": plan.bundle,
                "deployment": plan.deployment,
                "policy": plan.policy,
                "decisions": len(plan.decisions),
                "intents": len(plan.intents),
                "decided_at": now,
            },
        )
    return True


def claim(ledger: Ledger, client_order_id: str, *, token: int, venue_now: datetime) -> bytes | None:
    """Take an order up for sending; from here on its fate is unknown until the venue has said something.

    An order that may have left before must have been asked about first: :func:`release` puts it back. What would add
    risk is not taken up while trading is halted, and nothing once its session has passed; both end here.

    Args:
        ledger: The installation.
        client_order_id: Which order.
        token: The sender's fencing token.
        venue_now: What time it is at the venue, UTC.

    Returns:
        What is to be sent, or None where it is not to be sent (any more).

    Raises:
        Fenced: Another job has taken over.
    """
    now = ledger.clock.now()
    with ledger.log.transaction() as transaction:
        _require_fence(transaction, token)
        order = _row(transaction, client_order_id)
        waiting = transaction.execute(sa.select(OUTBOX).where(OUTBOX.c.client_order_id == client_order_id)).first()
        if order.state != OrderState.COMMITTED or waiting is None or waiting.settled:
            return None
        if obstacle := _obstacle(transaction, order, waiting, venue_now):
            _close(transaction, client_order_id, OrderState.NOT_SENT, obstacle, now)
            return None
        _change(transaction, client_order_id, OrderState.SENDING, now)
        transaction.execute(
            sa.update(OUTBOX)
            .where(OUTBOX.c.client_order_id == client_order_id)
            .values(claims=waiting.claims + 1, claimed_by=token)
        )
        return bytes(waiting.body)


def release(ledger: Ledger, client_order_id: str, *, token: int) -> None:
    """Put back an order that the venue, asked by its name, has never heard of: it may be sent again under that name.

    Raises:
        Fenced: Another job has taken over.
    """
    with ledger.log.transaction() as transaction:
        _require_fence(transaction, token)
        if OrderState(_row(transaction, client_order_id).state).may_have_left:
            _change(transaction, client_order_id, OrderState.COMMITTED, ledger.clock.now())


def record_unknown(ledger: Ledger, client_order_id: str) -> None:
    """Write down that an order was sent and nobody knows what came of it."""
    with ledger.log.transaction() as transaction:
        if _row(transaction, client_order_id).state == OrderState.SENDING:
            _change(transaction, client_order_id, OrderState.UNKNOWN, ledger.clock.now())


def record_seen(ledger: Ledger, seen: VenueOrder) -> bool:
    """Write down what the venue says of an order; what is no news leaves no trace.

    Returns:
        Whether it was news.
    """
    sha256 = ledger.objects.put(seen.raw)
    now = ledger.clock.now()
    with ledger.log.transaction() as transaction:
        row = _row(transaction, seen.client_order_id)
        present, filled = OrderState(row.state), Decimal(row.filled)
        if not advanced(present, seen.state, filled=filled, seen_filled=seen.filled):
            return False
        _event(ledger, transaction, row.leaf, seen, sha256, now)
        transaction.execute(
            sa.update(ORDER)
            .where(ORDER.c.client_order_id == seen.client_order_id)
            .values(
                state=seen.state.value,
                venue_order=seen.venue_id,
                filled=str(seen.filled),
                average_price=None if seen.average_price is None else str(seen.average_price),
                changed_at=instant_text(now),
            )
        )
        _settle(transaction, seen.client_order_id)
    return True


def record_refused(ledger: Ledger, client_order_id: str, message: str) -> None:
    """Write down that the venue will not have an order."""
    now = ledger.clock.now()
    with ledger.log.transaction() as transaction:
        row = _row(transaction, client_order_id)
        if OrderState(row.state).is_final:
            return
        identity = {"client_order_id": client_order_id, "status": "refused", "message": message}
        detail = {"received_at": instant_text(now)}
        leaf = ledger.log.record(transaction, Leaf(Kind.VENUE_EVENT, identity, detail), [Parent(row.leaf, "intent")])
        event = {"client_order_id": client_order_id, "status": "refused", "filled": row.filled}
        transaction.execute(sa.insert(VENUE_EVENT), {**event, "leaf": leaf, "received_at": instant_text(now)})
        _close(transaction, client_order_id, OrderState.REJECTED, message, now)


def open_orders(ledger: Ledger) -> list[Order]:
    """Return every order of which something may still come, oldest first."""
    return [order for order in all_orders(ledger) if not order.state.is_final]


def all_orders(ledger: Ledger) -> list[Order]:
    """Return every order on record, denied ones included, oldest first."""
    with ledger.log.reading() as connection:
        return [_order(row) for row in connection.execute(sa.select(ORDER).order_by(ORDER.c.sequence))]


def _commit_intent(
    ledger: Ledger,
    transaction: Connection,
    plan: SessionPlan,
    judged: JudgedIntent,
    answers: Sequence[Parent],
    now: str,
) -> None:
    intent = judged.intent
    decision = find_decision(transaction, judged.decision)
    verdicts = [verdict.values() for verdict in judged.verdicts]
    identity = {
        **intent.values(),
        "policy": plan.policy,
        "allowed": judged.allowed,
        "verdicts": verdicts,
        "body": sha256_bytes(judged.body),
    }
    parents = [*([Parent(decision.leaf, "decision")] if decision else []), *answers]
    leaf = ledger.log.record(transaction, Leaf(Kind.ORDER_INTENT, identity, {"committed_at": now}), parents)
    denied = next((verdict for verdict in judged.verdicts if verdict.denied), None)
    row = {
        "client_order_id": intent.client_order_id,
        "leaf": leaf,
        "symbol": intent.symbol,
        "session": intent.session.isoformat(),
        "side": intent.side.value,
        "quantity": str(intent.quantity),
        "reference_price": str(intent.reference_price),
        "reason": intent.reason.value,
        "bundle": intent.bundle,
        "decision": judged.decision,
        "verdicts": canonical_json(verdicts),
        "state": (OrderState.DENIED if denied else OrderState.COMMITTED).value,
        "filled": "0",
        "refusal": f"{denied.denied}: {denied.detail}" if denied else None,
        "committed_at": now,
        "changed_at": now,
    }
    transaction.execute(sa.insert(ORDER), row)
    if denied is None:
        waiting = {
            "client_order_id": intent.client_order_id,
            "body": judged.body,
            "good_until": instant_text(plan.good_until),
            "claims": 0,
            "settled": False,
        }
        transaction.execute(sa.insert(OUTBOX), waiting)


def _obstacle(transaction: Connection, order: Any, waiting: Any, venue_now: datetime) -> str | None:
    """Say why an order is not sent after all, or return None."""
    if venue_now > parse_instant(waiting.good_until):
        return "its session had passed before it was sent"
    halt = halt_within(transaction)
    return halt.said if halt and order.side == Side.BUY else None


def _event(ledger: Ledger, transaction: Connection, intent: str, seen: VenueOrder, sha256: str, now: datetime) -> None:
    """Record an answer under what it says of the order, so that the same answer again is the same leaf."""
    price = None if seen.average_price is None else str(seen.average_price)
    identity = {
        "client_order_id": seen.client_order_id,
        "venue_order": seen.venue_id,
        "status": seen.status,
        "filled": str(seen.filled),
        "average_price": price,
    }
    detail = {"occurred_at": seen.occurred_at, "received_at": instant_text(now), "answer": sha256}
    leaf = ledger.log.record(transaction, Leaf(Kind.VENUE_EVENT, identity, detail), [Parent(intent, "intent")])
    known = sa.select(VENUE_EVENT.c.sequence).where(VENUE_EVENT.c.leaf == leaf)
    if transaction.execute(known).first() is None:
        row = {name: identity[name] for name in ("client_order_id", "status", "filled", "average_price")}
        times = {"occurred_at": seen.occurred_at, "received_at": instant_text(now)}
        transaction.execute(sa.insert(VENUE_EVENT), {**row, **times, "leaf": leaf})


def _request(ledger: Ledger, transaction: Connection, name: str, content: bytes) -> Parent:
    leaf = Leaf(Kind.REQUEST, {"sha256": sha256_bytes(content)}, {"bytes": len(content)})
    return Parent(ledger.log.record(transaction, leaf), name)


def _require_fence(transaction: Connection, token: int) -> None:
    held = transaction.execute(sa.select(FENCE.c.token).where(FENCE.c.job == JOB)).scalar()
    if held != token:
        raise Fenced(f"this job holds fencing token {token}, and {held} is in force; another trading job has started")


def _decided(connection: Connection, session: date) -> bool:
    statement = sa.select(SESSION.c.session).where(SESSION.c.session == session.isoformat())
    return connection.execute(statement).first() is not None


def _row(transaction: Connection, client_order_id: str) -> Any:
    return transaction.execute(sa.select(ORDER).where(ORDER.c.client_order_id == client_order_id)).one()


def _change(transaction: Connection, client_order_id: str, state: OrderState, now: datetime) -> None:
    changed = sa.update(ORDER).where(ORDER.c.client_order_id == client_order_id)
    transaction.execute(changed.values(state=state.value, changed_at=instant_text(now)))


def _close(transaction: Connection, client_order_id: str, state: OrderState, refusal: str, now: datetime) -> None:
    _change(transaction, client_order_id, state, now)
    transaction.execute(sa.update(ORDER).where(ORDER.c.client_order_id == client_order_id).values(refusal=refusal))
    _settle(transaction, client_order_id)


def _settle(transaction: Connection, client_order_id: str) -> None:
    transaction.execute(sa.update(OUTBOX).where(OUTBOX.c.client_order_id == client_order_id).values(settled=True))


def _order(row: Any) -> Order:
    return Order(
        client_order_id=row.client_order_id,
        symbol=row.symbol,
        session=date.fromisoformat(row.session),
        side=row.side,
        quantity=Decimal(row.quantity),
        reference_price=Decimal(row.reference_price),
        reason=row.reason,
        state=OrderState(row.state),
        filled=Decimal(row.filled),
        average_price=Decimal(row.average_price) if row.average_price else None,
        refusal=row.refusal,
        verdicts=json.loads(row.verdicts),
        committed_at=parse_instant(row.committed_at),
        changed_at=parse_instant(row.changed_at),
        leaf=row.leaf,
    )
