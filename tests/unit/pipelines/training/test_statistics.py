import math

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from pipelines.training.statistics import (
    RankedScores,
    bootstrap_weights,
    paired_interval,
    percentile_interval,
    spread,
)


def test_spread_divides_by_the_number_of_folds():
    assert spread([1.0, 3.0]).mean == 2.0
    assert spread([1.0, 3.0]).std == 1.0


def test_interval_of_four_folds_is_students():
    """Mean 2.5, s = 1.2910, t(.975, 3) = 3.18245: half a width of 2.0543."""
    interval = paired_interval([1.0, 2.0, 3.0, 4.0])
    assert interval.mean == 2.5
    assert interval.low == pytest.approx(2.5 - 2.0543, abs=1e-4)
    assert interval.high == pytest.approx(2.5 + 2.0543, abs=1e-4)


def test_one_fold_has_no_interval():
    interval = paired_interval([0.1])
    assert (interval.low, interval.high, interval.observations) == (None, None, 1)


@pytest.mark.parametrize("seed", range(5))
def test_weighted_metrics_are_those_of_rows_repeated_as_often(seed: int):
    generator = np.random.default_rng(seed)
    fraud = generator.random(300) < 0.2
    scores = np.round(generator.random(300) + fraud * 0.3, 1)  # many ties
    card = generator.integers(0, 40, 300)
    weights = generator.integers(0, 4, 40).astype(float)
    repeated = np.repeat(np.arange(300), weights[card].astype(int))

    auc, average_precision = RankedScores(is_positive=fraud, scores=scores, group=card).auc_and_average_precision(
        weights
    )

    assert auc == pytest.approx(roc_auc_score(fraud[repeated], scores[repeated]), abs=1e-12)
    assert average_precision == pytest.approx(average_precision_score(fraud[repeated], scores[repeated]), abs=1e-12)


def test_resample_without_frauds_has_no_metric():
    ranked = RankedScores(is_positive=np.array([True, False]), scores=np.array([0.9, 0.1]), group=np.array([0, 1]))
    assert all(math.isnan(figure) for figure in ranked.auc_and_average_precision(np.array([0.0, 2.0])))


def test_resamples_draw_as_many_cards_as_there_are_and_repeat_by_seed():
    weights = bootstrap_weights(50, replicates=20, seed=1)
    assert weights.shape == (20, 50)
    assert (weights.sum(axis=1) == 50).all()
    assert np.array_equal(weights, bootstrap_weights(50, replicates=20, seed=1))
    assert not np.array_equal(weights, bootstrap_weights(50, replicates=20, seed=2))


def test_percentile_interval_leaves_out_two_and_a_half_percent_on_each_side():
    interval = percentile_interval(0.5, np.linspace(0, 1, 1_001))
    assert (interval.low, interval.high) == (pytest.approx(0.025), pytest.approx(0.975))
