"""Which receipts count now: one for each landed batch, in the order the batches landed."""

from collections.abc import Collection, Mapping, Sequence

from ledgerline.audit import Kind, Ledger, RecordedLeaf
from pipelines.validation.judging import Verdict
from pipelines.validation.landed import Line, line_of
from pipelines.validation.lines import lines_judged_together, standing_lines
from pipelines.validation.receipts import NO_HISTORY, extend_history, standing_receipt
from pipelines.validation.suites import read_suite


def accepted_receipts(ledger: Ledger, dataset: str) -> list[RecordedLeaf]:
    """Return the receipts, and the releases, whose rows are the dataset now: receipts as their batches landed.

    Which batches count follows from the source's present feeds: see
    :func:`~pipelines.validation.lines.standing_lines`.
    """
    landed = ledger.log.leaves(Kind.LANDED_BATCH, dataset=dataset)
    if not landed:
        return []
    lines = standing_lines(ledger, dataset, landed)
    current = _current_of(ledger, lines, landed, _receipts_by_batch(ledger))
    accepted = [receipt for receipt in current if receipt.identity["verdict"] == Verdict.ACCEPTED]
    standing = {receipt.id for receipt in current}
    released = ledger.log.leaves(Kind.RELEASE, dataset=dataset)
    return accepted + [leaf for leaf in released if leaf.identity["receipt"] in standing]


def current_receipts(ledger: Ledger) -> list[RecordedLeaf]:
    """Return the current receipt of every judged batch, of all datasets and lines, in the order the batches landed."""
    landed = ledger.log.leaves(Kind.LANDED_BATCH)
    receipts = _receipts_by_batch(ledger)
    order = {batch.id: position for position, batch in enumerate(landed)}
    found = [
        receipt
        for lines in lines_judged_together(ledger, landed)
        for receipt in _current_of(ledger, lines, landed, receipts)
    ]
    return sorted(found, key=lambda receipt: order[receipt.identity["batch"]])


def _receipts_by_batch(ledger: Ledger) -> dict[str, list[RecordedLeaf]]:
    receipts: dict[str, list[RecordedLeaf]] = {}
    for receipt in ledger.log.leaves(Kind.VALIDATION_RECEIPT):
        receipts.setdefault(receipt.identity["batch"], []).append(receipt)
    return receipts


def _current_of(
    ledger: Ledger,
    lines: Collection[Line],
    landed: Sequence[RecordedLeaf],
    receipts: Mapping[str, Sequence[RecordedLeaf]],
) -> list[RecordedLeaf]:
    """Walk one dataset's lines; where no receipt stands (the suite was edited since) the newest one still counts."""
    (dataset,) = {line.dataset for line in lines}
    suite = read_suite(ledger.settings, dataset)
    history = NO_HISTORY
    current = []
    for batch in landed:
        known = receipts.get(batch.id, []) if line_of(batch) in lines else []
        if known:
            receipt = standing_receipt(known, suite, history=history, as_of=None) or known[-1]
            current.append(receipt)
            history = extend_history(history, receipt)
    return current
