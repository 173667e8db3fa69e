"""Features that tell the outcome: how well each, alone, ranks what became of its rows."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

LEAST_OF_EACH = 10
"""Of fewer rows with an outcome, or without, chance alone may rank them perfectly."""


@dataclass(frozen=True, slots=True)
class Telltale:
    """How well one feature alone ranks an outcome.

    Attributes:
        feature: Which; of a sequence, the element that ranks best as ``name[place]``.
        auc: Area under the ROC curve of its values or of their negatives, whichever is greater: 0.5 to 1.
        rows: Rows that were ranked.
    """

    feature: str
    auc: float
    rows: int


def telltales(rows: pl.DataFrame, features: Sequence[str], outcome: str) -> list[Telltale]:
    """Return how well each feature ranks the outcome, the best first; none where there are too few of either outcome.

    Missing values may tell as well, so they are ranked below and above all others. Texts are ranked by the share of
    outcomes that their value had among the earlier half of the rows, on the later half.

    Args:
        rows: Features and outcome, in arrival order; rows whose outcome is null are left out.
        features: Columns of numbers, booleans, texts, or sequences of numbers (lists or arrays).
        outcome: A boolean column.
    """
    known = rows.filter(pl.col(outcome).is_not_null())
    best: list[Telltale] = []
    for feature in features:
        found = [
            Telltale(name, max(area, 1 - area), ranked.height)
            for name, values, ranked in _rankings(known, feature, outcome)
            if (area := auc(values, ranked[outcome].to_numpy())) is not None
        ]
        if found:
            best.append(max(found, key=lambda each: each.auc))
    return sorted(best, key=lambda each: (-each.auc, each.feature))


def auc(values: NDArray[np.float64], positive: NDArray[np.bool_]) -> float | None:
    """Return the area under the ROC curve, ties counting half; None with fewer than :data:`LEAST_OF_EACH` of a kind.

    The Mann-Whitney statistic over the number of pairs: Hanley and McNeil, Radiology 143 (1982).

    Args:
        values: What ranks, shape (n,); no NaN.
        positive: Whether the outcome holds, shape (n,).
    """
    positives = int(positive.sum())
    negatives = positive.size - positives
    if min(positives, negatives) < LEAST_OF_EACH:
        return None
    ranks = pl.Series(values).rank("average").to_numpy()
    pairs = positives * negatives
    return float((ranks[positive].sum() - positives * (positives + 1) / 2) / pairs)


def _rankings(
    known: pl.DataFrame, feature: str, outcome: str
) -> Iterator[tuple[str, NDArray[np.float64], pl.DataFrame]]:
    kind = known.schema[feature]
    if kind == pl.String:
        yield feature, *_by_rates(known, feature, outcome)
    elif isinstance(kind, pl.List | pl.Array):
        sequences = known[feature].arr.to_list() if isinstance(kind, pl.Array) else known[feature]
        longest = sequences.list.len().max()
        for place in range(int(longest) if isinstance(longest, int) else 0):
            element = sequences.list.get(place, null_on_oob=True)
            yield from ((f"{feature}[{place}]", values, known) for values in _filled(element))
    else:
        yield from ((feature, values, known) for values in _filled(known[feature]))


def _filled(values: pl.Series) -> Iterator[NDArray[np.float64]]:
    """Yield a column with what is missing below all others and, where anything is, above them too."""
    numbers = values.cast(pl.Float64).fill_nan(None)
    sides = (np.finfo(np.float64).min, np.finfo(np.float64).max) if numbers.null_count() else (0.0,)
    for side in sides:
        yield numbers.fill_null(side).to_numpy()


def _by_rates(known: pl.DataFrame, feature: str, outcome: str) -> tuple[NDArray[np.float64], pl.DataFrame]:
    earlier, later = known.head(known.height // 2), known.slice(known.height // 2)
    rates = earlier.group_by(feature).agg(rate=pl.col(outcome).mean())
    ranked = later.select(feature).join(rates, on=feature, how="left", nulls_equal=True, maintain_order="left")
    overall = earlier[outcome].mean()
    return ranked["rate"].fill_null(overall if isinstance(overall, float) else 0.5).to_numpy(), later
