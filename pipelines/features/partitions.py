"""A view's features as one immutable file a day, named after everything that decides what is in it."""

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from feature_store.versions.manifest import Partition, view_folder
from feature_store.view import FeatureView
from ledgerline.core.clock import instant_text
from ledgerline.core.identity import content_id
from ledgerline.core.storage import replacing
from pipelines.features.arrivals import History
from pipelines.features.digests import microseconds_of
from pipelines.features.errors import NotReproducible
from pipelines.features.given_back import give_back_memory
from pipelines.features.inputs import AcceptedFile
from pipelines.features.known_files import KnownFiles
from pipelines.features.progress import Progress

FORMAT_VERSION = 1
"""Raised when the same features are written as other bytes: it is part of every stamp."""

SPAN_ROWS = 2_000_000
"""Rows that are computed at once, beside those that windows reach back to. What is written does not depend on it."""

ComputeSpan = Callable[[datetime, datetime], pl.DataFrame]
"""Returns the features of the rows that became available in ``[start, end)``, in arrival order."""

_STAMP_DIGITS = 12
_DAY = timedelta(days=1)
_MICROSECOND = timedelta(microseconds=1)
_COMPRESSION_LEVEL = 3

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Day:
    """One day that holds rows, and the file that they belong in.

    Attributes:
        date: The UTC day of ``available_at``.
        path: Where the file lies, below the workspace.
        rows: How many rows it holds.
    """

    date: date
    path: str
    rows: int

    @property
    def start(self) -> datetime:
        """The day's first instant."""
        return datetime.combine(self.date, time(), UTC)

    @property
    def end(self) -> datetime:
        """The next day's first instant."""
        return self.start + _DAY


def days_of(view: FeatureView, inputs: Sequence[AcceptedFile], history: History, as_of: datetime) -> list[Day]:
    """Return every day that holds a row, in order, with the name of its file.

    The name carries a stamp: a hash over the view's definition and the files that can influence the day. They are those
    with a row that was known by the day's end, and with one that was young enough for a window at its start or that is
    itself decided on the day. A day that ``as_of`` cuts short has another stamp than the whole day.
    """
    influences = _Influences(view, inputs, history)
    return [_day(view, day, rows, influences, as_of) for day, rows in history.dates.items()]


def write_missing(
    days: Sequence[Day],
    compute_span: ComputeSpan,
    root: Path,
    *,
    sealed: Mapping[str, Partition],
    known_files: KnownFiles,
    say: Callable[[str], None] = lambda _: None,
) -> list[Partition]:
    """Write the files that are not there yet, and return all of them.

    Args:
        days: Every day, in order.
        compute_span: Computes the rows of days that follow one another; called for later ones each time.
        root: The workspace.
        sealed: Files that were sealed before, by path: one that was changed since is written again.
        known_files: What files were found to hash to.
        say: Told how far it is, when it takes long.

    Raises:
        NotReproducible: A file that was sealed before came out differently.
    """
    for folder in {(root / day.path).parent for day in days}:
        _sweep(folder)
    found = {day.path: each for day in days if (each := _present(root, day, sealed, known_files)) is not None}
    spans = spans_of(days, found.keys())
    progress = Progress(days=sum(map(len, spans)), rows=sum(day.rows for span in spans for day in span), say=say)
    for span in spans:
        features = compute_span(span[0].start, span[-1].end)
        for day in span:
            found[day.path] = _write(root, day, features, sealed, known_files)
        progress.done(days=len(span), rows=features.height)
        give_back_memory()
    return [found[day.path] for day in days]


def spans_of(days: Sequence[Day], present: Collection[str]) -> list[list[Day]]:
    """Return the days whose files are missing: runs of days that follow one another, each of a bounded number of rows.

    Args:
        days: Every day, in order.
        present: Paths of files that are there.
    """
    spans: list[list[Day]] = []
    rows, follows = 0, False
    for day in days:
        if day.path in present:
            follows = False
            continue
        if not follows or rows + day.rows > SPAN_ROWS:
            spans.append([])
            rows = 0
        spans[-1].append(day)
        rows, follows = rows + day.rows, True
    return spans


class _Influences:
    """Which inputs can influence which day."""

    def __init__(self, view: FeatureView, inputs: Sequence[AcceptedFile], history: History) -> None:
        never = datetime.min.replace(tzinfo=UTC)
        newest = [history.last_event.get(accepted.file.path, never) for accepted in inputs]
        self._contents = np.array([history.contents[accepted.file.path] for accepted in inputs], dtype=object)
        self._first = np.array([microseconds_of(accepted.first_available) for accepted in inputs])
        self._last = np.array([microseconds_of(accepted.last_available) for accepted in inputs])
        self._in_a_window_until = np.array([microseconds_of(each) for each in newest]) + view.horizon // _MICROSECOND

    def on(self, day: Day) -> list[str]:
        """Return what names the rows of the inputs that can influence a day, sorted."""
        start, end = microseconds_of(day.start), microseconds_of(day.end)
        influential = (self._first < end) & ((self._in_a_window_until > start) | (self._last >= start))
        return sorted(self._contents[influential])


def _day(view: FeatureView, day: date, rows: int, influences: _Influences, as_of: datetime) -> Day:
    unnamed = Day(day, "", rows)
    stamp = content_id(
        {
            "fingerprint": view.fingerprint,
            "format": FORMAT_VERSION,
            "inputs": influences.on(unnamed),
            "as_of": instant_text(as_of) if as_of < unnamed.end - _MICROSECOND else None,
        }
    )
    return Day(day, str(view_folder(view.name) / f"{day:%Y-%m-%d}-{stamp[:_STAMP_DIGITS]}.parquet"), rows)


def _write(
    root: Path, day: Day, features: pl.DataFrame, sealed: Mapping[str, Partition], known_files: KnownFiles
) -> Partition:
    """Write one day's file, under a temporary name first."""
    begin, end = features["available_at"].search_sorted(pl.Series([day.start, day.end]), side="left")
    rows = features.slice(begin, end - begin).rechunk()
    path = root / day.path
    with replacing(path) as temporary:
        rows.write_parquet(temporary, compression="zstd", compression_level=_COMPRESSION_LEVEL)
    partition = Partition(f"{day.date:%Y-%m-%d}", day.path, known_files.sha256(path), rows.height)
    before = sealed.get(day.path, partition)
    if before.sha256 != partition.sha256:
        raise NotReproducible(
            f"{day.path} was sealed as {before.sha256} and came out as {partition.sha256} from the same inputs; "
            "look for a library that changed, and raise FORMAT_VERSION or SEMANTICS_VERSION"
        )
    return partition


def _present(root: Path, day: Day, sealed: Mapping[str, Partition], known_files: KnownFiles) -> Partition | None:
    path = root / day.path
    if not path.exists():
        return None
    sha256 = known_files.sha256(path)
    before = sealed.get(day.path)
    if before is not None and before.sha256 != sha256:
        _log.warning("%s is not the file that was sealed; it is written again", path)
        return None
    return Partition(f"{day.date:%Y-%m-%d}", day.path, sha256, day.rows)


def _sweep(folder: Path) -> None:
    """Remove temporary files of builders that were killed; the caller holds the workspace alone."""
    for left in folder.glob(".*.parquet"):
        left.unlink()
