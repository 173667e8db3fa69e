"""How sure a figure is: spread over folds, paired differences, and a bootstrap that keeps a card's rows together."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Spread:
    """A figure over several folds.

    Attributes:
        mean: Over folds.
        std: Population standard deviation over folds, as the published tables give it.
    """

    mean: float
    std: float


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean and the interval that covers the true one with ``CONFIDENCE``.

    Attributes:
        mean: The estimate.
        low, high: The bounds; None when there are too few observations for any.
        observations: How many stand behind it.
    """

    mean: float
    low: float | None
    high: float | None
    observations: int


def spread(values: Sequence[float]) -> Spread:
    """Return mean and population standard deviation."""
    return Spread(float(np.mean(values)), float(np.std(values)))


def paired_interval(differences: Sequence[float]) -> Interval:
    """Return the Student t interval of the mean of paired differences.

    Folds overlap in nothing that is tested, but their training weeks are neighbours, so the interval is somewhat
    optimistic; with four folds it is wide all the same.
    """
    from scipy.stats import t

    count = len(differences)
    mean = float(np.mean(differences))
    if count < 2:
        return Interval(mean, None, None, count)
    half = float(t.ppf((1 + CONFIDENCE) / 2, count - 1) * np.std(differences, ddof=1) / math.sqrt(count))
    return Interval(mean, mean - half, mean + half, count)


def percentile_interval(estimate: float, replicates: NDArray[np.float64]) -> Interval:
    """Return the percentile bootstrap interval around an estimate."""
    tail = (1 - CONFIDENCE) / 2 * 100
    low, high = np.percentile(replicates, [tail, 100 - tail])
    return Interval(estimate, float(low), float(high), len(replicates))


class RankedScores:
    """One model's scores on one test sample, ranked once, so that weighted metrics of many resamples are cheap.

    Args:
        is_positive: Boolean, shape (n,).
        scores: Higher is more suspicious, shape (n,).
        group: Int64 code of what is resampled (the card), shape (n,).
    """

    def __init__(
        self, *, is_positive: NDArray[np.bool_], scores: NDArray[np.float64], group: NDArray[np.int64]
    ) -> None:
        order = np.argsort(-scores, kind="stable")
        ranked = scores[order]
        self._positive = is_positive[order].astype(np.float64)
        self._group = group[order]
        self._last_of_tie = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))

    def auc_and_average_precision(self, weight_of_group: NDArray[np.float64]) -> tuple[float, float]:
        """Return area under the ROC curve and average precision when every row weighs what its group does.

        Returns:
            ``(nan, nan)`` when a resample holds only one class.
        """
        weight = weight_of_group[self._group]
        true = np.cumsum(weight * self._positive)[self._last_of_tie]
        flagged = np.cumsum(weight)[self._last_of_tie]
        false = flagged - true
        if true[-1] <= 0 or false[-1] <= 0:
            return math.nan, math.nan
        recall_steps = np.diff(true, prepend=0.0) / true[-1]
        auc = float(
            np.sum(np.diff(false, prepend=0.0) / false[-1] * (true - np.diff(true, prepend=0.0) / 2)) / true[-1]
        )
        precision = np.divide(true, flagged, out=np.zeros_like(true), where=flagged > 0)
        return auc, float(np.sum(recall_steps * precision))


def bootstrap_weights(groups: int, *, replicates: int, seed: int) -> NDArray[np.float64]:
    """Draw how often each group occurs in each resample, shape (replicates, groups).

    Whole groups are drawn with replacement: a card's payments depend on each other, so resampling rows would make
    the interval too narrow.
    """
    generator = np.random.Generator(np.random.PCG64(seed))
    draws = (np.bincount(generator.integers(0, groups, groups), minlength=groups) for _ in range(replicates))
    return np.array(list(draws), dtype=np.float64)
