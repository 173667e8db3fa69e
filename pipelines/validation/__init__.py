"""Validation: landed batches become accepted or quarantined rows, by the committed Great Expectations suites."""

from pipelines.validation.current import accepted_receipts
from pipelines.validation.data_docs import build_data_docs
from pipelines.validation.judging import Verdict
from pipelines.validation.quarantine import QuarantineEntry, quarantine_entries, quarantined_rows
from pipelines.validation.receipts import Receipt
from pipelines.validation.stage import validate, validate_batches

__all__ = [
    "QuarantineEntry",
    "Receipt",
    "Verdict",
    "accepted_receipts",
    "build_data_docs",
    "quarantine_entries",
    "quarantined_rows",
    "validate",
    "validate_batches",
]
