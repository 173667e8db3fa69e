"""What one entry of the evidence log is."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from ledgerline.core.identity import canonical_json, sha256_bytes


class Kind(StrEnum):
    """What a leaf stands for, in the order of the line from raw bytes to a live decision."""

    RAW_FILE = "raw_file"
    REFUSED_FILE = "refused_file"
    LANDED_BATCH = "landed_batch"
    VALIDATION_RECEIPT = "validation_receipt"
    FEATURE_VERSION = "feature_version"
    TRAINING_SET = "training_set"
    TRAINING_RUN = "training_run"
    MODEL_BUNDLE = "model_bundle"
    EVALUATION = "evaluation"
    SIGNING_KEY = "signing_key"
    KEY_REVOCATION = "key_revocation"
    APPROVAL = "approval"
    DEPLOYMENT = "deployment"
    REQUEST = "request"
    DECISION = "decision"
    FORECAST = "forecast"
    SCORED_BATCH = "scored_batch"
    ORDER_INTENT = "order_intent"
    VENUE_EVENT = "venue_event"
    OUTCOME = "outcome"
    RELEASE = "release"
    HALT = "halt"
    MONITORING = "monitoring"
    ERASURE = "erasure"


_NAMED_BY = {
    Kind.DECISION: ("decision_id",),
    Kind.MODEL_BUNDLE: ("digest",),
    Kind.RAW_FILE: ("sha256", "path"),
    Kind.FEATURE_VERSION: ("manifest", "tag"),
    Kind.ORDER_INTENT: ("client_order_id",),
}
NAMED_KINDS = frozenset(_NAMED_BY)
"""The kinds that people call by other names than their ids. A request's id follows from the SHA-256 of its bytes."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """A fact to be recorded.

    Attributes:
        kind: What it stands for.
        identity: What makes it this one and no other. JSON values only. The same kind and identity is the same leaf,
            however often it is recorded: a task that runs twice records once.
        detail: What else is worth keeping and may differ between two makings of the same thing: paths, run ids,
            moments, counts. Covered by the log's tree, not by the leaf's id.
    """

    kind: Kind
    identity: Mapping[str, Any]
    detail: Mapping[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """SHA-256 of the canonical JSON of kind and identity."""
        return leaf_id_of(self.kind, canonical_json(dict(self.identity)))

    @property
    def names(self) -> tuple[str, ...]:
        """What people call it by, besides its id."""
        return names_of(self.kind, self.identity, self.detail)


def names_of(kind: Kind, identity: Mapping[str, Any], detail: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what people call a leaf, besides its id."""
    if kind not in NAMED_KINDS:
        return ()
    found = (identity.get(field) or detail.get(field) for field in _NAMED_BY[kind])
    names = [str(name) for name in found if name]
    if kind is Kind.MODEL_BUNDLE and (version := identity.get("model_version") or detail.get("model_version")):
        names.append(f"{identity.get('family') or detail.get('family')}@{version}")
    return tuple(dict.fromkeys(names))


def leaf_id_of(kind: Kind, identity: bytes) -> str:
    """Return the id of a leaf whose identity is this canonical JSON."""
    return sha256_bytes(b'{"identity":%b,"kind":"%b"}' % (identity, kind.value.encode()))


@dataclass(frozen=True, slots=True)
class Parent:
    """What a leaf was made from.

    Attributes:
        id: The parent leaf's id; it must be in the log already.
        role: What the parent was to the child, e.g. ``"features"``.
    """

    id: str
    role: str


@dataclass(frozen=True, slots=True)
class RecordedLeaf:
    """A leaf as it stands in the log.

    Attributes:
        sequence: Position in the log, from 1.
        id: The leaf's content id.
        kind: What it stands for.
        identity: What makes it this one.
        detail: What else was kept.
        recorded_at: When it was recorded, UTC.
        entry: The entry's bytes, canonical JSON of all this and of the parents: what the log's tree is over.
    """

    sequence: int
    id: str
    kind: Kind
    identity: Mapping[str, Any]
    detail: Mapping[str, Any]
    recorded_at: datetime
    entry: bytes

    @property
    def is_intact(self) -> bool:
        """Whether kind and identity are still what the id, which others signed or named, stands for."""
        return Leaf(self.kind, self.identity).id == self.id
