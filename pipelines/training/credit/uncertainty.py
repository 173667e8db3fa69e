"""How sure a figure of one sample is: whole applications drawn again and again."""

import numpy as np
from numpy.typing import NDArray

from pipelines.training.credit.metrics import Metric, Outcomes, Scores, fold_metrics
from pipelines.training.credit.parameters import BootstrapParameters
from pipelines.training.statistics import Interval, RankedScores, percentile_interval


def bootstrap(defaulted: Outcomes, scores: Scores, parameters: BootstrapParameters) -> dict[Metric, Interval]:
    """Return percentile bootstrap intervals of AUC, KS and the Brier score; resamples of one class are left out."""
    generator = np.random.Generator(np.random.PCG64(parameters.seed))
    count = len(defaulted)
    ranked = RankedScores(is_positive=defaulted, scores=scores, group=np.arange(count))
    order = np.argsort(scores, kind="stable")
    squares = (scores - defaulted) ** 2
    draws: list[tuple[float, float, float]] = []
    for _ in range(parameters.replicates):
        weight = np.bincount(generator.integers(0, count, count), minlength=count).astype(np.float64)
        auc, _ = ranked.auc_and_average_precision(weight)
        if np.isfinite(auc):
            draws.append(
                (auc, _weighted_ks(defaulted[order], scores[order], weight[order]), float(weight @ squares) / count)
            )
    found = np.array(draws)
    estimates = fold_metrics(defaulted, scores)
    return {metric: percentile_interval(estimates[metric], found[:, place]) for place, metric in enumerate(Metric)}


def _weighted_ks(bad: Outcomes, ranked: Scores, weight: NDArray[np.float64]) -> float:
    last_of_tie = np.append(ranked[1:] != ranked[:-1], True)
    bads, goods = np.cumsum(weight * bad), np.cumsum(weight * ~bad)
    return float(np.abs(bads / bads[-1] - goods / goods[-1])[last_of_tie].max())
