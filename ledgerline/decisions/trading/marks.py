"""What outlives a restart besides orders: the equity of every session, its highest, and why the job holds."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from ledgerline.audit import Kind, Leaf, Ledger
from ledgerline.core.clock import instant_text
from ledgerline.core.identity import sha256_bytes
from ledgerline.decisions.trading.orders import JOB
from ledgerline.decisions.trading.schema import MARK, STANDING
from ledgerline.decisions.trading.venue import Account


@dataclass(frozen=True, slots=True)
class Mark:
    """The account after one session.

    Attributes:
        session: Which.
        equity: Cash and positions, as last read before the next session's close.
        cash: Uninvested.
        high_water: The highest equity up to and with this mark.
    """

    session: date
    equity: Decimal
    cash: Decimal
    high_water: Decimal


@dataclass(frozen=True, slots=True)
class Standing:
    """What the job said of itself last.

    Attributes:
        code: ``trading``, or why it holds.
        message: For people.
        model: Family and version, e.g. ``price@2``; None without one.
        bundle: Its digest.
        since: Since when, ISO 8601 UTC.
    """

    code: str
    message: str
    model: str | None
    bundle: str | None
    since: str


def record_mark(ledger: Ledger, session: date, account: Account) -> Mark:
    """Mark the account for a session; the high-water mark never falls, whatever is restarted in between."""
    name = session.isoformat()
    with ledger.log.reading() as connection:
        present = connection.execute(sa.select(MARK).where(MARK.c.session == name)).first()
    if present is not None and (Decimal(present.equity), Decimal(present.cash)) == (account.equity, account.cash):
        return _mark(present)
    sha256 = ledger.objects.put(account.raw)
    with ledger.log.transaction() as transaction:
        marks = [_mark(row) for row in transaction.execute(sa.select(MARK))]
        high_water = max([account.equity, *(mark.high_water for mark in marks)])
        ledger.log.record(
            transaction, Leaf(Kind.REQUEST, {"sha256": sha256_bytes(account.raw)}, {"bytes": len(account.raw)})
        )
        values = {
            "equity": str(account.equity),
            "cash": str(account.cash),
            "high_water": str(high_water),
            "account": sha256,
            "marked_at": instant_text(ledger.clock.now()),
        }
        transaction.execute(sa.delete(MARK).where(MARK.c.session == name))
        transaction.execute(sa.insert(MARK), {"session": name, **values})
    return Mark(session, account.equity, account.cash, high_water)


def all_marks(ledger: Ledger) -> list[Mark]:
    """Return every mark, oldest session first."""
    with ledger.log.reading() as connection:
        return [_mark(row) for row in connection.execute(sa.select(MARK).order_by(MARK.c.session))]


def day_start(ledger: Ledger, session: date, *, otherwise: Decimal) -> Decimal:
    """Return the equity of the mark before ``session``, or ``otherwise`` before the first."""
    before = [mark for mark in all_marks(ledger) if mark.session < session]
    return before[-1].equity if before else otherwise


def record_standing(ledger: Ledger, *, code: str, message: str, model: str | None, bundle: str | None) -> None:
    """Keep what the job says of itself, for whoever asks while it does not run; nothing is written without a change."""
    present = standing(ledger)
    if present is not None and (present.code, present.message, present.bundle) == (code, message, bundle):
        return
    row = {"code": code, "message": message, "model": model, "bundle": bundle}
    with ledger.log.transaction() as transaction:
        transaction.execute(sa.delete(STANDING).where(STANDING.c.job == JOB))
        transaction.execute(sa.insert(STANDING), {"job": JOB, **row, "since": instant_text(ledger.clock.now())})


def standing(ledger: Ledger) -> Standing | None:
    """Return what the job said of itself last, or None where it has never run."""
    with ledger.log.reading() as connection:
        row = connection.execute(sa.select(STANDING).where(STANDING.c.job == JOB)).first()
    return Standing(row.code, row.message, row.model, row.bundle, row.since) if row is not None else None


def _mark(row: Any) -> Mark:
    return Mark(date.fromisoformat(row.session), Decimal(row.equity), Decimal(row.cash), Decimal(row.high_water))
