"""The population stability index: how far what is seen now lies from what a model was trained on."""

import math
from collections.abc import Sequence

import numpy as np
import polars as pl

# A share of nothing would make the index infinite; one row in ten thousand is as good as none.
_LEAST_SHARE = 1e-4


def stability_index(trained_on: pl.Series, now: pl.Series, *, bins: int = 10) -> float:
    """Return the population stability index of one column.

    ``sum((now - then) * ln(now / then))`` over bins of the training set's values: deciles of a number, every value of a
    text or of a number with few values; what is missing is a bin of its own, and so is a text never seen before.

    Args:
        trained_on: The column in the training set, a number, a boolean or a text; not empty.
        now: The same column as seen now; not empty.
        bins: Into how many parts of equal size a number is cut.

    References:
        Siddiqi, Credit Risk Scorecards (2006), chapter 9. The index is the symmetrised Kullback-Leibler divergence.
    """
    if trained_on.is_empty() or now.is_empty():
        raise ValueError("an index needs rows on both sides")
    then_counts, now_counts = _counts(trained_on, now, bins)
    return _index(then_counts, now_counts)


def _index(then_counts: Sequence[int], now_counts: Sequence[int]) -> float:
    then_total, now_total = sum(then_counts), sum(now_counts)
    terms = []
    for before, after in zip(then_counts, now_counts, strict=True):
        if before == after == 0:
            continue
        then_share, now_share = max(before / then_total, _LEAST_SHARE), max(after / now_total, _LEAST_SHARE)
        terms.append((now_share - then_share) * math.log(now_share / then_share))
    return math.fsum(terms)


def _counts(trained_on: pl.Series, now: pl.Series, bins: int) -> tuple[list[int], list[int]]:
    if trained_on.dtype == pl.String or now.dtype == pl.String:
        return _counts_of_values(trained_on.cast(pl.String), now.cast(pl.String))
    then_values, now_values = (column.cast(pl.Float64).fill_nan(None) for column in (trained_on, now))
    if then_values.n_unique() <= bins:
        return _counts_of_values(then_values, now_values)
    return _counts_of_numbers(then_values, now_values, bins)


def _counts_of_values(then_values: pl.Series, now_values: pl.Series) -> tuple[list[int], list[int]]:
    """Count each value that the training set has; all others together are one bin."""
    known = then_values.unique().to_list()
    counted = [dict(values.value_counts().iter_rows()) for values in (then_values, now_values)]
    then_counts, now_counts = ([int(found.get(value, 0)) for value in known] for found in counted)
    return [*then_counts, 0], [*now_counts, len(now_values) - sum(now_counts)]


def _counts_of_numbers(then_values: pl.Series, now_values: pl.Series, bins: int) -> tuple[list[int], list[int]]:
    known = then_values.drop_nulls().to_numpy()
    edges = np.unique(np.quantile(known, np.linspace(0, 1, bins + 1)[1:-1]))

    def counts(values: pl.Series) -> list[int]:
        places = np.searchsorted(edges, values.drop_nulls().to_numpy(), side="left")
        return [*np.bincount(places, minlength=len(edges) + 1).tolist(), values.null_count()]

    return counts(then_values), counts(now_values)
