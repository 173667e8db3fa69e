"""What every feature of a view over events means, written plainly: one decision from the events that it sees.

The online executor answers by this. The offline executor computes the same over a whole history at once, and a property
test holds the two to each other and to a brute-force oracle.
"""

import math
import operator
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import accumulate
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
_WHOLE = range(-(2**63), 2**63)  # what a whole-number column of a contract holds
_EVENT_TIME = operator.attrgetter("event_time")


class Label(NamedTuple):
    """What one label said, and from when on; the later, then the greater, of two stands."""

    known_from: int
    values: tuple[int, ...]  # in the order of the view's label measures


class LabelOf(NamedTuple):
    """A label, and what it is about."""

    event_id: str
    newest_instant: int  # the later of the label's event_time and available_at
    label: Label


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

    def with_labels(self, labels: tuple[Label, ...]) -> "Event":
        """Return the same event under these labels, ascending."""
        return Event(self.id, self.entities, self.event_time, self.available_at, self.values, labels)

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
        self._read = tuple(dict.fromkeys(window.entity for window in self._windows))
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

    def label(self, row: Mapping[str, Any]) -> LabelOf:
        """Read a label from a row of the view's labels.

        Raises:
            SourceInvalid: A column that the view reads is absent, null or of another type, or the view has no labels.
        """
        if self._view.labels is None:
            raise SourceInvalid(f"{self._view.name}: the view reads no labels")
        contract = self._view.labels.name
        values = tuple(whole_in(row, column, contract) for column in self._view.label_measures)
        known_from = instant_in(row, "available_at", contract)
        latest = max(known_from, instant_in(row, "event_time", contract))
        return LabelOf(text_in(row, self._view.event_id, contract), latest, Label(known_from, values))

    def vector(self, seen: Sequence[Sequence[Event]], decided_at: int, row: Mapping[str, Any] | None) -> Vector:
        """Return every feature of a decision.

        Args:
            seen: For each of the view's entities, in order, the events of that entity that the decision sees, in any
                order; older ones than any window reaches do no harm.
            decided_at: Microseconds since 1970.
            row: The event that is decided on, by column; None where a decision is about entities alone. Features of the
                row itself are null then.
        """
        of = {entity: _EntityEvents(seen[entity], decided_at, entity in self._ordered) for entity in self._read}
        expired = [
            entity for entity, events in of.items() if self._ttl is not None and not events.any_within(self._ttl)
        ]
        windows: dict[str, FeatureValue] = {
            window.name: window.nothing if window.entity in expired else window.value(of[window.entity])
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
        return _held(round(float(value) * steps_a_unit), column, contract)


class _EntityEvents:
    """The events of one entity that a decision sees, oldest first, and what its windows have in common.

    Args:
        events: In any order.
        decided_at: Microseconds since 1970.
        ordered: Whether it matters which of two events about one instant arrived first.
    """

    def __init__(self, events: Sequence[Event], decided_at: int, ordered: bool) -> None:
        self._events = sorted(events, key=_by_time_and_arrival if ordered else _EVENT_TIME)
        self._decided_at = decided_at
        self._steps: dict[tuple[Source, int], list[int]] = {}
        self._totals: dict[tuple[Source, int], list[int]] = {}
        self.times = [event.event_time for event in self._events]

    def any_within(self, ttl: int) -> bool:
        """Return whether the newest event is no older than ``ttl``."""
        at = bisect_right(self.times, self._decided_at)
        return at > 0 and self.times[at - 1] >= self._decided_at - ttl

    def span(self, starts_before: int, ends_before: int) -> tuple[int, int]:
        """Return where the events of a window begin and end."""
        times, at = self.times, self._decided_at
        return bisect_right(times, at - starts_before), bisect_right(times, at - ends_before)

    def steps(self, source: Source, position: int) -> list[int]:
        """Return a measure of every event; of labels, as it was known when the decision was made."""
        found = self._steps.get((source, position))
        if found is None:
            if source is Source.LABELS:
                at = self._decided_at
                found = [event.labelled(position, at) if event.labels else 0 for event in self._events]
            else:
                found = [event.values[position] for event in self._events]
            self._steps[source, position] = found
        return found

    def total(self, source: Source, position: int, first: int, end: int) -> int:
        """Return the sum of a measure over some of the events: the difference of two running sums, exact."""
        totals = self._totals.get((source, position))
        if totals is None:
            totals = self._totals[source, position] = list(accumulate(self.steps(source, position), initial=0))
        return totals[end] - totals[first]


class _Window:
    """One window or sequence of a view, ready for use."""

    def __init__(self, view: FeatureView, feature: WindowAggregate | EventSequence) -> None:
        measures = {Source.EVENTS: view.event_measures, Source.LABELS: view.label_measures}
        self._ends_before = microseconds(feature.delay)
        self._starts_before = microseconds(feature.reach)
        self._rows = feature.rows
        self._divide_by = feature.of.divide_by if feature.of else 1
        self._source = feature.of.source if feature.of else Source.EVENTS
        self._position = measures[feature.of.source].index(feature.of.column) if feature.of else 0
        self.name = feature.name
        self.entity = view.entities.index(feature.by)
        self.by_sums = isinstance(feature, WindowAggregate) and feature.by_sums
        self.nothing: FeatureValue = None
        if isinstance(feature, EventSequence):
            self.nothing = [None] * feature.rows
        self._reduce = self._reduction(feature)

    def value(self, events: _EntityEvents) -> FeatureValue:
        """Return the feature from the events that the decision sees of the entity."""
        first, end = events.span(self._starts_before, self._ends_before)
        if self._rows is not None:
            first = max(first, end - self._rows)
        return self._reduce(events, first, end)

    def _reduction(self, feature: WindowAggregate | EventSequence) -> Callable[[_EntityEvents, int, int], FeatureValue]:
        if isinstance(feature, EventSequence):
            return lambda events, first, end: self._listed(events, first, end, feature.rows)
        empty, how, divide_by, measure = feature.empty, feature.how, self._divide_by, (self._source, self._position)
        if how is Aggregation.COUNT:
            return lambda _, first, end: float(end - first)
        if how is Aggregation.SUM:
            return lambda events, first, end: events.total(*measure, first, end) / divide_by if end > first else empty
        if how is Aggregation.MEAN:
            return lambda events, first, end: (
                events.total(*measure, first, end) / (end - first) / divide_by if end > first else empty
            )
        if how is Aggregation.LAST:
            back = feature.lag + 1
            return lambda events, first, end: (
                events.steps(*measure)[end - back] / divide_by if end - back >= first else empty
            )
        if how is Aggregation.EW_MEAN:
            half_life = microseconds(feature.half_life) if feature.half_life else 1
            return lambda events, first, end: self._weighted(events, first, end, half_life) if end > first else empty
        reduce = _REDUCTIONS[how]
        return lambda events, first, end: (
            reduce(events.steps(*measure)[first:end][::-1]) / divide_by if end > first else empty
        )

    def _listed(self, events: _EntityEvents, first: int, end: int, rows: int) -> list[float | None]:
        steps = events.steps(self._source, self._position)[first:end]
        known: list[float | None] = [step / self._divide_by for step in steps]
        return [None] * (rows - len(known)) + known

    def _weighted(self, events: _EntityEvents, first: int, end: int, half_life: int) -> float:
        """Return the mean with weights that halve with every half-life before the newest of the events."""
        times, steps = events.times, events.steps(self._source, self._position)
        newest = times[end - 1]
        total = weights = 0.0
        for place in range(end - 1, first - 1, -1):
            weight = 2.0 ** (-((newest - times[place]) / half_life))
            total += weight * steps[place]
            weights += weight
        return total / weights / self._divide_by


def _by_time_and_arrival(event: Event) -> tuple[int, int, int, str]:
    return event.event_time, event.available_at, len(event.id), event.id


def _deviation(steps: Sequence[int]) -> float:
    """Return the standard deviation of steps, newest first: the squares are floats, and add up in that order."""
    mean = sum(steps) / len(steps)
    total = 0.0
    for step in steps:
        total += (step - mean) * (step - mean)
    return math.sqrt(total / len(steps))


_REDUCTIONS: dict[Aggregation, Callable[[Sequence[int]], float]] = {
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
        value = int(operator.index(row[column]))
    except (KeyError, TypeError):
        raise SourceInvalid(
            f"{contract}.{column} is {row.get(column)!r}; it must be a whole number or a flag"
        ) from None
    return _held(value, column, contract)


def _held(value: int, column: str, contract: str) -> int:
    if value not in _WHOLE:
        raise SourceInvalid(f"{contract}.{column} is {value}; it must fit into 64 bits")
    return value
