"""Recorded decisions: request, features, model and answer, committed together before the answer leaves."""

import json
from array import array
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from random import Random
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from ledgerline.audit import Kind, Leaf, Ledger, Parent
from ledgerline.audit.log import NewLeaf
from ledgerline.audit.lookup import begins, places
from ledgerline.core.clock import instant_text, parse_instant
from ledgerline.core.errors import LedgerlineError
from ledgerline.core.identity import canonical_json, content_id, sha256_bytes
from ledgerline.decisions.schema import DECISION, REQUEST_BODY, ensure_tables

# Made once: building a statement costs more than running it, and these run for every decision.
_FIND = sa.select(DECISION).where(DECISION.c.decision_id == sa.bindparam("wanted"))
_INSERT = sa.insert(DECISION)
_FIND_BODY = sa.select(REQUEST_BODY.c.body).where(REQUEST_BODY.c.sha256 == sa.bindparam("wanted"))
_INSERT_BODY = sa.insert(REQUEST_BODY)
_AT_ONCE = 500


class UnknownDecision(LedgerlineError):
    """No decision has that id."""


class DecisionChanged(LedgerlineError):
    """A decision's row is no longer the one that the evidence log holds."""


@dataclass(frozen=True, slots=True)
class NewDecision:
    """A decision about to be recorded.

    Attributes:
        family: Which family decides.
        subject: What is decided on, once: e.g. the transaction's id.
        body: The request as received.
        event: What the request says, however it was spelt: JSON values, ``event_time`` (ISO 8601 UTC) among them.
        vector: The features that the model saw; None where a value is missing.
        answer: What is sent back.
        bundle: Digest of the model.
        deployment: Leaf id of the deployment by which it answered.
        decided_at: When, UTC.
        person: The pseudonym of the person under whose key the body is sealed; None where nothing is personal.
    """

    family: str
    subject: str
    body: bytes
    event: Mapping[str, Any]
    vector: Mapping[str, float | None]
    answer: Mapping[str, Any]
    bundle: str
    deployment: str
    decided_at: datetime
    person: str | None = None

    @property
    def decision_id(self) -> str:
        """The decision's name, known before it is recorded."""
        return decision_id(self.family, self.subject)


@dataclass(frozen=True, slots=True)
class RecordedDecision:
    """A decision as it was recorded.

    Attributes:
        sequence: Position among decisions.
        decision_id: Its name.
        leaf: Its leaf id in the evidence log.
        family: Which family decided.
        subject: What was decided on.
        request: SHA-256 of the request's body.
        asked: Content id of ``event``.
        event: What was observed.
        vector: The features that the model saw; None where a value is missing.
        bundle: Digest of the model.
        deployment: Leaf id of the deployment.
        answer: What was sent back.
        answer_bytes: Its exact bytes, canonical JSON.
        decided_at: When, UTC.
    """

    sequence: int
    decision_id: str
    leaf: str
    family: str
    subject: str
    request: str
    asked: str
    event: Mapping[str, Any]
    vector: Mapping[str, float | None]
    bundle: str
    deployment: str
    answer: Mapping[str, Any]
    answer_bytes: bytes
    decided_at: datetime


def decision_id(family: str, subject: str) -> str:
    """Return the one name of a family's decision about a subject: 64 hex digits."""
    return content_id({"family": family, "subject": subject})


def record_decision(ledger: Ledger, transaction: Connection, new: NewDecision) -> bytes:
    """Write a decision, its request's bytes and both leaves in the caller's transaction.

    The tables must be there: :func:`ledgerline.decisions.schema.ensure_tables`.

    Returns:
        The answer in canonical JSON: the bytes to send, once the transaction is committed and not before.
    """
    request = sha256_bytes(new.body)
    event, vector, answer = (canonical_json(dict(part)) for part in (new.event, new.vector, new.answer))
    decided_at = instant_text(new.decided_at)
    of_person = {"person": new.person} if new.person else {}
    request_leaf = Leaf(Kind.REQUEST, {"sha256": request}, {"bytes": len(new.body)} | of_person)
    detail = {
        "decided_at": decided_at,
        "deployment": new.deployment,
        "subject": new.subject,
        "vector": sha256_bytes(vector),
        "event": sha256_bytes(event),
        **of_person,
    }
    leaf = Leaf(Kind.DECISION, _identity(new.family, new.decision_id, request, new.bundle, answer), detail)
    parents = [Parent(request_leaf.id, "request"), Parent(new.deployment, "deployment")]
    _, leaf_id = ledger.log.record_all(transaction, [NewLeaf(request_leaf), NewLeaf(leaf, parents)])
    if not transaction.execute(_FIND_BODY, {"wanted": request}).first():
        transaction.execute(_INSERT_BODY, {"sha256": request, "body": new.body})
    row = {
        "decision_id": new.decision_id,
        "leaf": leaf_id,
        "family": new.family,
        "subject": new.subject,
        "request": request,
        "asked": sha256_bytes(event),
        "event_time": new.event["event_time"],
        "event": event,
        "vector": vector,
        "bundle": new.bundle,
        "deployment": new.deployment,
        "answer": answer,
        "decided_at": decided_at,
    }
    transaction.execute(_INSERT, row)
    return answer


