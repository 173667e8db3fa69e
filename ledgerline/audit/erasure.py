"""Erase a person: destroy the key under which everything personal about them was kept, and record that it was done."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from ledgerline.audit.entry import decode_entry
from ledgerline.audit.leaf import Kind, Leaf, Parent, RecordedLeaf
from ledgerline.audit.ledger import Ledger
from ledgerline.audit.log import EvidenceLog
from ledgerline.audit.personal import (
    ANYBODY,
    SEALED_FILE,
    SUBJECT,
    SUBJECT_IN_FILE,
    PersonalData,
    Subject,
    personal_data,
)
from ledgerline.audit.schema import LEAF
from ledgerline.core.clock import instant_text
from ledgerline.core.errors import LedgerlineError


class UnknownSubject(LedgerlineError):
    """Nobody of that name is known; nothing was kept about them under it, or it is another column's."""


class AlreadyErased(LedgerlineError):
    """What was kept about the person is erased already."""


@dataclass(frozen=True, slots=True)
class Erasure:
    """What an erasure destroys.

    Attributes:
        pseudonym: Who.
        files: SHA-256 of the sealed raw files that can no longer be opened, those of other persons in them included.
        leaf: Id of its entry in the log; None before it is done.
        is_rewritten: Whether the database's files, too, hold the keys no more; whoever read it meanwhile keeps them
            there. Erasing anybody again, this person too, rewrites them.
    """

    pseudonym: str
    files: tuple[str, ...]
    leaf: str | None = None
    is_rewritten: bool = False


@dataclass(frozen=True, slots=True)
class KnownPerson:
    """What the installation can say of a person.

    Attributes:
        pseudonym: What stands for them in all that is kept.
        column: The column that names them; empty once erased.
        identifier: How; empty once erased.
        erased_at: When they were erased, ISO 8601 UTC; None if they were not.
        erased_by: By whom.
    """

    pseudonym: str
    column: str = ""
    identifier: str = ""
    erased_at: str | None = None
    erased_by: str = ""


def known_person(ledger: Ledger, name: str) -> KnownPerson:
    """Say who somebody is.

    Args:
        ledger: The installation.
        name: ``COLUMN=IDENTIFIER`` or a pseudonym.

    Raises:
        UnknownSubject: Nobody is called so.
        PersonalKeyRefused: The installation's key cannot be read.
    """
    data = personal_data(ledger.log, ledger.settings)
    with ledger.log.reading() as connection:
        subject = _subject(data, connection, name)
        named = data.identifier(connection, subject.pseudonym)
    if named is not None:
        return KnownPerson(subject.pseudonym, *named)
    erased = erasure_of(ledger.log, subject.pseudonym)
    at, by = (erased.detail["erased_at"], erased.detail["erased_by"]) if erased else ("an unknown time", "nobody")
    return KnownPerson(subject.pseudonym, erased_at=at, erased_by=by)


def erasable(ledger: Ledger, name: str) -> Erasure:
    """Return what erasing a person would destroy.

    Args:
        ledger: The installation.
        name: ``COLUMN=IDENTIFIER``, e.g. ``customer_id=596``, or a pseudonym.

    Raises:
        UnknownSubject: Nobody is called so.
        AlreadyErased: It was done before.
        PersonalKeyRefused: The installation's key cannot be read.
    """
    data = personal_data(ledger.log, ledger.settings)
    with ledger.log.reading() as connection:
        pseudonym = _pseudonym(data, connection, name)
        return Erasure(pseudonym, _named(_files_of(data, connection, pseudonym)))


def erase(ledger: Ledger, name: str, *, person: str, reason: str) -> Erasure:
    """Destroy a person's key, and those of the sealed raw files that they are in, with the entry that says so.

    What is left is what tells nobody who it was about: rows and features under the pseudonym. A backup of the database
    from before still has the key; it must be let go too.

    Args:
        ledger: The installation.
        name: ``COLUMN=IDENTIFIER`` or a pseudonym.
        person: Who erases.
        reason: Why; it stays, so it should not say who was erased.

    Raises:
        UnknownSubject: Nobody is called so.
        AlreadyErased: It was done before.
        PersonalKeyRefused: The installation's key cannot be read.
    """
    data = personal_data(ledger.log, ledger.settings)
    try:
        pseudonym, files, leaf_id = _erased(ledger, data, name, person=person, reason=reason)
    finally:
        is_rewritten = ledger.log.forget_replaced([SUBJECT, SEALED_FILE])
    return Erasure(pseudonym, _named(files), leaf_id, is_rewritten)


