import numpy as np
import pytest

from pipelines.training.fraud.parameters import AlertBudget
from pipelines.training.fraud.samples import Sample
from pipelines.training.fraud.threshold import ScoredSample, alert_figures, choose_threshold
from pipelines.training.splits import FoldRole


def _scored(
    scores: list[list[float]], *, role: FoldRole = FoldRole.VALIDATION, fraud_from: float = 2.0
) -> ScoredSample:
    """One list of scores a day, one card a position; scores of at least ``fraud_from`` are frauds."""
    flat = np.array([score for day in scores for score in day])
    sample = Sample(
        features=np.zeros((len(flat), 1)),
        is_fraud=flat >= fraud_from,
        card=np.array([card for day in scores for card in range(len(day))]),
        day=np.array([number for number, day in enumerate(scores) for _ in day]),
    )
    return ScoredSample(role, sample, flat)


def _budget(cards_per_day: int, largest_share_of_cards: float = 1.0) -> AlertBudget:
    return AlertBudget(cards_per_day=cards_per_day, largest_share_of_cards=largest_share_of_cards)


def test_threshold_is_the_lowest_that_keeps_the_budget_on_average():
    """Two days, one card a day: the second highest of all card-days."""
    scored = [_scored([[0.9, 0.8, 0.1], [0.3, 0.2, 0.1]])]
    threshold = choose_threshold(scored, _budget(1))
    assert threshold.value == pytest.approx(0.8)
    assert alert_figures(scored, threshold.value).cards_alerted_per_day == 1.0


def test_card_with_many_alerts_on_a_day_counts_once():
    sample = Sample(
        features=np.zeros((3, 1)), is_fraud=np.zeros(3, bool), card=np.array([0, 0, 1]), day=np.array([0, 0, 0])
    )
    scored = [ScoredSample(FoldRole.VALIDATION, sample, np.array([0.9, 0.8, 0.7]))]
    assert choose_threshold(scored, _budget(2)).value == pytest.approx(0.7)


def test_ties_are_let_in_together_or_not_at_all():
    scored = [_scored([[0.9, 0.5, 0.5, 0.5]])]
    assert choose_threshold(scored, _budget(2)).value == pytest.approx(0.9)
    assert choose_threshold(scored, _budget(4)).value == pytest.approx(0.5)


def test_when_all_scores_tie_above_the_budget_nothing_alerts():
    scored = [_scored([[0.5, 0.5, 0.5]])]
    assert alert_figures(scored, choose_threshold(scored, _budget(1)).value).cards_alerted_per_day == 0


def test_small_portfolio_is_alerted_on_by_its_share():
    scored = [_scored([[score / 100 for score in range(1, 41)]])]
    threshold = choose_threshold(scored, _budget(100, largest_share_of_cards=0.05))
    assert threshold.cards_per_day == pytest.approx(2)
    assert alert_figures(scored, threshold.value).cards_alerted_per_day == 2


def test_rounded_threshold_never_breaks_the_budget():
    generator = np.random.default_rng(2)
    scored = [_scored([generator.random(200).tolist() for _ in range(7)])]
    for cards in (1, 3, 10, 50):
        value = choose_threshold(scored, _budget(cards)).value
        assert value == round(value, 6)
        assert cards - 0.5 <= alert_figures(scored, value).cards_alerted_per_day <= cards


def test_choosing_on_test_weeks_is_refused():
    with pytest.raises(ValueError, match="validation folds only"):
        choose_threshold([_scored([[0.5]], role=FoldRole.TEST)], _budget(1))
    with pytest.raises(ValueError, match="validation folds only"):
        choose_threshold([], _budget(1))


def test_alert_figures_by_hand():
    """Alerts: cards 0 and 1 on day 0, card 0 on day 1; frauds: card 0 on day 0, card 0 on day 1 and card 2 on day 1."""
    sample = Sample(
        features=np.zeros((6, 1)),
        is_fraud=np.array([True, False, False, True, False, True]),
        card=np.array([0, 1, 2, 0, 1, 2]),
        day=np.array([0, 0, 0, 1, 1, 1]),
    )
    figures = alert_figures([ScoredSample(FoldRole.TEST, sample, np.array([0.9, 0.8, 0.1, 0.9, 0.1, 0.2]))], 0.5)
    assert figures.days == 2
    assert figures.cards_alerted_per_day == 1.5
    assert figures.card_precision == pytest.approx(2 / 3)
    assert figures.card_recall == pytest.approx(2 / 3)
    assert figures.transaction_recall == pytest.approx(2 / 3)


def test_shares_of_nothing_are_not_numbers():
    figures = alert_figures([_scored([[0.1, 0.2]])], 0.5)
    assert (figures.card_precision, figures.card_recall) == (None, None)
