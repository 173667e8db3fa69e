"""Build a view over events: from accepted files to one file of features a day, in bounded memory.

Files are read twice at most: once for their digest, when they are new, and once for their rows, as far as days are
missing that can see them. One more day reads its own files and those that its windows reach back to.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

import polars as pl

from feature_store.offline import rows_with
from feature_store.versions.manifest import Partition
from feature_store.view import FeatureView
from pipelines.features.arrivals import Arrivals, Remembered, find_arrivals, history_of
from pipelines.features.digests import Digests, Piece, read_piece
from pipelines.features.inputs import AcceptedFile
from pipelines.features.known_files import KnownFiles
from pipelines.features.partitions import days_of, write_missing
from pipelines.features.streams import EventStream, LabelStream, Locate
from pipelines.features.units import buckets_for, compute_here, put_together, units_of

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a view over events is built from.

    Attributes:
        view: The declaration.
        files: Its accepted files, source by source, each by time.
        as_of: Rows that became available later are not known.
        locate: Says where a file lies, by its path below the workspace.
    """

    view: FeatureView
    files: Sequence[AcceptedFile]
    as_of: datetime
    locate: Locate

    @property
    def hashes(self) -> dict[str, str]:
        """SHA-256 of every file by its path."""
        return {accepted.file.path: accepted.file.sha256 for accepted in self.files}


class SpanComputer(Protocol):
    """Computes a view's features of the rows that became available in a span of time, later spans later."""

    def __call__(self, start: datetime, end: datetime) -> pl.DataFrame:
        """Return the rows in arrival order."""
        ...


def write_features(
    inputs: Inputs,
    root: Path,
    *,
    memory: Path,
    sealed: Mapping[str, Partition],
    known_files: KnownFiles,
    say: Say,
    computer: Callable[[Inputs, Arrivals], SpanComputer],
) -> tuple[list[Partition], Arrivals]:
    """Write the day files that are not there yet.

    Args:
        inputs: What they are made from.
        root: The workspace.
        memory: Folder of what is remembered of files; a cache.
        sealed: Files that were sealed before, by path.
        known_files: What files were found to hash to.
        say: Told what is going on.
        computer: Makes what computes; :func:`here` for this process.

    Returns:
        All day files, those that were there included, and the rows that count.

    Raises:
        NotReproducible: A file that was sealed before came out differently.
    """
    arrivals = arrivals_of(inputs, memory, say)
    history = history_of(arrivals, inputs.hashes)
    days = days_of(inputs.view, inputs.files, history, inputs.as_of)
    say(f"computing {len(inputs.view.features)} features of {sum(history.dates.values()):,} events")
    compute_span = computer(inputs, arrivals)
    return write_missing(days, compute_span, root, sealed=sealed, known_files=known_files, say=say), arrivals


def arrivals_of(inputs: Inputs, memory: Path, say: Say) -> Arrivals:
    """Find the rows that count, going on from what is remembered in ``memory``, and remember that."""
    digests = Digests(memory, inputs.as_of)
    if new := digests.missing(inputs.files):
        say(f"reading the ids of {len(new)} new files of {len(inputs.files)}")
    by_source = {contract.name: list(_pieces(inputs, digests, contract.name)) for contract in inputs.view.sources}
    events, *labels = by_source.values()
    remembered = memory / f"{inputs.view.name}.arrivals"
    arrivals = find_arrivals(
        events, [piece for each in labels for piece in each], _read_ids(inputs), Remembered.load(remembered)
    )
    arrivals.found.save(remembered)
    return arrivals


def here(inputs: Inputs, arrivals: Arrivals) -> SpanComputer:
    """Return what computes in this process, reading every row once as the spans reach it."""
    view = inputs.view
    events = EventStream(view, arrivals, inputs.locate, inputs.as_of)
    labels = LabelStream(view, arrivals, inputs.locate, inputs.as_of)

    def compute_span(start: datetime, end: datetime) -> pl.DataFrame:
        known = events.until(start, end)
        said = labels.until(start, end)
        decided = known.slice(int(known["available_at"].search_sorted(start, side="left")))
        units = units_of(view, start, end, buckets=buckets_for(known.height))
        return rows_with(view, decided, put_together(decided, units, compute_here(units, known, said)))

    return compute_span


def _pieces(inputs: Inputs, digests: Digests, dataset: str) -> Iterator[Piece]:
    for accepted in inputs.files:
        if accepted.file.dataset == dataset:
            yield from digests.pieces(accepted, inputs.locate, inputs.view.event_id)


def _read_ids(inputs: Inputs) -> Callable[[Piece], pl.DataFrame]:
    event_id = inputs.view.event_id

    def read(piece: Piece) -> pl.DataFrame:
        rows = read_piece(inputs.locate(piece.file), piece, (event_id, "event_time"), as_of=inputs.as_of)
        return rows.rename({event_id: "id"})

    return read
