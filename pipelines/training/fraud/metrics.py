"""What a fraud model is measured by: ranking of payments, and the cards that analysts would find."""

from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from pipelines.training.fraud.samples import Sample

Scores = NDArray[np.float64]


class Metric(StrEnum):
    """The three figures of the published protocol."""

    AUC = "auc"
    AVERAGE_PRECISION = "average_precision"
    CARD_PRECISION = "card_precision"


def fold_metrics(sample: Sample, scores: Scores, *, top: int) -> dict[Metric, float]:
    """Return every metric of one model's scores on one test sample.

    Args:
        sample: Both classes must occur.
        scores: Higher is more suspicious, shape (n,).
        top: The k of card precision.
    """
    from sklearn.metrics import average_precision_score, roc_auc_score

    return {
        Metric.AUC: float(roc_auc_score(sample.is_fraud, scores)),
        Metric.AVERAGE_PRECISION: float(average_precision_score(sample.is_fraud, scores)),
        Metric.CARD_PRECISION: card_precision(sample, scores, top=top),
    }


def card_precision(sample: Sample, scores: Scores, *, top: int) -> float:
    """Return the mean over days of the share of compromised cards among the ``top`` most suspicious ones.

    A card's score of a day is its highest; a compromised card that was found is blocked and leaves the later days.
    Ties go to the card that sorts first. The share is of ``top`` even on a day with fewer cards.

    Source: Fraud Detection Handbook, chapter 4, card precision top-k.
    """
    found: set[int] = set()
    shares = []
    for day in np.unique(sample.day):
        cards, highest, compromised = card_day(sample, scores, sample.day == day)
        free = ~np.isin(cards, list(found))
        cards, highest, compromised = cards[free], highest[free], compromised[free]
        ranked = np.lexsort((cards, -highest))[:top]
        hits = cards[ranked][compromised[ranked]]
        shares.append(len(hits) / top)
        found.update(hits.tolist())
    return float(np.mean(shares)) if shares else 0.0


def card_day(
    sample: Sample, scores: Scores, rows: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], Scores, NDArray[np.bool_]]:
    """Return, for the given rows of one day, each card's code, its highest score and whether it had a fraud."""
    cards, position = np.unique(sample.card[rows], return_inverse=True)
    highest = np.full(len(cards), -np.inf)
    np.maximum.at(highest, position, scores[rows])
    compromised = np.zeros(len(cards), dtype=bool)
    np.logical_or.at(compromised, position, sample.is_fraud[rows])
    return cards, highest, compromised
