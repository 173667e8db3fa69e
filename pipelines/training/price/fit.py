"""Fit the model and the baselines beside it. Deterministic: the same rows and seed give the same bytes."""

from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.training.errors import TrainingRefused
from pipelines.training.price.parameters import LinearParameters, TreeParameters
from pipelines.training.price.samples import Sample

_EXPLAINED_ROWS = 10_000
MOMENTUM_FEATURE = "return_20d"

Scores = NDArray[np.float64]
Predict = Callable[[NDArray[np.float64]], Scores]


class ModelName(StrEnum):
    """The model and what it has to beat."""

    MOMENTUM = "momentum"  # what rose goes on to rise: what knowing nothing gives
    LOGISTIC_REGRESSION = "logistic_regression"
    LIGHTGBM = "lightgbm"  # the one that is deployed


def fit_trees(train: Sample, parameters: TreeParameters, names: Sequence[str], *, seed: int, validation: Sample) -> Any:
    """Fit gradient-boosted trees to whether the price rises, as many as the validation sessions ask for.

    Raises:
        TrainingRefused: The sample lacks one of the two outcomes.
    """
    import lightgbm

    _require_both_outcomes(train)
    table = _table(train, names)
    booster = lightgbm.train(
        _settings(parameters, seed),
        table,
        num_boost_round=parameters.most_trees,
        valid_sets=[_table(validation, names, reference=table)],
        callbacks=[lightgbm.early_stopping(parameters.early_stopping, verbose=False)],
    )
    return booster


def trees_of(booster: Any, parameters: TreeParameters) -> int:
    """Return how many trees early stopping has chosen, at least the fewest."""
    return max(int(booster.best_iteration), parameters.fewest_trees)


def fit_deployed(sample: Sample, parameters: TreeParameters, names: Sequence[str], *, seed: int, trees: int) -> Any:
    """Fit the model that is deployed: as many trees as were chosen, on every row whose label is known."""
    import lightgbm

    _require_both_outcomes(sample)
    return lightgbm.train(_settings(parameters, seed), _table(sample, names), num_boost_round=trees)


def trees_predict(booster: Any, trees: int | None = None) -> Predict:
    """Return the booster's first ``trees`` trees as a function from rows to probabilities."""
    return lambda rows: np.asarray(booster.predict(rows, num_iteration=trees, num_threads=1), dtype=np.float64)


def fit_logistic(train: Sample, parameters: LinearParameters) -> Predict:
    """Fit logistic regression on standardised features; what is unknown counts as the mean.

    Features are clipped to five standard deviations, so that one wild bar does not lead the line.

    Raises:
        TrainingRefused: The sample lacks one of the two outcomes.
    """
    from sklearn.linear_model import LogisticRegression

    _require_both_outcomes(train)
    known = np.isfinite(train.features)
    counts = np.maximum(known.sum(axis=0), 1)
    mean = np.where(known, train.features, 0.0).sum(axis=0) / counts
    spread = np.sqrt(np.where(known, (train.features - mean) ** 2, 0.0).sum(axis=0) / counts)
    spread[spread == 0] = 1.0

    def standardised(rows: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.clip(np.nan_to_num((rows - mean) / spread, nan=0.0), -5.0, 5.0)

    model = LogisticRegression(C=parameters.inverse_regularisation, max_iter=1_000)
    model.fit(standardised(train.features), train.rises)
    return lambda rows: np.asarray(model.predict_proba(standardised(rows))[:, 1], dtype=np.float64)


def momentum(names: Sequence[str]) -> Predict:
    """Return the naive rule: what rose over 20 sessions goes on to rise."""
    column = list(names).index(MOMENTUM_FEATURE)
    return lambda rows: 0.5 + 0.05 * np.sign(np.nan_to_num(rows[:, column]))


def mean_contributions(booster: Any, sample: Sample, names: Sequence[str]) -> dict[str, float]:
    """Return each feature's mean absolute TreeSHAP contribution in log-odds over at most the last 10,000 rows."""
    rows = sample.features[-_EXPLAINED_ROWS:]
    contributions = np.asarray(booster.predict(rows, pred_contrib=True, num_threads=1))[:, :-1]
    return dict(zip(names, np.abs(contributions).mean(axis=0).tolist(), strict=True))


def _settings(parameters: TreeParameters, seed: int) -> dict[str, Any]:
    return {
        "objective": "binary",
        "metric": "binary_logloss",
        "learning_rate": parameters.learning_rate,
        "num_leaves": parameters.leaves,
        "min_data_in_leaf": parameters.rows_a_leaf,
        "bagging_fraction": parameters.row_share,
        "bagging_freq": 1,
        "feature_fraction": parameters.feature_share,
        "lambda_l2": parameters.l2,
        "seed": seed,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": 1,  # seeds run beside each other instead
        "verbosity": -1,
    }


def _table(sample: Sample, names: Sequence[str], *, reference: Any = None) -> Any:
    import lightgbm

    return lightgbm.Dataset(
        sample.features,
        label=sample.rises.astype(np.float64),
        feature_name=list(names),
        reference=reference,
        free_raw_data=False,
        params={"verbosity": -1},
    )


def _require_both_outcomes(sample: Sample) -> None:
    if not 0 < int(sample.rises.sum()) < len(sample):
        raise TrainingRefused(
            f"{len(sample)} labelled rows of which {int(sample.rises.sum())} rose teach nothing; check the prices"
        )
