"""A view's features as one immutable file a day, named after everything that decides what is in it."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import polars as pl

from feature_store.offline import compute
from feature_store.versions.manifest import Partition, view_folder
from feature_store.view import FeatureView
from ledgerline.core.clock import instant_text
from ledgerline.core.identity import content_id, sha256_file
from ledgerline.core.storage import replacing
from pipelines.features.errors import NotReproducible
from pipelines.features.inputs import AcceptedFile, History

FORMAT_VERSION = 1
"""Raised when the same features are written as other bytes: it is part of every stamp."""

_STAMP_DIGITS = 12
_DAY = timedelta(days=1)
_COMPRESSION_LEVEL = 3

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Day:
    """One day that holds rows, and the file that they belong in.

    Attributes:
        date: The UTC day of ``available_at``.
        path: Where the file lies, below the workspace.
    """

    date: date
    path: str

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
    dates = history.events["available_at"].dt.date().unique().sort()
    return [_day(view, day, inputs, history, as_of) for day in dates]


def write_missing(
    view: FeatureView, days: Sequence[Day], history: History, root: Path, *, sealed: Mapping[str, str]
) -> list[Partition]:
    """Write the files that are not there yet, and return all of them.

    Args:
        view: The declaration.
        days: Every day, in order.
        history: The rows to compute from.
        root: The workspace.
        sealed: Path and SHA-256 of files that were sealed before: one that was changed since is written again.

    Raises:
        NotReproducible: A file that was sealed before came out differently.
    """
    _sweep(root / view_folder(view.name))
    found = {day.path: partition for day in days if (partition := _present(root, day, sealed)) is not None}
    missing = [day for day in days if day.path not in found]
    if missing:
        features = _compute_span(view, history, missing[0].start, missing[-1].end)
        found |= {day.path: _write(root, day, features, sealed) for day in missing}
    return [found[day.path] for day in days]


def _day(view: FeatureView, day: date, inputs: Sequence[AcceptedFile], history: History, as_of: datetime) -> Day:
    unnamed = Day(day, "")
    in_a_window = {path for path, last in history.last_event.items() if last + view.horizon > unnamed.start}
    influences = [
        history.contents[accepted.file.path]
        for accepted in inputs
        if accepted.first_available < unnamed.end
        and (accepted.file.path in in_a_window or accepted.last_available >= unnamed.start)
    ]
    stamp = content_id(
        {
            "fingerprint": view.fingerprint,
            "format": FORMAT_VERSION,
            "inputs": sorted(influences),
            "as_of": instant_text(as_of) if as_of < unnamed.end - timedelta(microseconds=1) else None,
        }
    )
    return Day(day, str(view_folder(view.name) / f"{day:%Y-%m-%d}-{stamp[:_STAMP_DIGITS]}.parquet"))


def _compute_span(view: FeatureView, history: History, start: datetime, end: datetime) -> pl.DataFrame:
    """Compute the rows decided in ``[start, end)`` from those that they can see."""
    decided = pl.col("available_at") >= start
    matters = (pl.col("available_at") < end) & (decided | (pl.col("event_time") > start - view.horizon))
    return compute(view, history.events.filter(matters), history.labels).filter(decided)


def _write(root: Path, day: Day, features: pl.DataFrame, sealed: Mapping[str, str]) -> Partition:
    """Write one day's file, under a temporary name first."""
    begin, end = features["available_at"].search_sorted(pl.Series([day.start, day.end]), side="left")
    rows = features.slice(begin, end - begin).rechunk()
    path = root / day.path
    with replacing(path) as temporary:
        rows.write_parquet(temporary, compression="zstd", compression_level=_COMPRESSION_LEVEL)
    partition = Partition(f"{day.date:%Y-%m-%d}", day.path, sha256_file(path), rows.height)
    if sealed.get(day.path, partition.sha256) != partition.sha256:
        raise NotReproducible(
            f"{day.path} was sealed as {sealed[day.path]} and came out as {partition.sha256} from the same inputs; "
            "look for a library that changed, and raise FORMAT_VERSION or SEMANTICS_VERSION"
        )
    return partition


def _present(root: Path, day: Day, sealed: Mapping[str, str]) -> Partition | None:
    path = root / day.path
    if not path.exists():
        return None
    sha256 = sha256_file(path)
    if sealed.get(day.path, sha256) != sha256:
        _log.warning("%s is not the file that was sealed; it is written again", path)
        return None
    rows = pl.scan_parquet(path).select(pl.len()).collect().item()
    return Partition(f"{day.date:%Y-%m-%d}", day.path, sha256, rows)


def _sweep(folder: Path) -> None:
    """Remove temporary files of builders that were killed; the caller holds the workspace alone."""
    for left in folder.glob(".*.parquet"):
        left.unlink()
