"""What a feature version was built from, read back and checked: its manifest, and the accepted rows behind it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from ledgerline.audit import Kind, Ledger, RecordedLeaf
from ledgerline.core.identity import sha256_file
from pipelines.training.errors import TrainingRefused


@dataclass(frozen=True, slots=True)
class FeatureManifest:
    """What a sealed feature version says about itself.

    Attributes:
        view: The view's name.
        fingerprint: The view's definition.
        features: Names, in the model's order.
        as_of: Nothing later is in it.
        inputs: ``dataset``, ``receipt`` and ``sha256`` of every accepted file behind it, in order.
        partitions: ``date``, ``path``, ``sha256`` and ``rows`` of every file of features, in arrival order.
    """

    view: str
    fingerprint: str
    features: tuple[str, ...]
    as_of: datetime
    inputs: tuple[Mapping[str, Any], ...]
    partitions: tuple[Mapping[str, Any], ...]

    @classmethod
    def from_bytes(cls, content: bytes) -> "FeatureManifest":
        """Decode ``manifest.json``.

        Raises:
            TrainingRefused: It is not a feature version's manifest.
        """
        try:
            body = json.loads(content)
            return cls(
                view=body["view"],
                fingerprint=body["fingerprint"],
                features=tuple(body["features"]),
                as_of=datetime.fromisoformat(body["as_of"]),
                inputs=tuple(body["inputs"]),
                partitions=tuple(body["partitions"]),
            )
        except (ValueError, KeyError, TypeError) as malformed:
            raise TrainingRefused(
                f"this is no feature version's manifest: {malformed!r}; build it again"
            ) from malformed

    def receipts(self, dataset: str) -> list[str]:
        """Return leaf ids of the validation receipts of one dataset, in order."""
        return [str(entry["receipt"]) for entry in self.inputs if entry["dataset"] == dataset]

    def hashes(self, dataset: str) -> list[str]:
        """Return the SHA-256 of the accepted files of one dataset, in order."""
        return [str(entry["sha256"]) for entry in self.inputs if entry["dataset"] == dataset]


def newest_feature_version(ledger: Ledger, view: str) -> RecordedLeaf:
    """Return the feature version of a view that was recorded last.

    Raises:
        TrainingRefused: There is none.
    """
    version = ledger.log.latest(Kind.FEATURE_VERSION, view=view)
    if version is None:
        raise TrainingRefused(f"no feature version of {view} is recorded; build one first")
    return version


def feature_manifest(ledger: Ledger, version: RecordedLeaf) -> FeatureManifest:
    """Return the manifest that a feature version's leaf names, from the object store."""
    return FeatureManifest.from_bytes(ledger.objects.get(str(version.identity["manifest"])))


def accepted_rows(ledger: Ledger, manifest: FeatureManifest, dataset: str, columns: Sequence[str]) -> pl.DataFrame:
    """Return the accepted rows of one dataset that a feature version was built from, every file checked.

    Raises:
        TrainingRefused: A file is missing from the workspace, or is not what its receipt accepted.
    """
    files = []
    for receipt_id, sha256 in zip(manifest.receipts(dataset), manifest.hashes(dataset), strict=True):
        receipt = ledger.log.get(receipt_id)
        files.append(checked_file(ledger.settings.workspace_path / str(receipt.detail["accepted_path"]), sha256))
    return read_rows(files, columns, what=f"accepted {dataset}")


def read_rows(files: Sequence[Path], columns: Sequence[str], *, what: str) -> pl.DataFrame:
    """Return some columns of several Parquet files, in the files' order.

    Raises:
        TrainingRefused: There are no files.
    """
    if not files:
        raise TrainingRefused(f"there are no files of {what}; ingest and validate them first")
    return pl.concat([pl.read_parquet(path, columns=list(columns)) for path in files], rechunk=False)


def checked_file(path: Path, sha256: str) -> Path:
    """Return ``path`` once its bytes proved to be the expected ones.

    Raises:
        TrainingRefused: The file is missing or was changed.
    """
    if not path.is_file():
        raise TrainingRefused(f"{path} is missing from the workspace; restore the feature version, or validate again")
    if (found := sha256_file(path)) != sha256:
        raise TrainingRefused(f"{path} hashes to {found}, the evidence says {sha256}: it was changed; restore it")
    return path
