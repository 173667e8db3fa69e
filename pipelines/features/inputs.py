"""What a view is built from: the accepted files that are current, and their rows."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path

from feature_store.versions.manifest import InputFile
from feature_store.views import View
from ledgerline.audit import Ledger, RecordedLeaf, UnknownLeaf
from ledgerline.core.contracts import DatasetContract
from pipelines.features.errors import NothingAccepted
from pipelines.features.known_files import KnownFiles
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


def located(ledger: Ledger, inputs: Iterable[AcceptedFile], known_files: KnownFiles) -> Callable[[str], Path]:
    """Return what says where an input lies, by its path below the workspace; it checks each file's hash once.

    Raises:
        AcceptedRowsLost: A file was changed or lost, and cannot be made again; raised where it is asked for.
    """
    by_path = {accepted.file.path: accepted for accepted in inputs}

    @cache
    def locate(path: str) -> Path:
        accepted = by_path[path]
        file = ledger.settings.workspace_path / path
        if file.exists() and known_files.sha256(file) == accepted.file.sha256:
            return file
        return accepted_file(ledger, batch_of(ledger, accepted), accepted.receipt)

    return locate


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
