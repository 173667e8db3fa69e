"""The offline executor: a view over the whole history at once, each decision as it was made at its own moment.

A decision made at *t* sees event *j* only if *j* arrived no later in arrival order, and ``event_time`` of *j* lies in
``(t - delay - over, t - delay]``. So *j* counts from the latest of its own arrival, ``event_time + delay`` and, for
what its label says, the label's ``available_at``, until ``event_time + delay + over``. On rows that were never late
this is the published transformation; with late rows it is the one that does not look ahead.

Counts, sums and means are differences of running sums of whole numbers (:func:`~feature_store.kernels.add_up`), exact
whatever the order; everything else goes back through the entity's events (:func:`~feature_store.kernels.look_back`).
"""

from collections.abc import Iterator
from datetime import datetime

import numpy as np
import polars as pl
from numpy.typing import NDArray

from feature_store import kernels
from feature_store.entity_rows import EntityRows, Floats, Integers
from feature_store.errors import SourceInvalid
from feature_store.event_history import NEVER, EventHistory, instants_of, require_summable, whole_numbers_of
from feature_store.features import (
    Aggregation,
    Derived,
    EventSequence,
    Feature,
    Measure,
    RowExpression,
    Source,
    WindowAggregate,
    microseconds,
)
from feature_store.sources import events_in_arrival_order
from feature_store.view import FeatureView

_ADDED_UP = (Aggregation.SUM, Aggregation.MEAN, Aggregation.STD)
_KERNELS = {
    Aggregation.COUNT: kernels.COUNT,
    Aggregation.SUM: kernels.SUM,
    Aggregation.MEAN: kernels.MEAN,
    Aggregation.MIN: kernels.MIN,
    Aggregation.MAX: kernels.MAX,
    Aggregation.STD: kernels.STD,
    Aggregation.LAST: kernels.LAST,
    Aggregation.EW_MEAN: kernels.EW_MEAN,
}


def compute(
    view: FeatureView, events: pl.DataFrame, labels: pl.DataFrame | None = None, *, since: datetime | None = None
) -> pl.DataFrame:
    """Compute every feature of every event, each decided at its own ``available_at``.

    Args:
        view: The declaration.
        events: Accepted rows of the view's events, in any order; columns beyond the view's are ignored. A repeated id
            counts once, as it first arrived.
        labels: Accepted rows of the view's labels. A label counts for the event that it names. None for none.
        since: Only events that became available at or after this instant are decided; earlier ones are history.

    Returns:
        One row an event in arrival order: the view's key columns, then its features: Int64, Float64 or, of a sequence,
        an array of Float64; null where nothing is known.

    Raises:
        SourceInvalid: A column is absent, of another type or holds a null.
    """
    known = events_in_arrival_order(view, events)
    first = _first_decided(known, since)
    return rows_with(view, known.slice(first), windows_of(view, known, labels, first=first))


def windows_of(
    view: FeatureView, known: pl.DataFrame, labels: pl.DataFrame | None, *, first: int = 0
) -> dict[str, Floats]:
    """Compute the windows and sequences alone, for decided rows, e.g. of some entities of a longer history.

    Args:
        view: The declaration.
        known: What :func:`~feature_store.sources.events_in_arrival_order` returns: checked, each id once, in order.
        labels: Accepted rows of the view's labels, or None.
        first: Position of the first row that is decided; earlier ones are history.

    Returns:
        By feature: one value a decided row in order, of a sequence one row of values; NaN for null.
    """
    history = EventHistory(view, known, labels)
    limit = np.arange(first, known.height, dtype=np.int64)
    codes = {entity: history.codes(entity)[first:] for entity in view.entities}
    return _windows(view, history, _Decisions(instants_of(known["available_at"])[first:], limit, codes))


def rows_with(view: FeatureView, decided: pl.DataFrame, windows: dict[str, Floats]) -> pl.DataFrame:
    """Return the rows that :func:`compute` does, from decided events in arrival order and their windows.

    Args:
        view: The declaration.
        decided: The view's event columns, in arrival order.
        windows: Every window and sequence of the view as :func:`windows_of` returns them; emptied.
    """
    return decided.select(*view.key_columns, *_columns(view, windows, decided, decided.height))


