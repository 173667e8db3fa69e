"""The online executor: a view for one event at a time, by the plain definition over each entity's recent events."""

import heapq
import threading
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import polars as pl

from feature_store.definition import Definition, Event, Label, Vector
from feature_store.features import microseconds
from feature_store.state import DISORDER, LABEL_AVAILABLE_AT, recent_events
from feature_store.view import FeatureView

__all__ = ["DISORDER", "OnlineFeatures", "recent_events"]

_FORGOTTEN_AT_ONCE = 64  # bounds what one observation may spend on clearing up after a quiet spell


class _EarlyLabels(NamedTuple):
    """Labels of an event that has not arrived, and when to stop waiting for it."""

    expires: int
    labels: tuple[Label, ...]  # ascending


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
        self._definition = Definition(view)
        self._by_entity: tuple[dict[str, list[Event]], ...] = tuple({} for _ in view.entities)
        self._known: dict[str, Event] = {}
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
        values = _steps(view, state)
        labels = _whole_rows(state, view.label_measures)
        with self._lock:
            for *instants, of, value, label in zip(*columns, entities, values, labels, strict=True):
                event_id, event_time, available_at, known_from = instants
                if available_at is not None:
                    self._remember(Event(event_id, of, event_time, available_at, value))
                if known_from is not None:
                    self._attach(event_id, max(event_time, known_from), Label(known_from, label))

    def vector(self, event: Mapping[str, Any]) -> Vector:
        """Return the features of ``event`` as a decision at its ``available_at`` sees them, itself included.

        The event is not remembered; whether it was observed before makes no difference.

        Returns:
            Feature name to value, in the view's order.

        Raises:
            SourceInvalid: A column that the view reads is absent, null or of another type.
        """
        subject = self._definition.event(event)
        with self._lock:
            subject.labels = self._labels_before(subject)
            first = self._known.get(subject.id)
            joins = first is None or not first.arrived_by(subject)
            seen = [
                [other for other in known.get(name, ()) if other.arrived_by(subject)] + ([subject] if joins else [])
                for known, name in zip(self._by_entity, subject.entities, strict=True)
            ]
            return self._definition.vector(seen, subject.available_at, event)

    def observe(self, event: Mapping[str, Any]) -> None:
        """Remember an event, so that later ones count it. One whose id is known already is ignored.

        Raises:
            SourceInvalid: A column that the view reads is absent, null or of another type.
        """
        observed = self._definition.event(event)
        with self._lock:
            self._remember(observed)
            self._forget(observed.available_at)

    def observe_label(self, label: Mapping[str, Any]) -> None:
        """Remember a label. It may come before its event, and a later one for the same event replaces it.

        Raises:
            SourceInvalid: A column that the view reads is absent, null or of another type.
        """
        event_id, latest, said = self._definition.label(label)
        with self._lock:
            self._attach(event_id, latest, said)
            self._forget(said.known_from)

    def _remember(self, event: Event) -> None:
        if event.id in self._known:
            return
        event.labels = self._labels_before(event)
        self._early_labels.pop(event.id, None)
        self._known[event.id] = event
        for known, name in zip(self._by_entity, event.entities, strict=True):
            known.setdefault(name, []).append(event)
        heapq.heappush(self._expiring, (event.event_time + self._kept, event.id))

    def _labels_before(self, event: Event) -> tuple[Label, ...]:
        early = self._early_labels.get(event.id)
        return early.labels if early else ()

    def _attach(self, event_id: str, newest_instant: int, label: Label) -> None:
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

    def _remove(self, event: Event) -> None:
        for known, name in zip(self._by_entity, event.entities, strict=True):
            known[name].remove(event)
            if not known[name]:
                del known[name]


def _steps(view: FeatureView, state: pl.DataFrame) -> Iterable[tuple[int, ...]]:
    """Return the event measures of a state in whole steps."""
    in_steps = [
        (pl.col(column) * float(steps)).round(mode="half_to_even") if steps else pl.col(column)
        for column in view.event_measures
        for steps in [view.number_steps.get(column)]
    ]
    return _whole_rows(state.with_columns(in_steps), view.event_measures)


def _whole_rows(state: pl.DataFrame, columns: tuple[str, ...]) -> Iterable[tuple[int, ...]]:
    return state.select(pl.col(columns).cast(pl.Int64)).iter_rows() if columns else [()] * state.height
