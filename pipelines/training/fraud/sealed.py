"""Build the training set of a feature version and record it."""

from feature_store.versions.manifest import Manifest
from feature_store.view import FeatureView
from ledgerline.audit import Ledger, RecordedLeaf
from pipelines.features import read_features
from pipelines.training.errors import TrainingRefused
from pipelines.training.fraud.dataset import join_labels, training_set_spec
from pipelines.training.inputs import accepted_rows, feature_manifest, inputs_of
from pipelines.training.sealed import SealedTrainingSet, same_view, seal

_LABELS = "fraud_labels"
_LABEL_INPUT = ("transaction_id", "is_fraud", "available_at")


def seal_training_set(ledger: Ledger, version: RecordedLeaf) -> SealedTrainingSet:
    """Join the sealed features of ``version`` to the labels known at its ``as_of``, keep the rows and record the leaf.

    The labels are those that the feature version itself was built from, so that a feature version has one training set.

    Raises:
        TrainingRefused: The version's inputs are missing, changed, or of another definition than this code's view.
    """
    manifest = feature_manifest(ledger, version)
    view = _card_view(manifest)
    labels = accepted_rows(ledger, manifest, _LABELS, _LABEL_INPUT)
    features = read_features(ledger, version.id).collect()
    return seal(
        ledger,
        family="fraud",
        version=version,
        manifest=manifest,
        frame=join_labels(features, labels, as_of=manifest.as_of, names=view.feature_names),
        spec=training_set_spec(),
        labels=[file.receipt for file in inputs_of(manifest, _LABELS)],
    )


def _card_view(manifest: Manifest) -> FeatureView:
    view = same_view(manifest)
    if not isinstance(view, FeatureView):
        raise TrainingRefused(f"{manifest.view} is no view over payments and their labels")
    return view
