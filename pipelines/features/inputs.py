"""What a view is built from: the accepted files that are current, and their rows."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import polars as pl

from feature_store.versions.manifest import InputFile
from feature_store.view import FeatureView
from feature_store.views import View
from ledgerline.audit import Ledger, RecordedLeaf, UnknownLeaf
from ledgerline.core.contracts import DatasetContract
from ledgerline.core.identity import content_id
from pipelines.features.errors import NothingAccepted
from pipelines.ingestion.typed_rows import rows_schema
from pipelines.validation import accepted_receipts
from pipelines.validation.accepted import accepted_file


@dataclass(frozen=True, slots=True)
class AcceptedFile:
    """One accepted file.

    Attributes:
        file: Its entry in a manifest.
        receipt: The receipt that let its rows in.
        first_available: The earliest ``available_at`` of its rows.
        last_available: The latest.
    """

    file: InputFile
    receipt: RecordedLeaf
    first_available: datetime
    last_available: datetime


@dataclass(frozen=True, slots=True)
class History:
    """The accepted rows that a build reads.

    Attributes:
        events: Rows of the view's events, an id once, as it first arrived.
        labels: Rows of the view's labels.
        contents: For each input path, what names the rows of it that count: its hash, or a hash over that and the ids
            in it that had arrived before.
        last_event: For each input path with rows that count, the latest ``event_time`` of the events they are about; a
            label's own is not relied on.
    """

    events: pl.DataFrame
    labels: pl.DataFrame
    contents: dict[str, str]
    last_event: dict[str, datetime]


def accepted_inputs(ledger: Ledger, view: View, as_of: datetime) -> tuple[AcceptedFile, ...]:
    """Return every current accepted file that holds a row known at ``as_of``: source by source, each by time.

    Raises:
        NothingAccepted: There are no rows of the view's first source.
    """
    primary, *others = view.sources
    rows = _files(ledger, primary, as_of)
    if not rows:
        raise NothingAccepted(
            f"no accepted rows of {primary.name} are known at {as_of:%Y-%m-%d %H:%M} UTC; "
            "ingest and validate them first (`ledgerline ingest`, `ledgerline validate`)"
        )
    return (*rows, *(file for contract in others for file in _files(ledger, contract, as_of)))


def batch_of(ledger: Ledger, accepted: AcceptedFile) -> RecordedLeaf:
    """Return the landed batch that a file's rows came in.

    Raises:
        UnknownLeaf: It is not in the log.
    """
    batch = ledger.log.find(accepted.receipt.identity["batch"])
    if batch is None:
        raise UnknownLeaf(f"receipt {accepted.receipt.id} names a batch that is not in the log")
    return batch


def read_history(ledger: Ledger, view: FeatureView, inputs: Iterable[AcceptedFile], as_of: datetime) -> History:
    """Read every input's rows that are known at ``as_of``, checking each file's hash.

    Raises:
        AcceptedRowsLost: A file was changed or lost, and cannot be made again.
    """
    inputs = list(inputs)
    events, ignored = _first_arrivals(view, _read(ledger, view.events, inputs, view.event_columns, as_of))
    label_columns = (view.event_id, "event_time", "available_at", *view.label_measures)
    labels = _read(ledger, view.labels, inputs, label_columns, as_of)
    contents = {
        accepted.file.path: content_id([accepted.file.sha256, ignored[accepted.file.path]])
        if accepted.file.path in ignored
        else accepted.file.sha256
        for accepted in inputs
    }
    labelled = labels.select(view.event_id, "path").join(events.select(view.event_id, "event_time"), on=view.event_id)
    last_event = _latest_by_path(events) | _latest_by_path(labelled)
    return History(events.drop("path"), labels.drop("path"), contents, last_event)


def _latest_by_path(rows: pl.DataFrame) -> dict[str, datetime]:
    return dict(rows.group_by("path").agg(pl.col("event_time").max()).iter_rows())


def _files(ledger: Ledger, contract: DatasetContract, as_of: datetime) -> list[AcceptedFile]:
    receipts = [receipt for receipt in accepted_receipts(ledger, contract.name) if receipt.identity["accepted"]]
    files = [_accepted_file(receipt) for receipt in receipts]
    known = [file for file in files if file.first_available <= as_of]
    return sorted(known, key=lambda file: (file.first_available, file.last_available, file.receipt.id))


def _accepted_file(receipt: RecordedLeaf) -> AcceptedFile:
    file = InputFile(
        dataset=receipt.identity["dataset"],
        receipt=receipt.id,
        sha256=receipt.identity["accepted_sha256"],
        path=receipt.detail["accepted_path"],
    )
    first, last = (datetime.fromisoformat(receipt.detail[name]) for name in ("available_at_min", "available_at_max"))
    return AcceptedFile(file, receipt, first_available=first, last_available=last)


def _read(
    ledger: Ledger, contract: DatasetContract, inputs: list[AcceptedFile], columns: tuple[str, ...], as_of: datetime
) -> pl.DataFrame:
    """Return the rows known at ``as_of`` of one dataset's files, with the path of the file that each came from."""
    frames = [rows_schema(contract).to_frame().select(columns).with_columns(path=pl.lit("", pl.String))]
    for accepted in inputs:
        if accepted.file.dataset == contract.name:
            rows = pl.read_parquet(_checked(ledger, accepted), columns=list(columns))
            known = rows.filter(pl.col("available_at") <= as_of)
            frames.append(known.with_columns(path=pl.lit(accepted.file.path)))
    return pl.concat(frames)


def _checked(ledger: Ledger, accepted: AcceptedFile) -> Path:
    return accepted_file(ledger, batch_of(ledger, accepted), accepted.receipt)


def _first_arrivals(view: FeatureView, rows: pl.DataFrame) -> tuple[pl.DataFrame, dict[str, str]]:
    """Return the rows whose id had not arrived before and, for each file with others, a hash over those."""
    if rows[view.event_id].n_unique() == rows.height:
        return rows, {}
    ordered = rows.sort("available_at", maintain_order=True)
    first = ordered[view.event_id].is_first_distinct()
    repeats = ordered.filter(~first).group_by("path").agg(pl.col(view.event_id).sort())
    return ordered.filter(first), {path: content_id(ids) for path, ids in repeats.iter_rows()}
