"""How a feature view is declared: once, as data that both executors read."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from functools import cached_property
from typing import Any

import polars as pl

from feature_store.errors import ViewInvalid
from feature_store.transforms import RowTransform, parameters
from ledgerline.core.contracts import ColumnType, DatasetContract
from ledgerline.core.identity import content_id

SEMANTICS_VERSION = 1
"""Raised when either executor changes what a declaration means; a golden test notices when it must be."""

_MICROSECOND = timedelta(microseconds=1)
_WHOLE_NUMBERS = frozenset({ColumnType.INTEGER, ColumnType.MINOR_UNITS, ColumnType.BOOLEAN})


class Source(StrEnum):
    """Where a measure is read."""

    EVENTS = "events"
    LABELS = "labels"


class Aggregation(StrEnum):
    """What is done with the events of a window."""

    COUNT = "count"
    SUM = "sum"
    MEAN = "mean"


@dataclass(frozen=True, slots=True)
class Measure:
    """A whole number that every event carries, summed exactly and divided only at the end.

    An event whose label has not arrived by the decision contributes zero to a measure of the labels: until a dispute
    says otherwise, a payment counts as genuine. A later label for the same event replaces the earlier one from its own
    ``available_at`` on; of two that arrive at the same instant the greater value holds.

    Attributes:
        source: The events themselves, or their labels.
        column: An integer, minor-unit or boolean (0 or 1) column of that source's contract.
        divide_by: What turns the sum into the feature's unit, e.g. 100 for cents to major units.
    """

    source: Source
    column: str
    divide_by: int = 1


@dataclass(frozen=True, slots=True)
class RowExpression:
    """A feature of the row itself.

    Attributes:
        name: The feature's name.
        column: The column of the events' contract that it is made from.
        transform: What is done to it.
        description: For the reader.
        unit: What the number counts, e.g. ``"major units"``.
    """

    name: str
    column: str
    transform: RowTransform
    description: str
    unit: str

    @property
    def integral(self) -> bool:
        """Whether the feature is stored as Int64; otherwise Float64."""
        return self.transform.integral

    def meaning(self) -> dict[str, Any]:
        """Return everything that changes the feature's value, as JSON values."""
        return {"name": self.name, "column": self.column, "transform": parameters(self.transform)}


@dataclass(frozen=True, slots=True)
class WindowAggregate:
    """A feature over the events of one entity in a sliding window of event time.

    A row decided at ``t`` counts the events that arrived no later than itself, in arrival order and itself included,
    and whose ``event_time`` lies in ``(t - delay - over, t - delay]``.

    Attributes:
        name: The feature's name.
        by: The entity column whose events are counted together.
        how: Count, sum or mean.
        of: What is summed or averaged; None for a count. A mean divides by all events of the window, with or without a
            label, so that it shares its denominator with the count over the same window.
        over: Length of the window.
        delay: How long before the decision the window ends.
        empty: The value where the window holds no event; a mean of nothing has no other.
        description: For the reader.
        unit: What the number counts.
    """

    name: str
    by: str
    how: Aggregation
    of: Measure | None
    over: timedelta
    description: str
    unit: str
    delay: timedelta = timedelta(0)
    empty: float = 0.0

    @property
    def integral(self) -> bool:
        """Whether the feature is stored as Int64; otherwise Float64."""
        return self.how is Aggregation.COUNT

    def meaning(self) -> dict[str, Any]:
        """Return everything that changes the feature's value, as JSON values."""
        of = self.of and {"source": self.of.source, "column": self.of.column, "divide_by": self.of.divide_by}
        return {
            "name": self.name,
            "by": self.by,
            "how": self.how,
            "of": of,
            "over_us": microseconds(self.over),
            "delay_us": microseconds(self.delay),
            "empty": self.empty,
        }


Feature = RowExpression | WindowAggregate


