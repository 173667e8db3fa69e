"""What was not let in: quarantined rows of judged batches, and files that could not be read at all."""

import io
from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from ledgerline.audit import Kind, Ledger, RecordedLeaf
from ledgerline.core.errors import LedgerlineError
from pipelines.ingestion.typed_rows import ROW_NUMBER
from pipelines.validation.current import current_receipts

_NAME_DIGITS = 16
_COLUMNS = {ROW_NUMBER: pl.Int64, "column": pl.String, "reason": pl.String, "value": pl.String}


class NothingQuarantined(LedgerlineError):
    """The name stands for nothing that could hold quarantined rows."""


@dataclass(frozen=True, slots=True)
class QuarantineEntry:
    """One batch with quarantined rows, or one refused file.

    Attributes:
        name: By which :func:`quarantined_rows` finds the rows: the beginning of the receipt's or refusal's id.
        id: The whole leaf id.
        kind: ``validation_receipt`` or ``refused_file``.
        dataset: The dataset that the rows were meant for.
        path: The source file, relative to the data folder.
        rows: How many rows are kept out; 0 for a refused file, whose rows nobody could count.
        reasons: Rows by reason; for a refused file, its reason once.
        blocked: Whether nothing of the batch or file entered.
        message: For the operator; empty where the reasons say it all.
    """

    name: str
    id: str
    kind: Kind
    dataset: str
    path: str
    rows: int
    reasons: Mapping[str, int]
    blocked: bool
    message: str


def quarantine_entries(ledger: Ledger) -> list[QuarantineEntry]:
    """Return what is kept out now: refused files, then batches in the order they landed."""
    refused = [_refused_entry(leaf) for leaf in ledger.log.leaves(Kind.REFUSED_FILE)]
    released = {leaf.identity["receipt"]: leaf for leaf in ledger.log.leaves(Kind.RELEASE)}
    current = [leaf for leaf in current_receipts(ledger) if leaf.identity["quarantined"]]
    held = [_receipt_entry(leaf, released.get(leaf.id)) for leaf in current]
    return [*refused, *held]


def quarantined_rows(ledger: Ledger, prefix: str) -> pl.DataFrame:
    """Return the quarantined rows behind one name.

    Args:
        ledger: The installation.
        prefix: A :attr:`QuarantineEntry.name`, or as much of a receipt's or landed batch's id as tells it apart.

    Returns:
        ``row_number`` (1-based data row of the source file), ``column``, ``reason``, ``value``, then the contract's
        columns, null where the row could not be typed. For a refused file one row, whose ``value`` is the message.

    Raises:
        UnknownLeaf: Nothing, or more than one thing, is called so.
        NothingQuarantined: It is neither receipt, landed batch nor refused file.
    """
    leaf = ledger.log.get(prefix)
    if leaf.kind is Kind.LANDED_BATCH:
        judged = [receipt for receipt in current_receipts(ledger) if receipt.identity["batch"] == leaf.id]
        if not judged:
            raise NothingQuarantined(f"landed batch {leaf.id} has not been judged; `ledgerline validate` judges it")
        leaf = judged[0]
    if leaf.kind is Kind.REFUSED_FILE:
        refused = leaf.identity
        row = [refused["row"], refused["column"], refused["reason"], refused["message"]]
        return pl.DataFrame([row], schema=_COLUMNS, orient="row")
    if leaf.kind is not Kind.VALIDATION_RECEIPT:
        raise NothingQuarantined(f"{leaf.id} is a {leaf.kind}; `ledgerline quarantine list` shows what can be shown")
    sha256 = leaf.identity["quarantine_object"]
    return pl.read_parquet(io.BytesIO(ledger.objects.get(sha256))) if sha256 else pl.DataFrame(schema=_COLUMNS)


def _receipt_entry(leaf: RecordedLeaf, release: RecordedLeaf | None) -> QuarantineEntry:
    blocked_by = leaf.detail.get("blocked_by") or []
    said = [f"batch blocked by {', '.join(blocked_by)}"] if blocked_by else []
    if release is not None:
        identity = release.identity
        said.append(f"{identity['accepted']} rows released by {identity['person']}: {identity['reason']}")
    return QuarantineEntry(
        name=leaf.id[:_NAME_DIGITS],
        id=leaf.id,
        kind=leaf.kind,
        dataset=leaf.identity["dataset"],
        path=str(leaf.detail.get("path") or ""),
        rows=leaf.identity["quarantined"],
        reasons=leaf.detail["reasons"],
        blocked=leaf.identity["accepted"] == 0,
        message="; ".join(said),
    )


def _refused_entry(leaf: RecordedLeaf) -> QuarantineEntry:
    return QuarantineEntry(
        name=leaf.id[:_NAME_DIGITS],
        id=leaf.id,
        kind=leaf.kind,
        dataset=leaf.identity["dataset"],
        path=str(leaf.detail.get("path") or ""),
        rows=0,
        reasons={leaf.identity["reason"]: 1},
        blocked=True,
        message=str(leaf.identity["message"]),
    )
