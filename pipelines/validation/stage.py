"""Validate landed batches, one after the other in the order they landed."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from ledgerline.audit import Kind, Ledger, RecordedLeaf
from ledgerline.core.contracts import DatasetContract
from ledgerline.core.errors import LedgerlineError
from pipelines.ingestion import Feed, Source, source_of
from pipelines.validation.accepted import accepted_file
from pipelines.validation.facts import EarlierRows
from pipelines.validation.judging import Verdict, judge
from pipelines.validation.landed import Line, NotALandedBatch, line_of, read_landed
from pipelines.validation.lines import feeds_of, lines_judged_together
from pipelines.validation.receipts import (
    NO_HISTORY,
    Receipt,
    extend_history,
    receipt_of,
    record,
    standing_receipt,
)
from pipelines.validation.suites import read_suite

Progress = Callable[[str], None]


def validate(ledger: Ledger, batch_id: str, *, as_of: datetime | None = None) -> Receipt:
    """Judge one landed batch: see :func:`validate_batches`."""
    return validate_batches(ledger, [batch_id], as_of=as_of)[0]


def validate_batches(
    ledger: Ledger, batch_ids: Sequence[str], *, as_of: datetime | None = None, progress: Progress | None = None
) -> list[Receipt]:
    """Judge landed batches by their datasets' committed suites, and record a receipt for each.

    A repeat of a key is judged against what was accepted from the batches that landed before, so those of the same
    dataset and feeds that have no standing receipt yet are judged first. The outcome therefore depends on the log
    alone, not on who validates what first: killed and run again, or run twice at once, it is the same.

    Args:
        ledger: The installation.
        batch_ids: Landed batches' leaf ids (or unambiguous beginnings of them), in any order.
        as_of: The last instant that the data can know of, UTC. Unset: each feed's own.
        progress: Told, in a sentence, what became of each batch.

    Returns:
        The receipts, in the order of ``batch_ids``.

    Raises:
        UnknownLeaf: No such batch.
        NotALandedBatch: An id stands for something else.
        SuiteUnusable: A dataset has no usable suite.
        ExaminationFailed: GX could not compute an expectation.
    """
    landed = ledger.log.leaves(Kind.LANDED_BATCH)
    wanted = _find(ledger, landed, batch_ids)
    datasets = {batch.identity["dataset"] for batch in wanted}
    landed = [batch for batch in landed if batch.identity["dataset"] in datasets]
    receipts: dict[str, RecordedLeaf] = {}
    for lines in lines_judged_together(ledger, landed):
        if sequences := [batch.sequence for batch in wanted if line_of(batch) in lines]:
            batches = [batch for batch in landed if line_of(batch) in lines and batch.sequence <= max(sequences)]
            walk = _Validation(ledger, _bounds(ledger, lines, as_of), progress=progress or (lambda _: None))
            receipts |= walk.run(batches, {batch.id for batch in wanted})
    return [receipt_of(receipts[batch.id]) for batch in wanted]


@dataclass(frozen=True, slots=True)
class _Bounds:
    """Between which instants a feed's rows are expected."""

    starts: datetime | None
    as_of: datetime


def _bounds(ledger: Ledger, lines: Iterable[Line], as_of: datetime | None) -> dict[Line, _Bounds]:
    """Return the bounds that each line's batches are judged by: those of the feed that lands the line now.

    A line that no feed lands any more ends at the source's present. Where ``as_of`` is given, there may be no source.
    """
    try:
        source = source_of(ledger.settings)
    except LedgerlineError:
        if as_of is None:
            raise
        return dict.fromkeys(lines, _Bounds(None, as_of))
    return {line: _bounds_of(source, feeds_of(source, line), as_of) for line in lines}


def _bounds_of(source: Source, feeds: Sequence[Feed], as_of: datetime | None) -> _Bounds:
    starts = [feed.starts for feed in feeds if feed.starts is not None]
    present = max((source.as_of_feed(feed) for feed in feeds), default=source.as_of.astimezone(UTC))
    return _Bounds(min(starts, default=None), as_of if as_of is not None else present)


