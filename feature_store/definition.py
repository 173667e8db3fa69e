"""What every feature of a view over events means, written plainly: one decision from the events that it sees.

The online executor answers by this. The offline executor computes the same over a whole history at once, and a property
test holds the two to each other and to a brute-force oracle.
"""

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from feature_store.errors import SourceInvalid
from feature_store.features import (
    Aggregation,
    EventSequence,
    RowExpression,
    Source,
    WindowAggregate,
    microseconds,
)
from feature_store.view import FeatureView

FeatureValue = float | None | list[float | None]
"""A number, null, or the list of a sequence."""

Vector = dict[str, FeatureValue]
"""The features of one decision by name, in the view's order."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Label(NamedTuple):
    """What one label said, and from when on; the later, then the greater, of two stands."""

    known_from: int
    values: tuple[int, ...]  # in the order of the view's label measures


class Event:
    """What features need of one event; instants in microseconds since 1970, measures in whole steps."""

    __slots__ = ("available_at", "entities", "event_time", "id", "labels", "values")

    def __init__(
        self,
        event_id: str,
        entities: tuple[str, ...],
        event_time: int,
        available_at: int,
        values: tuple[int, ...],
        labels: tuple[Label, ...] = (),
    ) -> None:
        self.id = event_id
        self.entities = entities  # in the order of the view's entities
        self.event_time = event_time
        self.available_at = available_at
        self.values = values  # in the order of the view's event measures
        self.labels = labels  # ascending

    @property
    def arrival(self) -> tuple[int, int, str]:
        """What orders events as decisions met them."""
        return self.available_at, len(self.id), self.id

    def arrived_by(self, other: "Event") -> bool:
        """Whether this event arrived no later than ``other``, in arrival order."""
        if self.available_at != other.available_at:
            return self.available_at < other.available_at
        return (len(self.id), self.id) <= (len(other.id), other.id)

    def labelled(self, position: int, decided_at: int) -> int:
        """Return one label measure as it was known at ``decided_at``; zero where no label was."""
        value = 0
        for label in self.labels:
            if label.known_from > decided_at:
                break
            value = label.values[position]
        return value


class Definition:
    """Computes a view's features for one decision.

    Args:
        view: The declaration.
    """

    def __init__(self, view: FeatureView) -> None:
        self._view = view
        self._windows = tuple(_Window(view, feature) for feature in view.looking_back)
        self._ordered = frozenset(window.entity for window in self._windows if not window.by_sums)
        self._ttl = microseconds(view.ttl) if view.ttl else None

    def event(self, row: Mapping[str, Any]) -> Event:
        """Read an event from a row of the view's events.

        Raises:
            SourceInvalid: A column that the view reads is absent, null or of another type.
        """
        contract = self._view.events.name
        return Event(
            text_in(row, self._view.event_id, contract),
            tuple(text_in(row, entity, contract) for entity in self._view.entities),
            instant_in(row, "event_time", contract),
            instant_in(row, "available_at", contract),
            tuple(self._steps_in(row, column, contract) for column in self._view.event_measures),
        )

    def label(self, row: Mapping[str, Any]) -> tuple[str, int, Label]:
        """Read a label: the id of its event, the latest of its instants, and what it says.

        Raises:
            SourceInvalid: A column that the view reads is absent, null or of another type, or the view has no labels.
        """
        if self._view.labels is None:
            raise SourceInvalid(f"{self._view.name}: the view reads no labels")
        contract = self._view.labels.name
        values = tuple(whole_in(row, column, contract) for column in self._view.label_measures)
        known_from = instant_in(row, "available_at", contract)
        latest = max(known_from, instant_in(row, "event_time", contract))
        return text_in(row, self._view.event_id, contract), latest, Label(known_from, values)

    def vector(self, seen: Sequence[Sequence[Event]], decided_at: int, row: Mapping[str, Any] | None) -> Vector:
        """Return every feature of a decision.

        Args:
            seen: For each of the view's entities, in order, the events of that entity that the decision sees, in any
                order; older ones than any window reaches do no harm.
            decided_at: Microseconds since 1970.
            row: The event that is decided on, by column; None where a decision is about entities alone. Features of the
                row itself are null then.
        """
        newest_first = {
            entity: sorted(seen[entity], key=lambda event: (event.event_time, event.arrival), reverse=True)
            for entity in self._ordered
        }
        expired = self._expired(seen, decided_at)
        windows: dict[str, FeatureValue] = {
            window.name: window.nothing
            if window.entity in expired
            else window.value(newest_first.get(window.entity, seen[window.entity]), decided_at)
            for window in self._windows
        }
        vector: Vector = {}
        for feature in self._view.features:
            if isinstance(feature, RowExpression):
                vector[feature.name] = None if row is None else feature.transform.value(row[feature.column])
            elif isinstance(feature, (WindowAggregate, EventSequence)):
                vector[feature.name] = windows[feature.name]
            else:
                vector[feature.name] = feature.expression.value(vector)  # type: ignore[arg-type]  # declared: no lists
        return vector

    def _steps_in(self, row: Mapping[str, Any], column: str, contract: str) -> int:
        steps_a_unit = self._view.number_steps.get(column)
        if steps_a_unit is None:
            return whole_in(row, column, contract)
        value = row.get(column)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
            raise SourceInvalid(f"{contract}.{column} is {value!r}; it must be a number")
        return round(float(value) * steps_a_unit)

    def _expired(self, seen: Sequence[Sequence[Event]], decided_at: int) -> frozenset[int]:
        """Return the entities whose newest event is older than the view's TTL, or that have none."""
        if self._ttl is None:
            return frozenset()
        oldest = decided_at - self._ttl
        return frozenset(
            entity
            for entity, events in enumerate(seen)
            if not any(oldest <= event.event_time <= decided_at for event in events)
        )


