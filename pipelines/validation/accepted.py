"""Accepted rows as files of the workspace: one Parquet file a batch, the same bytes whoever writes it."""

import io
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from ledgerline.audit import Kind, Ledger, RecordedLeaf
from ledgerline.core.errors import LedgerlineError
from ledgerline.core.identity import sha256_bytes, sha256_file
from ledgerline.core.storage import write_atomically
from pipelines.ingestion.typed_rows import ROW_NUMBER
from pipelines.validation.landed import read_landed

_NAME_DIGITS = 16
_ROW_GROUP_ROWS = 262_144


class AcceptedRowsLost(LedgerlineError):
    """A batch's accepted file is gone or changed, and what was landed no longer gives the same bytes."""


def accepted_path(batch: RecordedLeaf, sha256: str, receipts: Sequence[RecordedLeaf]) -> str:
    """Return where a batch's accepted rows lie, below the workspace.

    Args:
        batch: The landed batch.
        sha256: The file's hash.
        receipts: The batch's receipts so far. A batch that was judged anew, and lets other rows in, gets another file:
            what was built from the old one still finds it.
    """
    folder = f"data/accepted/{batch.identity['dataset']}"
    name = batch.id[:_NAME_DIGITS]
    taken = {
        receipt.detail["accepted_path"]: receipt.identity["accepted_sha256"]
        for receipt in receipts
        if receipt.identity["accepted_sha256"]
    }
    path = f"{folder}/{name}.parquet"
    return path if taken.get(path, sha256) == sha256 else f"{folder}/{name}-{sha256[:_NAME_DIGITS]}.parquet"


def parquet_bytes(frame: pl.DataFrame) -> bytes:
    """Encode a frame as Parquet: equal frames give equal bytes, however they lie in memory."""
    buffer = io.BytesIO()
    frame.rechunk().write_parquet(buffer, compression="zstd", compression_level=3, row_group_size=_ROW_GROUP_ROWS)
    return buffer.getvalue()


def accepted_file(ledger: Ledger, batch: RecordedLeaf, receipt: RecordedLeaf) -> Path:
    """Return the file of a batch's accepted rows, checked; write it again from what was landed where it is lost.

    Raises:
        AcceptedRowsLost: The bytes written again are not those of the receipt.
    """
    path = ledger.settings.workspace_path / str(receipt.detail["accepted_path"])
    expected = receipt.identity["accepted_sha256"]
    if path.exists() and sha256_file(path) == expected:
        return path
    if receipt.kind is Kind.RELEASE:
        content = ledger.objects.get(str(expected))
        write_atomically(path, content)
        return path
    rows = read_landed(ledger, batch).rows
    if quarantine := receipt.identity["quarantine_object"]:
        kept_out = pl.read_parquet(io.BytesIO(ledger.objects.get(quarantine)), columns=[ROW_NUMBER])
        rows = rows.join(kept_out, on=ROW_NUMBER, how="anti", maintain_order="left")
    content = parquet_bytes(rows)
    if sha256_bytes(content) != expected:
        raise AcceptedRowsLost(
            f"{path} is not the file of receipt {receipt.id} ({expected}) and could not be made again; "
            "restore it from the DVC remote (`dvc checkout` in the workspace)"
        )
    write_atomically(path, content)
    return path
