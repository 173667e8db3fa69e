"""Choose from which score to alert: as many cards a day as can be looked at, on validation weeks and nowhere else."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipelines.training.fraud.metrics import Scores, card_day
from pipelines.training.fraud.parameters import AlertBudget
from pipelines.training.fraud.samples import Sample
from pipelines.training.splits import FoldRole

_STEPS = 1_000_000


@dataclass(frozen=True, slots=True)
class ScoredSample:
    """One model's scores on one fold's test rows.

    Attributes:
        role: What the fold may be used for.
        sample: The rows.
        scores: Shape (n,).
    """

    role: FoldRole
    sample: Sample
    scores: Scores


@dataclass(frozen=True, slots=True)
class Threshold:
    """Where alerts begin.

    Attributes:
        value: A payment alerts when its probability is at least this.
        cards_per_day: The budget that held: the analysts' or the portfolio's, whichever is smaller.
    """

    value: float
    cards_per_day: float


@dataclass(frozen=True, slots=True)
class AlertFigures:
    """What a threshold did on some weeks.

    Attributes:
        days: How many days were looked at.
        cards_alerted_per_day: Mean over days of cards with at least one alert.
        card_precision: Share of alerted cards (of a day) that had a fraud that day; None without alerts.
        card_recall: Share of compromised cards (of a day) that were alerted; None without frauds.
        transactions_alerted_per_day: Mean over days.
        transaction_precision: Share of alerts that were frauds; None without alerts.
        transaction_recall: Share of frauds that alerted; None without frauds.
    """

    days: int
    cards_alerted_per_day: float
    card_precision: float | None
    card_recall: float | None
    transactions_alerted_per_day: float
    transaction_precision: float | None
    transaction_recall: float | None


def choose_threshold(validation: Sequence[ScoredSample], budget: AlertBudget) -> Threshold:
    """Return the lowest threshold, to six digits, that keeps the mean number of alerted cards a day within the budget.

    Args:
        validation: Scores on validation folds.
        budget: What may be alerted on.

    Raises:
        ValueError: A sample of another role is among them: choosing on test weeks would flatter what is reported.
    """
    if not validation or any(scored.role is not FoldRole.VALIDATION for scored in validation):
        raise ValueError("a threshold is chosen on validation folds only")
    card_scores = [scores for scored in validation for scores, _ in _card_days(scored)]
    days = len(card_scores)
    highest_first = np.sort(np.concatenate(card_scores))[::-1]
    cards_per_day = min(budget.cards_per_day, budget.largest_share_of_cards * len(highest_first) / days)
    allowed = max(1, math.floor(cards_per_day * days))
    # Rounded up, so that the budget still holds and the manifest, the report and the reader all see one number.
    return Threshold(min(1.0, math.ceil(_lowest_within(highest_first, allowed) * _STEPS) / _STEPS), cards_per_day)


def alert_figures(scored: Sequence[ScoredSample], threshold: float) -> AlertFigures:
    """Return what alerting from ``threshold`` on would have done on the given samples, taken together."""
    card_days = [card_day for sample in scored for card_day in _card_days(sample)]
    alerted = np.concatenate([scores >= threshold for scores, _ in card_days])
    compromised = np.concatenate([compromised for _, compromised in card_days])
    flagged = np.concatenate([sample.scores >= threshold for sample in scored])
    fraud = np.concatenate([sample.sample.is_fraud for sample in scored])
    days = len(card_days)
    return AlertFigures(
        days=days,
        cards_alerted_per_day=float(alerted.sum()) / days,
        card_precision=_share(alerted & compromised, alerted),
        card_recall=_share(alerted & compromised, compromised),
        transactions_alerted_per_day=float(flagged.sum()) / days,
        transaction_precision=_share(flagged & fraud, flagged),
        transaction_recall=_share(flagged & fraud, fraud),
    )


def _card_days(scored: ScoredSample) -> list[tuple[Scores, np.ndarray]]:
    """Return, per day, each card's highest score and whether it was compromised."""
    sample = scored.sample
    return [card_day(sample, scored.scores, sample.day == day)[1:] for day in np.unique(sample.day)]


def _lowest_within(highest_first: Scores, allowed: int) -> float:
    """Return the lowest score that at most ``allowed`` entries reach; ties are let in together or not at all."""
    if len(highest_first) <= allowed:
        return float(highest_first[-1])
    reachable = highest_first[highest_first > highest_first[allowed]]
    return float(reachable[-1]) if len(reachable) else 1.0


def _share(part: np.ndarray, whole: np.ndarray) -> float | None:
    return float(part.sum() / whole.sum()) if whole.any() else None
