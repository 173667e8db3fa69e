"""The offline executor: a view over the whole history at once, each row as a decision at its own moment saw it.

Row *i* is decided at its own ``available_at``, *t*. It sees event *j* only if *j* arrived no later in arrival order,
itself included, and ``event_time`` of *j* lies in ``(t - delay - over, t - delay]``. So *j* counts from the latest of
its own arrival, ``event_time + delay`` and, for what its label says, the label's ``available_at``, until
``event_time + delay + over``. On rows that were never late this is the published transformation; with late rows it is
the one that does not look ahead.
"""

from collections.abc import Callable
from datetime import timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from feature_store.sources import events_in_arrival_order, labels_of
from feature_store.view import (
    Aggregation,
    Feature,
    FeatureView,
    Measure,
    RowExpression,
    Source,
    WindowAggregate,
    microseconds,
)
from feature_store.windows import Contributions, EntityRows, Integers, Timeline

_NEVER = np.iinfo(np.int64).max


def compute(view: FeatureView, transactions: pl.DataFrame, labels: pl.DataFrame) -> pl.DataFrame:
    """Compute every feature of every event.

    Args:
        view: The declaration.
        transactions: Accepted rows of the view's events, in any order; columns beyond the view's are ignored. A
            repeated id counts once, as it first arrived.
        labels: Accepted rows of the view's labels. A label counts for the event that it names.

    Returns:
        One row an event in arrival order: the view's key columns, then its features (Int64 or Float64, never null).

    Raises:
        SourceInvalid: A column is absent, of another type or holds a null.
    """
    events = events_in_arrival_order(view, transactions)
    history = _History(view, events, labels_of(view, labels))
    return events.select(*view.key_columns, *(_column(feature, events, history) for feature in view.features))


def _column(feature: Feature, events: pl.DataFrame, history: "_History") -> pl.Series:
    if isinstance(feature, RowExpression):
        return feature.transform.column(events[feature.column]).alias(feature.name)
    return pl.Series(feature.name, history.window(feature))


class _History:
    """The events and labels as arrays, and what several windows share.

    Args:
        view: The declaration.
        events: The view's event columns, in arrival order.
        labels: The view's label columns, in any order.
    """

    def __init__(self, view: FeatureView, events: pl.DataFrame, labels: pl.DataFrame) -> None:
        self._events = events
        self._timeline = Timeline(_instants(events["available_at"]))
        self._happened = _instants(events["event_time"])
        self._arrival = np.arange(events.height, dtype=np.int64)
        self._rows = {entity: EntityRows(_codes(events[entity])) for entity in view.entities}
        self._spells = _label_spells(view, events, labels)
        self._shared: dict[tuple[object, ...], Integers] = {}

    def window(self, window: WindowAggregate) -> NDArray[np.int64] | NDArray[np.float64]:
        """Return one window feature of every row, in arrival order."""
        count = self._total(window, None)
        if window.of is None:
            return count
        total = self._total(window, window.of)
        value = total / np.maximum(count, 1) if window.how is Aggregation.MEAN else total
        return np.where(count > 0, value / window.of.divide_by, window.empty)

    def _total(self, window: WindowAggregate, of: Measure | None) -> Integers:
        labelled = of is not None and of.source is Source.LABELS
        return self._once(
            ("total", window.by, window.delay, window.over, of),
            lambda: self._rows[window.by].totals(
                self._of_labels(window, of) if of and labelled else self._of_events(window, of)
            ),
        )

    def _of_events(self, window: WindowAggregate, of: Measure | None) -> Contributions:
        rows = self._rows[window.by]
        value = _whole(self._events[of.column])[rows.order] if of else np.ones_like(self._arrival)
        start = self._once(
            ("start", window.by, window.delay),
            lambda: rows.places(rows.order, np.maximum(self._arrival, self._position_after(window.delay))[rows.order]),
        )
        age = window.delay + window.over
        end = self._once(
            ("end", window.by, age), lambda: rows.places(rows.order, self._position_after(age)[rows.order])
        )
        return Contributions(start, end, value)

    def _of_labels(self, window: WindowAggregate, of: Measure) -> Contributions:
        spells = self._spells.filter(pl.col(of.column) != 0)
        event = _whole(spells["event"])
        known_from = self._timeline.position_at(_whole(spells["known_from"]))
        known_until = self._timeline.position_at(_whole(spells["known_until"]))
        start = np.maximum(self._position_after(window.delay)[event], np.maximum(event, known_from))
        end = np.minimum(self._position_after(window.delay + window.over)[event], known_until)
        rows = self._rows[window.by]
        return Contributions(rows.places(event, start), rows.places(event, end), _whole(spells[of.column]))

    def _position_after(self, age: timedelta) -> Integers:
        """Return the position from which each event is at least ``age`` old."""
        return self._once(("after", age), lambda: self._timeline.position_at(self._happened + microseconds(age)))

    def _once(self, key: tuple[object, ...], make: Callable[[], Integers]) -> Integers:
        if key not in self._shared:
            self._shared[key] = make()
        return self._shared[key]


def _label_spells(view: FeatureView, events: pl.DataFrame, labels: pl.DataFrame) -> pl.DataFrame:
    """Return one row a label: its event's arrival position, and the instants between which it is the newest known."""
    named = events.select(view.event_id).with_row_index("event")
    ordered = labels.join(named, on=view.event_id, how="inner").sort("event", "available_at", *view.label_measures)
    known_from = pl.col("available_at").to_physical()
    replaced = pl.when(pl.col("event").shift(-1) == pl.col("event")).then(known_from.shift(-1))
    return ordered.select(
        pl.col("event").cast(pl.Int64),
        known_from.alias("known_from"),
        replaced.otherwise(_NEVER).alias("known_until"),
        *(pl.col(measure).cast(pl.Int64) for measure in view.label_measures),
    )


def _codes(entities: pl.Series) -> Integers:
    """Return a whole number for each entity, equal where the entities are equal."""
    return entities.cast(pl.Categorical).to_physical().to_numpy().astype(np.int64)


def _instants(column: pl.Series) -> Integers:
    """Return microseconds since 1970."""
    return column.to_physical().to_numpy()


def _whole(column: pl.Series) -> Integers:
    return column.cast(pl.Int64).to_numpy()
