"""Validation receipts: what a judgement leaves in the evidence log and the object store, and which of them stand.

A receipt stands while its suite is the committed one, the batches before it were accepted as when it was judged, its
feed is expected to start when it was, and ``as_of`` has not passed one of its rows. Judging again then changes nothing
and is skipped.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl

from ledgerline.audit import Kind, Leaf, Ledger, Parent, RecordedLeaf
from ledgerline.core.clock import instant_text
from ledgerline.core.contracts import AVAILABLE_AT, EVENT_TIME
from ledgerline.core.identity import content_id, sha256_bytes
from ledgerline.core.storage import write_atomically
from pipelines.validation.accepted import accepted_path, parquet_bytes
from pipelines.validation.examiner import gx_version
from pipelines.validation.judging import Judgement, Verdict
from pipelines.validation.landed import LandedRows
from pipelines.validation.suites import Suite

NO_HISTORY = content_id([])


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of one landed batch.

    Attributes:
        id: The receipt's leaf id.
        batch: The landed batch's leaf id.
        dataset: Its dataset.
        verdict: Whether the batch's good rows entered.
        landed: Rows in the batch; always ``accepted + quarantined``.
        accepted: Rows that entered.
        quarantined: Rows that did not.
        reasons: Quarantined rows by reason.
        warnings: Rows that entered although something about them is worth a look, by code.
        examples: Keys of the first of those rows, by code.
    """

    id: str
    batch: str
    dataset: str
    verdict: Verdict
    landed: int
    accepted: int
    quarantined: int
    reasons: Mapping[str, int]
    warnings: Mapping[str, int]
    examples: Mapping[str, Sequence[str]]


def receipt_of(leaf: RecordedLeaf) -> Receipt:
    """Return a recorded receipt."""
    return Receipt(
        id=leaf.id,
        batch=leaf.identity["batch"],
        dataset=leaf.identity["dataset"],
        verdict=Verdict(leaf.identity["verdict"]),
        landed=leaf.identity["landed"],
        accepted=leaf.identity["accepted"],
        quarantined=leaf.identity["quarantined"],
        reasons=leaf.detail["reasons"],
        warnings=leaf.detail["warnings"],
        examples=leaf.detail.get("examples", {}),
    )


def extend_history(history: str, receipt: RecordedLeaf) -> str:
    """Return the history after a receipt: a hash over what was accepted so far, batch by batch."""
    return content_id([history, receipt.identity["accepted_sha256"]])


def standing_receipt(
    receipts: Sequence[RecordedLeaf],
    suite: Suite,
    *,
    history: str,
    as_of: datetime | None,
    starts: datetime | None = None,
) -> RecordedLeaf | None:
    """Return the receipt among a batch's that stands, or None.

    Args:
        receipts: The batch's receipts, oldest first.
        suite: The dataset's committed suite.
        history: What was accepted before the batch.
        as_of: The last instant that the data can know of; None takes the newest receipt whatever its ``as_of`` and
            ``starts``.
        starts: The first instant that the feed's mapping expects, if it says so.
    """
    for receipt in reversed(receipts):
        if (
            receipt.identity["suite"] == suite.fingerprint
            and receipt.detail.get("history") == history
            and (as_of is None or _holds_between(receipt, _text(starts), instant_text(as_of)))
        ):
            return receipt
    return None


