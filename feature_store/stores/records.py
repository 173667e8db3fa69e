"""How events and rows are written as bytes, the same for every engine that keeps bytes.

Little-endian, no padding. Instants are microseconds since 1970 and measures whole numbers, both signed 64-bit::

    event:  event_time  available_at  measures…  labels…
    label:  known_from  measures…
    row:    event_time  available_at  features… (float64)  a bit for each feature that is null

What an event is found by, its id and its entities, is not repeated. Its labels stand last and have one size, so that
an engine can add one without reading the rest.
"""

import struct
from collections.abc import Iterable
from itertools import islice

from feature_store.definition import Event, Label
from feature_store.errors import SourceInvalid, ViewInvalid
from feature_store.features import Source
from feature_store.stores.port import Key, StoredRow
from feature_store.table_view import TableView
from feature_store.view import FeatureView

ID_SEPARATOR = "\0"


class EventCodec:
    """Events of one view as bytes.

    Args:
        view: The declaration.

    Raises:
        ViewInvalid: It has no entities, by which events are found.

    Attributes:
        head: Bytes before an event's labels.
        width: Bytes of a label.
        reads_labels: For each of the view's entities, whether a feature of it reads labels.
    """

    def __init__(self, view: FeatureView) -> None:
        if not view.entities:
            raise ViewInvalid(f"{view.name} is about no entities; there is nothing to keep of it online")
        self._view = view
        self._head = struct.Struct(f"<qq{len(view.event_measures)}q")
        self._label = struct.Struct(f"<q{len(view.label_measures)}q")
        self.head = self._head.size
        self.width = self._label.size
        of_labels = {feature.by for feature in view.looking_back if feature.of and feature.of.source is Source.LABELS}
        self.reads_labels = tuple(entity in of_labels for entity in view.entities)

    def event(self, event: Event) -> bytes:
        """Return an event with its labels.

        Raises:
            SourceInvalid: Its id holds the character that parts ids.
        """
        if ID_SEPARATOR in event.id:
            raise SourceInvalid(f"{self._view.events.name}.{self._view.event_id} is {event.id!r}; it must hold no NUL")
        head = self._head.pack(event.event_time, event.available_at, *event.values)
        return head + self.labels(event.labels) if event.labels else head

    def labels(self, labels: Iterable[Label]) -> bytes:
        """Return labels one behind the other."""
        return b"".join(self._label.pack(label.known_from, *label.values) for label in labels)

    def read_event(self, event_id: str, record: bytes) -> Event:
        """Return the event that a record holds, its labels ascending."""
        (event,) = self.read_events([(event_id, record)], labels=True)
        return event

    def read_events(self, records: Iterable[tuple[str, bytes]], *, labels: bool) -> list[Event]:
        """Return the events of ids and records.

        Args:
            records: The ids and the records.
            labels: Whether their labels are wanted.
        """
        unpack, head, one, read_label = (
            self._head.unpack_from,
            self.head,
            self.head + self.width,
            self._label.unpack_from,
        )
        events = []
        for event_id, record in records:
            said: tuple[Label, ...] = ()
            if labels and len(record) == one:
                label = read_label(record, head)
                said = (Label(label[0], label[1:]),)
            elif labels and len(record) > head:
                said = self.read_labels(record[head:])
            read = unpack(record)
            events.append(Event(event_id, (), read[0], read[1], read[2:], said))
        return events

    def read_columns(self, ids: bytes, heads: bytes, counts: bytes, labels: bytes) -> list[Event]:
        """Return the events of ids, of records without labels, of how many labels each has, and of the labels.

        Args:
            ids: UTF-8, parted by :data:`ID_SEPARATOR`.
            heads: One behind the other.
            counts: One each, uint32; nothing where labels are not wanted.
            labels: Those of all events, one behind the other.
        """
        if not heads:
            return []
        names = ids.decode().split(ID_SEPARATOR)
        parts = zip(names, self._head.iter_unpack(heads), strict=True)
        if not labels:
            return [Event(name, (), head[0], head[1], head[2:]) for name, head in parts]
        every = self._label.iter_unpack(labels)
        events = []
        for (name, head), count in zip(parts, struct.unpack(f"<{len(names)}I", counts), strict=True):
            said: tuple[Label, ...] = ()
            if count == 1:
                label = next(every)
                said = (Label(label[0], label[1:]),)
            elif count:
                said = tuple(sorted(Label(label[0], label[1:]) for label in islice(every, count)))
            events.append(Event(name, (), head[0], head[1], head[2:], said))
        return events

    def read_labels(self, labels: bytes) -> tuple[Label, ...]:
        """Return labels, ascending."""
        return tuple(sorted(Label(label[0], label[1:]) for label in self._label.iter_unpack(labels)))


class RowCodec:
    """Rows of one table view as bytes.

    Args:
        view: The declaration.
    """

    def __init__(self, view: TableView) -> None:
        self._count = len(view.features)
        self._nulls = (self._count + 7) // 8
        self._row = struct.Struct(f"<qq{self._count}d{self._nulls}s")

    def row(self, row: StoredRow) -> bytes:
        """Return a row without its key."""
        nulls = sum(1 << place for place, value in enumerate(row.values) if value is None)
        values = [0.0 if value is None else value for value in row.values]
        return self._row.pack(row.event_time, row.available_at, *values, nulls.to_bytes(self._nulls, "little"))

    def read_row(self, key: Key, record: bytes) -> StoredRow:
        """Return the row of a key that a record holds."""
        event_time, available_at, *values, nulls = self._row.unpack(record)
        null = int.from_bytes(nulls, "little")
        known = tuple(None if null >> place & 1 else value for place, value in enumerate(values))
        return StoredRow(key, event_time, available_at, known)
