"""The evaluation report: every figure that a reader, a gate or an approver needs, equal bytes for equal trainings."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from enum import StrEnum
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ledgerline.core.clock import instant_text
from ledgerline.core.identity import canonical_json
from pipelines.training.fraud.evaluate import Evaluation, FoldResult
from pipelines.training.fraud.fit import ModelName
from pipelines.training.fraud.metrics import Metric
from pipelines.training.fraud.parameters import BootstrapParameters, FraudParameters
from pipelines.training.fraud.published import HONEST_SENTENCE, REAL_TRAFFIC, published_figures
from pipelines.training.fraud.samples import Sample
from pipelines.training.fraud.threshold import ScoredSample, Threshold, alert_figures
from pipelines.training.leaks import LeakCheck
from pipelines.training.splits import FoldRole
from pipelines.training.statistics import (
    CONFIDENCE,
    RankedScores,
    bootstrap_weights,
    paired_interval,
    percentile_interval,
    spread,
)

Draws = NDArray[np.float64]

_DIGITS = 6
"""Figures are rounded so that the order in which a linear-algebra library adds does not change the report's bytes."""


def build_report(
    *,
    evaluation: Evaluation,
    threshold: Threshold,
    parameters: FraudParameters,
    data: Mapping[str, Any],
    deployed: Mapping[str, Any],
    leak_checks: Sequence[LeakCheck],
) -> dict[str, Any]:
    """Return the report as JSON values.

    Beside the part that all families share (ADR 7): ``data``, ``protocol``, ``folds`` and ``summary`` by role,
    ``versus_logistic_regression`` (paired differences over test folds with a 95 % t interval), ``last_fold_bootstrap``
    (by card), ``threshold``, ``deployed_model``, ``published`` (None on other data).

    Args:
        evaluation: Every fold.
        threshold: As chosen on the validation folds.
        parameters: The family's parameters.
        data: Facts of the training set, from :func:`data_facts`.
        deployed: Facts of the model that is deployed.
        leak_checks: What was checked against looking ahead.
    """
    report = {
        "family": "fraud",
        "model": ModelName.XGBOOST,
        "baselines": [name for name in ModelName if name is not ModelName.XGBOOST],
        "metrics": {metric: {"higher_is_better": True} for metric in Metric},
        "primary_metric": Metric.AVERAGE_PRECISION,
        "out_of_time": True,
        "data": dict(data),
        "protocol": {
            "card_precision_top": parameters.card_precision_top,
            "confidence": CONFIDENCE,
            "splits": parameters.splits.model_dump(),
        },
        "folds": {role: [_fold_facts(result) for result in found] for role, found in evaluation.results.items()},
        "folds_left_out": dict(evaluation.left_out),
        "summary": {role: _summary(found) for role, found in evaluation.results.items() if found},
        "versus_logistic_regression": _versus_linear(evaluation.results[FoldRole.TEST]),
        "last_fold_bootstrap": _bootstrap(evaluation.last_test, parameters.bootstrap),
        "threshold": _threshold_facts(evaluation, threshold),
        "deployed_model": dict(deployed),
        "leak_checks": [asdict(check) for check in leak_checks],
        "published": published_figures(evaluation),
        "limits": [HONEST_SENTENCE],
        "real_traffic": dict(REAL_TRAFFIC),
    }
    return dict(_rounded(report))


def encode_report(report: Mapping[str, Any]) -> bytes:
    """Encode a report as the bundle's ``evaluation.json``."""
    return canonical_json(dict(report))


def data_facts(frame: pl.DataFrame, *, as_of: datetime, names: Sequence[str]) -> dict[str, Any]:
    """Return what a training set holds: rows, labels, frauds, cards, terminals and time span."""
    first, last = frame["event_time"].min(), frame["event_time"].max()
    return {
        "as_of": instant_text(as_of),
        "rows": frame.height,
        "labelled": frame.height - frame["is_fraud"].null_count(),
        "label_unknown": frame["is_fraud"].null_count(),
        "frauds": int(frame["is_fraud"].sum()),
        "customers": frame["customer_id"].n_unique(),
        "terminals": frame["terminal_id"].n_unique(),
        "first_event": instant_text(first) if isinstance(first, datetime) else None,
        "last_event": instant_text(last) if isinstance(last, datetime) else None,
        "features": list(names),
    }


