"""A view's accepted rows, read as a build reaches them and dropped once no window reaches back to them."""

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from feature_store.sources import arrival_order, checked_rows, labels_that_count
from feature_store.view import FeatureView
from pipelines.features.arrivals import Arrivals
from pipelines.features.digests import Instants, Piece, microseconds_of, read_piece
from pipelines.ingestion.typed_rows import rows_schema

_MICROSECOND = timedelta(microseconds=1)

Locate = Callable[[str], Path]
"""Returns where an input lies, checked against its receipt."""


class EventStream:
    """Events in arrival order, for one span of time after the other.

    Args:
        view: Says which columns are read, and for how long an event matters.
        arrivals: Which rows count.
        locate: Finds a file.
        as_of: Rows that became available later are not known.
    """

    def __init__(self, view: FeatureView, arrivals: Arrivals, locate: Locate, as_of: datetime) -> None:
        self._view = view
        self._arrivals = arrivals
        self._locate = locate
        self._as_of = as_of
        self._unread = sorted(arrivals.events, key=lambda piece: piece.first_available)
        self._held = rows_schema(view.events).to_frame().select(view.event_columns)  # read, and in arrival order

    def until(self, start: datetime, end: datetime) -> pl.DataFrame:
        """Return what decisions in ``[start, end)`` are about and can see of other rows, in arrival order.

        Args:
            start: No earlier than at the last call.
            end: Exclusive.

        Returns:
            The view's event columns of every row that became available before ``end`` and either at ``start`` or later,
            or that happened less than the view's horizon before it.
        """
        from_then_on = self._mattering(start)
        self._held = self._held.filter(from_then_on)
        wanted, self._unread = self._due(microseconds_of(start), microseconds_of(end))
        if wanted:
            rows = pl.concat([self._read(piece) for piece in wanted]).filter(from_then_on)
            checked = checked_rows(rows, self._view.events, self._view.event_columns)
            self._held = self._with(checked.sort(*arrival_order(self._view), maintain_order=True))
        height = int(self._held["available_at"].search_sorted(end, side="left"))
        return self._held.slice(0, height)

    def _mattering(self, start: datetime) -> pl.Expr:
        return (pl.col("available_at") >= start) | (pl.col("event_time") > start - self._view.horizon)

    def _due(self, start: int, end: int) -> tuple[list[Piece], list[Piece]]:
        """Split the unread pieces into those to be read for a span, and later ones; those of no more use are left."""
        oldest = start - self._view.horizon // _MICROSECOND
        useful = [piece for piece in self._unread if piece.last_available >= start or piece.last_event > oldest]
        due = [piece for piece in useful if piece.first_available < end]
        return due, [piece for piece in useful if piece.first_available >= end]

    def _read(self, piece: Piece) -> pl.DataFrame:
        rows = read_piece(self._locate(piece.file), piece, self._view.event_columns, as_of=self._as_of)
        return without(rows, self._arrivals.ignored.get(piece.name)).select(self._view.event_columns)

    def _with(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Return the rows that are held and others, in arrival order."""
        both = pl.concat([self._held, rows])
        follows = not self._held.height or not rows.height or self._last_held() < rows["available_at"][0]
        return both.rechunk() if follows else both.sort(*arrival_order(self._view), maintain_order=True)

    def _last_held(self) -> datetime:
        last: datetime = self._held["available_at"][-1]
        return last


class LabelStream:
    """Labels of events that are in a window, for one span of time after the other; labels that change nothing are left.

    Args:
        view: Says which columns are read.
        arrivals: What each piece of labels is about.
        locate: Finds a file.
        as_of: Rows that became available later are not known.
    """

    def __init__(self, view: FeatureView, arrivals: Arrivals, locate: Locate, as_of: datetime) -> None:
        self._view = view
        self._locate = locate
        self._as_of = as_of
        self._labelled = arrivals.labelled
        self._unread = [piece for piece in arrivals.labels if piece.name in arrivals.labelled]
        self._held: dict[str, pl.DataFrame] = {}

    def until(self, start: datetime, end: datetime) -> pl.DataFrame | None:
        """Return the labels that a decision in ``[start, end)`` can know of events that it can see.

        Args:
            start: No earlier than at the last call.
            end: Exclusive.
        """
        view = self._view
        if view.labels is None:
            return None
        oldest, latest = microseconds_of(start) - view.horizon // _MICROSECOND, microseconds_of(end)
        useful = [piece for piece in self._unread if self._labelled[piece.name] > oldest]
        self._held = {name: rows for name, rows in self._held.items() if self._labelled[name] > oldest}
        for piece in useful:
            if piece.first_available < latest:
                self._held[piece.name] = self._read(piece)
        self._unread = [piece for piece in useful if piece.first_available >= latest]
        columns = self._columns
        rows = pl.concat([rows_schema(view.labels).to_frame().select(columns), *self._held.values()])
        return labels_that_count(view, rows.filter(pl.col("available_at") < end))

    @property
    def _columns(self) -> tuple[str, ...]:
        return (self._view.event_id, "event_time", "available_at", *self._view.label_measures)

    def _read(self, piece: Piece) -> pl.DataFrame:
        rows = read_piece(self._locate(piece.file), piece, self._columns, as_of=self._as_of)
        return rows.select(self._columns)


def without(rows: pl.DataFrame, ignored: Instants | None) -> pl.DataFrame:
    """Return rows but for those at some places."""
    if ignored is None:
        return rows
    counts = np.ones(rows.height, np.bool_)
    counts[ignored] = False
    return rows.filter(pl.Series(counts))
