"""What the global model sees of a series."""

import numpy as np
import pytest

from ledgerline.decisions.forecast.lag_features import FEATURES, LEAST_HISTORY, lag_features, level


def feature(series: np.ndarray, name: str, *, ahead: int) -> float:
    return float(lag_features(series, 18)[ahead - 1, FEATURES.index(name)])


@pytest.fixture
def series() -> np.ndarray:
    return np.random.default_rng(3).uniform(50, 150, 40)


@pytest.mark.parametrize("ahead", [1, 5, 12, 13, 18])
def test_same_month_is_the_newest_known_one_of_the_month_that_is_forecast(series: np.ndarray, ahead: int):
    places = [place for place in range(series.size) if (place - (series.size - 1 + ahead)) % 12 == 0]
    expected = (series[places[-1]] - series[-1]) / level(series)
    assert feature(series, "same_month", ahead=ahead) == pytest.approx(expected)


def test_means_and_changes_are_what_their_names_say(series: np.ndarray):
    unit = np.abs(series[-12:]).mean()
    assert feature(series, "mean_3", ahead=1) == pytest.approx((series[-3:].mean() - series[-1]) / unit)
    assert feature(series, "ago_6", ahead=1) == pytest.approx((series[-7] - series[-1]) / unit)
    assert feature(series, "change_12", ahead=1) == pytest.approx((series[-1] - series[-13]) / unit)
    slope = np.polyfit(np.arange(12), series[-12:], 1)[0]
    assert feature(series, "slope_12", ahead=1) == pytest.approx(slope / unit)


def test_features_of_a_series_in_thousands_are_those_of_the_series(series: np.ndarray):
    np.testing.assert_allclose(lag_features(1000 * series, 18), lag_features(series, 18), rtol=1e-9)


def test_only_the_newest_two_years_are_looked_at(series: np.ndarray):
    other = np.concatenate([np.random.default_rng(4).uniform(0, 9, 30), series[-LEAST_HISTORY:]])
    np.testing.assert_array_equal(lag_features(other, 12), lag_features(series, 12))


def test_series_that_never_moves_has_finite_features():
    assert np.isfinite(lag_features(np.zeros(24), 18)).all()
    assert np.isfinite(lag_features(np.full(24, 7.0), 18)).all()
