"""An entry's bytes: the one record of a leaf, from which everything else that is stored of it is found again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from ledgerline.audit.leaf import Kind, Leaf, Parent, RecordedLeaf, leaf_id_of, names_of
from ledgerline.core.clock import parse_instant
from ledgerline.core.identity import canonical_json

_FIELDS = {"detail", "id", "identity", "kind", "parents", "recorded_at"}


class EntryMalformed(ValueError):
    """Bytes are not an entry, or not as entries are written."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What an entry's bytes say.

    Attributes:
        id: The leaf's id as it is written there.
        leaf: The leaf.
        parents: Ids and roles of what it was made from.
        recorded_at: When it was recorded, ISO 8601 UTC.
    """

    id: str
    leaf: Leaf
    parents: tuple[Parent, ...]
    recorded_at: str


def encode_entry(leaf: Leaf, parents: Sequence[Parent], recorded_at: str) -> tuple[str, bytes]:
    """Return a leaf's id and its entry: canonical JSON, so that the same leaf makes the same bytes."""
    # The identity is written once for both; the rest of the entry is put together as canonical JSON has it.
    identity = canonical_json(dict(leaf.identity))
    leaf_id = leaf_id_of(leaf.kind, identity)
    entry = b'{"detail":%b,"id":"%b","identity":%b,"kind":"%b","parents":%b,"recorded_at":"%b"}' % (
        canonical_json(dict(leaf.detail)),
        leaf_id.encode(),
        identity,
        leaf.kind.value.encode(),
        canonical_json([[parent.id, parent.role] for parent in parents]),
        recorded_at.encode(),
    )
    return leaf_id, entry


def decode_entry(content: bytes) -> Entry:
    """Read an entry.

    Raises:
        EntryMalformed: The bytes are not an entry's.
    """
    said = _object(content)
    try:
        parents = tuple(Parent(str(parent), str(role)) for parent, role in said["parents"])
        leaf = Leaf(Kind(said["kind"]), said["identity"], said["detail"])
    except (TypeError, ValueError) as garbled:
        raise EntryMalformed(str(garbled)) from garbled
    return Entry(said["id"], leaf, parents, said["recorded_at"])


@dataclass(frozen=True, slots=True)
class ReadEntry:
    """What an entry's bytes say, read as quickly as can be for checking many.

    Attributes:
        id: The leaf's id as it is written there.
        own_id: The id that its kind and identity stand for.
        kind: What it stands for.
        parents: Ids and roles.
        names: What people call it.
        recorded_at: ISO 8601 UTC.
    """

    id: str
    own_id: str
    kind: Kind
    parents: Sequence[Sequence[str]]
    names: tuple[str, ...]
    recorded_at: str


def read_entry(content: bytes) -> ReadEntry:
    """Read an entry.

    Raises:
        EntryMalformed: The bytes are not an entry's.
    """
    said = _object(content)
    identity, parents = said["identity"], said["parents"]
    try:
        kind = Kind(said["kind"])
        names = names_of(kind, identity, said["detail"])
        own_id = leaf_id_of(kind, canonical_json(identity))
        if any(len(parent) != len(("id", "role")) for parent in parents) or type(said["recorded_at"]) is not str:
            raise EntryMalformed("parents or moment are not written as entries write them")
    except (TypeError, ValueError, AttributeError) as garbled:
        raise EntryMalformed(str(garbled)) from garbled
    return ReadEntry(said["id"], own_id, kind, parents, names, said["recorded_at"])


def names_in(content: bytes) -> tuple[str, ...]:
    """Return what people call the leaf of an entry; nothing where the bytes are no entry's."""
    try:
        said = _object(content)
        return names_of(Kind(said["kind"]), said["identity"], said["detail"])
    except (EntryMalformed, TypeError, ValueError):
        return ()


def recorded_leaf(sequence: int, leaf_id: str, content: bytes) -> RecordedLeaf:
    """Read a leaf as it stands in the log.

    Args:
        sequence: Its position, from 1.
        leaf_id: The id by which it was found.
        content: The entry's bytes.

    Raises:
        EntryMalformed: The bytes are not an entry's.
    """
    said = _object(content)
    try:
        kind, recorded_at = Kind(said["kind"]), parse_instant(said["recorded_at"])
    except (TypeError, ValueError) as garbled:
        raise EntryMalformed(str(garbled)) from garbled
    return RecordedLeaf(sequence, leaf_id, kind, said["identity"], said["detail"], recorded_at, content)


def _object(content: bytes) -> Mapping[str, Any]:
    try:
        said = orjson.loads(content)
    except ValueError as garbled:
        raise EntryMalformed(f"not JSON: {garbled}") from garbled
    if not isinstance(said, dict) or said.keys() != _FIELDS:
        raise EntryMalformed(f"an entry holds {', '.join(sorted(_FIELDS))}")
    return said
