"""Record the training set of a feature version, and compute its features again from an earlier moment."""

from datetime import datetime
from pathlib import Path

import polars as pl

from ledgerline.audit import Ledger, RecordedLeaf
from ledgerline.core.identity import content_id, source_fingerprint
from ledgerline.decisions.forecast.model import FAMILY
from pipelines.features import read_features
from pipelines.features.manifest import Manifest
from pipelines.training.inputs import accepted_rows, feature_manifest
from pipelines.training.sealed import SealedTrainingSet, same_view, seal


def training_set_spec() -> str:
    """Return the fingerprint of how a training set is made: the code of this file."""
    return content_id({"family": FAMILY, "code": source_fingerprint([Path(__file__)])})


def seal_training_set(ledger: Ledger, version: RecordedLeaf) -> SealedTrainingSet:
    """Keep every feature row that was known at the version's ``as_of``, and record the leaf.

    What is forecast is what the rows hold: there are no labels beside them.

    Raises:
        TrainingRefused: The version was built from another definition than this code's view.
    """
    manifest = feature_manifest(ledger, version)
    same_view(manifest)
    rows = read_features(ledger, version.id).filter(pl.col("available_at") <= manifest.as_of).collect()
    return seal(
        ledger,
        family=FAMILY,
        version=version,
        manifest=manifest,
        frame=rows,
        spec=training_set_spec(),
        labels=[],
    )


def recomputed_features(ledger: Ledger, manifest: Manifest, at: datetime) -> pl.DataFrame:
    """Compute a feature version's features again from what was known at ``at``, and from nothing else."""
    view = same_view(manifest)
    known = {
        contract.name: accepted_rows(ledger, manifest, contract.name, contract.column_names).filter(
            pl.col("available_at") <= at
        )
        for contract in view.sources
    }
    return view.compute(known)
