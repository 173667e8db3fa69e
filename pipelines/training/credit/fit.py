"""Fit the model and the baselines beside it. Deterministic: the same rows give the same bytes, on any core count."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ledgerline.decisions.credit import Calibration, Encoding
from ledgerline.decisions.credit.calibration import log_odds
from pipelines.training.credit.parameters import CreditParameters, LinearParameters, TreeParameters
from pipelines.training.credit.samples import Development, outcomes

Scores = NDArray[np.float64]
Rows = tuple[NDArray[np.float64], NDArray[np.bool_]]
"""Columns of shape (n, columns), and whether each application defaulted."""
_NEWTON_STEPS = 50
_LEAST_SLOPE = 0.05


class ModelName(StrEnum):
    """The model and what it has to beat."""

    PRIOR_RATE = "prior_rate"  # the training's default rate for everyone: what knowing nothing gives
    LOGISTIC_REGRESSION = "logistic_regression"
    XGBOOST = "xgboost"  # the one that is deployed


@dataclass(frozen=True, slots=True)
class FittedTrees:
    """The model, as it is deployed.

    Attributes:
        booster: XGBoost's, with the trees that validation asked for.
        encoding: The columns that it takes.
        calibration: From its probability to one that holds.
        trees: How many.
        validated: Calibrated probabilities of the validation applications, by the fit that had not seen them.
    """

    booster: Any
    encoding: Encoding
    calibration: Calibration
    trees: int
    validated: Scores

    def probabilities(self, frame: pl.DataFrame) -> Scores:
        """Return the calibrated probability of default of many applications, shape (n,)."""
        return _calibrated(self.calibration, raw_probabilities(self.booster, self.encoding.matrix(frame)))


def encoding_of(frame: pl.DataFrame, names: Sequence[str], *, most_categories: int) -> Encoding:
    """Return the columns of some features, their categories as they occur in ``frame``, each attribute's by name.

    Args:
        frame: What is learnt from.
        names: The features.
        most_categories: Of one feature; the most frequent are kept.
    """
    numeric = tuple(name for name in names if frame.schema[name] != pl.String)
    categorical = {}
    for name in names:
        if name in numeric:
            continue
        counted = frame[name].drop_nulls().value_counts(name="count")
        frequent = counted.sort(["count", name], descending=[True, False]).head(most_categories)
        categorical[name] = tuple(frequent[name].sort().to_list())
    return Encoding(numeric, categorical)


def fit_trees(
    development: Development, parameters: CreditParameters, names: Sequence[str], *, seed: int
) -> FittedTrees:
    """Fit gradient-boosted trees: how many, and what their probabilities mean, from applications that are held back.

    The trees that are kept are then fit on those applications too, the newest among them; the calibration is that of
    the first fit, on applications it had not seen.

    One thread: sums of gradients depend on how rows are shared between threads, and the bundle's bytes must not. Folds
    run beside each other instead.
    """
    encoding = encoding_of(development.whole, names, most_categories=parameters.encoding.most_categories)
    fit, held, whole = (
        (encoding.matrix(frame), outcomes(frame))
        for frame in (development.fit, development.validation, development.whole)
    )
    settings = _settings(parameters.model, seed=seed)
    first = _boost(
        settings,
        fit,
        encoding.columns,
        rounds=parameters.model.most_trees,
        watched=held,
        patience=parameters.model.early_stopping,
    )
    trees = first.best_iteration + 1
    raw = raw_probabilities(first[:trees], held[0])
    calibration = calibrate(raw, held[1])
    booster = _boost(settings, whole, encoding.columns, rounds=trees)
    return FittedTrees(booster, encoding, calibration, trees, _calibrated(calibration, raw))


def _calibrated(calibration: Calibration, raw: NDArray[np.floating]) -> Scores:
    return np.array([calibration.probability(value) for value in raw.tolist()], dtype=np.float64)


def raw_probabilities(booster: Any, rows: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return what the trees themselves give, shape (n,)."""
    found: NDArray[np.float32] = booster.inplace_predict(rows)
    return found


