"""Fit what learns from all series at once: the global trees, and the linear model that they must beat."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ledgerline.decisions.forecast.lag_features import FEATURES, LEAST_HISTORY, Floats, lag_features, level
from pipelines.training.forecast.parameters import TreeParameters

_WIDEST_CHANGE = 5.0  # in units of a series' level: one series that exploded must not teach all others
_RIDGE = 1.0


@dataclass(frozen=True, slots=True)
class Examples:
    """What the past would have been told and what came then; a row for an origin and a month ahead.

    Attributes:
        features: Shape (rows, features).
        change: Shape (rows,): the value that came, less the origin's, in units of the series' level at the origin.
    """

    features: Floats
    change: Floats


def examples(series: Iterable[Floats], *, horizon: int, origins: int) -> Examples:
    """Cut training rows out of the past: the newest ``origins`` months of each series from which all ahead is known.

    Args:
        series: Only what is known at the moment of training.
        horizon: Months ahead.
        origins: How many origins a series gives at most.
    """
    features, changes = [], []
    for values in series:
        newest = values.size - horizon
        for end in range(max(LEAST_HISTORY, newest - origins + 1), newest + 1):
            past = values[:end]
            features.append(lag_features(past, horizon))
            changes.append((values[end : end + horizon] - past[-1]) / level(past))
    if not features:
        return Examples(np.empty((0, len(FEATURES))), np.empty(0))
    change = np.clip(np.concatenate(changes), -_WIDEST_CHANGE, _WIDEST_CHANGE)
    return Examples(np.vstack(features), change)


def fit_trees(learn: Examples, parameters: TreeParameters, *, seed: int) -> str:
    """Fit the global trees to absolute errors and return the model as LightGBM's text, equal for equal inputs."""
    import lightgbm

    settings: dict[str, Any] = {
        "objective": "regression_l1",
        "learning_rate": parameters.learning_rate,
        "num_leaves": parameters.leaves,
        "min_data_in_leaf": parameters.least_rows_in_leaf,
        "feature_fraction": parameters.feature_share,
        "bagging_fraction": parameters.row_share,
        "bagging_freq": 1,
        "seed": seed,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": 1,  # two spin while another training has the second core: ten times the work for nothing
        "verbosity": -1,
    }
    data = lightgbm.Dataset(learn.features, learn.change, feature_name=list(FEATURES), free_raw_data=True)
    text: str = lightgbm.train(settings, data, num_boost_round=parameters.trees).model_to_string()
    return text


class LinearModel:
    """Ridge regression on the same features, with coefficients of its own for every month ahead.

    Args:
        learn: Training rows.
        horizon: Months ahead.
    """

    def __init__(self, learn: Examples, horizon: int) -> None:
        self._horizon = horizon
        self._mean = learn.features.mean(axis=0)
        self._scale = np.where((deviation := learn.features.std(axis=0)) > 0, deviation, 1.0)
        self._weights = [
            self._fit(learn.features[learn.features[:, 0] == ahead], learn.change[learn.features[:, 0] == ahead])
            for ahead in range(1, horizon + 1)
        ]

    def _standard(self, features: Floats) -> Floats:
        return np.column_stack([np.ones(len(features)), (features - self._mean) / self._scale])

    def _fit(self, features: Floats, change: Floats) -> Floats:
        rows = self._standard(features)
        penalty = _RIDGE * np.eye(rows.shape[1])
        penalty[0, 0] = 0.0
        weights: Floats = np.linalg.solve(rows.T @ rows + penalty, rows.T @ change)
        return weights

    def forecast(self, series: Floats, horizon: int) -> Floats:
        """Return the forecast, shape (horizon,)."""
        rows = self._standard(lag_features(series, horizon))
        change = np.array([row @ weights for row, weights in zip(rows, self._weights, strict=True)])
        forecast: Floats = series[-1] + change * level(series)
        return forecast


def share_of_gain(text: str) -> Mapping[str, float]:
    """Return each feature's share of the gain that the trees made."""
    import lightgbm

    gains: NDArray[np.float64] = lightgbm.Booster(model_str=text).feature_importance("gain")
    total = float(gains.sum()) or 1.0
    ranked: Sequence[tuple[str, float]] = sorted(zip(FEATURES, gains / total, strict=True), key=lambda pair: -pair[1])
    return {name: float(share) for name, share in ranked}
