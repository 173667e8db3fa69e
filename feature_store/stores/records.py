"""How events and rows are written as bytes, the same for every engine that keeps bytes.

Little-endian, no padding. Instants are microseconds since 1970 and measures whole numbers, both signed 64-bit::

    event:  event_time  available_at  length of the id (uint32)  measures…  id (UTF-8)  labels…
    label:  known_from  measures…
    row:    event_time  available_at  features… (float64)  a bit for each feature that is null

An event's labels stand last and have one size, so that an engine can add one without reading the rest.
"""

import struct
from collections.abc import Iterable

from feature_store.definition import Event, Label
from feature_store.errors import ViewInvalid
from feature_store.stores.port import Key, StoredRow
from feature_store.table_view import TableView
from feature_store.view import FeatureView

_LENGTH = struct.Struct("<I")


class EventCodec:
    """Events of one view as bytes.

    Args:
        view: The declaration.

    Raises:
        ViewInvalid: It has no entities, by which events are found.

    Attributes:
        head: Bytes before an event's id.
        width: Bytes of a label.
    """

    def __init__(self, view: FeatureView) -> None:
        if not view.entities:
            raise ViewInvalid(f"{view.name} is about no entities; there is nothing to keep of it online")
        self._head = struct.Struct(f"<qqI{len(view.event_measures)}q")
        self._label = struct.Struct(f"<q{len(view.label_measures)}q")
        self.head = self._head.size
        self.width = self._label.size

    def event(self, event: Event) -> bytes:
        """Return an event with its labels; its entities are left out, for they are what it is found by."""
        name = event.id.encode()
        head = self._head.pack(event.event_time, event.available_at, len(name), *event.values)
        return head + name + self.labels(event.labels) if event.labels else head + name

    def labels(self, labels: Iterable[Label]) -> bytes:
        """Return labels one behind the other."""
        return b"".join(self._label.pack(label.known_from, *label.values) for label in labels)

    def read_event(self, record: bytes) -> Event:
        """Return the event that a record holds, its labels ascending."""
        event_time, available_at, length, *values = self._head.unpack_from(record)
        ends = self.head + length
        name = record[self.head : ends].decode()
        labels = self.read_labels(record[ends:]) if len(record) > ends else ()
        return Event(name, (), event_time, available_at, tuple(values), labels)

    def read_events(self, records: bytes) -> list[Event]:
        """Return the events of records one behind the other, each after its length (uint32)."""
        unpack, head, length_of = self._head.unpack_from, self.head, _LENGTH.unpack_from
        events, at, size = [], 0, len(records)
        while at < size:
            begins = at + 4
            at = begins + length_of(records, at)[0]
            event_time, available_at, length, *values = unpack(records, begins)
            name = begins + head
            ends = name + length
            labels = self.read_labels(records[ends:at]) if at > ends else ()
            events.append(
                Event(records[name:ends].decode(), (), event_time, available_at, tuple(values), labels),
            )
        return events

    def read_labels(self, labels: bytes) -> tuple[Label, ...]:
        """Return labels, ascending."""
        found = [Label(known_from, tuple(values)) for known_from, *values in self._label.iter_unpack(labels)]
        return tuple(sorted(found)) if len(found) > 1 else tuple(found)


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
