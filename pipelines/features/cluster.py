"""Compute a view's units on a Dask cluster, where the settings name one.

A unit travels as a description: which row groups of which files, which entities, which span of time. A worker reads the
files itself, so it must see the workspace under the same path; it checks their hashes, and that it has the same code
and libraries, before it computes. What it found comes back. A unit whose worker is lost is computed again by another.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

import feature_store
from feature_store.features import RowExpression
from feature_store.libraries import library_versions
from feature_store.offline import rows_with
from feature_store.sources import arrival_order, checked_rows, labels_that_count
from feature_store.view import FeatureView
from ledgerline.core.contracts import DatasetContract
from ledgerline.core.identity import content_id, sha256_file, source_fingerprint
from pipelines.features.arrivals import Arrivals
from pipelines.features.digests import Instants, Piece, microseconds_of, read_piece
from pipelines.features.errors import ClusterUnreachable, WorkersDiffer
from pipelines.features.event_views import Inputs, SpanComputer, here
from pipelines.features.streams import EventStream, without
from pipelines.features.units import Unit, UnitFound, buckets_for, compute_unit, put_together, units_of
from pipelines.ingestion.typed_rows import rows_schema

if TYPE_CHECKING:
    from distributed import Client

_SECONDS_TO_ANSWER = 10
_MICROSECOND = timedelta(microseconds=1)

Computer = Callable[[Inputs, Arrivals], SpanComputer]


@dataclass(frozen=True, slots=True)
class FilePart:
    """A row group that a worker reads.

    Attributes:
        path: Where the file lies, here and there.
        sha256: Its hash.
        piece: Which rows.
        ignored: Those among its known rows that do not count; None for none.
    """

    path: Path
    sha256: str
    piece: Piece
    ignored: Instants | None


@dataclass(frozen=True, slots=True)
class UnitTask:
    """A unit as it travels.

    Attributes:
        unit: What is computed.
        events: Row groups with events that its decisions are about or can see.
        labels: Row groups with labels of such events.
        as_of: Rows that became available later are not known.
        executors: What computes, here: see :func:`executors`.
    """

    unit: Unit
    events: tuple[FilePart, ...]
    labels: tuple[FilePart, ...]
    as_of: datetime
    executors: str


@contextmanager
def computer_of(scheduler: str | None) -> Iterator[Computer]:
    """Yield what computes spans: on the cluster whose scheduler has this address, in this process where it is None.

    Raises:
        ClusterUnreachable: No scheduler answers there, or it has no workers.
    """
    if scheduler is None:
        yield here
        return
    with _connected(scheduler) as client:
        yield lambda inputs, arrivals: _on_cluster(client, inputs, arrivals)


@cache
def executors() -> str:
    """Return a hash over what computes features in this process: its code and the libraries that it stands on."""
    code = source_fingerprint([Path(feature_store.__file__).parent, Path(__file__).parent])
    return content_id({"code": code, "libraries": library_versions()})


def compute_task(task: UnitTask) -> UnitFound:
    """Read a unit's files and compute it: what a worker does.

    Raises:
        WorkersDiffer: This process has other code, other libraries or other files than the one that asks.
    """
    if task.executors != executors():
        raise WorkersDiffer(
            "a worker has other code or other libraries than the process that builds; install the same release "
            f"everywhere (here {library_versions()})"
        )
    unit, view = task.unit, task.unit.view
    frames = [_empty(view.events, view.event_columns)]
    for part in task.events:
        rows = without(_read(part, view.event_columns, task.as_of), part.ignored).select(view.event_columns)
        frames.append(unit.own(rows.filter(pl.col("available_at") < unit.end)))
    events = checked_rows(pl.concat(frames), view.events, view.event_columns)
    ordered = events.sort(*arrival_order(view), maintain_order=True)
    return compute_unit(unit, ordered, _labels(task))


@contextmanager
def _connected(scheduler: str) -> Iterator["Client"]:
    from distributed import Client

    try:
        client = Client(scheduler, timeout=_SECONDS_TO_ANSWER, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        raise ClusterUnreachable(
            f"no Dask scheduler answers at {scheduler} ({error}); start it, or unset LEDGERLINE_DASK_SCHEDULER to "
            "compute in this process"
        ) from error
    with client:
        try:
            client.wait_for_workers(1, timeout=_SECONDS_TO_ANSWER)
        except TimeoutError as error:
            raise ClusterUnreachable(
                f"the Dask scheduler at {scheduler} has no workers; start some with `dask worker {scheduler}`"
            ) from error
        yield client


def _on_cluster(client: "Client", inputs: Inputs, arrivals: Arrivals) -> SpanComputer:
    """Return what computes on a cluster; this process reads the decided rows alone."""
    view = inputs.view
    rows = tuple(each for each in view.features if isinstance(each, RowExpression))
    decided_rows = EventStream(replace(view, features=rows, ttl=None), arrivals, inputs.locate, inputs.as_of)
    hashes = inputs.hashes

    def part(piece: Piece) -> FilePart:
        path = inputs.locate(piece.file).resolve()
        return FilePart(path, hashes[piece.file], piece, arrivals.ignored.get(piece.name))

    def task(unit: Unit) -> UnitTask:
        events = tuple(part(piece) for piece in arrivals.events if _is_seen(piece, piece.last_event, unit))
        labels = tuple(
            part(piece)
            for piece in arrivals.labels
            if unit.view.label_measures and _is_about(piece, arrivals.labelled, unit)
        )
        return UnitTask(unit, events, labels, inputs.as_of, executors())

    def compute_span(start: datetime, end: datetime) -> pl.DataFrame:
        decided = decided_rows.until(start, end)
        units = _units(client, view, arrivals, start, end)
        futures = [client.submit(compute_task, task(unit), pure=False) for unit in units]
        return rows_with(view, decided, put_together(decided, units, (future.result() for future in futures)))

    return compute_span


def _units(client: "Client", view: FeatureView, arrivals: Arrivals, start: datetime, end: datetime) -> list[Unit]:
    """Return a span's units, at least as many as there are threads to compute them."""
    whole = Unit(view, start, end, 0, 1)
    rows = sum(piece.known for piece in arrivals.events if _is_seen(piece, piece.last_event, whole))
    threads = sum(client.nthreads().values())
    return units_of(view, start, end, buckets=max(buckets_for(rows), -(-threads // max(1, len(view.entities)))))


def _is_seen(piece: Piece, last_event: int, unit: Unit) -> bool:
    """Whether a row of the piece can matter to the unit's decisions."""
    start = microseconds_of(unit.start)
    young = last_event > start - unit.view.horizon // _MICROSECOND
    return piece.first_available < microseconds_of(unit.end) and (young or piece.last_available >= start)


def _is_about(piece: Piece, labelled: Mapping[str, int], unit: Unit) -> bool:
    """Whether a label of the piece can matter to the unit's decisions."""
    oldest = microseconds_of(unit.start) - unit.view.horizon // _MICROSECOND
    return piece.first_available < microseconds_of(unit.end) and labelled.get(piece.name, oldest) > oldest


def _labels(task: UnitTask) -> pl.DataFrame | None:
    view = task.unit.view
    if view.labels is None:
        return None
    columns = (view.event_id, "event_time", "available_at", *view.label_measures)
    frames = [_empty(view.labels, columns)]
    frames += [_read(part, columns, task.as_of).select(columns) for part in task.labels]
    return labels_that_count(view, pl.concat(frames).filter(pl.col("available_at") < task.unit.end))


def _empty(contract: DatasetContract, columns: tuple[str, ...]) -> pl.DataFrame:
    return rows_schema(contract).to_frame().select(columns)


def _read(part: FilePart, columns: tuple[str, ...], as_of: datetime) -> pl.DataFrame:
    try:
        stat = part.path.stat()
        sha256 = _hash(part.path, stat.st_size, stat.st_mtime_ns)
    except OSError as error:
        raise WorkersDiffer(
            f"a worker cannot read {part.path} ({error.strerror}); it must see the workspace under the same path"
        ) from error
    if sha256 != part.sha256:
        raise WorkersDiffer(f"a worker sees {part.path} as {sha256}, and not as {part.sha256}, which was accepted")
    return read_piece(part.path, part.piece, columns, as_of=as_of)


@lru_cache(maxsize=4096)
def _hash(path: Path, size: int, modified: int) -> str:
    return sha256_file(path)
