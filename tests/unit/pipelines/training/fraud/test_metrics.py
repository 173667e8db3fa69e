import numpy as np
import pytest

from pipelines.training.fraud.metrics import Metric, card_precision, fold_metrics
from pipelines.training.fraud.samples import Sample


def _sample(*rows: tuple[int, int, bool]) -> Sample:
    """Rows of (card, day, fraud)."""
    return Sample(
        features=np.zeros((len(rows), 1)),
        is_fraud=np.array([row[2] for row in rows]),
        card=np.array([row[0] for row in rows]),
        day=np.array([row[1] for row in rows]),
    )


def test_card_counts_once_a_day_by_its_highest_score():
    sample = _sample((1, 0, False), (1, 0, True), (2, 0, False))
    assert card_precision(sample, np.array([0.9, 0.1, 0.5]), top=1) == 1.0


def test_found_card_leaves_the_later_days():
    """Day 0 finds card 1; on day 1 it is gone, so card 2 is looked at and was genuine."""
    sample = _sample((1, 0, True), (2, 0, False), (1, 1, True), (2, 1, False))
    assert card_precision(sample, np.array([0.9, 0.1, 0.9, 0.1]), top=1) == 0.5


def test_looked_at_card_that_was_genuine_stays():
    sample = _sample((1, 0, False), (2, 0, False), (1, 1, True), (2, 1, False))
    assert card_precision(sample, np.array([0.9, 0.1, 0.9, 0.1]), top=1) == 0.5


def test_share_is_of_the_top_even_when_fewer_cards_paid():
    assert card_precision(_sample((1, 0, True)), np.array([0.5]), top=4) == 0.25


def test_ties_go_to_the_card_that_sorts_first():
    sample = _sample((2, 0, True), (1, 0, False))
    assert card_precision(sample, np.array([0.5, 0.5]), top=1) == 0.0
    assert card_precision(_sample((1, 0, True), (2, 0, False)), np.array([0.5, 0.5]), top=1) == 1.0


def test_perfect_scores_reach_every_metrics_best():
    sample = _sample((1, 0, True), (2, 0, False), (3, 0, False))
    figures = fold_metrics(sample, sample.is_fraud.astype(float), top=1)
    assert figures == {Metric.AUC: 1.0, Metric.AVERAGE_PRECISION: 1.0, Metric.CARD_PRECISION: 1.0}


def test_scores_turned_upside_down_turn_the_auc():
    generator = np.random.default_rng(1)
    sample = _sample(*[(card, 0, bool(generator.random() < 0.3)) for card in range(60)])
    scores = generator.random(60)
    assert fold_metrics(sample, -scores, top=5)[Metric.AUC] == pytest.approx(
        1 - fold_metrics(sample, scores, top=5)[Metric.AUC]
    )
