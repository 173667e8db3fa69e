"""What others measured on the same data under the same protocol, to be read beside our figures.

Source: Le Borgne, Siblini, Lebichot, Bontempi, "Reproducible Machine Learning for Credit Card Fraud Detection:
Practical Handbook" (2022), chapters 3 to 5, on its published simulated card transactions of 2018.
"""

from collections.abc import Mapping
from typing import Any

from pipelines.training.fraud.evaluate import Evaluation
from pipelines.training.splits import FoldRole

SOURCE = "Fraud Detection Handbook (Le Borgne et al. 2022), simulated card transactions, 2018-04-01 to 2018-09-30"

BASELINE_ROWS: Mapping[str, int] = {"train": 67_240, "train_frauds": 598, "test": 58_264, "test_frauds": 385}
"""Counts of the baseline split. Data that give exactly these are the published data, whatever they are called."""

BASELINE_SPLIT: Mapping[str, Mapping[str, float]] = {
    "logistic_regression": {"auc": 0.870, "average_precision": 0.605, "card_precision": 0.291},
}
PREQUENTIAL_TEST: Mapping[str, Mapping[str, float]] = {
    "logistic_regression": {"auc": 0.868, "average_precision": 0.622, "card_precision": 0.297},
    "random_forest_100_depth_20": {"auc": 0.870, "average_precision": 0.678, "card_precision": 0.299},
    "xgboost_50_rate_0.3_depth_3": {"auc": 0.872, "average_precision": 0.687, "card_precision": 0.302},
    "xgboost_100_rate_0.1_depth_3": {"auc": 0.871, "average_precision": 0.694, "card_precision": 0.304},
    "neural_network": {"auc": 0.876, "average_precision": 0.675, "card_precision": 0.303},
    "lstm_5_transactions": {"auc": 0.876, "average_precision": 0.665, "card_precision": 0.297},
}
CARD_PRECISION_CEILING: Mapping[str, float] = {"baseline_split": 0.397, "prequential_test": 0.419}

REAL_TRAFFIC: Mapping[str, float] = {"auc": 0.928, "average_precision": 0.095}
HONEST_SENTENCE = (
    "Figures on simulated payments (the sandbox's and the handbook's, whose fraud follows three simple rules) say "
    "little about real ones: on real card traffic, which is not public, the handbook's authors measured XGBoost at AUC "
    ".928 and average precision .095. Expect far fewer true alerts on your own payments, and measure before you rely "
    "on this model."
)


def published_figures(evaluation: Evaluation) -> dict[str, Any] | None:
    """Return the published tables when the evaluated data are the published data, otherwise None."""
    baseline = evaluation.results.get(FoldRole.BASELINE, ())
    if not baseline:
        return None
    train, test = baseline[0].samples.train, baseline[0].samples.test
    counts = {"train": len(train), "train_frauds": train.frauds, "test": len(test), "test_frauds": test.frauds}
    if counts != BASELINE_ROWS:
        return None
    return {
        "source": SOURCE,
        "baseline_split": {name: dict(figures) for name, figures in BASELINE_SPLIT.items()},
        "prequential_test": {name: dict(figures) for name, figures in PREQUENTIAL_TEST.items()},
        "card_precision_ceiling": dict(CARD_PRECISION_CEILING),
    }
