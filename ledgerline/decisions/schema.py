"""The tables that commit together with decisions and deployments, in the evidence database."""

import sqlalchemy as sa
from sqlalchemy import Column, Index, LargeBinary, String, Table, Text, UniqueConstraint

from ledgerline.audit import Ledger
from ledgerline.audit.schema import METADATA, SEQUENCE

DEPLOYMENT = Table(
    "deployment",
    METADATA,
    Column("sequence", SEQUENCE, primary_key=True, autoincrement=True),
    Column("leaf", String(64), nullable=False, unique=True),
    Column("family", String(32), nullable=False),
    Column("job", String(32), nullable=False),
    Column("environment", String(32), nullable=False),
    Column("bundle", String(64), nullable=False),
    Column("supersedes", String(64), nullable=False),  # empty for the first
    # Two deployments at once cannot both follow the same one.
    UniqueConstraint("family", "job", "environment", "supersedes", name="deployment_line"),
)

REQUEST_BODY = Table(
    "request_body",
    METADATA,
    Column("sha256", String(64), primary_key=True),
    Column("body", LargeBinary, nullable=False),  # as received
)

DECISION = Table(
    "decision",
    METADATA,
    Column("sequence", SEQUENCE, primary_key=True, autoincrement=True),
    Column("decision_id", String(64), nullable=False, unique=True),
    Column("leaf", String(64), nullable=False, unique=True),
    Column("family", String(32), nullable=False),
    Column("subject", String(128), nullable=False),  # what was decided on, e.g. the transaction's id
    Column("request", String(64), nullable=False),  # SHA-256 of the body
    Column("asked", String(64), nullable=False),  # content id of what the body says, however it was spelt
    Column("event_time", Text, nullable=False),
    Column("event", LargeBinary, nullable=False),  # canonical JSON
    Column("vector", LargeBinary, nullable=False),  # canonical JSON
    Column("bundle", String(64), nullable=False),
    Column("deployment", String(64), nullable=False),
    Column("answer", LargeBinary, nullable=False),  # canonical JSON, the bytes that were sent
    Column("decided_at", Text, nullable=False),
    UniqueConstraint("family", "subject", name="decision_subject"),
    Index("decision_event_time", "family", "event_time"),
)


def ensure_tables(ledger: Ledger) -> None:
    """Create this room's tables in the evidence database where they are not there yet.

    The log creates the tables that were declared when it was opened; a process that opened it before it imported this
    module would lack these.
    """
    tables = [DEPLOYMENT, REQUEST_BODY, DECISION]
    with ledger.log.reading() as connection:
        if sa.inspect(connection).has_table(tables[-1].name):
            return
    with ledger.log.transaction() as transaction:
        METADATA.create_all(transaction, tables=tables, checkfirst=True)