def find_decision(connection: Connection, decision: str) -> RecordedDecision | None:
    """Return the decision with exactly this id, or None.

    Raises:
        DecisionChanged: Its answer, request or model is no longer what the log has a leaf for.
    """
    row = connection.execute(_FIND, {"wanted": decision}).first()
    if row is None:
        return None
    leaf = Leaf(Kind.DECISION, _identity(row.family, row.decision_id, row.request, row.bundle, bytes(row.answer)))
    if not places(connection, [leaf.id]):
        raise DecisionChanged(
            f"decision {decision} was changed after it was recorded, so its answer is not given again; restore its row "
            f"from a backup of the evidence database (leaf {row.leaf})"
        )
    return _recorded(row)


def get_decision(ledger: Ledger, prefix: str) -> RecordedDecision:
    """Return the decision whose id starts with ``prefix``.

    Raises:
        UnknownDecision: None does, or several do.
        DecisionChanged: Its row cannot be read any more.
    """
    ensure_tables(ledger)
    statement = sa.select(DECISION).where(begins(DECISION.c.decision_id, prefix)).limit(2)
    with ledger.log.reading() as connection:
        rows = [row for row in connection.execute(statement) if row.decision_id.startswith(prefix)]
    if len(rows) != 1:
        problem = "no decision's id starts" if not rows else "several decisions' ids start"
        raise UnknownDecision(f"{problem} with {prefix!r}")
    return _recorded(rows[0])


def decisions_after(
    ledger: Ledger, family: str, *, sequence: int = 0, event_time: datetime | None = None
) -> Iterator[RecordedDecision]:
    """Yield a family's decisions in the order they were made.

    Args:
        ledger: The installation.
        family: Whose decisions.
        sequence: Only those after this position.
        event_time: Only those about events at or after this instant.
    """
    ensure_tables(ledger)
    statement = (
        sa.select(DECISION)
        .where(DECISION.c.family == family, DECISION.c.sequence > sequence)
        .order_by(DECISION.c.sequence)
    )
    if event_time is not None:
        statement = statement.where(DECISION.c.event_time >= instant_text(event_time))
    with ledger.log.reading() as connection:
        for row in connection.execute(statement):
            yield _recorded(row)


def newest_decisions(ledger: Ledger, family: str, *, bundle: str, count: int) -> list[RecordedDecision]:
    """Return the last decisions that one bundle made, in the order they were made.

    Args:
        ledger: The installation.
        family: Whose decisions.
        bundle: Digest of the bundle.
        count: How many at most.

    Raises:
        DecisionChanged: A row cannot be read any more.
    """
    ensure_tables(ledger)
    own = sa.select(DECISION).where(DECISION.c.family == family, DECISION.c.bundle == bundle)
    with ledger.log.reading() as connection:
        rows = connection.execute(own.order_by(DECISION.c.sequence.desc()).limit(count)).all()
    return [_recorded(row) for row in reversed(rows)]


def sampled_decisions(
    ledger: Ledger, count: int, *, families: Collection[str], seed: int = 0
) -> Iterator[RecordedDecision]:
    """Yield some of the decisions of some families, by chance, in the order they were made; all if there are no more.

    Args:
        ledger: The installation.
        count: How many.
        families: Whose decisions.
        seed: The same seed takes the same ones of the same decisions.
    """
    ensure_tables(ledger)
    every = sa.select(DECISION.c.sequence).where(DECISION.c.family.in_(families)).order_by(DECISION.c.sequence)
    with ledger.log.reading() as connection:
        there = array("q", connection.execute(every).scalars())
        chosen = sorted(Random(seed).sample(there, min(count, len(there))))  # noqa: S311 (no secret)
        for first in range(0, len(chosen), _AT_ONCE):
            wanted = DECISION.c.sequence.in_(chosen[first : first + _AT_ONCE])
            for row in connection.execute(sa.select(DECISION).where(wanted).order_by(DECISION.c.sequence)):
                yield _recorded(row)


def request_body(ledger: Ledger, sha256: str) -> bytes:
    """Return the bytes of a recorded request.

    Raises:
        UnknownDecision: No request of that hash was recorded.
    """
    ensure_tables(ledger)
    with ledger.log.reading() as connection:
        body = connection.execute(_FIND_BODY, {"wanted": sha256}).scalar()
    if body is None:
        raise UnknownDecision(f"no recorded request has the SHA-256 {sha256}")
    return bytes(body)


def _identity(family: str, decision: str, request: str, bundle: str, answer: bytes) -> dict[str, str]:
    """Return what a decision's leaf is called by."""
    return {
        "family": family,
        "decision_id": decision,
        "request": request,
        "bundle": bundle,
        "answer": sha256_bytes(answer),
    }


def _recorded(row: Any) -> RecordedDecision:
    """Read a row.

    Raises:
        DecisionChanged: It is not what any decision looks like.
    """
    try:
        return _read(row)
    except (AttributeError, TypeError, ValueError) as error:
        raise DecisionChanged(
            f"decision {row.decision_id} was changed after it was recorded, and cannot be read: {error}; restore its "
            f"row from a backup of the evidence database (leaf {row.leaf})"
        ) from error


def _read(row: Any) -> RecordedDecision:
    vector = {name: None if value is None else float(value) for name, value in json.loads(row.vector).items()}
    return RecordedDecision(
        sequence=row.sequence,
        decision_id=row.decision_id,
        leaf=row.leaf,
        family=row.family,
        subject=row.subject,
        request=row.request,
        asked=row.asked,
        event=dict(json.loads(row.event)),
        vector=vector,
        bundle=row.bundle,
        deployment=row.deployment,
        answer=dict(json.loads(row.answer)),
        answer_bytes=bytes(row.answer),
        decided_at=parse_instant(row.decided_at),
    )
