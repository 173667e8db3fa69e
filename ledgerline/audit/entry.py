"""An entry's bytes: the one record of a leaf, from which everything else that is stored of it is found again."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ledgerline.audit.leaf import Kind, Leaf, Parent, RecordedLeaf
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


def encode_entry(leaf_id: str, leaf: Leaf, parents: Sequence[Parent], recorded_at: str) -> bytes:
    """Write an entry: canonical JSON, so that the same leaf makes the same bytes."""
    return canonical_json(
        {
            "detail": dict(leaf.detail),
            "id": leaf_id,
            "identity": dict(leaf.identity),
            "kind": leaf.kind.value,
            "parents": [[parent.id, parent.role] for parent in parents],
            "recorded_at": recorded_at,
        }
    )


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
        said = json.loads(content)
    except ValueError as garbled:
        raise EntryMalformed(f"not JSON: {garbled}") from garbled
    if not isinstance(said, dict) or said.keys() != _FIELDS:
        raise EntryMalformed(f"an entry holds {', '.join(sorted(_FIELDS))}")
    return said
