"""Record the training set of a feature version: every month of the books, with every correction."""

from pathlib import Path

import polars as pl

from feature_store.versions.manifest import Manifest
from ledgerline.audit import Ledger, RecordedLeaf
from ledgerline.core.identity import content_id, source_fingerprint
from ledgerline.decisions.forecast.model import FAMILY
from ledgerline.decisions.forecast.series import SERIES_COLUMNS
from pipelines.training.inputs import accepted_rows, feature_manifest, inputs_of
from pipelines.training.sealed import SealedTrainingSet, same_view, seal

_LEDGER = "ledger"


def training_set_spec() -> str:
    """Return the fingerprint of how a training set is made: the code of this file."""
    return content_id({"family": FAMILY, "code": source_fingerprint([Path(__file__)])})


def seal_training_set(ledger: Ledger, version: RecordedLeaf) -> SealedTrainingSet:
    """Keep every month known at the version's ``as_of``, and record the leaf.

    Raises:
        TrainingRefused: The version's inputs are missing, changed, or of another definition than this code's view.
    """
    manifest = feature_manifest(ledger, version)
    same_view(manifest)
    return seal(
        ledger,
        family=FAMILY,
        version=version,
        manifest=manifest,
        frame=known_months(ledger, manifest),
        spec=training_set_spec(),
        labels=[file.receipt for file in inputs_of(manifest, _LEDGER)],
    )


def known_months(ledger: Ledger, manifest: Manifest) -> pl.DataFrame:
    """Return the months that a feature version was built from, as far as they were known at its ``as_of``.

    A month has one row of features, decided when it was first known. Corrections are further rows here: a forecast
    starts from the books as they stand.

    Returns:
        :data:`~ledgerline.decisions.forecast.series.SERIES_COLUMNS`, by series, month and arrival.

    Raises:
        TrainingRefused: The version's inputs are missing or changed.
    """
    rows = accepted_rows(ledger, manifest, _LEDGER, SERIES_COLUMNS)
    return rows.filter(pl.col("available_at") <= manifest.as_of).sort(SERIES_COLUMNS)
