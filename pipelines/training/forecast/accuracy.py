"""How far forecasts are off, as the M competitions measure it.

Source: Makridakis, Spiliotis, Assimakopoulos, "The M4 Competition: 100,000 time series and 61 forecasting methods",
International Journal of Forecasting 36 (2020), appendix A; Naive2 as in the competition's published benchmark code.
"""

from dataclasses import dataclass

import numpy as np

from ledgerline.decisions.forecast.lag_features import SEASON, Floats

_SEASONALITY_QUANTILE = 1.645  # one-sided 95 %, as in the competition


@dataclass(frozen=True, slots=True)
class SeriesErrors:
    """One method's errors, an entry a series.

    Attributes:
        smape: Symmetric mean absolute percentage error, in percent.
        mase: Mean absolute scaled error: in units of the seasonal naive method's error within the training part.
    """

    smape: Floats
    mase: Floats


def smape(actual: Floats, forecast: Floats) -> float:
    """Return the symmetric mean absolute percentage error, in percent; months where both are zero count as exact."""
    size = np.abs(actual) + np.abs(forecast)
    share = np.divide(2 * np.abs(actual - forecast), size, out=np.zeros_like(size), where=size > 0)
    return float(100 * share.mean())


def mase(history: Floats, actual: Floats, forecast: Floats) -> float:
    """Return the mean absolute error in units of the seasonal naive method's on the history."""
    error = float(np.mean(np.abs(actual - forecast)))
    scale = float(np.mean(np.abs(history[SEASON:] - history[:-SEASON]))) if history.size > SEASON else 0.0
    return error / scale if scale > 0 else (0.0 if error == 0 else error / max(float(np.mean(np.abs(history))), 1e-12))


def owa_parts(errors: SeriesErrors, of_naive2: SeriesErrors) -> Floats:
    """Return each series' part in the overall weighted average: their mean over all series is the OWA.

    OWA is half of sMAPE over Naive2's and half of MASE over Naive2's, each a mean over all series first.
    """
    return (errors.smape / of_naive2.smape.mean() + errors.mase / of_naive2.mase.mean()) / 2


def naive2(series: Floats, horizon: int) -> Floats:
    """Forecast the last value, the season taken out and put back where a test finds one: the measure of all methods."""
    if series.size < 3 * SEASON or series.min() <= 0 or not _is_seasonal(series):
        return np.full(horizon, series[-1])
    factors = _seasonal_factors(series)
    adjusted_last = series[-1] / factors[(series.size - 1) % SEASON]
    months = (series.size + np.arange(horizon)) % SEASON
    forecast: Floats = adjusted_last * factors[months]
    return forecast


def _is_seasonal(series: Floats) -> bool:
    """Whether the autocorrelation at one season stands out, as the competition tests it."""
    centred = series - series.mean()
    variance = float(centred @ centred)
    if variance == 0:
        return False
    correlations = np.array([centred[lag:] @ centred[:-lag] / variance for lag in range(1, SEASON + 1)])
    limit = _SEASONALITY_QUANTILE * np.sqrt((1 + 2 * float(np.sum(correlations[:-1] ** 2))) / series.size)
    return bool(abs(correlations[-1]) > limit)


def _seasonal_factors(series: Floats) -> Floats:
    """Return the classical multiplicative decomposition's factor of each month, by position modulo the season."""
    weights = np.full(SEASON + 1, 1 / SEASON)
    weights[[0, -1]] /= 2
    trend = np.convolve(series, weights, mode="valid")
    half = SEASON // 2
    ratio = series[half : half + trend.size] / trend
    month = np.arange(half, half + trend.size) % SEASON
    factors = np.array([ratio[month == position].mean() for position in range(SEASON)])
    return factors * SEASON / factors.sum()
