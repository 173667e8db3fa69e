"""Fit the model and the baselines beside it. Deterministic: the same rows give the same bytes, on any core count."""

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.training.errors import TrainingRefused
from pipelines.training.fraud.metrics import Scores
from pipelines.training.fraud.parameters import FraudParameters, LinearParameters, TreeParameters
from pipelines.training.fraud.samples import Sample

_EXPLAINED_ROWS = 20_000

Predict = Callable[[NDArray[np.float64]], Scores]


class ModelName(StrEnum):
    """The model and what it has to beat."""

    PRIOR_RATE = "prior_rate"  # the training week's fraud rate for everyone: what knowing nothing gives
    LOGISTIC_REGRESSION = "logistic_regression"
    XGBOOST = "xgboost"  # the one that is deployed


def fit_all(train: Sample, parameters: FraudParameters, names: Sequence[str]) -> Mapping[ModelName, Predict]:
    """Fit the model and both baselines on one training sample.

    Raises:
        TrainingRefused: The sample lacks one of the two classes.
    """
    return {
        ModelName.PRIOR_RATE: _prior_rate(train),
        ModelName.LOGISTIC_REGRESSION: _logistic_regression(train, parameters.linear),
        ModelName.XGBOOST: booster_predict(fit_booster(train, parameters.model, names)),
    }


def fit_booster(train: Sample, parameters: TreeParameters, names: Sequence[str]) -> Any:
    """Fit gradient-boosted trees and return the native booster.

    One thread: sums of gradients depend on how rows are shared between threads, and the bundle's bytes must not. Folds
    run beside each other instead.

    Raises:
        TrainingRefused: The sample lacks one of the two classes.
    """
    import xgboost

    _require_both_classes(train)
    settings = {
        "objective": "binary:logistic",
        "eta": parameters.learning_rate,
        "max_depth": parameters.max_depth,
        "tree_method": parameters.tree_method,
        "base_score": parameters.base_score,
        "nthread": 1,
        "seed": 0,  # nothing is sampled, so nothing depends on it
    }
    matrix = xgboost.DMatrix(train.features, train.is_fraud, feature_names=list(names), nthread=1)
    return xgboost.train(settings, matrix, num_boost_round=parameters.trees)


def booster_predict(booster: Any) -> Predict:
    """Return the booster as a function from rows to probabilities."""

    def predict(rows: NDArray[np.float64]) -> Scores:
        probabilities: Scores = booster.inplace_predict(rows).astype(np.float64)
        return probabilities

    return predict


def mean_contributions(booster: Any, sample: Sample, names: Sequence[str]) -> dict[str, float]:
    """Return each feature's mean absolute TreeSHAP contribution in log-odds over at most the first 20,000 rows."""
    import xgboost

    rows = sample.features[:_EXPLAINED_ROWS]
    matrix = xgboost.DMatrix(rows, feature_names=list(names), nthread=1)
    contributions = booster.predict(matrix, pred_contribs=True)[:, :-1]
    means = np.abs(contributions.astype(np.float64)).mean(axis=0)
    return dict(zip(names, means.tolist(), strict=True))


def _logistic_regression(train: Sample, parameters: LinearParameters) -> Predict:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    _require_both_classes(train)
    model = make_pipeline(StandardScaler(), LogisticRegression(C=parameters.inverse_regularisation, max_iter=1_000))
    model.fit(train.features, train.is_fraud)
    return lambda rows: np.asarray(model.predict_proba(rows)[:, 1], dtype=np.float64)


def _prior_rate(train: Sample) -> Predict:
    rate = train.frauds / len(train)
    return lambda rows: np.full(len(rows), rate)


def _require_both_classes(train: Sample) -> None:
    if not 0 < train.frauds < len(train):
        raise TrainingRefused(
            f"a training week of {len(train)} labelled rows with {train.frauds} frauds teaches nothing; "
            "check the labels, or move the week in params.yaml"
        )