def scored(results: Sequence[FoldResult], model: ModelName = ModelName.XGBOOST) -> list[ScoredSample]:
    """Return one model's scores on the test rows of some folds."""
    return [ScoredSample(result.fold.role, result.test, result.scores[model]) for result in results]


def _fold_facts(result: FoldResult) -> dict[str, Any]:
    fold, samples = result.fold, result.samples
    return {
        "fold": f"{instant_text(fold.test_start)}/{instant_text(fold.test_end)}",
        "name": fold.name,
        "train_start": instant_text(fold.train_start),
        "train_end": instant_text(fold.train_end),
        "test_start": instant_text(fold.test_start),
        "test_end": instant_text(fold.test_end),
        "train": _counts(samples.train),
        "test": _counts(samples.test),
        "train_labels_unknown": samples.train_labels_unknown,
        "test_labels_unknown": samples.test_labels_unknown,
        "test_rows_of_known_cards": samples.test_rows_of_known_cards,
        "metrics": result.metrics,
        "card_precision_ceiling": result.ceiling,
    }


def _counts(sample: Sample) -> dict[str, int]:
    return {"rows": len(sample), "frauds": sample.frauds, "cards": len(np.unique(sample.card))}


def _summary(results: Sequence[FoldResult]) -> dict[str, Any]:
    summary: dict[str, Any] = {
        model: {metric: asdict(spread([result.metrics[model][metric] for result in results])) for metric in Metric}
        for model in ModelName
    }
    return summary | {"card_precision_ceiling": asdict(spread([result.ceiling for result in results]))}


def _versus_linear(results: Sequence[FoldResult]) -> dict[str, Any]:
    versus: dict[str, Any] = {}
    for metric in Metric:
        differences = [
            result.metrics[ModelName.XGBOOST][metric] - result.metrics[ModelName.LOGISTIC_REGRESSION][metric]
            for result in results
        ]
        versus[metric] = asdict(paired_interval(differences)) | {"differences": differences}
    return versus


def _bootstrap(result: FoldResult, parameters: BootstrapParameters) -> dict[str, Any]:
    """Return intervals of the last fold's AUC and average precision, and of their difference to the linear model's."""
    weights = bootstrap_weights(int(result.test.card.max()) + 1, replicates=parameters.replicates, seed=parameters.seed)
    draws: dict[str, Draws] = {}
    estimates: dict[str, Draws] = {}
    for model in (ModelName.XGBOOST, ModelName.LOGISTIC_REGRESSION):
        ranked = RankedScores(is_positive=result.test.is_fraud, scores=result.scores[model], group=result.test.card)
        draws[model] = np.array([ranked.auc_and_average_precision(weight) for weight in weights])
        estimates[model] = np.array(ranked.auc_and_average_precision(np.ones(weights.shape[1])))
    draws["difference"] = draws[ModelName.XGBOOST] - draws[ModelName.LOGISTIC_REGRESSION]
    estimates["difference"] = estimates[ModelName.XGBOOST] - estimates[ModelName.LOGISTIC_REGRESSION]
    both_classes = ~np.isnan(draws[ModelName.XGBOOST]).any(axis=1)
    facts: dict[str, Any] = {"fold": result.fold.name, "resampled": "cards"}
    for name, drawn in draws.items():
        facts[name] = {
            metric: asdict(percentile_interval(float(estimates[name][column]), drawn[both_classes, column]))
            for column, metric in enumerate((Metric.AUC, Metric.AVERAGE_PRECISION))
        }
    return facts


def _threshold_facts(evaluation: Evaluation, threshold: Threshold) -> dict[str, Any]:
    return {
        "value": threshold.value,
        "cards_per_day_budget": threshold.cards_per_day,
        "chosen_on": FoldRole.VALIDATION,
        **{
            role: asdict(alert_figures(scored(evaluation.results[role]), threshold.value))
            for role in (FoldRole.VALIDATION, FoldRole.TEST)
        },
    }


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, _DIGITS)
    if isinstance(value, Mapping):
        return {str(name): _rounded(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(item) for item in value]
    return str(value) if isinstance(value, StrEnum) else value
