"""A sealed version computed again from its own accepted rows, with another future: what every leak check stands on."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from feature_store.accepted import accepted_rows
from feature_store.lookahead import Future, with_future
from feature_store.table_view import TableView
from feature_store.versions.manifest import Manifest
from feature_store.views import View, view_named
from ledgerline.audit import Ledger
from ledgerline.core.clock import parse_instant
from pipelines.features.errors import InputsDiffer, OtherDefinition
from pipelines.features.inputs import AcceptedFile, batch_of
from pipelines.features.outcomes import outcome_of
from pipelines.features.tables import read_tables
from pipelines.validation.accepted import accepted_file

_EVER = datetime.min.replace(tzinfo=UTC)

Recompute = Callable[[datetime, Future], pl.DataFrame]
"""The features of every row, in arrival order, computed with something done to what came after an instant."""


def recomputation(ledger: Ledger, manifest: Manifest) -> Recompute:
    """Return what computes a version again from the accepted rows that it was built from, which are read once.

    Raises:
        OtherDefinition: This code defines the view otherwise.
        InputsDiffer: A receipt accepted another file than the version names.
        AcceptedRowsLost: A file was changed or lost, and cannot be made again.
    """
    view = view_of(manifest)
    held: list[dict[str, pl.DataFrame]] = []

    def compute(at: datetime, future: Future) -> pl.DataFrame:
        if not held:
            held.append(version_sources(ledger, manifest))
        return view.compute(with_future(view, held[0], cut=at, future=future, outcome=outcome_of(view.name)))

    return compute


def view_of(manifest: Manifest) -> View:
    """Return the view that a version was built by.

    Raises:
        OtherDefinition: This code's view of that name is another definition.
    """
    view = view_named(manifest.view)
    if view.fingerprint != manifest.fingerprint:
        raise OtherDefinition(
            f"version {manifest.version[:16]} was built from another definition of {manifest.view} "
            f"({manifest.fingerprint[:12]}) than this code's ({view.fingerprint[:12]}); build the features again"
        )
    return view


def version_sources(ledger: Ledger, manifest: Manifest) -> dict[str, pl.DataFrame]:
    """Return the accepted rows that a version was built from, known at its ``as_of``, by contract.

    Raises:
        OtherDefinition: This code defines the view otherwise.
        InputsDiffer: A receipt accepted another file than the version names.
        AcceptedRowsLost: A file was changed or lost, and cannot be made again.
    """
    view, files = view_of(manifest), _accepted_files(ledger, manifest)
    if isinstance(view, TableView):
        return read_tables(ledger, view, files, manifest.as_of)
    paths: dict[str, list[Path]] = {}
    for file in files:
        paths.setdefault(file.file.dataset, []).append(accepted_file(ledger, batch_of(ledger, file), file.receipt))
    events, labels = accepted_rows(view, paths, oldest=_EVER, latest=manifest.as_of)
    return {view.events.name: events} | ({view.labels.name: labels} if view.labels and labels is not None else {})


def _accepted_files(ledger: Ledger, manifest: Manifest) -> list[AcceptedFile]:
    files = []
    for file in manifest.inputs:
        receipt = ledger.log.get(file.receipt)
        if receipt.identity["accepted_sha256"] != file.sha256:
            raise InputsDiffer(
                f"receipt {file.receipt} accepted another file than version {manifest.version[:16]} was built from"
            )
        first, last = (parse_instant(receipt.detail[f"available_at_{bound}"]) for bound in ("min", "max"))
        files.append(AcceptedFile(file, receipt, first_available=first, last_available=last))
    return files
