"""Dataset contracts: what every row of a dataset must be, whoever delivers it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from types import MappingProxyType

from ledgerline.core.errors import LedgerlineError
from ledgerline.core.identity import content_id


class UnknownContract(LedgerlineError):
    """No contract of that name exists."""


class NotAnOpenContract(LedgerlineError):
    """A contract does not take the columns that a mapping adds."""


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


class Role(StrEnum):
    """What a column that only one provider has is good for; its mapping says so."""

    NUMERIC = "numeric"
    CATEGORICAL = "categorical"
    PROTECTED = "protected"  # for audits of fairness alone: no model ever sees it
    PERSONAL = "personal"  # says who somebody is: encrypted under the person's own key, and no model ever sees it

    @property
    def is_for_models(self) -> bool:
        """Whether models may see such a column."""
        return self in (Role.NUMERIC, Role.CATEGORICAL)


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a contract.

    Attributes:
        name: Its name in every accepted row.
        type: What it holds.
        description: For the reader, with its unit.
        nullable: Whether a row may lack it.
        role: What a provider's own column is good for; None for the contract's.
    """

    name: str
    type: ColumnType
    description: str
    nullable: bool = False
    role: Role | None = None


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
        open: Whether a mapping may add columns of its provider's own, each with a role (:meth:`with_roles`).
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
    open: bool = False

    def with_roles(self, roles: Mapping[str, str]) -> "DatasetContract":
        """Return this contract with a provider's own columns behind its own; without any, the contract itself.

        Numeric columns hold numbers, the others texts; any of them may be null.

        Args:
            roles: Column name to role, in order.

        Raises:
            NotAnOpenContract: The contract takes no further columns, or has one of that name.
        """
        if not roles:
            return self
        if not self.open or (taken := set(roles) & set(self.column_names)):
            problem = f"already has {', '.join(sorted(taken))}" if self.open else "takes no columns of a provider's own"
            raise NotAnOpenContract(f"{self.name} {problem}")
        own = tuple(_own_column(name, Role(role)) for name, role in roles.items())
        return replace(self, columns=self.columns + own)

    @property
    def roles(self) -> dict[str, str]:
        """The provider's own columns and their roles, in order, as JSON values."""
        return {column.name: column.role.value for column in self.columns if column.role is not None}

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
            | ({"roles": self.roles} if self.roles else {})
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

PRICES_DAILY = DatasetContract(
    name="prices_daily",
    version=1,
    domain=Domain.MARKET,
    columns=(
        Column("symbol", ColumnType.STRING, "ticker on its exchange, as it was called in that session"),
        Column("open", ColumnType.NUMBER, "first price of the session, in the listing's currency"),
        Column("high", ColumnType.NUMBER, "highest price"),
        Column("low", ColumnType.NUMBER, "lowest price"),
        Column("close", ColumnType.NUMBER, "last price"),
        Column("adjusted_close", ColumnType.NUMBER, "the vendor's adjusted close, for comparison only", nullable=True),
        Column("volume", ColumnType.NUMBER, "shares traded; for an index, of its members"),
        Column("adjustment", ColumnType.STRING, "what the prices are already adjusted for: raw, split, or all"),
        Column("asset_class", ColumnType.STRING, "equity or index"),
        EVENT_TIME,
        AVAILABLE_AT,
    ),
    key=("symbol", "event_time", "available_at"),  # a restated bar is a second row, known later
    timeliness=Timeliness.OBSERVED,
    owner="market data",
    retention_days=None,
    description="One bar a symbol and session: event_time is the session's close.",
)

CORPORATE_ACTIONS = DatasetContract(
    name="corporate_actions",
    version=1,
    domain=Domain.MARKET,
    columns=(
        Column("symbol", ColumnType.STRING, "ticker before the action"),
        Column("action", ColumnType.STRING, "split, dividend or symbol_change"),
        Column("ratio", ColumnType.NUMBER, "split: new shares for one old, e.g. 2 for two for one", nullable=True),
        Column("amount", ColumnType.NUMBER, "dividend: cash a share, in the listing's currency", nullable=True),
        Column("new_symbol", ColumnType.STRING, "symbol_change: ticker from event_time on", nullable=True),
        EVENT_TIME,
        AVAILABLE_AT,
    ),
    key=("symbol", "action", "event_time", "available_at"),
    timeliness=Timeliness.SCHEDULED,
    owner="market data",
    retention_days=None,
    description="Splits, dividends and changes of name: event_time the ex-date's open.",
)

