"""HALT: a latch that survives every restart, and that only a named person opens, with a reason."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from ledgerline.audit import Kind, Leaf, Ledger, Parent
from ledgerline.core.clock import instant_text, parse_instant
from ledgerline.core.errors import LedgerlineError
from ledgerline.decisions.trading.schema import HALT, ensure_trading_tables

_NEWEST = sa.select(HALT).order_by(HALT.c.sequence.desc()).limit(1)


class HaltRefused(LedgerlineError):
    """Trading is neither halted nor cleared without a name and a reason."""


@dataclass(frozen=True, slots=True)
class Halt:
    """A halt in force.

    Attributes:
        leaf: Its leaf id.
        person: Who halted.
        reason: Why.
        at: When, UTC.
    """

    leaf: str
    person: str
    reason: str
    at: datetime

    @property
    def said(self) -> str:
        """One line for the operator."""
        return f"halted by {self.person} at {instant_text(self.at)}: {self.reason}"


def halt_in_force(ledger: Ledger) -> Halt | None:
    """Return the halt in force, or None."""
    ensure_trading_tables(ledger)
    with ledger.log.reading() as connection:
        return halt_within(connection)


def halt_within(connection: Connection) -> Halt | None:
    """Return the halt in force as a transaction sees it, or None."""
    row = connection.execute(_NEWEST).first()
    return _halt(row) if row is not None and row.halted else None


def halt_trading(ledger: Ledger, *, person: str, reason: str) -> Halt:
    """Stop all new risk from now on; a halt that is in force already stays as it is.

    Raises:
        HaltRefused: Nobody is named, or no reason is given.
    """
    _require(person, reason)
    ensure_trading_tables(ledger)
    with ledger.log.transaction() as transaction:
        present = halt_within(transaction)
        if present is not None:
            return present
        return _append(ledger, transaction, halted=True, person=person.strip(), reason=reason.strip())


def clear_halt(ledger: Ledger, *, person: str, reason: str) -> None:
    """Let trading go on, in a person's name.

    Raises:
        HaltRefused: Nobody is named, no reason is given, or trading is not halted.
    """
    _require(person, reason)
    ensure_trading_tables(ledger)
    with ledger.log.transaction() as transaction:
        if halt_within(transaction) is None:
            raise HaltRefused("trading is not halted, so there is nothing to clear")
        _append(ledger, transaction, halted=False, person=person.strip(), reason=reason.strip())


def _append(ledger: Ledger, transaction: Connection, *, halted: bool, person: str, reason: str) -> Halt:
    """Write what a person did; it names what it follows, so that the same words said twice are two leaves."""
    before = transaction.execute(_NEWEST).first()
    now = ledger.clock.now()
    identity = {
        "action": "halt" if halted else "clear",
        "person": person,
        "reason": reason,
        "follows": before.leaf if before else None,
    }
    parents = [Parent(before.leaf, "follows")] if before else []
    leaf = ledger.log.record(transaction, Leaf(Kind.HALT, identity, {"at": instant_text(now)}), parents)
    row = {"leaf": leaf, "halted": halted, "person": person, "reason": reason, "at": instant_text(now)}
    transaction.execute(sa.insert(HALT), row)
    return Halt(leaf, person, reason, now)


def _require(person: str, reason: str) -> None:
    if not person.strip() or not reason.strip():
        raise HaltRefused("say who (a person's name) and why (a reason): both stay on record")


def _halt(row: Any) -> Halt:
    return Halt(row.leaf, row.person, row.reason, parse_instant(row.at))
