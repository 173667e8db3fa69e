"""A training set on record: its rows as an object, its leaf with everything that it was made from."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO

import polars as pl

from feature_store.versions.manifest import Manifest
from feature_store.views import View, view_named
from ledgerline.audit import Kind, Leaf, Ledger, Parent, RecordedLeaf
from ledgerline.core.clock import instant_text
from pipelines.training.errors import TrainingRefused

_ROW_GROUP_ROWS = 262_144
_AS_OF_KEY = "ledgerline.as_of"


@dataclass(frozen=True, slots=True)
class SealedTrainingSet:
    """A recorded training set, and what it was made from.

    Attributes:
        id: Its leaf id.
        sha256: Its object.
        frame: Its rows.
        manifest: The feature version's manifest.
    """

    id: str
    sha256: str
    frame: pl.DataFrame
    manifest: Manifest

    @property
    def as_of(self) -> datetime:
        """Nothing that became known later is in it."""
        return self.manifest.as_of


@dataclass(frozen=True, slots=True)
class BundleOrigin:
    """Where a bundle comes from.

    Attributes:
        feature_view: Name of the view.
        feature_fingerprint: Its definition.
        training_set: Leaf id.
        training_run: Leaf id of the run; known before it is recorded, because it hashes what the run is made of.
    """

    feature_view: str
    feature_fingerprint: str
    training_set: str
    training_run: str


def seal(
    ledger: Ledger,
    *,
    family: str,
    version: RecordedLeaf,
    manifest: Manifest,
    frame: pl.DataFrame,
    spec: str,
    labels: Sequence[str],
) -> SealedTrainingSet:
    """Keep a training set's rows and record it; the same rows from the same inputs are the same training set.

    Args:
        ledger: The installation.
        family: Whose training set.
        version: Leaf of the feature version that its features are.
        manifest: That version's manifest.
        frame: The rows.
        spec: Fingerprint of how they were made, from the family.
        labels: Leaf ids of the validation receipts that let its labels in; none where the features hold them.
    """
    sha256 = ledger.objects.put(encode_training_set(frame, as_of=manifest.as_of))
    identity = {
        "family": family,
        "feature_version": version.id,
        "labels": list(labels),
        "as_of": instant_text(manifest.as_of),
        "spec": spec,
        "rows": frame.height,
        "sha256": sha256,
    }
    parents = [Parent(version.id, "features"), *(Parent(receipt, "labels") for receipt in labels)]
    return SealedTrainingSet(ledger.log.append(Leaf(Kind.TRAINING_SET, identity), parents), sha256, frame, manifest)


def same_view(manifest: Manifest) -> View:
    """Return the view that a feature version was built by.

    Raises:
        TrainingRefused: This code's view of that name is another definition.
    """
    view = view_named(manifest.view)
    if view.fingerprint != manifest.fingerprint or (view.feature_names and view.feature_names != manifest.features):
        raise TrainingRefused(
            f"the feature version was built from another definition of {manifest.view} ({manifest.fingerprint[:12]}) "
            f"than this code's ({view.fingerprint[:12]}); build the features again"
        )
    return view


def encode_training_set(frame: pl.DataFrame, *, as_of: datetime) -> bytes:
    """Encode a training set as Parquet; equal rows give equal bytes."""
    buffer = BytesIO()
    # In one piece and in row groups of one size: how the rows lie in memory must not show in the bytes.
    frame.rechunk().write_parquet(
        buffer,
        compression="zstd",
        compression_level=1,
        row_group_size=_ROW_GROUP_ROWS,
        metadata={_AS_OF_KEY: instant_text(as_of)},
    )
    return buffer.getvalue()


def decode_training_set(content: bytes) -> tuple[pl.DataFrame, datetime]:
    """Return a training set and its ``as_of`` from what :func:`encode_training_set` made.

    Raises:
        TrainingRefused: It is another Parquet file.
    """
    metadata = pl.read_parquet_metadata(BytesIO(content))
    if _AS_OF_KEY not in metadata:
        raise TrainingRefused("this Parquet file is no training set: it does not say as of when its labels were known")
    return pl.read_parquet(BytesIO(content)), datetime.fromisoformat(metadata[_AS_OF_KEY])
