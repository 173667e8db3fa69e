"""The online executors: a view for one decision at a time, from what a store remembers.

Of a view over events by the plain definition over each entity's recent events (:class:`OnlineFeatures`), of a view over
tables by looking up the newest row (:class:`OnlineRows`).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

from feature_store.definition import Definition, Event, Label, LabelOf, Vector, instant_of
from feature_store.errors import NoLongerKept, SourceInvalid
from feature_store.features import microseconds
from feature_store.online_rows import OnlineRows
from feature_store.state import DISORDER, LABEL_AVAILABLE_AT, recent_events
from feature_store.stores.in_process import InProcessEvents
from feature_store.stores.port import EventStore, Seen
from feature_store.view import FeatureView

__all__ = ["DISORDER", "OnlineFeatures", "OnlineRows", "recent_events"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DISORDER = microseconds(DISORDER)

Progress = Callable[[int, int], None]
"""Called with how many of how many rows were taken up."""


class OnlineFeatures:
    """The view's features of each event as it comes, equal to the last bit to the offline executor's.

    Events and labels are mappings from the columns of the view's contracts to values: instants are timezone-aware,
    money is whole minor units. An instance may be shared between threads.

    What can still matter is remembered: an event is forgotten, and with it its id, once it is older than the view's
    horizon and :data:`DISORDER`. So a repeat of an event is recognised for as long as the event could count, and events
    and labels may come late, twice, restated and in any order within that time. A forgotten id that comes again with a
    later ``event_time`` is a new event here, and still the old one offline.

    Args:
        view: The declaration.
        store: What remembers; None for this process's memory. Errors of its engine pass through every method.
    """

    def __init__(self, view: FeatureView, store: EventStore | None = None) -> None:
        self._view = view
        self._definition = Definition(view)
        self._store: EventStore = InProcessEvents(view) if store is None else store

    def __len__(self) -> int:
        """Return how many events are remembered."""
        return len(self._store)

    def bootstrap(self, state: pl.DataFrame, *, as_of: datetime, progress: Progress | None = None) -> None:
        """Take up the events and labels of a state that :func:`recent_events` made, beside what is known already.

        Args:
            state: The state.
            as_of: The moment that it was made for, timezone-aware. What only decisions more than :data:`DISORDER`
                before it could see is no part of the state, and they are refused from now on.
            progress: Told how many of its rows were taken up.

        Raises:
            SourceInvalid: ``as_of`` has no time zone.
        """
        # First, so that a state that was taken up in part refuses what it lacks as well.
        self._store.write([], [], as_of=instant_of(as_of, f"{self._view.name}: as_of"))
        done = 0
        for rows in state.iter_slices(self._store.at_once):
            self._store.write(*_events_and_labels(self._view, rows))
            done += rows.height
            if progress:
                progress(done, state.height)

    def vector(self, event: Mapping[str, Any]) -> Vector:
        """Return the features of ``event`` as a decision at its ``available_at`` sees them, itself included.

        The event is not remembered; whether it was observed before makes no difference.

        Returns:
            Feature name to value, in the view's order.

        Raises:
            SourceInvalid: A column that the view reads is absent, null or of another type.
            NoLongerKept: Its ``available_at`` lies more than :data:`DISORDER` before the newest that the state knows.
        """
        subject = self._definition.event(event)
        return self._answer(subject, self._store.read(subject.entities, subject.id), event)

    def take(self, events: Sequence[Mapping[str, Any]]) -> list[Vector]:
        """Return what :meth:`vector` does of each event, and remember it before the next, as :meth:`observe` does.

        What a consumer of a stream does with the events that it was handed; a store that is far away is asked once for
        many of them.

        Raises:
            SourceInvalid: A column that the view reads is absent, null or of another type; nothing is remembered.
            NoLongerKept: An ``available_at`` lies too far back for an answer; the events are remembered all the same.
        """
        held = self._store.take([self._definition.event(event) for event in events])
        return [
            self._answer(self._definition.event(event), seen, event) for event, seen in zip(events, held, strict=True)
        ]

    def _answer(self, subject: Event, held: Seen, event: Mapping[str, Any]) -> Vector:
        self._check_kept(subject.available_at, held.newest)
        known = held.known
        seen = [_arrived_by(subject, events) for events in held.events]
        if known is None or not known.arrived_by(subject):
            subject.labels = known.labels if known else held.early
            for events in seen:
                events.append(subject)
        return self._definition.vector(seen, subject.available_at, event)

    def get(self, *, at: datetime, **entities: str | None) -> Vector:
        """Return the features of a decision about entities that no event goes with, as the offline ``decide`` does.

        Args:
            at: When it is made, timezone-aware; it sees every event with ``available_at`` at or before it.
            **entities: A name for each of the view's entity columns; None or an unknown name has no events.

        Returns:
            Feature name to value, in the view's order; features of a row itself are null.

        Raises:
            SourceInvalid: An entity is missing, unknown to the view or no text, or the instant has no time zone.
            NoLongerKept: The instant lies more than :data:`DISORDER` before the newest that the state knows.
        """
        decided_at = instant_of(at, f"{self._view.name}: at")
        held = self._store.read(self._named(entities), None)
        self._check_kept(decided_at, held.newest)
        seen = [[event for event in events if event.available_at <= decided_at] for events in held.events]
        return self._definition.vector(seen, decided_at, None)

    def observe(self, event: Mapping[str, Any]) -> None:
        """Remember an event, so that later ones count it; of several with one id the first to arrive.

        Raises:
            SourceInvalid: A column that the view reads is absent, null or of another type.
        """
        self._store.write([self._definition.event(event)], [])

    def observe_label(self, label: Mapping[str, Any]) -> None:
        """Remember a label. It may come before its event, and a later one for the same event replaces it.

        Raises:
            SourceInvalid: A column that the view reads is absent, null or of another type.
        """
        self._store.write([], [self._definition.label(label)])

    def _check_kept(self, decided_at: int, newest: int | None) -> None:
        if newest is not None and decided_at < newest - _DISORDER:
            at = _EPOCH + timedelta(microseconds=decided_at)
            raise NoLongerKept(
                f"{self._view.name}: {at} lies more than {DISORDER} before the newest that is known online; what was "
                "known then is no longer kept: compute it from the offline store"
            )

    def _named(self, entities: Mapping[str, str | None]) -> list[str | None]:
        if set(entities) != set(self._view.entities):
            raise SourceInvalid(
                f"{self._view.name}: a decision is about {', '.join(self._view.entities)}; given: "
                f"{', '.join(entities) or 'nothing'}"
            )
        for column, name in entities.items():
            if name is not None and not isinstance(name, str):
                raise SourceInvalid(f"{self._view.name}: {column} is {name!r}; it must be text or None")
        return [entities[column] for column in self._view.entities]


def _arrived_by(subject: Event, events: Iterable[Event]) -> list[Event]:
    """Return the events that arrived no later than ``subject``; nearly all are told by their instant."""
    at = subject.available_at
    return [
        event for event in events if event.available_at < at or (event.available_at == at and event.arrived_by(subject))
    ]


def _events_and_labels(view: FeatureView, state: pl.DataFrame) -> tuple[list[Event], list[LabelOf]]:
    """Return what the rows of a state say; an event's own label goes with it."""
    columns = [
        state[view.event_id],
        state["event_time"].to_physical(),
        state["available_at"].to_physical(),
        state[LABEL_AVAILABLE_AT].to_physical(),
    ]
    entities = state.select(view.entities).iter_rows() if view.entities else [()] * state.height
    values = _steps(view, state)
    said = _whole_rows(state, view.label_measures)
    events, labels = [], []
    for *instants, of, value, label in zip(*columns, entities, values, said, strict=True):
        event_id, event_time, available_at, known_from = instants
        known = () if known_from is None else (Label(known_from, label),)
        if available_at is not None:
            events.append(Event(event_id, of, event_time, available_at, value, known))
        else:
            labels += [LabelOf(event_id, max(event_time, each.known_from), each) for each in known]
    return events, labels


def _steps(view: FeatureView, state: pl.DataFrame) -> Iterable[tuple[int, ...]]:
    """Return the event measures of a state in whole steps."""
    in_steps = [
        (pl.col(column) * float(steps)).round(mode="half_to_even") if steps else pl.col(column)
        for column in view.event_measures
        for steps in [view.number_steps.get(column)]
    ]
    return _whole_rows(state.with_columns(in_steps), view.event_measures)


def _whole_rows(state: pl.DataFrame, columns: Sequence[str]) -> Iterable[tuple[int, ...]]:
    return state.select(pl.col(columns).cast(pl.Int64)).iter_rows() if columns else [()] * state.height