def calibrate(raw: NDArray[np.floating], defaulted: NDArray[np.bool_]) -> Calibration:
    """Fit a logistic curve over the trees' log-odds, by Newton's method on Platt's smoothed targets.

    Where the curve would be flat or fall, the trees do not rank these applications: only the level is then taken from
    them.
    """
    odds = np.array([log_odds(value) for value in raw.tolist()])
    bad = int(defaulted.sum())
    good = len(defaulted) - bad
    target = np.where(defaulted, (bad + 1) / (bad + 2), 1 / (good + 2))
    slope, intercept = _newton(np.column_stack([odds, np.ones_like(odds)]), target, np.zeros_like(odds))
    if slope < _LEAST_SLOPE:
        (intercept,) = _newton(np.ones((len(odds), 1)), target, odds)
        slope = 1.0
    return Calibration(float(slope), float(intercept))


def fit_logistic(development: Development, encoding: Encoding, parameters: LinearParameters) -> "Linear":
    """Fit logistic regression on standardised columns, medians for missing numbers, all of it learnt from."""
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    frame = development.whole
    model = make_pipeline(
        SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True),
        StandardScaler(),
        LogisticRegression(C=parameters.inverse_regularisation, max_iter=2_000),
    )
    model.fit(encoding.matrix(frame), outcomes(frame))
    return Linear(encoding, model)


@dataclass(frozen=True, slots=True)
class Linear:
    """The linear baseline.

    Attributes:
        encoding: The columns that it takes, the same as the trees'.
        model: scikit-learn's pipeline.
    """

    encoding: Encoding
    model: Any

    def probabilities(self, frame: pl.DataFrame) -> Scores:
        """Return the probability of default of many applications, shape (n,)."""
        return np.asarray(self.model.predict_proba(self.encoding.matrix(frame))[:, 1], dtype=np.float64)


def prior_rate(development: Development, rows: int) -> Scores:
    """Return the default rate of what was learnt from, for everyone."""
    return np.full(rows, outcomes(development.whole).mean())


def mean_contributions(model: FittedTrees, frame: pl.DataFrame, *, most_rows: int = 1_000) -> Mapping[str, float]:
    """Return each input's mean absolute TreeSHAP contribution in log-odds, its columns together."""
    import xgboost

    rows = model.encoding.matrix(frame.head(most_rows))
    matrix = xgboost.DMatrix(rows, feature_names=list(model.encoding.columns), nthread=1)
    pushes = model.booster.predict(matrix, pred_contribs=True)[:, :-1].astype(np.float64) * model.calibration.slope
    owners = np.array(model.encoding.owners)
    return {name: float(np.abs(pushes[:, owners == name].sum(axis=1)).mean()) for name in model.encoding.inputs}


def _settings(parameters: TreeParameters, *, seed: int) -> dict[str, Any]:
    return {
        "objective": "binary:logistic",
        "eval_metric": "logloss",
        "tree_method": "hist",
        "eta": parameters.learning_rate,
        "max_depth": parameters.max_depth,
        "subsample": parameters.row_share,
        "colsample_bytree": parameters.column_share,
        "alpha": parameters.l1,
        "lambda": parameters.l2,
        "nthread": 1,
        "seed": seed,
    }


def _boost(
    settings: Mapping[str, Any],
    rows: Rows,
    columns: Sequence[str],
    *,
    rounds: int,
    watched: Rows | None = None,
    patience: int | None = None,
) -> Any:
    import xgboost

    train, *others = (
        xgboost.DMatrix(values, defaulted, feature_names=list(columns), nthread=1)
        for values, defaulted in (rows, *([watched] if watched else []))
    )
    return xgboost.train(
        dict(settings),
        train,
        num_boost_round=rounds,
        evals=[(each, "validation") for each in others],
        early_stopping_rounds=patience,
        verbose_eval=False,
    )


def _newton(
    columns: NDArray[np.float64], target: NDArray[np.float64], offset: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the weights of a logistic regression, with a little ridge so that a separable sample ends somewhere."""
    weights = np.zeros(columns.shape[1])
    ridge = 1e-6 * np.eye(columns.shape[1])
    for _ in range(_NEWTON_STEPS):
        fitted = 1 / (1 + np.exp(-np.clip(columns @ weights + offset, -30, 30)))
        gradient = columns.T @ (fitted - target) + ridge @ weights
        curvature = (columns * (fitted * (1 - fitted))[:, None]).T @ columns + ridge
        step = np.linalg.solve(curvature, gradient)
        weights -= np.clip(step, -2, 2)
        if np.abs(step).max() < 1e-10:
            break
    return weights
