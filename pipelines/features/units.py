"""The unit of heavy work: the windows of one entity column, of the entities in one bucket, over one span of time.

An entity's windows depend on its own events alone. So a view over events falls into units that share nothing, and what
they find is put together by position: in whatever order, in threads or on other machines, the features are the same to
the last bit.
"""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
import polars as pl
from numpy.typing import NDArray

from feature_store.id_hashes import buckets_of, hashes_of
from feature_store.offline import windows_of
from feature_store.view import FeatureView
from pipelines.features.errors import WorkersDiffer

Floats = NDArray[np.float64]

UNIT_ROWS = 2_000_000
"""Events that a unit works on at most, if entities are many: about half a GiB of memory."""

_AT_ONCE = min(2, os.cpu_count() or 1)  # each uses every core for most of its work


@dataclass(frozen=True, slots=True)
class Unit:
    """What one unit computes.

    Attributes:
        view: The part of a view that is kept for one entity column: its windows and sequences, nothing else.
        start: Rows that became available from here on are decided, timezone-aware.
        end: The end of the span, exclusive.
        bucket: Which bucket of entities.
        buckets: Of how many.
    """

    view: FeatureView
    start: datetime
    end: datetime
    bucket: int
    buckets: int

    @property
    def entity(self) -> str:
        """The entity column."""
        return self.view.entities[0]

    def own(self, events: pl.DataFrame) -> pl.DataFrame:
        """Return those of a span's events, in arrival order, that the unit's decisions are about or can see."""
        seen = (pl.col("available_at") >= self.start) | (pl.col("event_time") > self.start - self.view.horizon)
        rows = events.select(self.view.event_columns).filter(seen)
        if self.buckets == 1:
            return rows
        return rows.filter(pl.Series(buckets_of(rows[self.entity], self.buckets) == self.bucket))


@dataclass(frozen=True, slots=True)
class UnitFound:
    """What a unit found.

    Attributes:
        values: By feature, one value (of a sequence one row) a decided row of the unit, in arrival order; NaN for null.
        decided: A hash over the ids of those rows, in order.
    """

    values: Mapping[str, Floats]
    decided: int


def units_of(view: FeatureView, start: datetime, end: datetime, *, buckets: int) -> list[Unit]:
    """Return the units of a span."""
    return [
        Unit(part, start, end, bucket, buckets)
        for entity in view.entities
        if (part := _part(view, entity)).features
        for bucket in range(buckets)
    ]


def buckets_for(rows: int) -> int:
    """Return how many buckets a span of so many rows is split into on one machine."""
    return max(1, -(-rows // UNIT_ROWS))


def compute_unit(unit: Unit, events: pl.DataFrame, labels: pl.DataFrame | None) -> UnitFound:
    """Compute one unit.

    Args:
        unit: Which.
        events: The unit's own events, in arrival order.
        labels: Labels of events that are among them, or of others too; None for none.
    """
    first = int(events["available_at"].search_sorted(unit.start, side="left"))
    values = windows_of(unit.view, events, labels, first=first)
    return UnitFound(values, ids_hash(events[unit.view.event_id].slice(first)))


def compute_here(units: Sequence[Unit], events: pl.DataFrame, labels: pl.DataFrame | None) -> Iterator[UnitFound]:
    """Compute units in threads of this process, and yield what each found, in order."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        yield from pool.map(lambda unit: compute_unit(unit, unit.own(events), labels), units)


def put_together(decided: pl.DataFrame, units: Sequence[Unit], found: Iterable[UnitFound]) -> dict[str, Floats]:
    """Return every window of every decided row, in arrival order.

    Args:
        decided: The span's decided rows, in arrival order.
        units: Every unit of the span.
        found: What each found, in the same order.

    Raises:
        WorkersDiffer: A unit decided other rows than these.
    """
    windows: dict[str, Floats] = {}
    buckets: dict[str, NDArray[np.int64]] = {}
    for unit, each in zip(units, found, strict=True):
        if unit.entity not in buckets:
            buckets[unit.entity] = buckets_of(decided[unit.entity], unit.buckets)
        places = np.flatnonzero(buckets[unit.entity] == unit.bucket)
        if ids_hash(decided[unit.view.event_id].gather(places)) != each.decided:
            raise WorkersDiffer(
                f"{unit.view.name} by {unit.entity}, {unit.start:%Y-%m-%d} to {unit.end:%Y-%m-%d}, bucket "
                f"{unit.bucket + 1} of {unit.buckets}: a worker decided other rows than this process read; see that "
                "every worker sees the same workspace"
            )
        for name, values in each.values.items():
            if name not in windows:
                windows[name] = np.empty((decided.height, *values.shape[1:]))
            windows[name][places] = values
    return windows


def ids_hash(ids: pl.Series) -> int:
    """Return a hash over ids in their order."""
    hashes = hashes_of(ids)
    with np.errstate(over="ignore"):
        return int(
            np.bitwise_xor.reduce(hashes * (2 * np.arange(hashes.size, dtype=np.uint64) + np.uint64(1)), initial=0)
        )


def _part(view: FeatureView, entity: str) -> FeatureView:
    features = tuple(feature for feature in view.looking_back if feature.by == entity)
    return replace(view, entities=(entity,), features=features)
