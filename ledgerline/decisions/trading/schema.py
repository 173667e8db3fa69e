"""The tables of the order path, in the evidence database: what they hold commits together with its leaves."""

import sqlalchemy as sa
from sqlalchemy import Boolean, Column, Integer, LargeBinary, String, Table, Text

from ledgerline.audit import Ledger
from ledgerline.audit.schema import METADATA, SEQUENCE

ORDER = Table(
    "trading_order",
    METADATA,
    Column("sequence", SEQUENCE, primary_key=True, autoincrement=True),
    Column("client_order_id", String(64), nullable=False, unique=True),
    Column("leaf", String(64), nullable=False, unique=True),
    Column("symbol", String(32), nullable=False, index=True),
    Column("session", String(10), nullable=False, index=True),
    Column("side", String(8), nullable=False),
    Column("quantity", Text, nullable=False),  # decimal
    Column("reference_price", Text, nullable=False),  # decimal
    Column("reason", String(32), nullable=False),
    Column("bundle", String(64), nullable=False),
    Column("decision", String(64), nullable=False),  # its id
    Column("verdicts", LargeBinary, nullable=False),  # canonical JSON
    Column("state", String(32), nullable=False, index=True),
    Column("venue_order", String(128), nullable=True),
    Column("filled", Text, nullable=False),  # decimal
    Column("average_price", Text, nullable=True),  # decimal
    Column("refusal", Text, nullable=True),
    Column("committed_at", Text, nullable=False),
    Column("changed_at", Text, nullable=False),
)

OUTBOX = Table(
    "trading_outbox",
    METADATA,
    Column("client_order_id", String(64), primary_key=True),
    Column("body", LargeBinary, nullable=False),  # exactly what is sent
    Column("good_until", Text, nullable=False),  # not sent for the first time after this
    Column("claims", Integer, nullable=False),  # how often a sender took it up
    Column("claimed_by", Integer, nullable=True),  # that sender's fencing token
    Column("settled", Boolean, nullable=False),  # whether the venue is known to have it, or never will
)

VENUE_EVENT = Table(
    "trading_venue_event",
    METADATA,
    Column("sequence", SEQUENCE, primary_key=True, autoincrement=True),
    Column("leaf", String(64), nullable=False, unique=True),
    Column("client_order_id", String(64), nullable=False, index=True),
    Column("status", String(32), nullable=False),
    Column("filled", Text, nullable=False),  # decimal
    Column("average_price", Text, nullable=True),  # decimal
    Column("occurred_at", Text, nullable=True),  # as the venue says
    Column("received_at", Text, nullable=False),
)

MARK = Table(
    "trading_mark",
    METADATA,
    Column("session", String(10), primary_key=True),
    Column("equity", Text, nullable=False),  # decimal
    Column("cash", Text, nullable=False),  # decimal
    Column("high_water", Text, nullable=False),  # decimal: the highest equity up to and with this mark
    Column("account", String(64), nullable=False),  # SHA-256 of the answer that it was read from
    Column("marked_at", Text, nullable=False),
)

SESSION = Table(
    "trading_session",
    METADATA,
    Column("session", String(10), primary_key=True),
    Column("bundle", String(64), nullable=False),
    Column("deployment", String(64), nullable=False),
    Column("policy", String(64), nullable=False),
    Column("decisions", Integer, nullable=False),
    Column("intents", Integer, nullable=False),
    Column("decided_at", Text, nullable=False),
)

HALT = Table(
    "trading_halt",
    METADATA,
    Column("sequence", SEQUENCE, primary_key=True, autoincrement=True),
    Column("leaf", String(64), nullable=False, unique=True),
    Column("halted", Boolean, nullable=False),  # false where a person cleared it
    Column("person", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("at", Text, nullable=False),
)

FENCE = Table(
    "trading_fence",
    METADATA,
    Column("job", String(32), primary_key=True),
    Column("token", Integer, nullable=False),
)

STANDING = Table(
    "trading_standing",
    METADATA,
    Column("job", String(32), primary_key=True),
    Column("code", String(64), nullable=False),
    Column("message", Text, nullable=False),
    Column("model", Text, nullable=True),
    Column("bundle", String(64), nullable=True),
    Column("since", Text, nullable=False),
)

_TABLES = (ORDER, OUTBOX, VENUE_EVENT, MARK, SESSION, HALT, FENCE, STANDING)


def ensure_trading_tables(ledger: Ledger) -> None:
    """Create the order path's tables in the evidence database where they are not there yet."""
    with ledger.log.reading() as connection:
        if sa.inspect(connection).has_table(_TABLES[-1].name):
            return
    with ledger.log.transaction() as transaction:
        METADATA.create_all(transaction, tables=list(_TABLES), checkfirst=True)
