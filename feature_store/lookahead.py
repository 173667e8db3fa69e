"""The look-ahead test: recomputed on a history that stops, every value before the stop must come out the same."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from feature_store.view import FeatureView

Computation = Callable[[pl.DataFrame, pl.DataFrame], pl.DataFrame]
"""Events and labels in; the view's key columns and features out, as the offline executor returns them."""


@dataclass(frozen=True, slots=True)
class Leak:
    """A column whose past depends on what came after.

    Attributes:
        column: Which.
        cut: Where the history was stopped.
        rows: How many values before the stop came out differently.
        example: The id of the first such row.
    """

    column: str
    cut: datetime
    rows: int
    example: str


def leaks(
    view: FeatureView,
    computation: Computation,
    transactions: pl.DataFrame,
    labels: pl.DataFrame,
    *,
    cuts: Sequence[datetime],
) -> list[Leak]:
    """Stop the history at each cut, recompute, and return every column that did not reproduce its past bit for bit.

    Args:
        view: What is computed.
        computation: What computes it, e.g. ``functools.partial(compute, view)``.
        transactions: Events of the whole history.
        labels: Labels of the whole history.
        cuts: Instants at which to stop; rows with a later ``available_at`` are withheld.
    """
    whole = computation(transactions, labels)
    found = []
    for cut in cuts:
        known = pl.col("available_at") <= cut
        past = whole.filter(known)
        again = computation(transactions.filter(known), labels.filter(known))
        found += _differences(view, past, again, cut)
    return found


def _differences(view: FeatureView, past: pl.DataFrame, again: pl.DataFrame, cut: datetime) -> list[Leak]:
    ids = past[view.event_id]
    if not ids.equals(again[view.event_id]):
        return [Leak(view.event_id, cut, abs(past.height - again.height), "")]
    differs = {name: _bits(past[name]) != _bits(again[name]) for name in view.feature_names}
    return [Leak(name, cut, int(mask.sum()), str(ids.filter(mask)[0])) for name, mask in differs.items() if mask.any()]


def _bits(values: pl.Series) -> pl.Series:
    """Return floats as the integers that have their bits, so that equal means identical."""
    return pl.Series(values.to_numpy().view("int64")) if values.dtype == pl.Float64 else values
