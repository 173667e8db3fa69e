"""Which receipts count now: one for each landed batch, in the order the batches landed."""

from collections.abc import Mapping, Sequence

from ledgerline.audit import Kind, Ledger, RecordedLeaf
from ledgerline.core.errors import LedgerlineError
from pipelines.ingestion import source_of
from pipelines.validation.judging import Verdict
from pipelines.validation.landed import Line, line_of
from pipelines.validation.receipts import NO_HISTORY, extend_history, standing_receipt
from pipelines.validation.suites import read_suite


def accepted_receipts(ledger: Ledger, dataset: str) -> list[RecordedLeaf]:
    """Return the receipts whose accepted rows are the dataset now, in the order their batches landed.

    Only the lines of the source's present feeds count (see :class:`~pipelines.validation.landed.Line`): after a change
    of a feed its files are landed anew, and the rows read by the old one must not be mixed with them. Where nothing was
    landed by the present feeds, or the source is gone, it is the lines of the feeds that landed together last.
    """
    landed = ledger.log.leaves(Kind.LANDED_BATCH, dataset=dataset)
    if not landed:
        return []
    known = {line_of(batch) for batch in landed}
    lines = known & _lines_of_the_source(ledger, dataset) or _lines_of_the_last(landed)
    receipts = _receipts_by_batch(ledger)
    current = [receipt for line in lines for receipt in _current_of_line(ledger, line, landed, receipts)]
    accepted = [receipt for receipt in current if receipt.identity["verdict"] == Verdict.ACCEPTED]
    return _in_landing_order(accepted, landed)


def current_receipts(ledger: Ledger) -> list[RecordedLeaf]:
    """Return the current receipt of every judged batch, of all datasets and lines, in the order the batches landed."""
    landed = ledger.log.leaves(Kind.LANDED_BATCH)
    receipts = _receipts_by_batch(ledger)
    lines = dict.fromkeys(line_of(batch) for batch in landed)
    current = [receipt for line in lines for receipt in _current_of_line(ledger, line, landed, receipts)]
    return _in_landing_order(current, landed)


def _in_landing_order(receipts: Sequence[RecordedLeaf], landed: Sequence[RecordedLeaf]) -> list[RecordedLeaf]:
    order = {batch.id: position for position, batch in enumerate(landed)}
    return sorted(receipts, key=lambda receipt: order[receipt.identity["batch"]])


def _lines_of_the_source(ledger: Ledger, dataset: str) -> set[Line]:
    """Return the lines that the present source lands; none where there is no source now."""
    try:
        feeds = source_of(ledger.settings).feeds(dataset)
    except LedgerlineError:
        return set()
    return {Line(dataset, feed.contract(dataset).fingerprint, feed.fingerprint) for feed in feeds}


def _lines_of_the_last(landed: Sequence[RecordedLeaf]) -> set[Line]:
    """Return the line that landed last, with those of the feeds that its source had beside it."""
    last = landed[-1]
    feeds = {last.identity["mapping"], *last.detail.get("feeds", ())}
    newest = {batch.identity["mapping"]: line_of(batch) for batch in landed}  # of each feed, by its present contract
    return {newest[feed] for feed in feeds if feed in newest}


def _receipts_by_batch(ledger: Ledger) -> dict[str, list[RecordedLeaf]]:
    receipts: dict[str, list[RecordedLeaf]] = {}
    for receipt in ledger.log.leaves(Kind.VALIDATION_RECEIPT):
        receipts.setdefault(receipt.identity["batch"], []).append(receipt)
    return receipts


def _current_of_line(
    ledger: Ledger, line: Line, landed: Sequence[RecordedLeaf], receipts: Mapping[str, Sequence[RecordedLeaf]]
) -> list[RecordedLeaf]:
    """Walk a line; where no receipt stands (the suite was edited since) the newest one still counts."""
    suite = read_suite(ledger.settings, line.dataset)
    history = NO_HISTORY
    current = []
    for batch in (batch for batch in landed if line_of(batch) == line):
        known = receipts.get(batch.id, [])
        if known:
            receipt = standing_receipt(known, suite, history=history, as_of=None) or known[-1]
            current.append(receipt)
            history = extend_history(history, receipt)
    return current