def record(
    ledger: Ledger,
    landed: LandedRows,
    suite: Suite,
    judgement: Judgement,
    *,
    history: str,
    as_of: datetime,
    receipts: Sequence[RecordedLeaf],
) -> RecordedLeaf:
    """Write a judgement's files, then the receipt that makes them exist.

    Killed before the receipt, the next run writes the same bytes under the same names; run twice at once, both record
    the same leaf.

    Args:
        ledger: The installation.
        landed: The judged batch.
        suite: The suite that it was judged by.
        judgement: The outcome.
        history: What was accepted before the batch.
        as_of: What it was judged at.
        receipts: The batch's receipts so far.
    """
    accepted_sha256 = path = None
    if judgement.verdict is Verdict.ACCEPTED:
        content = parquet_bytes(judgement.accepted)
        accepted_sha256 = sha256_bytes(content)
        path = accepted_path(landed.leaf, accepted_sha256, receipts)
        write_atomically(ledger.settings.workspace_path / path, content)
    quarantine_object = None
    if judgement.quarantined.height:
        quarantine_object = ledger.objects.put(parquet_bytes(judgement.quarantined))
    identity = {
        "dataset": suite.dataset,
        "batch": landed.leaf.id,
        "suite": suite.fingerprint,
        "verdict": judgement.verdict.value,
        "landed": landed.count,
        "accepted": judgement.accepted.height,
        "quarantined": judgement.quarantined.height,
        "accepted_sha256": accepted_sha256,
        "quarantine_object": quarantine_object,
        "result_object": ledger.objects.put(_result_bytes(landed, suite, judgement, history)),
    }
    detail = _detail(landed, judgement) | {
        "accepted_path": path,
        "history": history,
        "as_of": instant_text(as_of),
        "validated_at": instant_text(ledger.clock.now()),
    }
    leaf = Leaf(Kind.VALIDATION_RECEIPT, identity, detail)
    return ledger.log.get(ledger.log.append(leaf, [Parent(landed.leaf.id, role="batch")]))


def _detail(landed: LandedRows, judgement: Judgement) -> dict[str, Any]:
    """Return what the judgement itself adds to a receipt's identity."""
    return {
        "path": landed.leaf.detail.get("path"),
        **_starts(landed),
        "reasons": judgement.reasons,
        "warnings": dict(judgement.warnings),
        "examples": {code: list(names) for code, names in judgement.examples.items()},
        "blocked_by": list(judgement.blocked_by),
        **_span(judgement.accepted, EVENT_TIME.name),
        **_span(judgement.accepted, AVAILABLE_AT.name),
        "holds_from": _text(judgement.holds_from),
        "holds_until": _text(judgement.holds_until),
    }


def _holds_between(receipt: RecordedLeaf, starts: str | None, as_of: str) -> bool:
    """Whether judging the receipt's batch by these would give the same; instants' texts sort as the instants do."""
    if receipt.detail.get("starts") != starts:
        return False
    holds_from, holds_until = receipt.detail["holds_from"], receipt.detail["holds_until"]
    return (holds_from is None or holds_from <= as_of) and (holds_until is None or as_of < holds_until)


def _result_bytes(landed: LandedRows, suite: Suite, judgement: Judgement, history: str) -> bytes:
    """Return the part of GX's result that the inputs alone determine, as JSON.

    Plain sorted JSON: canonical JSON refuses integers beyond 2**53, which a broken amount may well be.
    """
    held = sum(finding.success for finding in judgement.findings)
    total = len(judgement.findings)
    document = {
        "batch": landed.leaf.id,
        "blocked_by": list(judgement.blocked_by),
        "dataset": suite.dataset,
        "great_expectations_version": gx_version(),
        "history": history,
        **_starts(landed),
        "results": [
            {"expectation_config": finding.rule.document, "success": finding.success, "result": finding.result}
            for finding in judgement.findings
        ],
        "statistics": {
            "evaluated_expectations": total,
            "successful_expectations": held,
            "unsuccessful_expectations": total - held,
            "success_percent": 100.0 * held / total if total else None,
        },
        "success": held == total,
        "suite": {"name": suite.dataset, "meta": suite.document["meta"]},
        "unreadable": landed.unreadable.height,
        "verdict": judgement.verdict.value,
    }
    return json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def _starts(landed: LandedRows) -> dict[str, str]:
    return {} if landed.starts is None else {"starts": instant_text(landed.starts)}


def _span(accepted: pl.DataFrame, column: str) -> dict[str, Any]:
    bounds = accepted.select(first=pl.col(column).min(), last=pl.col(column).max()).row(0)
    return {f"{column}_min": _text(bounds[0]), f"{column}_max": _text(bounds[1])}


def _text(instant: datetime | None) -> str | None:
    return None if instant is None else instant_text(instant)
