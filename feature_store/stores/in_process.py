"""States in this process's memory: the default, and the fastest."""

import heapq
import threading
from collections.abc import Collection, Sequence
from typing import NamedTuple

from feature_store.definition import Event, Label, LabelOf
from feature_store.stores.port import EventStore, KeptRow, Key, RowStore, Seen, StateName, StoredRow, kept, kept_row
from feature_store.table_view import TableView
from feature_store.view import FeatureView

_WRITTEN_AT_ONCE = 5_000
_FORGOTTEN_AT_ONCE = 64  # bounds what one observation may spend on clearing up after a quiet spell


class InProcessStore:
    """States by owner, generation, view and fingerprint; they end with this object."""

    def __init__(self) -> None:
        self._states: dict[tuple[StateName, str, str], InProcessEvents | InProcessRows] = {}

    def events(self, view: FeatureView, name: StateName) -> EventStore:
        """Return a state; see :class:`~feature_store.stores.port.OnlineStore`."""
        found = self._states.setdefault((name, view.name, view.fingerprint), InProcessEvents(view))
        assert isinstance(found, InProcessEvents)  # noqa: S101 (a fingerprint is of one kind of view)
        return found

    def rows(self, view: TableView, name: StateName) -> RowStore:
        """Return a state; see :class:`~feature_store.stores.port.OnlineStore`."""
        found = self._states.setdefault((name, view.name, view.fingerprint), InProcessRows(view))
        assert isinstance(found, InProcessRows)  # noqa: S101 (a fingerprint is of one kind of view)
        return found

    def drop_others(self, owner: str, kept: Collection[StateName]) -> None:
        """Forget an owner's other states; see :class:`~feature_store.stores.port.OnlineStore`."""
        for state in [state for state in self._states if state[0].owner == owner and state[0] not in kept]:
            del self._states[state]

    def close(self) -> None:
        """Forget everything."""
        self._states.clear()


class _EarlyLabels(NamedTuple):
    """Labels of an event that has not arrived, and when to stop waiting for it."""

    expires: int
    labels: tuple[Label, ...]  # ascending


