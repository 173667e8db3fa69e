"""Build the training set of a feature version and record it."""

from dataclasses import dataclass
from datetime import datetime

import polars as pl

from feature_store.offline import compute
from feature_store.view import FeatureView
from feature_store.views import view_named
from ledgerline.audit import Kind, Leaf, Ledger, Parent, RecordedLeaf
from ledgerline.core.clock import instant_text
from pipelines.features import read_features
from pipelines.features.manifest import Manifest
from pipelines.training.errors import TrainingRefused
from pipelines.training.fraud.dataset import encode_training_set, join_labels, training_set_spec
from pipelines.training.inputs import accepted_rows, feature_manifest, inputs_of

_LABELS = "fraud_labels"
_LABEL_INPUT = ("transaction_id", "is_fraud", "available_at")


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


def seal_training_set(ledger: Ledger, version: RecordedLeaf) -> SealedTrainingSet:
    """Join the sealed features of ``version`` to the labels known at its ``as_of``, keep the rows and record the leaf.

    The labels are those that the feature version itself was built from, so that a feature version has one training set.

    Raises:
        TrainingRefused: The version's inputs are missing, changed, or of another definition than this code's view.
    """
    manifest = feature_manifest(ledger, version)
    view = _same_view(manifest)
    labels = accepted_rows(ledger, manifest, _LABELS, _LABEL_INPUT)
    features = read_features(ledger, version.id).collect()
    frame = join_labels(features, labels, as_of=manifest.as_of, names=view.feature_names)
    sha256 = ledger.objects.put(encode_training_set(frame, as_of=manifest.as_of))
    receipts = [file.receipt for file in inputs_of(manifest, _LABELS)]
    identity = {
        "family": "fraud",
        "feature_version": version.id,
        "labels": receipts,
        "as_of": instant_text(manifest.as_of),
        "spec": training_set_spec(),
        "rows": frame.height,
        "sha256": sha256,
    }
    parents = [Parent(version.id, "features"), *(Parent(receipt, "labels") for receipt in receipts)]
    return SealedTrainingSet(ledger.log.append(Leaf(Kind.TRAINING_SET, identity), parents), sha256, frame, manifest)


def recomputed_features(ledger: Ledger, manifest: Manifest, at: datetime) -> pl.DataFrame:
    """Compute a feature version's features again from what was known at ``at``, and from nothing else."""
    view = _same_view(manifest)
    known = pl.col("available_at") <= at
    events = accepted_rows(ledger, manifest, view.events.name, view.event_columns).filter(known)
    label_columns = [column for column in view.labels.column_names if column != "scenario"]
    labels = accepted_rows(ledger, manifest, view.labels.name, label_columns).filter(known)
    return compute(view, events, labels)


def _same_view(manifest: Manifest) -> FeatureView:
    view = view_named(manifest.view)
    if view.fingerprint != manifest.fingerprint or view.feature_names != manifest.features:
        raise TrainingRefused(
            f"the feature version was built from another definition of {manifest.view} ({manifest.fingerprint[:12]}) "
            f"than this code's ({view.fingerprint[:12]}); build the features again"
        )
    return view