INSTRUMENTS = DatasetContract(
    name="instruments",
    version=1,
    domain=Domain.MARKET,
    columns=(
        Column("symbol", ColumnType.STRING, "ticker"),
        Column("company", ColumnType.STRING, "name of the issuer"),
        Column("sector", ColumnType.STRING, "the vendor's sector"),
        EVENT_TIME,
        AVAILABLE_AT,
    ),
    key=("symbol", "available_at"),
    timeliness=Timeliness.SCHEDULED,
    owner="market data",
    retention_days=None,
    description="What the symbols stand for.",
)

MACRO_SERIES = DatasetContract(
    name="macro_series",
    version=1,
    domain=Domain.ECONOMIC,
    columns=(
        Column("series_id", ColumnType.STRING, "e.g. CPI, VIX, TREASURY_10Y"),
        Column("value", ColumnType.NUMBER, "in the series' own unit"),
        Column(
            "vintage", ColumnType.STRING, "archive if available_at is the release's; none if only a lag is declared"
        ),
        EVENT_TIME,
        AVAILABLE_AT,
    ),
    key=("series_id", "event_time", "available_at"),  # a revision is a second row, known later
    timeliness=Timeliness.OBSERVED,
    owner="market data",
    retention_days=None,
    description="Economic series by vintage: event_time is the period's start, available_at its release.",
)

POSTS = DatasetContract(
    name="posts",
    version=1,
    domain=Domain.ALTERNATIVE,
    columns=(
        Column("post_id", ColumnType.STRING, "the post's id and, where one post names several symbols, the row's"),
        Column("symbol", ColumnType.STRING, "what it is about"),
        Column("text", ColumnType.STRING, "as delivered"),
        EVENT_TIME,
        AVAILABLE_AT,
    ),
    key=("post_id",),
    timeliness=Timeliness.OBSERVED,
    owner="alternative data",
    retention_days=None,
    description="Public posts that name a symbol, one row a post and symbol.",
)

APPLICATIONS = DatasetContract(
    name="applications",
    version=1,
    domain=Domain.BUSINESS,
    columns=(
        Column("application_id", ColumnType.STRING, "the application's id"),
        Column("portfolio", ColumnType.STRING, "whose applications: one lender's product"),
        Column("defaulted", ColumnType.BOOLEAN, "what became of it; null while unknown", nullable=True),
        Column("outcome_at", ColumnType.INSTANT, "from when the outcome is known, UTC", nullable=True),
        Column("dated", ColumnType.BOOLEAN, "false where the source has no dates: no split of it is out of time"),
        EVENT_TIME,
        AVAILABLE_AT,
    ),
    key=("application_id", "available_at"),
    timeliness=Timeliness.OBSERVED,
    owner="lending",
    retention_days=None,
    description="Credit applications; besides these columns each lender's own, numeric, categorical or protected.",
    open=True,
)

LEDGER = DatasetContract(
    name="ledger",
    version=1,
    domain=Domain.BUSINESS,
    columns=(
        Column("entity_id", ColumnType.STRING, "whose books, e.g. a business unit"),
        Column("account", ColumnType.STRING, "e.g. revenue, cost, profit; value where there is only one"),
        Column("amount", ColumnType.NUMBER, "of the period, in the books' currency or unit"),
        Column("category", ColumnType.STRING, "a grouping of entities", nullable=True),
        EVENT_TIME,
        AVAILABLE_AT,
    ),
    key=("entity_id", "account", "event_time", "available_at"),
    timeliness=Timeliness.OBSERVED,
    owner="finance",
    retention_days=None,
    description="Monthly figures of planning and accounting: event_time the month's end.",
)

CONTRACTS: Mapping[str, DatasetContract] = MappingProxyType(
    {
        contract.name: contract
        for contract in (
            TRANSACTIONS,
            FRAUD_LABELS,
            PRICES_DAILY,
            CORPORATE_ACTIONS,
            INSTRUMENTS,
            MACRO_SERIES,
            POSTS,
            APPLICATIONS,
            LEDGER,
        )
    }
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


def _own_column(name: str, role: Role) -> Column:
    kind = ColumnType.NUMBER if role is Role.NUMERIC else ColumnType.STRING
    return Column(name, kind, f"the provider's own, {role}", nullable=True, role=role)
