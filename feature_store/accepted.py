"""The accepted rows that a version over events was built from, as far as some decisions can see them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

import polars as pl

from feature_store.sources import empty_rows
from feature_store.view import FeatureView

_POSITION = "position among the accepted rows"


def accepted_rows(
    view: FeatureView, files: Mapping[str, Sequence[Path]], *, oldest: datetime, latest: datetime
) -> tuple[pl.DataFrame, pl.DataFrame | None]:
    """Return the events and labels that decisions between two instants can see, and the labels of those events.

    Only the columns that the view reads, and only row groups that can hold such rows, are read.

    Args:
        view: The declaration.
        files: Accepted files by contract, in the order in which the version was built from them.
        oldest: Events with an earlier ``event_time`` are too old for every window, and for the view's TTL.
        latest: What became available later is seen by none.

    Returns:
        Events, an id once, as it first arrived; and labels, None for a view that reads none.
    """
    events = _events(view, files.get(view.events.name, ()), oldest, latest)
    if view.labels is None:
        return events, None
    columns = (view.event_id, "event_time", "available_at", *view.label_measures)
    labels = _scan(files[view.labels.name]) if files.get(view.labels.name) else empty_rows(view.labels).lazy()
    known = labels.select(columns).filter(pl.col("available_at") <= latest)
    return events, known.join(events.lazy().select(view.event_id), on=view.event_id, how="semi").collect()


def _events(view: FeatureView, files: Sequence[Path], oldest: datetime, latest: datetime) -> pl.DataFrame:
    if not files:
        return empty_rows(view.events).select(view.event_columns)
    known = pl.col("available_at") <= latest
    scanned = _scan(files).with_row_index(_POSITION)
    seen = scanned.filter(known, pl.col("event_time") >= oldest).select(*view.event_columns, _POSITION).collect()
    # An id that was delivered again counts as it first arrived, and that may have been with too old an event_time.
    arrivals = scanned.filter(known).select(view.event_id, "available_at", _POSITION)
    again = arrivals.join(seen.lazy().select(view.event_id), on=view.event_id, how="semi").collect(engine="streaming")
    first = again.sort("available_at", _POSITION).unique(view.event_id, keep="first")
    return seen.join(first.select(_POSITION), on=_POSITION, how="semi", maintain_order="left").drop(_POSITION)


def _scan(files: Sequence[Path]) -> pl.LazyFrame:
    return pl.scan_parquet(list(files), glob=False, hive_partitioning=False, extra_columns="ignore")
