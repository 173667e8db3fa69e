"""The online executor: a view for one event at a time, by the plain definition over each entity's recent events."""

import heapq
import operator
import threading
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import polars as pl

from feature_store.errors import SourceInvalid
from feature_store.state import DISORDER, LABEL_AVAILABLE_AT, recent_events
from feature_store.view import Aggregation, FeatureView, Measure, RowExpression, Source, microseconds

__all__ = ["DISORDER", "OnlineFeatures", "recent_events"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FORGOTTEN_AT_ONCE = 64  # bounds what one observation may spend on clearing up after a quiet spell


class _Label(NamedTuple):
    """What one label said, and from when on; the later, then the greater, of two stands."""

    known_from: int
    values: tuple[int, ...]  # in the order of the view's label measures


class _Event:
    """What windows need of one event; instants in microseconds since 1970."""

    __slots__ = ("available_at", "entities", "event_time", "id", "labels", "values")

    def __init__(
        self, event_id: str, entities: tuple[str, ...], event_time: int, available_at: int, values: tuple[int, ...]
    ) -> None:
        self.id = event_id
        self.entities = entities  # in the order of the view's entities
        self.event_time = event_time
        self.available_at = available_at
        self.values = values  # in the order of the view's event measures
        self.labels: tuple[_Label, ...] = ()  # ascending

    def arrived_by(self, other: "_Event") -> bool:
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


class _EarlyLabels(NamedTuple):
    """Labels of an event that has not arrived, and when to stop waiting for it."""

    expires: int
    labels: tuple[_Label, ...]  # ascending


class _Window(NamedTuple):
    """One window of a view, ready for use."""

    name: str
    entity: int
    ends_before: int
    starts_before: int
    how: Aggregation
    of: Measure | None
    position: int
    empty: float


class OnlineFeatures:
    """The view's features of each event as it comes, equal to the last bit to the offline executor's.

    Events and labels are mappings from the columns of the view's contracts to values: instants are timezone-aware,
    money is whole minor units. An instance may be shared between threads.

    What can still matter is remembered: an event is forgotten, and with it its id, once it is older than the view's
    horizon and :data:`DISORDER`. So a repeat of an event is recognised for as long as the event could count.

    Args:
        view: The declaration.
    """

    def __init__(self, view: FeatureView) -> None:
        self._view = view
        self._windows = tuple(_windows(view))
        self._by_entity: tuple[dict[str, list[_Event]], ...] = tuple({} for _ in view.entities)
        self._known: dict[str, _Event] = {}
        self._early_labels: dict[str, _EarlyLabels] = {}
        self._expiring: list[tuple[int, str]] = []  # a heap: when to look whether something has expired, and what
        self._kept = microseconds(view.horizon + DISORDER)
        self._now = 0
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """Return how many events are remembered."""
        return len(self._known)

    def bootstrap(self, state: pl.DataFrame) -> None:
        """Take up the events and labels of a state that :func:`recent_events` made, beside what is known already."""
        view = self._view
        columns = [
            state[view.event_id],
            state["event_time"].to_physical(),
            state["available_at"].to_physical(),
            state[LABEL_AVAILABLE_AT].to_physical(),
        ]
        entities = state.select(view.entities).iter_rows()
        values = _whole_rows(state, view.event_measures)
        labels = _whole_rows(state, view.label_measures)
        with self._lock:
            for *instants, of, value, label in zip(*columns, entities, values, labels, strict=True):
                event_id, event_time, available_at, known_from = instants
                if available_at is not None:
                    self._remember(_Event(event_id, of, event_time, available_at, value))
                if known_from is not None:
                    self._attach(event_id, max(event_time, known_from), _Label(known_from, label))

    def vector(self, event: Mapping[str, Any]) -> dict[str, float]:
        """Return the features of ``event`` as a decision at its ``available_at`` sees them, itself included.

        The event is not remembered; whether it was observed before makes no difference.

        Returns:
            Feature name to value, in the view's order.

        Raises:
            SourceInvalid: A column that the view reads is absent, null or of another type.
        """
        subject = self._event(event)
        with self._lock:
            subject.labels = self._labels_before(subject)
            first = self._known.get(subject.id)
            joins = first is None or not first.arrived_by(subject)
            seen = [
                [other for other in known.get(name, ()) if other.arrived_by(subject)] + ([subject] if joins else [])
                for known, name in zip(self._by_entity, subject.entities, strict=True)
            ]
            windows = {
                window.name: _value(window, seen[window.entity], subject.available_at) for window in self._windows
            }
        return {
            feature.name: feature.transform.value(event[feature.column])
            if isinstance(feature, RowExpression)
            else windows[feature.name]
            for feature in self._view.features
        }

    def observe(self, event: Mapping[str, Any]) -> None:
        """Remember an event, so that later ones count it. One whose id is known already is ignored.

        Raises:
            SourceInvalid: A column that the view reads is absent, null or of another type.
        """
        observed = self._event(event)
        with self._lock:
            self._remember(observed)
            self._forget(observed.available_at)

    def observe_label(self, label: Mapping[str, Any]) -> None:
        """Remember a label. It may come before its event, and a later one for the same event replaces it.

        Raises:
            SourceInvalid: A column that the view reads is absent, null or of another type.
        """
        contract = self._view.labels.name
        event_id = _text(label, self._view.event_id, contract)
        event_time = _instant(label, "event_time", contract)
        values = tuple(_whole(label, column, contract) for column in self._view.label_measures)
        known_from = _instant(label, "available_at", contract)
        with self._lock:
            self._attach(event_id, max(event_time, known_from), _Label(known_from, values))
            self._forget(known_from)

    def _event(self, event: Mapping[str, Any]) -> _Event:
        contract = self._view.events.name
        return _Event(
            _text(event, self._view.event_id, contract),
            tuple(_text(event, entity, contract) for entity in self._view.entities),
            _instant(event, "event_time", contract),
            _instant(event, "available_at", contract),
            tuple(_whole(event, column, contract) for column in self._view.event_measures),
        )

    def _remember(self, event: _Event) -> None:
        if event.id in self._known:
            return
        event.labels = self._labels_before(event)
        self._early_labels.pop(event.id, None)
        self._known[event.id] = event
        for known, name in zip(self._by_entity, event.entities, strict=True):
            known.setdefault(name, []).append(event)
        heapq.heappush(self._expiring, (event.event_time + self._kept, event.id))

    def _labels_before(self, event: _Event) -> tuple[_Label, ...]:
        early = self._early_labels.get(event.id)
        return early.labels if early else ()

    def _attach(self, event_id: str, newest_instant: int, label: _Label) -> None:
        event = self._known.get(event_id)
        if event is not None:
            event.labels = tuple(sorted((*event.labels, label)))
            return
        early = self._early_labels.get(event_id, _EarlyLabels(0, ()))
        expires = max(early.expires, newest_instant + self._kept)
        self._early_labels[event_id] = _EarlyLabels(expires, tuple(sorted((*early.labels, label))))
        heapq.heappush(self._expiring, (expires, event_id))

    def _forget(self, now: int) -> None:
        """Drop what can no longer matter at ``now``, a bounded number of things at a time."""
        self._now = max(self._now, now)
        for _ in range(_FORGOTTEN_AT_ONCE):
            if not self._expiring or self._expiring[0][0] > self._now:
                return
            _, event_id = heapq.heappop(self._expiring)
            early = self._early_labels.get(event_id)
            if early is not None and early.expires <= self._now:
                del self._early_labels[event_id]
            event = self._known.get(event_id)
            if event is not None and event.event_time + self._kept <= self._now:
                del self._known[event_id]
                self._remove(event)

    def _remove(self, event: _Event) -> None:
        for known, name in zip(self._by_entity, event.entities, strict=True):
            known[name].remove(event)
            if not known[name]:
                del known[name]


def _windows(view: FeatureView) -> list[_Window]:
    measures = {Source.EVENTS: view.event_measures, Source.LABELS: view.label_measures}
    return [
        _Window(
            name=window.name,
            entity=view.entities.index(window.by),
            ends_before=microseconds(window.delay),
            starts_before=microseconds(window.delay + window.over),
            how=window.how,
            of=window.of,
            position=measures[window.of.source].index(window.of.column) if window.of else 0,
            empty=window.empty,
        )
        for window in view.windows
    ]


def _value(window: _Window, seen: list[_Event], decided_at: int) -> float:
    """Return one window feature from the events that the decision sees of the entity."""
    after, until = decided_at - window.starts_before, decided_at - window.ends_before
    counted = [event for event in seen if after < event.event_time <= until]
    if window.of is None:
        return float(len(counted))
    if not counted:
        return window.empty
    if window.of.source is Source.LABELS:
        total = sum(event.labelled(window.position, decided_at) for event in counted)
    else:
        total = sum(event.values[window.position] for event in counted)
    share = total / len(counted) if window.how is Aggregation.MEAN else total
    return share / window.of.divide_by


def _whole_rows(state: pl.DataFrame, columns: tuple[str, ...]) -> Iterable[tuple[int, ...]]:
    return state.select(pl.col(columns).cast(pl.Int64)).iter_rows() if columns else [()] * state.height


def _text(row: Mapping[str, Any], column: str, contract: str) -> str:
    value = row.get(column)
    if not isinstance(value, str):
        raise SourceInvalid(f"{contract}.{column} is {value!r}; it must be text")
    return value


def _instant(row: Mapping[str, Any], column: str, contract: str) -> int:
    value = row.get(column)
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise SourceInvalid(f"{contract}.{column} is {value!r}; it must be an instant with a time zone")
    return (value - _EPOCH) // timedelta(microseconds=1)


def _whole(row: Mapping[str, Any], column: str, contract: str) -> int:
    try:
        return int(operator.index(row[column]))
    except (KeyError, TypeError):
        raise SourceInvalid(
            f"{contract}.{column} is {row.get(column)!r}; it must be a whole number or a flag"
        ) from None
