import pytest

from ledgerline.decisions.credit import Scorecard


def test_six_hundred_points_are_thirty_to_one_and_twenty_more_double_that(scale: Scorecard) -> None:
    assert (scale.score(1 / 31), scale.score(1 / 61), scale.score(1 / 16)) == (600, 620, 580)
    assert scale.factor == pytest.approx(28.8539, abs=1e-4)
    assert scale.offset == pytest.approx(501.86, abs=1e-2)


@pytest.mark.parametrize(("probability", "score"), [(0.0, 850), (1e-12, 850), (1.0, 300), (1 - 1e-12, 300)])
def test_scores_are_clipped_at_both_ends(scale: Scorecard, probability: float, score: int) -> None:
    assert scale.score(probability) == score


def test_a_score_stands_for_the_probability_that_gives_it(scale: Scorecard) -> None:
    assert all(scale.score(scale.probability_at(score)) == score for score in range(301, 850))


@pytest.mark.parametrize("wrong", [{"base_odds": 0}, {"points_to_double_odds": -20}, {"lowest": 850}])
def test_a_scale_that_is_none_is_refused(scale: Scorecard, wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="a scale needs"):
        Scorecard.of(scale.values() | wrong)
