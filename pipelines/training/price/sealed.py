"""Build the training set of a feature version and record it."""

from collections.abc import Sequence

import polars as pl

from feature_store.versions.manifest import Manifest
from ledgerline.audit import Ledger, RecordedLeaf
from ledgerline.core.contracts import contract_named
from pipelines.features import read_features
from pipelines.training.inputs import accepted_rows, feature_manifest, inputs_of
from pipelines.training.price.dataset import ACTION_COLUMNS, PRICE_COLUMNS, join_labels, training_set_spec
from pipelines.training.sealed import SealedTrainingSet, same_view, seal

_FAMILY = "price"
_PRICES = "prices_daily"
_ACTIONS = "corporate_actions"


def seal_training_set(ledger: Ledger, version: RecordedLeaf) -> SealedTrainingSet:
    """Join the sealed features of ``version`` to the returns known at its ``as_of``, keep the rows and record the leaf.

    The prices are those that the feature version itself was built from, so that a feature version has one training set.

    Raises:
        TrainingRefused: The version's inputs are missing, changed, or of another definition than this code's view.
    """
    manifest = feature_manifest(ledger, version)
    view = same_view(manifest)
    frame = join_labels(
        read_features(ledger, version.id).collect(),
        accepted_rows(ledger, manifest, _PRICES, PRICE_COLUMNS),
        _rows(ledger, manifest, _ACTIONS, ACTION_COLUMNS),
        as_of=manifest.as_of,
        names=view.feature_names,
    )
    receipts = [file.receipt for dataset in (_PRICES, _ACTIONS) for file in inputs_of(manifest, dataset)]
    return seal(
        ledger,
        family=_FAMILY,
        version=version,
        manifest=manifest,
        frame=frame,
        spec=training_set_spec(),
        labels=receipts,
    )


def _rows(ledger: Ledger, manifest: Manifest, dataset: str, columns: Sequence[str]) -> pl.DataFrame:
    """Return accepted rows of a dataset that may be absent from a feature version."""
    if inputs_of(manifest, dataset):
        return accepted_rows(ledger, manifest, dataset, columns)
    from feature_store.sources import empty_rows

    return empty_rows(contract_named(dataset)).select(columns)
