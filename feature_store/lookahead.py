"""The look-ahead test: recomputed on a history that stops, every value before the stop must come out the same."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from feature_store.table_view import TableView
from feature_store.view import FeatureView

Computation = Callable[[Mapping[str, pl.DataFrame]], pl.DataFrame]
"""Accepted rows by contract in; a view's key columns and features out."""


@dataclass(frozen=True, slots=True)
class Leak:
    """A column whose past depends on what came after.

    Attributes:
        column: Which.
        cut: Where the history was stopped.
        rows: How many values before the stop came out differently.
        example: The name of the first such row.
    """

    column: str
    cut: datetime
    rows: int
    example: str


def leaks(
    view: FeatureView | TableView,
    computation: Computation,
    sources: Mapping[str, pl.DataFrame],
    *,
    cuts: Sequence[datetime],
) -> list[Leak]:
    """Stop the history at each cut, recompute, and return every column that did not reproduce its past bit for bit.

    Args:
        view: What is computed.
        computation: What computes it: the view's own ``compute``, or what is suspected.
        sources: Rows of the whole history, by contract.
        cuts: Instants at which to stop; rows with a later ``available_at`` are withheld.
    """
    whole = computation(sources)
    found = []
    for cut in cuts:
        known = pl.col("available_at") <= cut
        past = whole.filter(known)
        again = computation({name: rows.filter(known) for name, rows in sources.items()})
        found += _differences(view, past, again, cut)
    return found


def _differences(view: FeatureView | TableView, past: pl.DataFrame, again: pl.DataFrame, cut: datetime) -> list[Leak]:
    names = past.select(view.row_name)
    if not names.equals(again.select(view.row_name)):
        return [Leak(view.row_name[0], cut, abs(past.height - again.height), "")]
    compared = [name for name in dict.fromkeys((*past.columns, *again.columns)) if name not in view.key_columns]
    differs = {name: _differs(past, again, name) for name in compared}
    return [
        Leak(name, cut, int(mask.sum()), " ".join(map(str, names.filter(mask).row(0))))
        for name, mask in differs.items()
        if mask.any()
    ]


def _differs(past: pl.DataFrame, again: pl.DataFrame, name: str) -> pl.Series:
    """Return where two columns differ. One that an open view could not name yet must have been null all along."""
    held = [frame[name] for frame in (past, again) if name in frame.columns]
    if len(held) == 1:
        return held[0].is_not_null()
    if held[0].dtype != held[1].dtype:
        return pl.repeat(True, past.height, eager=True)
    one, other = (_bits(values) for values in held)
    return one.ne_missing(other)


def _bits(values: pl.Series) -> pl.Series:
    """Return floats as the integers that have their bits, so that equal means identical."""
    if values.dtype != pl.Float64:
        return values
    bits = pl.Series(values.fill_null(0.0).to_numpy().view("int64"))
    return bits.set(values.is_null(), None)
