"""Which lines of landed batches make up a dataset together."""

from collections.abc import Iterable, Sequence

from ledgerline.audit import Ledger, RecordedLeaf
from ledgerline.core.errors import LedgerlineError
from pipelines.ingestion import DatasetNotMapped, Feed, Source, source_of
from pipelines.validation.landed import Line, line_of


def standing_lines(ledger: Ledger, dataset: str, landed: Sequence[RecordedLeaf]) -> frozenset[Line]:
    """Return the lines whose accepted rows are the dataset now.

    They are those of the source's present feeds: after a change of a feed its files are landed anew, and the rows read
    by the old one must not be mixed with them. Where nothing was landed by the present feeds, or the source is gone,
    they are the lines of the feeds that landed together last.

    Args:
        ledger: The installation.
        dataset: The dataset.
        landed: Its landed batches, oldest first.
    """
    return _standing(_present_source(ledger), dataset, landed)


def lines_judged_together(ledger: Ledger, landed: Iterable[RecordedLeaf]) -> list[frozenset[Line]]:
    """Return all lines of landed batches, in sets: those that stand together, and each other one by itself.

    Between lines that stand together no key may come twice; a line that does not stand is history by itself.
    """
    source = _present_source(ledger)
    by_dataset: dict[str, list[RecordedLeaf]] = {}
    for batch in landed:
        by_dataset.setdefault(batch.identity["dataset"], []).append(batch)
    found: list[frozenset[Line]] = []
    for dataset, batches in by_dataset.items():
        standing = _standing(source, dataset, batches)
        lines = dict.fromkeys(line_of(batch) for batch in batches)
        found += dict.fromkeys(standing if line in standing else frozenset({line}) for line in lines)
    return found


def feeds_of(source: Source, line: Line) -> tuple[Feed, ...]:
    """Return the source's feeds that land a line now; none if the line is of the past."""
    try:
        feeds = source.feeds(line.dataset)
    except DatasetNotMapped:
        return ()
    return tuple(feed for feed in feeds if _line(line.dataset, feed) == line)


def _line(dataset: str, feed: Feed) -> Line:
    return Line(dataset, feed.contract(dataset).fingerprint, feed.fingerprint)


def _present_source(ledger: Ledger) -> Source | None:
    try:
        return source_of(ledger.settings)
    except LedgerlineError:
        return None


def _standing(source: Source | None, dataset: str, landed: Sequence[RecordedLeaf]) -> frozenset[Line]:
    known = {line_of(batch) for batch in landed}
    return frozenset(known & _lines_of_the_source(source, dataset) or _lines_of_the_last(landed))


def _lines_of_the_source(source: Source | None, dataset: str) -> set[Line]:
    """Return the lines that the present source lands; none where there is no source now."""
    if source is None:
        return set()
    try:
        feeds = source.feeds(dataset)
    except DatasetNotMapped:
        return set()
    return {_line(dataset, feed) for feed in feeds}


def _lines_of_the_last(landed: Sequence[RecordedLeaf]) -> set[Line]:
    """Return the line that landed last, with those of the feeds that its source had beside it."""
    if not landed:
        return set()
    last = landed[-1]
    feeds = {last.identity["mapping"], *last.detail.get("feeds", ())}
    newest = {batch.identity["mapping"]: line_of(batch) for batch in landed}  # of each feed, by its latest contract
    return {newest[feed] for feed in feeds if feed in newest}
