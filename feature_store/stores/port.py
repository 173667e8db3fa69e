"""The port between the online executors and the engine that remembers for them.

===========  ==========================  ==========================================================================
engine       chosen by                   when
===========  ==========================  ==========================================================================
in process   no URL                      one process reads; what it remembers ends with it
SQLite       ``sqlite:///path``          one machine; survives the process
Redis        ``redis://host:port/db``    several machines read; survives the process
===========  ==========================  ==========================================================================

Of a view over events a store keeps each entity's recent events with every label that came for them; of a view over
tables the newest row of each key. Both are *sets*: written late, twice, restated or out of order, the same things give
the same state, and so the same answers. A state can always be bootstrapped again from the offline store; no engine
here is the only place of anything.

A state is one :class:`StateName` of one view by one definition: the view's fingerprint is part of where it lies, so
that another definition never reads it.
"""

from collections.abc import Collection, Sequence
from typing import NamedTuple, Protocol

from feature_store.definition import Event, Label, LabelOf
from feature_store.features import microseconds
from feature_store.state import DISORDER
from feature_store.table_view import TableView
from feature_store.view import FeatureView

Key = tuple[str | int, ...]
"""What a row of a table view is looked up by, in the order of ``view.looked_up_by``."""


class StateName(NamedTuple):
    """Whose state it is.

    Attributes:
        owner: Who writes it, e.g. a live job.
        generation: Tells apart what one owner keeps side by side, e.g. while one deployment takes over from another.
    """

    owner: str
    generation: str = ""


class Seen(NamedTuple):
    """What a store remembers that may matter to one decision, of one moment.

    Attributes:
        events: For each entity that was asked about, its events in any order; what was known only after the decision is
            among them. They need not say their entities, nor their labels where no feature of the entity reads any.
        known: The event of the id that was asked about, as it first arrived.
        early: What labels said about that id while no event had it, ascending.
        newest: The newest instant from which anything here was known, or the ``as_of`` of a write if that is later,
            microseconds since 1970; None before anything.
    """

    events: tuple[Sequence[Event], ...]
    known: Event | None
    early: tuple[Label, ...]
    newest: int | None


class EventStore(Protocol):
    """What is remembered of a view over events; may be shared between threads.

    An event is forgotten, and with it its id, once ``event_time`` plus :func:`kept` lies no later than the newest
    instant; labels whose event has not come are, once both their instants are as old.

    So a repeat is told from a new event only as long as its id is remembered. One that comes after that with the same
    ``event_time`` is as old and counts in no window; one with a *later* ``event_time`` is taken for a new event and
    counts once more, where the offline store, which never forgets an id, lets the first to arrive stand.

    Attributes:
        at_once: How many things a bulk write should give together: fewer cost more, more keep others waiting.
    """

    at_once: int

    def write(self, events: Sequence[Event], labels: Sequence[LabelOf], *, as_of: int | None = None) -> None:
        """Take up events, with whatever labels they carry, and labels, whose events may come later.

        Of several events with one id the first to arrive stays (``available_at``; at one instant the first written),
        with the labels of all. What is there already changes nothing. Either everything is taken up or nothing.

        Args:
            events: The events.
            labels: The labels.
            as_of: The newest instant is no earlier than this, microseconds since 1970: whoever wrote had looked at what
                was known until then, and what lies too far before it was left out.

        Raises:
            StoreUnavailable: The engine does not answer; nothing is half written.
            StateLost: The engine dropped parts of the state on its own.
        """
        ...

    def read(self, entities: Sequence[str | None], event_id: str | None) -> Seen:
        """Return what is remembered of one decision's entities, in the view's order, in one round trip.

        Args:
            entities: None for one without events.
            event_id: The event that is decided on; None for none.

        Raises:
            StoreUnavailable: The engine does not answer.
            StateLost: The engine dropped parts of the state on its own.
        """
        ...

    def take(self, events: Sequence[Event]) -> list[Seen]:
        """Return what :meth:`read` does of each event's entities and id, and take it up before the next; in few trips.

        Raises:
            StoreUnavailable: The engine does not answer; of the events so many were taken up, each whole.
            StateLost: The engine dropped parts of the state on its own.
        """
        ...

    def __len__(self) -> int:
        """Return how many events are remembered."""
        ...


class StoredRow(NamedTuple):
    """A row of a table view's features; instants in microseconds since 1970."""

    key: Key
    event_time: int
    available_at: int
    values: tuple[float | None, ...]  # in the order of the view's features


class KeptRow(NamedTuple):
    """What a store keeps of a key, and the newest instant from which anything in it was known."""

    row: StoredRow | None
    newest: int | None


class RowStore(Protocol):
    """The newest row of each key of a table view; may be shared between threads.

    Newest is by (``event_time``, ``available_at``); of rows equal in both the last written stays. Where the view has a
    TTL a row is forgotten :data:`~feature_store.state.DISORDER` after nobody could read it any more.

    Attributes:
        at_once: As that of :class:`EventStore`.
    """

    at_once: int

    def write(self, rows: Sequence[StoredRow]) -> None:
        """Take up rows, at most one a key. None replaces a newer one.

        Raises:
            StoreUnavailable: The engine does not answer; nothing is half written.
            StateLost: The engine dropped parts of the state on its own.
        """
        ...

    def read(self, key: Key) -> KeptRow:
        """Return the row of a key, if there is one.

        Raises:
            StoreUnavailable: The engine does not answer.
            StateLost: The engine dropped parts of the state on its own.
        """
        ...


class OnlineStore(Protocol):
    """One engine, opened."""

    def events(self, view: FeatureView, name: StateName) -> EventStore:
        """Return the state of that name of a view over events; empty if it is new."""
        ...

    def rows(self, view: TableView, name: StateName) -> RowStore:
        """Return the state of that name of a table view; empty if it is new."""
        ...

    def drop_others(self, owner: str, kept: Collection[StateName]) -> None:
        """Forget every state of an owner but some, of all views."""
        ...

    def close(self) -> None:
        """Let the engine go; states that were made by this are of no use after it."""
        ...


def kept(view: FeatureView) -> int:
    """Return for how many microseconds after its ``event_time`` an event is remembered."""
    return microseconds(view.horizon + DISORDER) + 1  # a TTL includes its last instant


def kept_row(view: TableView) -> int | None:
    """Return for how many microseconds after its ``event_time`` a row is remembered; None for ever."""
    return None if view.ttl is None else microseconds(view.ttl + DISORDER) + 1
