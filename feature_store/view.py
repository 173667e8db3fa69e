"""How a view over events is declared: once, as data that both executors read."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from math import isfinite

import polars as pl

from feature_store.errors import ViewInvalid
from feature_store.expressions import Expression
from feature_store.features import (
    Aggregation,
    Derived,
    EventSequence,
    Feature,
    Measure,
    RowExpression,
    Source,
    WindowAggregate,
    microseconds,
)
from feature_store.libraries import library_versions
from ledgerline.core.contracts import ColumnType, DatasetContract
from ledgerline.core.identity import content_id

SEMANTICS_VERSION = 2
"""Raised when either executor changes what a declaration means; a golden test notices when it must be."""

_MEASURABLE = frozenset({ColumnType.INTEGER, ColumnType.MINOR_UNITS, ColumnType.BOOLEAN, ColumnType.NUMBER})
_NO_TIME = timedelta(0)
_MOST_STEPS = 10**12  # so that some millions of units still fit into 64 bits


@dataclass(frozen=True)
class FeatureView:
    """A set of features over one stream of events and, if there are any, the labels that follow it.

    Attributes:
        name: The view's name.
        description: One sentence.
        owner: Who answers questions about it.
        events: Contract of the events; its first key column names an event.
        labels: Contract of the labels; the same column names the event that a label is about. None if there are none.
        entities: Columns of the events that windows are kept for.
        features: In the order in which models see them.
        ttl: How old (decision less ``event_time``) the newest event that a decision sees of an entity may be: beyond
            it, every window and sequence of that entity is null. None for no limit.

    Raises:
        ViewInvalid: Two features share a name, or one names a column that its contract lacks or that has no fit type,
            or contradicts itself.
    """

    name: str
    description: str
    owner: str
    events: DatasetContract
    labels: DatasetContract | None
    entities: tuple[str, ...]
    features: tuple[Feature, ...]
    ttl: timedelta | None = None

    def __post_init__(self) -> None:
        names = self.feature_names
        if len(set(names)) != len(names):
            raise ViewInvalid(f"{self.name}: two features share a name: {', '.join(names)}")
        if len(set(self.key_columns)) != len(self.key_columns) or set(names) & set(self.key_columns):
            raise ViewInvalid(
                f"{self.name}: no feature is named like a key column, and none of those stands twice: "
                f"{', '.join(self.key_columns)}"
            )
        for entity in (*self.entities, self.event_id):
            self._require(self.events, entity, frozenset({ColumnType.STRING}))
        for row in self.row_features:
            self._require(self.events, row.column, row.transform.accepts)
        for window in self.windows:
            self._check_window(window)
        for sequence in self.sequences:
            self._check_span(sequence)
            self._check_measure(sequence.name, sequence.of, labels_allowed=False)
        self._check_derived()
        if self.ttl is not None and self.ttl <= _NO_TIME:
            raise ViewInvalid(f"{self.name}: a TTL is a positive time")

    @property
    def event_id(self) -> str:
        """The column that names an event, in events and labels alike."""
        return self.events.key[0]

    @property
    def sources(self) -> tuple[DatasetContract, ...]:
        """The events, one row of which gives a row of features, and the labels if there are any."""
        return (self.events, self.labels) if self.labels else (self.events,)

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
    def sequences(self) -> tuple[EventSequence, ...]:
        """The features that list an entity's newest events."""
        return tuple(feature for feature in self.features if isinstance(feature, EventSequence))

    @property
    def looking_back(self) -> tuple[WindowAggregate | EventSequence, ...]:
        """The features over events of an entity, windows and sequences."""
        return (*self.windows, *self.sequences)

    @property
    def derived(self) -> tuple[Derived, ...]:
        """The features computed from others."""
        return tuple(feature for feature in self.features if isinstance(feature, Derived))

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
    def number_steps(self) -> dict[str, int]:
        """Steps a unit of every measured column of the events that holds numbers and not whole ones."""
        types = {column.name: column.type for column in self.events.columns}
        return {
            measure.column: measure.divide_by
            for measure in self._measures
            if measure.source is Source.EVENTS and types[measure.column] is ColumnType.NUMBER
        }

    @cached_property
    def horizon(self) -> timedelta:
        """How long after its ``event_time`` an event can still matter to a decision."""
        reaches = [feature.reach for feature in self.looking_back]
        # A window leaves out the event that is exactly as old as it is long; a TTL does not.
        return max([*reaches, self.ttl + timedelta(microseconds=1)] if self.ttl else reaches, default=_NO_TIME)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over everything that changes a value: declaration, contracts, executors and their libraries."""
        return content_id(
            {
                "view": self.name,
                "semantics": SEMANTICS_VERSION,
                "events": self.events.fingerprint,
                "labels": self.labels and self.labels.fingerprint,
                "entities": list(self.entities),
                "features": [feature.meaning() for feature in self.features],
                "ttl_us": microseconds(self.ttl) if self.ttl else None,
                "libraries": library_versions(),
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

        return compute(self, sources[self.events.name], sources[self.labels.name] if self.labels else None)

    def _measured(self, source: Source) -> tuple[str, ...]:
        return tuple(sorted({measure.column for measure in self._measures if measure.source is source}))

    @property
    def _measures(self) -> list[Measure]:
        return [feature.of for feature in self.looking_back if feature.of]

    def _check_window(self, window: WindowAggregate) -> None:
        self._check_span(window)
        how = window.how
        if (window.of is None) is not (how is Aggregation.COUNT):
            raise self._invalid(window.name, "a count takes no measure, every other aggregation takes one")
        if window.lag < 0 or (window.lag and how is not Aggregation.LAST):
            raise self._invalid(window.name, "only the last event has a lag, and it counts back from 0")
        if (window.half_life is None) is (how is Aggregation.EW_MEAN):
            raise self._invalid(window.name, "an exponentially weighted mean takes a half-life, nothing else does")
        if window.empty is not None and not isfinite(window.empty):
            raise self._invalid(window.name, "what an empty window gives is a number, or None for null")
        if window.half_life is not None and window.half_life <= _NO_TIME:
            raise self._invalid(window.name, "a half-life is a positive time")
        if window.of:
            self._check_measure(window.name, window.of, labels_allowed=window.by_sums)

    def _check_span(self, feature: WindowAggregate | EventSequence) -> None:
        if feature.by not in self.entities:
            raise self._invalid(feature.name, f"{feature.by!r} is not one of the view's entities")
        if feature.over <= _NO_TIME or feature.delay < _NO_TIME:
            raise self._invalid(feature.name, "a window has a positive length and no negative delay")
        if feature.rows is not None and feature.rows < 1:
            raise self._invalid(feature.name, "it takes at least one row")

    def _check_measure(self, name: str, measure: Measure, *, labels_allowed: bool) -> None:
        if not 1 <= measure.divide_by <= _MOST_STEPS:
            raise self._invalid(name, f"a measure has from one to {_MOST_STEPS:,} steps a unit")
        if measure.source is Source.EVENTS:
            self._require(self.events, measure.column, _MEASURABLE)
            if self.number_steps.get(measure.column, measure.divide_by) != measure.divide_by:
                raise self._invalid(name, f"all measures of {measure.column} must have the same steps a unit")
            return
        if self.labels is None or not labels_allowed:
            raise self._invalid(name, "labels are counted, summed or averaged over whole windows, where there are any")
        self._require(self.labels, measure.column, _MEASURABLE - {ColumnType.NUMBER})

    def _check_derived(self) -> None:
        known: set[str] = set()
        for feature in self.features:
            if isinstance(feature, Derived) and not isinstance(feature.expression, Expression):
                raise self._invalid(
                    feature.name, f"{feature.expression!r} is no expression; compare with >, <, >= or <="
                )
            if isinstance(feature, Derived) and (unknown := feature.expression.names - known):
                raise self._invalid(feature.name, f"no number is declared before it as {', '.join(sorted(unknown))}")
            if not isinstance(feature, EventSequence):
                known.add(feature.name)

    def _invalid(self, feature: str, what: str) -> ViewInvalid:
        return ViewInvalid(f"{self.name}.{feature}: {what}")

    def _require(self, contract: DatasetContract, column: str, types: frozenset[ColumnType]) -> None:
        found = {candidate.name: candidate.type for candidate in contract.columns}.get(column)
        if found not in types:
            wanted = " or ".join(sorted(types))
            raise ViewInvalid(f"{self.name}: {contract.name}.{column} must be {wanted}, and is {found or 'absent'}")