@dataclass(frozen=True)
class FeatureView:
    """A set of features over one stream of events and the labels that follow it.

    Attributes:
        name: The view's name.
        description: One sentence.
        owner: Who answers questions about it.
        events: Contract of the events; its first key column names an event.
        labels: Contract of the labels; the same column names the event that a label is about.
        entities: Columns of the events that windows are kept for.
        features: In the order in which models see them.

    Raises:
        ViewInvalid: Two features share a name, or one names a column that its contract lacks or that has no fit type.
    """

    name: str
    description: str
    owner: str
    events: DatasetContract
    labels: DatasetContract
    entities: tuple[str, ...]
    features: tuple[Feature, ...]

    def __post_init__(self) -> None:
        names = self.feature_names
        if len(set(names)) != len(names):
            raise ViewInvalid(f"{self.name}: two features share a name: {', '.join(names)}")
        for entity in (*self.entities, self.event_id):
            self._require(self.events, entity, frozenset({ColumnType.STRING}))
        for row in self.row_features:
            self._require(self.events, row.column, row.transform.accepts)
        for window in self.windows:
            self._check_window(window)

    @property
    def event_id(self) -> str:
        """The column that names an event, in events and labels alike."""
        return self.events.key[0]

    @property
    def sources(self) -> tuple[DatasetContract, ...]:
        """The events, one row of which gives a row of features, and the labels."""
        return (self.events, self.labels)

    @property
    def row_name(self) -> tuple[str, ...]:
        """The columns that name a row."""
        return (self.event_id,)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of all features, in order."""
        return tuple(feature.name for feature in self.features)

    @property
    def row_features(self) -> tuple[RowExpression, ...]:
        """The features of the row itself."""
        return tuple(feature for feature in self.features if isinstance(feature, RowExpression))

    @property
    def windows(self) -> tuple[WindowAggregate, ...]:
        """The features over a window."""
        return tuple(feature for feature in self.features if isinstance(feature, WindowAggregate))

    @property
    def key_columns(self) -> tuple[str, ...]:
        """The columns that stand before the features in every computed frame."""
        return (self.event_id, *self.entities, "event_time", "available_at")

    @cached_property
    def event_columns(self) -> tuple[str, ...]:
        """Every column of the events that the view reads, in the contract's order."""
        read = {row.column for row in self.row_features} | set(self.event_measures) | set(self.key_columns)
        return tuple(name for name in self.events.column_names if name in read)

    @cached_property
    def event_measures(self) -> tuple[str, ...]:
        """Columns of the events that windows sum."""
        return self._measured(Source.EVENTS)

    @cached_property
    def label_measures(self) -> tuple[str, ...]:
        """Columns of the labels that windows sum."""
        return self._measured(Source.LABELS)

    @cached_property
    def horizon(self) -> timedelta:
        """How long after its ``event_time`` an event can still matter to a decision."""
        return max((window.delay + window.over for window in self.windows), default=timedelta(0))

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over everything that changes a value: the declaration, its contracts and the executors' semantics."""
        return content_id(
            {
                "view": self.name,
                "semantics": SEMANTICS_VERSION,
                "events": self.events.fingerprint,
                "labels": self.labels.fingerprint,
                "entities": list(self.entities),
                "features": [feature.meaning() for feature in self.features],
            }
        )

    def compute(self, sources: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
        """Compute every feature of every event; see :func:`feature_store.offline.compute`.

        Args:
            sources: Accepted rows by the name of their contract.

        Raises:
            SourceInvalid: A column is absent, of another type or holds a null.
        """
        from feature_store.offline import compute  # the executor reads declarations, which therefore come first

        return compute(self, sources[self.events.name], sources[self.labels.name])

    def _measured(self, source: Source) -> tuple[str, ...]:
        columns = {window.of.column for window in self.windows if window.of and window.of.source is source}
        return tuple(sorted(columns))

    def _check_window(self, window: WindowAggregate) -> None:
        if window.by not in self.entities:
            raise ViewInvalid(f"{self.name}.{window.name}: {window.by!r} is not one of the view's entities")
        if (window.of is None) is not (window.how is Aggregation.COUNT):
            raise ViewInvalid(f"{self.name}.{window.name}: a count takes no measure, a sum or mean takes one")
        if window.over <= timedelta(0) or window.delay < timedelta(0):
            raise ViewInvalid(f"{self.name}.{window.name}: a window has a positive length and no negative delay")
        if window.of:
            contract = self.events if window.of.source is Source.EVENTS else self.labels
            self._require(contract, window.of.column, _WHOLE_NUMBERS)

    def _require(self, contract: DatasetContract, column: str, types: frozenset[ColumnType]) -> None:
        found = {candidate.name: candidate.type for candidate in contract.columns}.get(column)
        if found not in types:
            wanted = " or ".join(sorted(types))
            raise ViewInvalid(f"{self.name}: {contract.name}.{column} must be {wanted}, and is {found or 'absent'}")


def microseconds(duration: timedelta) -> int:
    """Return a duration as a whole number of microseconds, exactly."""
    return duration // _MICROSECOND
