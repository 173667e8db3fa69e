"""Personal data: what is kept about a person is encrypted under the person's own key; destroying the key erases it.

A mapping declares which columns are personal, and which of them names the *subject*: the person. In all that is kept
the subject goes by a *pseudonym*, which is random: rows of one person still join, features still aggregate, and nothing
but the table here leads from one to the other. A file of raw bytes holds many persons and cannot be taken apart, so it
is sealed as a whole, under a key of its own that goes when one of them is erased: what was typed from its rows stays.

Nothing in the log changes by it. Leaves hold hashes of sealed bytes, which are there after an erasure as before it;
what they say is gone.
"""

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Boolean, Column, Index, Integer, LargeBinary, String, Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from ledgerline.audit.leaf import Kind
from ledgerline.audit.log import EvidenceLog
from ledgerline.audit.schema import METADATA
from ledgerline.audit.sealing import PersonalKey, another_key, new_key, personal_key, seal, unseal
from ledgerline.core.settings import Settings

_AT_ONCE = 500  # values a statement

KEY_IN_USE = Table(
    "personal_key",
    METADATA,
    Column("place", Integer, primary_key=True),  # 1: there is one
    Column("name", String(64), nullable=False),  # what the installation's key makes of a constant
)

SUBJECT = Table(
    "subject",
    METADATA,
    Column("pseudonym", String(40), primary_key=True),
    Column("lookup", String(64), nullable=False, unique=True),  # keyed hash of the column and the identifier
    Column("key", LargeBinary),  # wrapped; null once it was destroyed
    Column("named", LargeBinary),  # column and identifier, sealed; null likewise
)

SEALED_FILE = Table(
    "sealed_file",
    METADATA,
    Column("fingerprint", String(64), primary_key=True),  # keyed hash of the SHA-256 of the bytes as received
    Column("key", LargeBinary),  # wrapped; null once it was destroyed
    Column("is_told", Boolean, nullable=False),  # whether every person in it is known to be
)

ANYBODY = ""  # in the column of subjects: somebody whom nobody could read

SUBJECT_IN_FILE = Table(
    "subject_in_file",
    METADATA,
    Column("subject", String(40), primary_key=True),
    Column("fingerprint", String(64), primary_key=True),
    Index("subject_in_file_fingerprint", "fingerprint"),
)


@dataclass(frozen=True, slots=True)
class PersonalColumns:
    """Which columns of a dataset are personal.

    Attributes:
        subject: The column that names the person.
        others: The further ones.
    """

    subject: str
    others: tuple[str, ...] = ()

    @property
    def every(self) -> tuple[str, ...]:
        """All of them."""
        return (self.subject, *self.others)

    def as_json(self) -> dict[str, Any]:
        """Return what a landed batch says of itself."""
        return {"subject": self.subject, "others": list(self.others)}

    @classmethod
    def of_batch(cls, identity: Mapping[str, Any]) -> "PersonalColumns | None":
        """Return what a landed batch says of itself, None where nothing is personal."""
        said = identity.get("personal")
        return cls(said["subject"], tuple(said["others"])) if said else None


@dataclass(frozen=True, slots=True)
class Subject:
    """A person, as far as the installation knows one.

    Attributes:
        pseudonym: What stands for the person in all that is kept.
        key: Opens what was sealed; None once it was destroyed.
    """

    pseudonym: str
    key: bytes | None = field(repr=False)

    @property
    def is_erased(self) -> bool:
        """Whether what was kept about the person can no longer be read."""
        return self.key is None