def _first_decided(known: pl.DataFrame, since: datetime | None) -> int:
    return int(known["available_at"].search_sorted(since, side="left")) if since else 0


def decide(
    view: FeatureView,
    events: pl.DataFrame,
    labels: pl.DataFrame | None,
    decisions: pl.DataFrame,
    *,
    at: str = "at",
) -> pl.DataFrame:
    """Compute every feature for decisions about entities, whether or not an event goes with them.

    Args:
        view: The declaration.
        events: Accepted rows of the view's events, in any order.
        labels: Accepted rows of the view's labels, or None.
        decisions: A column for each of the view's entities (String; null and unknown ones have no events) and the
            instant of the decision.
        at: The column that holds it.

    Returns:
        The features alone, one row a decision in the given order. A decision sees every event with ``available_at`` at
        or before its instant. Features of a row itself are null: there is no such row.

    Raises:
        SourceInvalid: A column is absent, of another type or, of the instants, null.
    """
    _check_decisions(view, decisions, at)
    known = events_in_arrival_order(view, events)
    history = EventHistory(view, known, labels, beside=decisions)
    instants = instants_of(decisions[at])
    order = np.argsort(instants, kind="stable")
    limit = np.searchsorted(instants_of(known["available_at"]), instants[order], side="right") - 1
    codes = {entity: history.codes_beside(entity)[order] for entity in view.entities}
    made = _Decisions(instants[order], limit.astype(np.int64, copy=False), codes)
    given = np.empty_like(order)
    given[order] = np.arange(order.size)
    return pl.DataFrame(list(_columns(view, _windows(view, history, made), None, made.at.size)))[given]


def _check_decisions(view: FeatureView, decisions: pl.DataFrame, at: str) -> None:
    wanted = {**dict.fromkeys(view.entities, pl.String()), at: pl.Datetime("us", "UTC")}
    for column, dtype in wanted.items():
        found = decisions.schema.get(column)
        if found is None:
            raise SourceInvalid(
                f"{view.name}: decisions lack the column {column}; they have {', '.join(decisions.columns)}"
            )
        if found != dtype:
            raise SourceInvalid(f"{view.name}: decisions have {column} as {found}; it must be {dtype}")
    if missing := decisions[at].null_count():
        raise SourceInvalid(f"{view.name}: {missing} decisions have no instant in {at}; nothing was known at no time")


class _Decisions:
    """Decisions in the order in which they were made.

    Args:
        at: When, microseconds since 1970, ascending.
        limit: Position of the last event that each sees, ascending; -1 for none.
        codes: Each decision's entity as a number, by entity column.
    """

    def __init__(self, at: Integers, limit: Integers, codes: dict[str, Integers]) -> None:
        self.at = at
        self.limit = limit
        self.codes = codes


def _columns(
    view: FeatureView, windows: dict[str, Floats], rows: pl.DataFrame | None, height: int
) -> Iterator[pl.Series]:
    """Return every feature, in the view's order."""
    numbers: dict[str, pl.Series] = {}
    for feature in view.features:
        column = _column(feature, windows, numbers, rows, height).alias(feature.name)
        numbers[feature.name] = column
        yield column


def _column(
    feature: Feature,
    windows: dict[str, Floats],
    numbers: dict[str, pl.Series],
    rows: pl.DataFrame | None,
    height: int,
) -> pl.Series:
    if isinstance(feature, RowExpression):
        if rows is None:
            return pl.repeat(None, height, dtype=pl.Int64 if feature.integral else pl.Float64, eager=True)
        return feature.transform.column(rows[feature.column])
    if isinstance(feature, Derived):
        read = {
            name: numbers[name].cast(pl.Float64).fill_null(float("nan")).to_numpy() for name in feature.expression.names
        }
        return _nullable(np.broadcast_to(feature.expression.evaluate(read), height))
    values = windows.pop(feature.name)
    if isinstance(feature, EventSequence):
        flat = _nullable(values.reshape(-1))
        return flat.reshape((height, feature.rows))
    return _nullable(values).cast(pl.Int64) if feature.integral else _nullable(values)


