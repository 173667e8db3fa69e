"""What a credit model is measured by: how well it ranks, and whether its probabilities hold."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.float64]
Outcomes = NDArray[np.bool_]


class Metric(StrEnum):
    """What is measured on every test fold."""

    AUC = "auc"
    KS = "ks"  # the largest distance between the scores' distributions of goods and bads
    BRIER = "brier"  # mean squared error of the probability; less is better

    @property
    def higher_is_better(self) -> bool:
        """Whether more of it is better."""
        return self is not Metric.BRIER


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """Applications of similar predicted probability.

    Attributes:
        predicted: Mean probability of default.
        observed: Share that defaulted.
        count: How many they are.
    """

    predicted: float
    observed: float
    count: int


def fold_metrics(defaulted: Outcomes, scores: Scores) -> dict[Metric, float]:
    """Return every metric of one model's probabilities of default; both classes must occur."""
    from sklearn.metrics import roc_auc_score

    return {
        Metric.AUC: float(roc_auc_score(defaulted, scores)),
        Metric.KS: kolmogorov_smirnov(defaulted, scores),
        Metric.BRIER: float(np.mean((scores - defaulted) ** 2)),
    }


def kolmogorov_smirnov(defaulted: Outcomes, scores: Scores) -> float:
    """Return the largest distance between the distributions of the scores of goods and of bads, 0 to 1."""
    order = np.argsort(scores, kind="stable")
    ranked, bad = scores[order], defaulted[order]
    last_of_tie = np.append(ranked[1:] != ranked[:-1], True)
    bads, goods = np.cumsum(bad) / bad.sum(), np.cumsum(~bad) / (~bad).sum()
    return float(np.abs(bads - goods)[last_of_tie].max())


def reliability(defaulted: Outcomes, scores: Scores, *, bins: int) -> list[ReliabilityBin]:
    """Return applications in bins of equal size, by predicted probability; ties stay together."""
    edges = np.unique(np.quantile(scores, np.linspace(0, 1, bins + 1)))
    place = np.clip(np.searchsorted(edges, scores, side="right") - 1, 0, max(len(edges) - 2, 0))
    return [
        ReliabilityBin(float(scores[place == each].mean()), float(defaulted[place == each].mean()), int(count))
        for each, count in zip(*np.unique(place, return_counts=True), strict=True)
    ]


def calibration_error(found: list[ReliabilityBin]) -> float:
    """Return the expected calibration error: the mean distance of predicted and observed, by size of the bin."""
    total = sum(each.count for each in found)
    return sum(each.count * abs(each.predicted - each.observed) for each in found) / total


def best_f1_cut_off(defaulted: Outcomes, scores: Scores) -> float:
    """Return the lowest probability from which "defaults" is said so that F1 is highest."""
    from sklearn.metrics import precision_recall_curve

    precision, recall, thresholds = precision_recall_curve(defaulted, scores)
    both = precision[:-1] + recall[:-1]
    f1 = np.divide(2 * precision[:-1] * recall[:-1], both, out=np.zeros_like(both), where=both > 0)
    return float(thresholds[int(np.argmax(f1))])