@dataclass(frozen=True)
class PersonalData:
    """The persons and sealed files of an installation.

    Attributes:
        log: In whose database the tables are.
        settings: Where the installation's key comes from.
    """

    log: EvidenceLog
    settings: Settings

    @cached_property
    def key(self) -> PersonalKey:
        """The installation's key; it is made, or asked for, when it is first needed.

        Raises:
            PersonalKeyRefused: It cannot be read, or is another one than before: by it nobody would be known again, not
                even who was erased.
        """
        key = personal_key(self.settings)
        with self.log.reading() as connection:
            _require_same(connection, key)
        return key

    def subjects(self, transaction: Connection, column: str, identifiers: Iterable[str]) -> dict[str, Subject]:
        """Return the persons whom a column names, by identifier; who is new is entered.

        Args:
            transaction: From :meth:`EvidenceLog.transaction`.
            column: The contract's column, e.g. ``customer_id``: the same identifier there is the same person,
                whichever dataset it comes from.
            identifiers: As the column has them.
        """
        lookups = {self.key.hash_of(column, each): each for each in identifiers}
        known = self._by_lookup(transaction, list(lookups))
        if new := [lookup for lookup in lookups if lookup not in known]:
            self.log.take_turn(transaction)  # before any row of it is locked
            self._settle_key(transaction)
            insert_unless_there(transaction, SUBJECT, [self._entered(each, column, lookups[each]) for each in new])
            known |= self._by_lookup(transaction, new)
        return {lookups[lookup]: subject for lookup, subject in known.items()}

    def known(self, connection: Connection, column: str, identifier: str) -> Subject | None:
        """Return a person, or None whom nobody entered."""
        found = self._by_lookup(connection, [self.key.hash_of(column, identifier)])
        return next(iter(found.values()), None)

    def called(self, connection: Connection, pseudonym: str) -> Subject | None:
        """Return the person of a pseudonym, or None."""
        row = connection.execute(sa.select(SUBJECT).where(SUBJECT.c.pseudonym == pseudonym)).first()
        return self._subject(row) if row else None

    def fingerprint(self, sha256: str) -> str:
        """Return what a sealed file is known again by, of the SHA-256 of its bytes as received."""
        return self.key.hash_of("raw file", sha256)

    def file_key(self, transaction: Connection, fingerprint: str) -> bytes | None:
        """Return a file's key, made on the first call; None once it was destroyed."""
        self.log.take_turn(transaction)
        self._settle_key(transaction)
        new = {"fingerprint": fingerprint, "key": self.key.wrap(new_key()), "is_told": False}
        insert_unless_there(transaction, SEALED_FILE, [new])
        wanted = sa.select(SEALED_FILE.c.key).where(SEALED_FILE.c.fingerprint == fingerprint)
        wrapped = transaction.execute(wanted).scalar_one()
        return self.key.unwrap(wrapped) if wrapped is not None else None

    def enter_in_file(self, transaction: Connection, fingerprint: str, pseudonyms: Iterable[str]) -> None:
        """Keep that persons are in a sealed file: erasing one of them takes its key."""
        rows = [{"subject": each, "fingerprint": fingerprint} for each in pseudonyms]
        insert_unless_there(transaction, SUBJECT_IN_FILE, rows)

    def close_file(self, transaction: Connection, fingerprint: str) -> None:
        """Destroy a sealed file's key: somebody in it is erased."""
        of_file = sa.update(SEALED_FILE).where(SEALED_FILE.c.fingerprint == fingerprint)
        transaction.execute(of_file.values(key=None))

    def is_anybody_erased(self, connection: Connection) -> bool:
        """Whether there is a person who was erased."""
        return (
            connection.execute(sa.select(SUBJECT.c.pseudonym).where(SUBJECT.c.key.is_(None)).limit(1)).first()
            is not None
        )

    def all_told(self, transaction: Connection, fingerprint: str) -> None:
        """Keep that every person in a sealed file was entered. Any erasure takes a file of which that is not known."""
        of_file = sa.update(SEALED_FILE).where(SEALED_FILE.c.fingerprint == fingerprint)
        transaction.execute(of_file.values(is_told=True))

    def identifier(self, connection: Connection, pseudonym: str) -> tuple[str, str] | None:
        """Return the column and the identifier behind a pseudonym; None once erased, or for no pseudonym."""
        row = connection.execute(sa.select(SUBJECT).where(SUBJECT.c.pseudonym == pseudonym)).first()
        if row is None or row.key is None:
            return None
        column, _, identifier = unseal(self.key.unwrap(row.key), row.named, _NAMED).decode().partition("=")
        return column, identifier

    def _settle_key(self, transaction: Connection) -> None:
        """Keep which key is the installation's: of two that come first at once, one stays."""
        insert_unless_there(transaction, KEY_IN_USE, [{"place": 1, "name": self.key.hash_of(_KEY_NAME)}])
        _require_same(transaction, self.key)

    def _entered(self, lookup: str, column: str, identifier: str) -> dict[str, Any]:
        key = new_key()
        return {
            "pseudonym": f"person-{secrets.token_hex(16)}",
            "lookup": lookup,
            "key": self.key.wrap(key),
            "named": seal(key, f"{column}={identifier}".encode(), _NAMED),
        }

    def _by_lookup(self, connection: Connection, lookups: Sequence[str]) -> dict[str, Subject]:
        found = {}
        for first in range(0, len(lookups), _AT_ONCE):
            wanted = SUBJECT.c.lookup.in_(lookups[first : first + _AT_ONCE])
            rows = connection.execute(sa.select(SUBJECT).where(wanted))
            found.update({row.lookup: self._subject(row) for row in rows})
        return found

    def _subject(self, row: Any) -> Subject:
        return Subject(row.pseudonym, self.key.unwrap(row.key) if row.key is not None else None)


_NAMED = "a person's name in the table of persons"
_KEY_NAME = "the installation's key"


def _require_same(connection: Connection, key: PersonalKey) -> None:
    name = connection.execute(sa.select(KEY_IN_USE.c.name)).scalar()
    if name is not None and name != key.hash_of(_KEY_NAME):
        raise another_key()


def personal_data(log: EvidenceLog, settings: Settings) -> PersonalData:
    """Return the persons of an installation, with their tables there."""
    tables = [KEY_IN_USE, SUBJECT, SEALED_FILE, SUBJECT_IN_FILE]
    with log.reading() as connection:
        there = sa.inspect(connection).has_table(tables[-1].name)
    if not there:
        with log.transaction() as transaction:
            log.take_turn(transaction)
            METADATA.create_all(transaction, tables=tables, checkfirst=True)
    return PersonalData(log, settings)


def personal_columns(log: EvidenceLog, dataset: str, feature_version: str) -> PersonalColumns | None:
    """Return which columns of a dataset were personal when a feature version's newest batch of it landed.

    Args:
        log: The evidence log.
        dataset: The contract's name.
        feature_version: Leaf id.
    """
    accepted = [leaf for _, leaf in log.parents(feature_version) if leaf.identity.get("dataset") == dataset]
    for receipt in sorted(accepted, key=lambda leaf: leaf.sequence, reverse=True):
        for _, batch in log.parents(receipt.id):
            if batch.kind is Kind.LANDED_BATCH:
                return PersonalColumns.of_batch(batch.identity)
    return None


def insert_unless_there(transaction: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows, but for those whose keys are taken: two who come at once leave one row."""
    dialect = sqlite if transaction.dialect.name == "sqlite" else postgresql
    statement = dialect.insert(table).on_conflict_do_nothing()
    if rows:
        transaction.execute(statement, [dict(row) for row in rows])