def _windows(view: FeatureView, history: EventHistory, decisions: _Decisions) -> dict[str, Floats]:
    """Return every window and sequence by name, NaN for null, in the order of the decisions."""
    found: dict[str, Floats] = {}
    for entity in view.entities:
        windows = [window for window in view.windows if window.by == entity]
        sequences = [sequence for sequence in view.sequences if sequence.by == entity]
        if not windows and not sequences:
            continue
        decided = decisions.codes[entity], decisions.at, decisions.limit
        rows = EntityRows(history.codes(entity), history.happened, *decided)
        found |= _sums(rows, history, [window for window in windows if window.by_sums])
        found |= {window.name: _looked_back(rows, history, window) for window in windows if not window.by_sums}
        found |= {sequence.name: _listed(rows, history, sequence) for sequence in sequences}
        if view.ttl is not None:
            expired = rows.newest_seen() < decisions.at - microseconds(view.ttl)
            for name in (*(window.name for window in windows), *(sequence.name for sequence in sequences)):
                found[name][expired] = np.nan
    return found


def _sums(rows: EntityRows, history: EventHistory, windows: list[WindowAggregate]) -> dict[str, Floats]:
    """Return the windows that follow from counts and sums; those over the same span share them."""
    found: dict[str, Floats] = {}
    for delay, reach in dict.fromkeys((window.delay, window.reach) for window in windows):
        alike = [window for window in windows if (window.delay, window.reach) == (delay, reach)]
        span = microseconds(delay), microseconds(reach)
        measures = list(dict.fromkeys(window.of for window in alike if window.of))
        events = {measure.column for measure in measures if measure.source is Source.EVENTS}
        totals = rows.totals(*span, [history.summable(column, rows) for column in sorted(events)])
        by_column = {column: totals[:, 1 + place] for place, column in enumerate(sorted(events))}
        labelled = {
            measure.column: _label_total(rows, history, span, measure)
            for measure in measures
            if measure.source is Source.LABELS
        }
        for window in alike:
            total = totals[:, 0]
            if window.of:
                total = (labelled if window.of.source is Source.LABELS else by_column)[window.of.column]
            divide_by, empty = _steps_and_empty(window)
            found[window.name] = rows.in_order(totals[:, 0], total, _KERNELS[window.how], divide_by, empty)
    return found


def _label_total(rows: EntityRows, history: EventHistory, span: tuple[int, int], measure: Measure) -> Integers:
    spells = history.spells.filter(pl.col(measure.column) != 0)
    known = whole_numbers_of(spells["known_from"]), whole_numbers_of(spells["known_until"])
    said = whole_numbers_of(spells[measure.column])
    require_summable(said, said.size, f"labels' {measure.column}")
    return rows.label_totals(*span, whole_numbers_of(spells["event"]), known, said)


def _looked_back(rows: EntityRows, history: EventHistory, window: WindowAggregate) -> Floats:
    if window.of is None:
        values = history.happened  # they are only counted
    elif window.how in _ADDED_UP:
        values = history.summable(window.of.column, rows)
    else:
        values = history.steps(window.of.column)
    divide_by, empty = _steps_and_empty(window)
    return rows.look_back(
        values,
        how=_KERNELS[window.how],
        span=(microseconds(window.delay), microseconds(window.reach)),
        rows=window.rows or NEVER,
        lag=window.lag,
        half_life=microseconds(window.half_life) if window.half_life else 1,
        divide_by=divide_by,
        empty=empty,
    )


def _steps_and_empty(window: WindowAggregate) -> tuple[int, float]:
    return window.of.divide_by if window.of else 1, np.nan if window.empty is None else float(window.empty)


def _listed(rows: EntityRows, history: EventHistory, sequence: EventSequence) -> Floats:
    return rows.listed(
        history.steps(sequence.of.column),
        span=(microseconds(sequence.delay), microseconds(sequence.reach)),
        rows=sequence.rows,
        divide_by=sequence.of.divide_by,
    )


def _nullable(values: NDArray[np.float64]) -> pl.Series:
    return pl.Series(values, nan_to_null=True)
