"""Dataset contracts: what every row of a dataset must be, whoever delivers it."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from ledgerline.core.errors import LedgerlineError
from ledgerline.core.identity import content_id


class UnknownContract(LedgerlineError):
    """No contract of that name exists."""


class ColumnType(StrEnum):
    """The types a contract column may have; :mod:`ledgerline.core.frames` says what they are in a frame."""

    STRING = "string"
    INTEGER = "integer"
    MINOR_UNITS = "minor_units"  # money in the currency's smallest unit, a whole number, never a float
    NUMBER = "number"
    BOOLEAN = "boolean"
    INSTANT = "instant"  # UTC, to the microsecond


class Timeliness(StrEnum):
    """Whether a row can be known before what it is about."""

    OBSERVED = "observed"  # available_at >= event_time, else the row is impossible
    SCHEDULED = "scheduled"  # dividends, expiries, calendars: known ahead


class Domain(StrEnum):
    """Which ingest DAG brings a dataset in."""

    MARKET = "market"
    ECONOMIC = "economic"
    ALTERNATIVE = "alternative"
    BUSINESS = "business"


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a contract.

    Attributes:
        name: Its name in every accepted row.
        type: What it holds.
        description: For the reader, with its unit.
        nullable: Whether a row may lack it.
    """

    name: str
    type: ColumnType
    description: str
    nullable: bool = False


EVENT_TIME = Column("event_time", ColumnType.INSTANT, "when the row is about, UTC")
AVAILABLE_AT = Column("available_at", ColumnType.INSTANT, "from when a decision could have known the row, UTC")


@dataclass(frozen=True, slots=True)
class DatasetContract:
    """What a dataset promises its readers.

    Besides its own columns every row has ``event_time`` and ``available_at``. ``landed_at``, from when *we* knew the
    row, is the same for all rows of a landed batch and is kept once, with the batch, so that equal inputs give equal
    bytes.

    Attributes:
        name: Identity, with ``version``.
        version: Raised when the meaning of a column changes.
        domain: Which ingest DAG brings it in.
        columns: In order, ``event_time`` and ``available_at`` included.
        key: The columns that name a row; a second row of the same key is a duplicate.
        timeliness: Whether rows can be known ahead.
        owner: Who answers questions about it.
        retention_days: How long accepted rows are kept; None for ever.
        description: One sentence.
    """

    name: str
    version: int
    domain: Domain
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    timeliness: Timeliness
    owner: str
    retention_days: int | None
    description: str

    @property
    def column_names(self) -> tuple[str, ...]:
        """Names of all columns, in order."""
        return tuple(column.name for column in self.columns)

    @property
    def fingerprint(self) -> str:
        """SHA-256 over everything that changes what a row means."""
        return content_id(
            {
                "name": self.name,
                "version": self.version,
                "columns": [[column.name, column.type, column.nullable] for column in self.columns],
                "key": list(self.key),
                "timeliness": self.timeliness,
            }
        )


TRANSACTIONS = DatasetContract(
    name="transactions",
    version=1,
    domain=Domain.BUSINESS,
    columns=(
        Column("transaction_id", ColumnType.STRING, "the payment's id"),
        Column("customer_id", ColumnType.STRING, "whose card"),
        Column("terminal_id", ColumnType.STRING, "where the card was used"),
        Column("amount_minor", ColumnType.MINOR_UNITS, "amount in the currency's minor unit, e.g. cents"),
        Column("currency", ColumnType.STRING, "ISO 4217 code"),
        EVENT_TIME,
        AVAILABLE_AT,
    ),
    key=("transaction_id",),
    timeliness=Timeliness.OBSERVED,
    owner="payments",
    retention_days=None,
    description="Card payments, one row each, as the acquirer saw them.",
)

FRAUD_LABELS = DatasetContract(
    name="fraud_labels",
    version=1,
    domain=Domain.BUSINESS,
    columns=(
        Column("transaction_id", ColumnType.STRING, "the payment that the label is about"),
        Column("is_fraud", ColumnType.BOOLEAN, "whether the payment proved fraudulent"),
        Column(
            "scenario", ColumnType.INTEGER, "which fraud scenario, 0 for none; known for simulated data", nullable=True
        ),
        EVENT_TIME,
        AVAILABLE_AT,
    ),
    key=("transaction_id", "available_at"),  # a label that changes is a second row, known later; neither is overwritten
    timeliness=Timeliness.OBSERVED,
    owner="fraud operations",
    retention_days=None,
    description="What became of a payment: event_time is the payment's, available_at when the dispute window closed.",
)

CONTRACTS: Mapping[str, DatasetContract] = MappingProxyType(
    {contract.name: contract for contract in (TRANSACTIONS, FRAUD_LABELS)}
)


def contract_named(name: str) -> DatasetContract:
    """Return the contract called ``name``.

    Raises:
        UnknownContract: With the names that exist.
    """
    try:
        return CONTRACTS[name]
    except KeyError:
        raise UnknownContract(f"no dataset contract is called {name!r}; there are: {', '.join(CONTRACTS)}") from None