def _erased(
    ledger: Ledger, data: PersonalData, name: str, *, person: str, reason: str
) -> tuple[str, dict[str, str | None], str]:
    """Destroy the keys and record it; return who it was, the files and the entry."""
    with ledger.log.transaction() as transaction:
        ledger.log.take_turn(transaction)  # a landing that just entered the person in a file is seen
        pseudonym = _pseudonym(data, transaction, name)
        files = _files_of(data, transaction, pseudonym)
        transaction.execute(sa.update(SUBJECT).where(SUBJECT.c.pseudonym == pseudonym).values(key=None, named=None))
        for fingerprint in files:
            data.close_file(transaction, fingerprint)
        raw = sorted(Leaf(Kind.RAW_FILE, {"sha256": sha256}).id for sha256 in _named(files))
        detail = {"erased_by": person, "reason": reason, "erased_at": instant_text(ledger.clock.now())}
        leaf = Leaf(Kind.ERASURE, {"subject": pseudonym, "files": raw}, detail)
        return pseudonym, files, ledger.log.record(transaction, leaf, [Parent(each, "raw") for each in raw])


def erasure_of(log: EvidenceLog, pseudonym: str) -> RecordedLeaf | None:
    """Return the entry by which a person was erased, or None."""
    return log.latest(Kind.ERASURE, subject=pseudonym)


def unfinished_erasures(connection: Connection) -> Iterator[tuple[int, str]]:
    """Yield, by entry, erasures whose key is still there, and keys that are gone though nobody erased the person."""
    erased = {}
    for sequence, entry in connection.execute(
        sa.select(LEAF.c.sequence, LEAF.c.entry).where(LEAF.c.kind == Kind.ERASURE.value)
    ):
        erased[decode_entry(entry).leaf.identity["subject"]] = sequence
    if not sa.inspect(connection).has_table(SUBJECT.name):
        return
    gone = set(connection.execute(sa.select(SUBJECT.c.pseudonym).where(SUBJECT.c.key.is_(None))).scalars())
    for pseudonym, sequence in erased.items():
        if pseudonym not in gone:
            yield sequence, f"{pseudonym} was erased, and the key is there: restored from a backup?"
    for pseudonym in sorted(gone - erased.keys()):
        yield 1, f"the key of {pseudonym} was destroyed without an erasure on record"


def _subject(data: PersonalData, connection: Connection, name: str) -> Subject:
    column, is_pair, identifier = name.partition("=")
    subject = data.known(connection, column, identifier) if is_pair else data.called(connection, name)
    if subject is None:
        hint = "" if is_pair else "; give COLUMN=IDENTIFIER, e.g. customer_id=596"
        raise UnknownSubject(f"nobody here is called {name}{hint}")
    return subject


def _pseudonym(data: PersonalData, connection: Connection, name: str) -> str:
    subject = _subject(data, connection, name)
    if subject.is_erased:
        raise AlreadyErased(f"{name} was erased already; nothing about them can be read")
    return subject.pseudonym


def _files_of(data: PersonalData, connection: Connection, pseudonym: str) -> dict[str, str | None]:
    """Return the sealed files that a person is in, or may be: name of the sealed bytes, if it is on record."""
    within = sa.select(SUBJECT_IN_FILE.c.fingerprint).where(SUBJECT_IN_FILE.c.subject.in_([pseudonym, ANYBODY]))
    wanted = sa.select(SEALED_FILE.c.fingerprint).where(
        SEALED_FILE.c.key.is_not(None), sa.or_(SEALED_FILE.c.fingerprint.in_(within), ~SEALED_FILE.c.is_told)
    )
    files: dict[str, str | None] = dict.fromkeys(connection.execute(wanted).scalars())
    for leaf in data.log.leaves(Kind.RAW_FILE) if files else ():
        if (fingerprint := leaf.detail.get("fingerprint")) in files:
            files[fingerprint] = leaf.identity["sha256"]
    return files


def _named(files: Mapping[str, str | None]) -> tuple[str, ...]:
    return tuple(sorted(sha256 for sha256 in files.values() if sha256))