class _Window:
    """One window or sequence of a view, ready for use."""

    def __init__(self, view: FeatureView, feature: WindowAggregate | EventSequence) -> None:
        measures = {Source.EVENTS: view.event_measures, Source.LABELS: view.label_measures}
        self._ends_before = microseconds(feature.delay)
        self._starts_before = microseconds(feature.reach)
        self._rows = feature.rows
        self._divide_by = feature.of.divide_by if feature.of else 1
        self._of_labels = feature.of is not None and feature.of.source is Source.LABELS
        self._position = measures[feature.of.source].index(feature.of.column) if feature.of else 0
        self.name = feature.name
        self.entity = view.entities.index(feature.by)
        self.by_sums = isinstance(feature, WindowAggregate) and feature.by_sums
        self.nothing: FeatureValue = None
        if isinstance(feature, EventSequence):
            self.nothing = [None] * feature.rows
        self._reduce = self._reduction(feature)

    def value(self, seen: Sequence[Event], decided_at: int) -> FeatureValue:
        """Return the feature from the events that the decision sees of the entity, newest first unless by sums."""
        after, until = decided_at - self._starts_before, decided_at - self._ends_before
        counted = [event for event in seen if after < event.event_time <= until]
        if self._rows is not None:
            counted = counted[: self._rows]
        return self._reduce(counted, decided_at)

    def _reduction(self, feature: WindowAggregate | EventSequence) -> Callable[[Sequence[Event], int], FeatureValue]:
        if isinstance(feature, EventSequence):
            return lambda counted, _: self._listed(counted, feature.rows)
        if feature.how is Aggregation.COUNT:
            return lambda counted, _: float(len(counted))
        empty, how = feature.empty, feature.how
        if how is Aggregation.LAST:
            lag = feature.lag
            return lambda counted, _: (
                counted[lag].values[self._position] / self._divide_by if lag < len(counted) else empty
            )
        if how is Aggregation.EW_MEAN:
            half_life = microseconds(feature.half_life) if feature.half_life else 1
            return lambda counted, _: self._weighted(counted, half_life) if counted else empty
        reduce = _REDUCTIONS[how]
        return lambda counted, decided_at: (
            reduce(self._steps(counted, decided_at)) / self._divide_by if counted else empty
        )

    def _steps(self, counted: Sequence[Event], decided_at: int) -> list[int]:
        if self._of_labels:
            return [event.labelled(self._position, decided_at) for event in counted]
        return [event.values[self._position] for event in counted]

    def _listed(self, counted: Sequence[Event], rows: int) -> list[float | None]:
        known: list[float | None] = [event.values[self._position] / self._divide_by for event in reversed(counted)]
        return [None] * (rows - len(known)) + known

    def _weighted(self, counted: Sequence[Event], half_life: int) -> float:
        """Return the mean with weights that halve with every half-life before the newest of the events."""
        newest = counted[0].event_time
        total = weights = 0.0
        for event in counted:
            weight = 2.0 ** (-((newest - event.event_time) / half_life))
            total += weight * event.values[self._position]
            weights += weight
        return total / weights / self._divide_by


def _mean(steps: Sequence[int]) -> float:
    return sum(steps) / len(steps)


def _deviation(steps: Sequence[int]) -> float:
    mean = sum(steps) / len(steps)
    total = 0.0
    for step in steps:
        total += (step - mean) * (step - mean)
    return math.sqrt(total / len(steps))


_REDUCTIONS: dict[Aggregation, Callable[[Sequence[int]], float]] = {
    Aggregation.SUM: sum,
    Aggregation.MEAN: _mean,
    Aggregation.MIN: min,
    Aggregation.MAX: max,
    Aggregation.STD: _deviation,
}


def text_in(row: Mapping[str, Any], column: str, contract: str) -> str:
    """Return a text of a row.

    Raises:
        SourceInvalid: It is absent, null or something else.
    """
    value = row.get(column)
    if not isinstance(value, str):
        raise SourceInvalid(f"{contract}.{column} is {value!r}; it must be text")
    return value


def instant_in(row: Mapping[str, Any], column: str, contract: str) -> int:
    """Return an instant of a row in microseconds since 1970.

    Raises:
        SourceInvalid: It is absent, null, something else or has no time zone.
    """
    return instant_of(row.get(column), f"{contract}.{column}")


def instant_of(value: Any, what: str) -> int:
    """Return an instant in microseconds since 1970.

    Raises:
        SourceInvalid: It is none, or has no time zone; the message names ``what``.
    """
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise SourceInvalid(f"{what} is {value!r}; it must be an instant with a time zone")
    return (value - _EPOCH) // timedelta(microseconds=1)


def whole_in(row: Mapping[str, Any], column: str, contract: str) -> int:
    """Return a whole number or a flag of a row.

    Raises:
        SourceInvalid: It is absent, null or something else.
    """
    try:
        return int(operator.index(row[column]))
    except (KeyError, TypeError):
        raise SourceInvalid(
            f"{contract}.{column} is {row.get(column)!r}; it must be a whole number or a flag"
        ) from None
