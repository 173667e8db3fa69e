"""What the global forecasting model sees of a series: its recent past, relative to its own level.

Every series is measured from its last value and in units of its recent level, so that one model serves a series of
thousands and one of millions, and a forecast is a change from today. Shapes: a series is Float64 (n,), oldest first.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

SEASON = 12
LEAST_HISTORY = 2 * SEASON
"""Months that the features look back over; an origin with less has none."""

_RECENT = (1, 2, 3, 4, 5, 6, 11)
_MEANS = (3, 6, 12)

FEATURES: tuple[str, ...] = (
    "horizon",
    "same_month",
    "same_month_year_before",
    "season_deviation",
    "change_12",
    *(f"ago_{months}" for months in _RECENT),
    *(f"mean_{months}" for months in _MEANS),
    "year_on_year_mean",
    "slope_12",
    "roughness",
    "season_likeness",
)
"""Names, in the model's order."""


def level(series: Floats) -> float:
    """Return the mean size of the last year's values, a series' unit; 1 for a series of zeros."""
    size = float(np.mean(np.abs(series[-SEASON:])))
    return size if size > 0 else 1.0


def lag_features(series: Floats, horizon: int) -> Floats:
    """Return the features of a series' end, for 1 to ``horizon`` months ahead: shape (horizon, features).

    Args:
        series: At least :data:`LEAST_HISTORY` values, finite.
        horizon: How far ahead.
    """
    unit, last = level(series), float(series[-1])
    ahead = np.arange(1, horizon + 1)
    # The newest value of the month that is forecast: one year back, two for months beyond the next year.
    same = series.size - 1 + ahead - SEASON * ((ahead + SEASON - 1) // SEASON)
    before = np.maximum(same - SEASON, 0)
    year, year_before = series[-SEASON:], series[-2 * SEASON : -SEASON]
    deviation = ((series[same] - year.mean()) + (series[before] - year_before.mean())) / 2
    of_series = np.array(
        [
            (last - series[-1 - SEASON]) / unit,
            *((series[-1 - months] - last) / unit for months in _RECENT),
            *((series[-months:].mean() - last) / unit for months in _MEANS),
            (year.mean() - year_before.mean()) / unit,
            _slope(year) / unit,
            np.std(np.diff(year)) / unit,
            _likeness(year, year_before),
        ]
    )
    of_month = np.column_stack(
        [ahead, (series[same] - last) / unit, (series[before] - series[-1 - SEASON]) / unit, deviation / unit]
    )
    return np.hstack([of_month, np.tile(of_series, (horizon, 1))])


def _slope(values: Floats) -> float:
    """Return the least squares slope a month."""
    time = np.arange(values.size) - (values.size - 1) / 2
    return float(time @ values / (time @ time))


def _likeness(year: Floats, year_before: Floats) -> float:
    """Return how alike the shapes of two years are: their correlation, 0 where one is flat."""
    one, two = year - year.mean(), year_before - year_before.mean()
    size = float(np.sqrt((one @ one) * (two @ two)))
    return float(one @ two) / size if size > 0 else 0.0
