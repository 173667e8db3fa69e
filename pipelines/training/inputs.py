"""What a feature version was built from, read back and checked: its manifest, and the accepted rows behind it."""

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from feature_store.versions.manifest import InputFile, Manifest
from ledgerline.audit import Kind, Ledger, RecordedLeaf
from ledgerline.core.identity import sha256_file
from pipelines.training.errors import TrainingRefused
from pipelines.validation.accepted import accepted_file


def newest_feature_version(ledger: Ledger, view: str) -> RecordedLeaf:
    """Return the feature version of a view that was recorded last.

    Raises:
        TrainingRefused: There is none.
    """
    version = ledger.log.latest(Kind.FEATURE_VERSION, view=view)
    if version is None:
        raise TrainingRefused(f"no feature version of {view} is recorded; build one first")
    return version


def feature_manifest(ledger: Ledger, version: RecordedLeaf) -> Manifest:
    """Return the manifest that a feature version's leaf names, from the object store."""
    return Manifest.from_bytes(ledger.objects.get(str(version.identity["manifest"])))


def inputs_of(manifest: Manifest, dataset: str) -> list[InputFile]:
    """Return the accepted files of one dataset that a feature version was built from, in its order."""
    return [file for file in manifest.inputs if file.dataset == dataset]


def accepted_rows(ledger: Ledger, manifest: Manifest, dataset: str, columns: Sequence[str]) -> pl.DataFrame:
    """Return the accepted rows of one dataset that a feature version was built from, every file checked.

    Raises:
        TrainingRefused: A receipt accepted another file than the feature version names.
        AcceptedRowsLost: A file was lost or changed, and cannot be made again from what was landed.
    """
    paths = []
    for file in inputs_of(manifest, dataset):
        receipt = ledger.log.get(file.receipt)
        if receipt.identity["accepted_sha256"] != file.sha256:
            raise TrainingRefused(
                f"receipt {file.receipt} accepted another file than the feature version was built from"
            )
        paths.append(accepted_file(ledger, ledger.log.get(str(receipt.identity["batch"])), receipt))
    return read_rows(paths, columns, what=f"accepted {dataset}")


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