def _find(ledger: Ledger, landed: Sequence[RecordedLeaf], batch_ids: Iterable[str]) -> list[RecordedLeaf]:
    known = {batch.id: batch for batch in landed}
    found = [known.get(batch_id) or ledger.log.get(batch_id) for batch_id in batch_ids]
    for leaf in found:
        if leaf.kind is not Kind.LANDED_BATCH:
            raise NotALandedBatch(f"{leaf.id} is a {leaf.kind}, not a landed batch; `ledgerline ingest` lands files")
    return found


class _Validation:
    """One walk along the batches of a dataset's lines, remembering what was accepted so far."""

    def __init__(self, ledger: Ledger, bounds: Mapping[Line, _Bounds], *, progress: Progress) -> None:
        self._ledger = ledger
        self._bounds = bounds
        self._tell = progress
        (dataset,) = {line.dataset for line in bounds}
        self._suite = read_suite(ledger.settings, dataset)
        self._accepted: list[tuple[RecordedLeaf, RecordedLeaf]] = []
        self._earlier: dict[str, tuple[EarlierRows, int]] = {}
        self._history = NO_HISTORY

    def run(self, batches: Sequence[RecordedLeaf], wanted: set[str]) -> dict[str, RecordedLeaf]:
        """Judge what has no standing receipt; return the receipts of ``wanted`` by batch id."""
        recorded: dict[str, list[RecordedLeaf]] = {}
        for receipt in self._ledger.log.leaves(Kind.VALIDATION_RECEIPT, dataset=self._suite.dataset):
            recorded.setdefault(receipt.identity["batch"], []).append(receipt)
        receipts = {}
        for position, batch in enumerate(batches, start=1):
            known, bounds = recorded.get(batch.id, []), self._bounds[line_of(batch)]
            standing = standing_receipt(
                known, self._suite, history=self._history, as_of=bounds.as_of, starts=bounds.starts
            )
            receipt = standing or self._judge(batch, known)
            if standing is None:
                self._tell(_sentence(batch, receipt, position, len(batches)))
            elif batch.id in wanted and standing.identity["verdict"] == Verdict.ACCEPTED:
                accepted_file(self._ledger, batch, standing)
            receipts[batch.id] = receipt
            if receipt.identity["accepted"]:
                self._accepted.append((batch, receipt))
            self._history = extend_history(self._history, receipt)
        return {batch_id: receipt for batch_id, receipt in receipts.items() if batch_id in wanted}

    def _judge(self, batch: RecordedLeaf, receipts: Sequence[RecordedLeaf]) -> RecordedLeaf:
        bounds = self._bounds[line_of(batch)]
        rows = read_landed(self._ledger, batch, starts=bounds.starts)
        judgement = judge(rows, self._suite, self._earlier_rows(rows.contract), as_of=bounds.as_of)
        return record(
            self._ledger, rows, self._suite, judgement, history=self._history, as_of=bounds.as_of, receipts=receipts
        )

    def _earlier_rows(self, contract: DatasetContract) -> EarlierRows:
        """Return what was accepted so far, of all the lines, as rows of a contract; files are read when first asked."""
        earlier, read = self._earlier.get(contract.fingerprint, (EarlierRows(contract), 0))
        for batch, receipt in self._accepted[read:]:
            earlier.add(accepted_file(self._ledger, batch, receipt))
        self._earlier[contract.fingerprint] = (earlier, len(self._accepted))
        return earlier


def _sentence(batch: RecordedLeaf, receipt: RecordedLeaf, position: int, total: int) -> str:
    counts = receipt.identity
    return (
        f"{counts['dataset']} {position}/{total} {batch.detail.get('path')}: {counts['verdict']}, "
        f"{counts['accepted']:,} of {counts['landed']:,} rows"
    )
