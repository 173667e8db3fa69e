"""How a view over tables is declared: one pure function from accepted rows to features, the same offline and live."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cached_property
from typing import Any

import polars as pl

from feature_store.errors import SourceInvalid, ViewInvalid
from feature_store.features import microseconds
from feature_store.libraries import library_versions
from feature_store.sources import checked_rows, empty_rows
from ledgerline.core.contracts import DatasetContract
from ledgerline.core.frames import POLARS_TYPES
from ledgerline.core.identity import content_id

Tables = Mapping[str, pl.DataFrame]
"""Accepted rows by the name of their contract."""

TABLE_SEMANTICS_VERSION = 1
"""Raised when what all table views share changes a value."""

_INSTANTS = ("event_time", "available_at")


class Span(StrEnum):
    """How long a time one file of features covers."""

    MONTH = "month"
    YEAR = "year"


@dataclass(frozen=True, slots=True)
class TableFeature:
    """One column that a table view computes.

    Attributes:
        name: The feature's name.
        description: For the reader.
        unit: What the number counts.
        ranks: The feature of which it is the rank among others; empty for none.
    """

    name: str
    description: str
    unit: str
    ranks: str = ""


@dataclass(frozen=True)
class TableView:
    """A set of features computed from whole tables, one row for each row of the first of them.

    A row is decided at its own ``available_at`` and may use nothing that became available later; the look-ahead test
    (:mod:`feature_store.lookahead`) holds a view to that.

    Attributes:
        name: The view's name.
        description: One sentence.
        owner: Who answers questions about it.
        sources: Contracts of the tables. The first is the *primary*: a row of it gives a row of features. The others
            may be empty.
        key_columns: What stands before the features in every computed frame; together they name a row.
        features: In the order in which models see them. Empty for an *open* view, whose features are named by the data.
        computation: Tables in, key columns and features out: Float64 or, in an open view, String; null where a value is
            not known. The tables have their contract's columns, checked, and those of an open contract whatever else
            their providers delivered: Float64 for numeric columns, String for categorical ones.
        recent: Returns the rows, known at an instant, that decisions after it depend on; live features go on from
            them. None where a decision needs nothing but its own row.
        version: Raised whenever the computation changes a value: code has no fingerprint, so that a comment can be
            edited without parting deployed models from their features. A test that pins values notices.
        meaning: Whatever else decides a value, as JSON values, e.g. a lexicon's version.
        file_span: How long a time one file of computed features covers; it changes no value.
        probe: Returns small made-up tables, for some features of the view, on which everything shows that any of them
            reads: :mod:`feature_store.columns` finds out by them. None leaves versions that do not say
            what they read.
        entities: Those of the key columns that a row is looked up by: a decision about them reads the newest row that
            was known. Empty takes all key columns but the instants.
        ttl: How old (decision less ``event_time``) a row may be to be read for a decision; beyond it every feature is
            null. None for no limit.
    """

    name: str
    description: str
    owner: str
    sources: tuple[DatasetContract, ...]
    key_columns: tuple[str, ...]
    features: tuple[TableFeature, ...]
    computation: Callable[[Tables], pl.DataFrame]
    recent: Callable[[Tables, datetime], dict[str, pl.DataFrame]] | None = None
    version: int = 1
    meaning: Mapping[str, Any] = field(default_factory=dict)
    file_span: Span = Span.MONTH
    probe: Callable[[Sequence[str]], Tables] | None = None
    entities: tuple[str, ...] = ()
    ttl: timedelta | None = None

    def __post_init__(self) -> None:
        names = (*self.key_columns, *self.feature_names)
        if len(set(names)) != len(names):
            raise ViewInvalid(f"{self.name}: two columns share a name: {', '.join(names)}")
        if not self.sources or not set(_INSTANTS) <= set(self.key_columns):
            raise ViewInvalid(f"{self.name}: a view has a source, and {' and '.join(_INSTANTS)} among its key columns")
        if not self.features and not self.primary.open:
            raise ViewInvalid(f"{self.name}: only a view over an open contract is named by its data")
        if not set(self.entities) <= set(self.key_columns) or set(self.entities) & set(_INSTANTS):
            raise ViewInvalid(f"{self.name}: entities are key columns other than instants: {', '.join(self.entities)}")
        if self.ttl is not None and self.ttl <= timedelta(0):
            raise ViewInvalid(f"{self.name}: a TTL is a positive time")

    @property
    def primary(self) -> DatasetContract:
        """The contract whose rows the view's rows are about."""
        return self.sources[0]

    @property
    def looked_up_by(self) -> tuple[str, ...]:
        """The columns that a decision names to read a row."""
        return self.entities or tuple(name for name in self.key_columns if name not in _INSTANTS)

    @property
    def is_open(self) -> bool:
        """Whether the features are named by the data."""
        return not self.features

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of all features, in order; none for an open view."""
        return tuple(feature.name for feature in self.features)

    @property
    def row_name(self) -> tuple[str, ...]:
        """The columns that name a row."""
        return self.key_columns

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over everything that is declared to change a value."""
        return content_id(
            {
                "view": self.name,
                "semantics": TABLE_SEMANTICS_VERSION,
                "version": self.version,
                "sources": [contract.fingerprint for contract in self.sources],
                "keys": list(self.key_columns),
                "features": list(self.feature_names),
                "meaning": dict(self.meaning),
                "entities": list(self.entities),
                "ttl_us": microseconds(self.ttl) if self.ttl else None,
                "libraries": library_versions(),
            }
        )

    def compute(self, sources: Tables) -> pl.DataFrame:
        """Compute every feature of every row of the primary source.

        Args:
            sources: Accepted rows by contract, in any order; a table may be left out if there is none, except the
                primary. Columns beyond a closed contract's are ignored.

        Returns:
            The key columns, then the features, in arrival order.

        Raises:
            SourceInvalid: The primary is absent, or a column is absent, of another type or holds a null that its
                contract does not allow.
        """
        if self.primary.name not in sources:
            raise SourceInvalid(f"{self.name}: there is no table {self.primary.name}")
        tables = {
            contract.name: _table(contract, sources[contract.name])
            if contract.name in sources
            else empty_rows(contract)
            for contract in self.sources
        }
        computed = self.computation(tables)
        self._check(computed)
        return computed

    def features_of(self, computed: pl.DataFrame) -> tuple[str, ...]:
        """Return the features that a computed frame holds, in order."""
        return tuple(computed.columns[len(self.key_columns) :])

    def _check(self, computed: pl.DataFrame) -> None:
        names = self.features_of(computed)
        if computed.columns[: len(self.key_columns)] != list(self.key_columns) or (
            self.features and names != self.feature_names
        ):
            raise ViewInvalid(f"{self.name}: its computation gave other columns: {', '.join(computed.columns)}")
        allowed = (pl.Float64, pl.String) if self.is_open else (pl.Float64,)
        types = computed.schema
        if wrong := [name for name in names if types[name] not in allowed]:
            raise ViewInvalid(f"{self.name}: {', '.join(wrong)} must be numbers, and {types[wrong[0]]} is not")


def _table(contract: DatasetContract, rows: pl.DataFrame) -> pl.DataFrame:
    """Return the contract's columns, checked, and those that providers added to an open one; each row once."""
    nullable = {column.name for column in contract.columns if column.nullable}
    required = [name for name in contract.column_names if name not in nullable or name in rows.columns]
    checked = checked_rows(rows, contract, required, nullable=nullable)
    absent = [
        pl.lit(None, POLARS_TYPES[column.type]).alias(column.name)
        for column in contract.columns
        if column.name not in required
    ]
    own = _own_columns(contract, rows)
    table = checked.with_columns(absent).select(contract.column_names).with_columns(own.get_columns())
    return table.unique(contract.key, keep="first", maintain_order=True)


def _own_columns(contract: DatasetContract, rows: pl.DataFrame) -> pl.DataFrame:
    if not contract.open:
        return pl.DataFrame()
    own = rows.select(pl.exclude(contract.column_names))
    for name, kind in own.schema.items():
        if kind not in (pl.Float64, pl.String):
            raise SourceInvalid(f"{contract.name}.{name} is {kind}; a provider's own column is Float64 or String")
    return own