class InProcessEvents:
    """The events of one state; see :class:`~feature_store.stores.port.EventStore`.

    Args:
        view: The declaration.
    """

    at_once = _WRITTEN_AT_ONCE

    def __init__(self, view: FeatureView) -> None:
        self._by_entity: tuple[dict[str, list[Event]], ...] = tuple({} for _ in view.entities)
        self._known: dict[str, Event] = {}
        self._early: dict[str, _EarlyLabels] = {}
        self._expiring: list[tuple[int, str]] = []  # a heap: when to look whether something has expired, and what
        self._kept = kept(view)
        self._newest: int | None = None
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """Return how many events are remembered."""
        return len(self._known)

    def write(self, events: Sequence[Event], labels: Sequence[LabelOf], *, as_of: int | None = None) -> None:
        """Take up events and labels."""
        with self._lock:
            if as_of is not None:
                self._advance(as_of)
            for event in events:
                self._remember(event)
                self._advance(event.available_at)
            for label in labels:
                self._attach(label)
                self._advance(label.label.known_from)
            self._forget(_FORGOTTEN_AT_ONCE + len(events) + len(labels))

    def read(self, entities: Sequence[str | None], event_id: str | None) -> Seen:
        """Return what is remembered of a decision's entities."""
        with self._lock:
            early = self._early.get(event_id) if event_id is not None else None
            return Seen(
                tuple(
                    [] if name is None else list(known.get(name, ()))
                    for known, name in zip(self._by_entity, entities, strict=True)
                ),
                self._known.get(event_id) if event_id is not None else None,
                early.labels if early else (),
                self._newest,
            )

    def take(self, events: Sequence[Event]) -> list[Seen]:
        """Return what is remembered of each event's entities, and take it up before the next."""
        held = []
        for event in events:
            held.append(self.read(event.entities, event.id))
            self.write([event], [])
        return held

    def _advance(self, instant: int) -> None:
        if self._newest is None or instant > self._newest:
            self._newest = instant

    def _remember(self, event: Event) -> None:
        known = self._known.get(event.id)
        if known is not None:
            labels = united(known.labels, event.labels)
            if known.available_at <= event.available_at:
                if labels != known.labels:
                    self._replace(known, known.with_labels(labels))
                return
            self._remove(known)
        else:
            early = self._early.pop(event.id, None)
            labels = united(early.labels if early else (), event.labels)
        if labels != event.labels:
            event = event.with_labels(labels)
        self._known[event.id] = event
        for by_name, name in zip(self._by_entity, event.entities, strict=True):
            by_name.setdefault(name, []).append(event)
        heapq.heappush(self._expiring, (event.event_time + self._kept, event.id))

    def _attach(self, said: LabelOf) -> None:
        event = self._known.get(said.event_id)
        if event is not None:
            labels = united(event.labels, (said.label,))
            if labels != event.labels:
                self._replace(event, event.with_labels(labels))
            return
        early = self._early.get(said.event_id, _EarlyLabels(0, ()))
        expires = max(early.expires, said.newest_instant + self._kept)
        self._early[said.event_id] = _EarlyLabels(expires, united(early.labels, (said.label,)))
        if expires != early.expires:
            heapq.heappush(self._expiring, (expires, said.event_id))

    def _replace(self, event: Event, by: Event) -> None:
        """Put an event in the place of another of the same id and entities: readers may hold the other."""
        self._known[event.id] = by
        for by_name, name in zip(self._by_entity, event.entities, strict=True):
            events = by_name[name]
            events[events.index(event)] = by

    def _forget(self, most: int) -> None:
        """Drop what can no longer matter, a bounded number of things at a time."""
        now = self._newest
        for _ in range(most):
            if now is None or not self._expiring or self._expiring[0][0] > now:
                return
            _, event_id = heapq.heappop(self._expiring)
            early = self._early.get(event_id)
            if early is not None and early.expires <= now:
                del self._early[event_id]
            event = self._known.get(event_id)
            if event is not None and event.event_time + self._kept <= now:
                del self._known[event_id]
                self._remove(event)

    def _remove(self, event: Event) -> None:
        for by_name, name in zip(self._by_entity, event.entities, strict=True):
            by_name[name].remove(event)
            if not by_name[name]:
                del by_name[name]


class InProcessRows:
    """The rows of one state; see :class:`~feature_store.stores.port.RowStore`.

    Args:
        view: The declaration.
    """

    at_once = _WRITTEN_AT_ONCE

    def __init__(self, view: TableView) -> None:
        self._rows: dict[Key, StoredRow] = {}
        self._expiring: list[tuple[int, Key]] = []  # a heap, as that of events
        self._kept = kept_row(view)
        self._newest: int | None = None
        self._lock = threading.Lock()

    def write(self, rows: Sequence[StoredRow]) -> None:
        """Take up rows."""
        with self._lock:
            for row in rows:
                present = self._rows.get(row.key)
                if present is None or newness(present) <= newness(row):
                    self._rows[row.key] = row
                    if self._kept is not None:
                        heapq.heappush(self._expiring, (row.event_time + self._kept, row.key))
                self._newest = row.available_at if self._newest is None else max(self._newest, row.available_at)
            self._forget(_FORGOTTEN_AT_ONCE + len(rows))

    def read(self, key: Key) -> KeptRow:
        """Return the row of a key."""
        with self._lock:
            return KeptRow(self._rows.get(key), self._newest)

    def _forget(self, most: int) -> None:
        for _ in range(most):
            if self._kept is None or self._newest is None or not self._expiring or self._expiring[0][0] > self._newest:
                return
            _, key = heapq.heappop(self._expiring)
            row = self._rows.get(key)
            if row is not None and row.event_time + self._kept <= self._newest:
                del self._rows[key]


def united(labels: tuple[Label, ...], more: tuple[Label, ...]) -> tuple[Label, ...]:
    """Return labels of one event, ascending, each once."""
    return tuple(sorted({*labels, *more})) if more else labels


def newness(row: StoredRow) -> tuple[int, int]:
    """Return what says which of two rows of a key is newer."""
    return row.event_time, row.available_at
