"""The M competitions' measures, by hand."""

import numpy as np
import pytest

from pipelines.training.forecast.accuracy import SeriesErrors, mase, naive2, owa_parts, smape

SEASON = np.array([0.8, 0.9, 1.0, 1.1, 1.2, 1.0, 0.9, 1.3, 1.0, 0.9, 0.95, 0.95])


def test_smape_is_twice_the_error_over_the_sum_of_sizes():
    assert smape(np.array([100.0, 50.0]), np.array([110.0, 50.0])) == pytest.approx(100 * (2 * 10 / 210) / 2)


def test_month_in_which_both_are_zero_is_exact():
    assert smape(np.zeros(2), np.zeros(2)) == 0.0
    assert smape(np.array([0.0]), np.array([5.0])) == pytest.approx(200.0)


def test_mase_is_one_for_errors_as_large_as_the_seasonal_naives_on_the_history():
    history = np.concatenate([np.full(12, 10.0), np.full(12, 13.0)])
    assert mase(history, np.array([20.0]), np.array([23.0])) == pytest.approx(1.0)


def test_history_that_never_changed_measures_in_its_own_size():
    assert mase(np.full(36, 10.0), np.array([12.0]), np.array([10.0])) == pytest.approx(0.2)
    assert mase(np.full(36, 10.0), np.array([10.0]), np.array([10.0])) == 0.0


def test_owa_of_naive2_is_one_and_of_half_the_errors_one_half():
    errors = SeriesErrors(np.array([10.0, 20.0]), np.array([1.0, 3.0]))
    half = SeriesErrors(errors.smape / 2, errors.mase / 2)
    assert owa_parts(errors, errors).mean() == pytest.approx(1.0)
    assert owa_parts(half, errors).mean() == pytest.approx(0.5)


def test_naive2_puts_a_clear_season_back():
    series = 100 * np.tile(SEASON / SEASON.mean(), 5)
    np.testing.assert_allclose(naive2(series, 18), np.resize(series[:12], 18), rtol=1e-9)


def test_naive2_repeats_the_last_value_where_no_season_is_found():
    series = np.random.default_rng(2).uniform(90, 110, 60)
    np.testing.assert_array_equal(naive2(series, 4), np.full(4, series[-1]))


@pytest.mark.parametrize("series", [np.arange(1.0, 30.0), np.tile(SEASON - 1, 5), np.full(48, 7.0)])
def test_naive2_of_a_short_negative_or_flat_series_is_its_last_value(series: np.ndarray):
    np.testing.assert_array_equal(naive2(series, 3), np.full(3, series[-1]))
