"""Which receipts count now: one for each landed batch, in the order the batches landed."""

from collections.abc import Mapping, Sequence

from ledgerline.audit import Kind, Ledger, RecordedLeaf
from ledgerline.core.contracts import contract_named
from ledgerline.core.errors import LedgerlineError
from pipelines.ingestion import source_of
from pipelines.validation.judging import Verdict
from pipelines.validation.landed import Line, line_of
from pipelines.validation.receipts import NO_HISTORY, extend_history, standing_receipt
from pipelines.validation.suites import read_suite


def accepted_receipts(ledger: Ledger, dataset: str) -> list[RecordedLeaf]:
    """Return the receipts whose accepted rows are the dataset now, in the order their batches landed.

    Only one line counts (see :class:`~pipelines.validation.landed.Line`): after a change of the mapping the files are
    landed anew, and the rows read by the old mapping must not be mixed with them. It is the line of the source's
    present mapping, or, where nothing was landed by that or the source is gone, the one that was landed last.
    """
    landed = ledger.log.leaves(Kind.LANDED_BATCH, dataset=dataset)
    if not landed:
        return []
    lines = [line_of(batch) for batch in landed]
    present = _line_of_the_source(ledger, dataset)
    line = present if present in lines else lines[-1]
    batches = [batch for batch in landed if line_of(batch) == line]
    current = _current_of_line(ledger, line, batches, _receipts_by_batch(ledger))
    return [receipt for receipt in current if receipt.identity["verdict"] == Verdict.ACCEPTED]


def current_receipts(ledger: Ledger) -> list[RecordedLeaf]:
    """Return the current receipt of every judged batch, of all datasets and lines, in the order the batches landed."""
    landed = ledger.log.leaves(Kind.LANDED_BATCH)
    receipts = _receipts_by_batch(ledger)
    order = {batch.id: position for position, batch in enumerate(landed)}
    found = [
        receipt
        for line in dict.fromkeys(line_of(batch) for batch in landed)
        for receipt in _current_of_line(ledger, line, [batch for batch in landed if line_of(batch) == line], receipts)
    ]
    return sorted(found, key=lambda receipt: order[receipt.identity["batch"]])


def _line_of_the_source(ledger: Ledger, dataset: str) -> Line | None:
    """Return the line that the present source lands, or None where there is no source now."""
    try:
        mapping = source_of(ledger.settings).mapping(dataset)
    except LedgerlineError:
        return None
    return Line(dataset, contract_named(dataset).fingerprint, mapping.fingerprint)


def _receipts_by_batch(ledger: Ledger) -> dict[str, list[RecordedLeaf]]:
    receipts: dict[str, list[RecordedLeaf]] = {}
    for receipt in ledger.log.leaves(Kind.VALIDATION_RECEIPT):
        receipts.setdefault(receipt.identity["batch"], []).append(receipt)
    return receipts


def _current_of_line(
    ledger: Ledger, line: Line, batches: Sequence[RecordedLeaf], receipts: Mapping[str, Sequence[RecordedLeaf]]
) -> list[RecordedLeaf]:
    """Walk a line; where no receipt stands (the suite was edited since) the newest one still counts."""
    suite = read_suite(ledger.settings, line.dataset)
    history = NO_HISTORY
    current = []
    for batch in batches:
        known = receipts.get(batch.id, [])
        if known:
            receipt = standing_receipt(known, suite, history=history, as_of=None) or known[-1]
            current.append(receipt)
            history = extend_history(history, receipt)
    return current
