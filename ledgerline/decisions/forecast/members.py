"""The ways of forecasting one series that a bundle may combine."""

from enum import StrEnum

import numpy as np

from ledgerline.decisions.bundle.lightgbm_text import read_lightgbm
from ledgerline.decisions.forecast.lag_features import FEATURES, LEAST_HISTORY, SEASON, Floats, lag_features, level


class MemberKind(StrEnum):
    """A way of forecasting."""

    THETA = "dynamic_optimised_theta"
    TREES = "global_lightgbm"


def theta(series: Floats, horizon: int) -> Floats:
    """Forecast by the dynamic optimised Theta model, fit to the one series.

    Source: Fiorucci, Pellegrini, Louzada, Petropoulos, Koehler, "Models for optimising the theta method and their
    relationship to state space models", International Journal of Forecasting 32 (2016). The season is taken out first
    where a test finds one: as factors for a series above zero, as differences otherwise.

    Args:
        series: Finite values, oldest first.
        horizon: Months ahead.

    Returns:
        Shape (horizon,); the last value repeated where the series is too short or does not move.
    """
    if series.size < LEAST_HISTORY or np.ptp(series) == 0:
        return np.full(horizon, series[-1])
    from statsforecast.models import DynamicOptimizedTheta

    kind = "multiplicative" if series.min() > 0 else "additive"
    model = DynamicOptimizedTheta(season_length=SEASON, decomposition_type=kind)
    mean = np.asarray(model.forecast(series, h=horizon)["mean"], dtype=np.float64)
    # A fit that ran away is no forecast; the series' own end is.
    return mean if np.isfinite(mean).all() else np.full(horizon, series[-1])


def seasonal_naive(series: Floats, horizon: int) -> Floats:
    """Repeat the last year; the last value where there is no whole year."""
    if series.size < SEASON:
        return np.full(horizon, series[-1])
    return np.resize(series[-SEASON:], horizon)


class TreeMember:
    """The global model: one LightGBM for all series and all months ahead.

    Args:
        text: The model as LightGBM writes it.

    Raises:
        ValueError: It cannot be read, or takes other features.
    """

    def __init__(self, text: str) -> None:
        self._booster = read_lightgbm(text)
        if tuple(self._booster.feature_name()) != FEATURES:
            raise ValueError(f"the LightGBM member takes {self._booster.feature_name()}, this code computes {FEATURES}")

    def forecast(self, series: Floats, horizon: int) -> Floats:
        """Return the forecast, shape (horizon,); last year repeated where the series is too short for features."""
        if series.size < LEAST_HISTORY:
            return seasonal_naive(series, horizon)
        change = np.asarray(self._booster.predict(lag_features(series, horizon), num_threads=1))
        forecast: Floats = series[-1] + change * level(series)
        return forecast
