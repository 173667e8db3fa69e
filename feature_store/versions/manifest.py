"""A feature version's manifest: what it is, from which files, in which files, as canonical JSON."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any

from ledgerline.core.clock import instant_text
from ledgerline.core.identity import canonical_json, content_id, sha256_bytes


@dataclass(frozen=True, slots=True)
class InputFile:
    """One accepted file that a version was built from.

    Attributes:
        dataset: Its dataset.
        receipt: Leaf id of the validation receipt that let its rows in.
        sha256: Hash of the file.
        path: Where it lies, below the workspace.
    """

    dataset: str
    receipt: str
    sha256: str
    path: str


@dataclass(frozen=True, slots=True)
class Partition:
    """One day of features, one month or one year.

    Attributes:
        date: The UTC day, month or year of ``available_at``, e.g. ``2018-04-01``, ``2018-04`` or ``2018``.
        path: Where the file lies, below the workspace.
        sha256: Hash of the file.
        rows: How many rows it holds.
    """

    date: str
    path: str
    sha256: str
    rows: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a feature version says about itself.

    Attributes:
        view: The view's name.
        fingerprint: The view's definition.
        features: Names, in the view's order; of an open view those that its data gave it.
        as_of: Nothing that became available later is in it.
        inputs: Source by source in the view's order, each by time.
        partitions: In arrival order.
        online_state: SHA-256 of the object from which live features go on: rows as Parquet or, of a view over several
            tables, a JSON object of each table's SHA-256. None where live features need no past.
    """

    view: str
    fingerprint: str
    features: tuple[str, ...]
    as_of: datetime
    inputs: tuple[InputFile, ...]
    partitions: tuple[Partition, ...]
    online_state: str | None

    @property
    def rows(self) -> int:
        """Rows of all partitions together."""
        return sum(partition.rows for partition in self.partitions)

    @property
    def files(self) -> dict[str, str]:
        """Path and SHA-256 of every file that DVC keeps for this version: its inputs and its partitions."""
        return {file.path: file.sha256 for file in self.inputs} | {file.path: file.sha256 for file in self.partitions}

    @property
    def identity(self) -> dict[str, str]:
        """What makes a feature version this one, in the evidence log."""
        return {"view": self.view, "fingerprint": self.fingerprint, "manifest": sha256_bytes(self.to_bytes())}

    @property
    def version(self) -> str:
        """What the evidence log calls this version: the id of the leaf that records it."""
        return content_id({"identity": self.identity, "kind": "feature_version"})

    def to_bytes(self) -> bytes:
        """Return canonical JSON: equal manifests are equal bytes."""
        return canonical_json(
            {
                "view": self.view,
                "fingerprint": self.fingerprint,
                "features": list(self.features),
                "as_of": instant_text(self.as_of),
                "inputs": [asdict(file) for file in self.inputs],
                "partitions": [asdict(partition) for partition in self.partitions],
                "online_state": self.online_state,
            }
        )

    @classmethod
    def from_bytes(cls, content: bytes) -> "Manifest":
        """Read what :meth:`to_bytes` wrote."""
        body = json.loads(content)
        return cls(
            view=body["view"],
            fingerprint=body["fingerprint"],
            features=tuple(body["features"]),
            as_of=datetime.fromisoformat(body["as_of"]),
            inputs=tuple(InputFile(**file) for file in _mappings(body["inputs"])),
            partitions=tuple(Partition(**partition) for partition in _mappings(body["partitions"])),
            online_state=body["online_state"],
        )


def view_folder(view: str) -> PurePosixPath:
    """Return where a view's files lie, below the workspace."""
    return PurePosixPath("data", "features", view)


def manifest_path(view: str) -> str:
    """Return where a view's manifest lies, below the workspace."""
    return str(view_folder(view) / "manifest.json")


def _mappings(entries: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [dict(entry) for entry in entries]
