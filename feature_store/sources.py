"""The rows that executors read: checked against the view's contracts and put in arrival order."""

from collections.abc import Collection, Sequence

import numpy as np
import polars as pl

from feature_store.errors import SourceInvalid
from feature_store.view import FeatureView
from ledgerline.core.contracts import DatasetContract
from ledgerline.core.frames import POLARS_TYPES


def events_in_arrival_order(view: FeatureView, events: pl.DataFrame) -> pl.DataFrame:
    """Return the view's columns of ``events``, one row an event, sorted as decisions met them.

    Arrival order is (``available_at``, length of the id, id), so that numeric ids break ties as numbers. Of several
    rows with one id the first to arrive counts and the others are ignored; at the same instant, the first given.

    Raises:
        SourceInvalid: A column is absent, of another type or holds a null.
    """
    rows = checked_rows(events, view.events, view.event_columns)
    if not _arrived_in_order(rows, view.event_id):
        rows = rows.sort(*arrival_order(view), maintain_order=True)
    if rows[view.event_id].hash().n_unique() == rows.height:  # different hashes are of different ids
        return rows
    return rows.filter(pl.col(view.event_id).is_first_distinct())


def _arrived_in_order(rows: pl.DataFrame, name: str) -> bool:
    """Whether rows are in arrival order already, as they mostly are: looking is several times cheaper than sorting."""
    instants = rows["available_at"].to_physical().to_numpy()
    if np.any(instants[1:] < instants[:-1]):
        return False
    at_once = np.flatnonzero(instants[1:] == instants[:-1])
    before, after = rows[name][at_once], rows[name][at_once + 1]
    shorter, alike = after.str.len_chars() < before.str.len_chars(), after.str.len_chars() == before.str.len_chars()
    return not (shorter | (alike & (after < before))).any()


def labels_of(view: FeatureView, labels: pl.DataFrame | None) -> pl.DataFrame:
    """Return the view's columns of ``labels``: event id, ``event_time``, ``available_at`` and the measures.

    Without labels, or in a view that reads none, there are no rows.

    Raises:
        SourceInvalid: A column is absent, of another type or holds a null.
    """
    if view.labels is None:
        ids = {column.name: POLARS_TYPES[column.type] for column in view.events.columns}
        return pl.DataFrame(schema={name: ids[name] for name in (view.event_id, "event_time", "available_at")})
    columns = (view.event_id, "event_time", "available_at", *view.label_measures)
    return checked_rows(empty_rows(view.labels) if labels is None else labels, view.labels, columns)


def labels_that_count(view: FeatureView, labels: pl.DataFrame) -> pl.DataFrame:
    """Return the labels without those of events of which every label measures zero: they change no window.

    Where most payments are genuine and labelled so, that leaves one in hundreds.

    Args:
        view: The declaration.
        labels: Rows of the view's labels.
    """
    if not view.label_measures:
        return labels.clear()
    says = pl.any_horizontal(pl.col(measure).cast(pl.Int64) != 0 for measure in view.label_measures)
    return labels.join(labels.filter(says).select(view.event_id), on=view.event_id, how="semi")


def arrival_order(view: FeatureView) -> tuple[pl.Expr, ...]:
    """Return what events are sorted by: ``available_at``, then the length of the id, then the id."""
    name = pl.col(view.event_id)
    return pl.col("available_at"), name.str.len_chars(), name


def checked_rows(
    frame: pl.DataFrame, contract: DatasetContract, columns: Sequence[str], *, nullable: Collection[str] = ()
) -> pl.DataFrame:
    """Return some columns of a contract's rows.

    Args:
        frame: The rows; other columns are ignored.
        contract: Says what type each column has.
        columns: Which.
        nullable: Those among them that may hold nulls.

    Raises:
        SourceInvalid: A column is absent, of another type or holds a null that it may not.
    """
    types = {column.name: POLARS_TYPES[column.type] for column in contract.columns}
    for column in columns:
        if column not in frame.columns:
            raise SourceInvalid(
                f"{contract.name}: column {column} is absent; the columns are {', '.join(frame.columns)}"
            )
        if frame.schema[column] != types[column]:
            raise SourceInvalid(f"{contract.name}.{column} is {frame.schema[column]}; it must be {types[column]}")
    filled = (column for column in columns if column not in nullable)
    nulls = {column: count for column in filled if (count := frame[column].null_count())}
    if nulls:
        raise SourceInvalid(f"{contract.name}: nulls where the contract allows none ({nulls}); pass accepted rows only")
    return frame.select(columns)


def empty_rows(contract: DatasetContract) -> pl.DataFrame:
    """Return a frame of the contract's columns without rows."""
    return pl.DataFrame(schema={column.name: POLARS_TYPES[column.type] for column in contract.columns})
