"""The evaluation report: every figure that a reader, a gate or an approver needs, equal bytes for equal trainings."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from enum import StrEnum
from typing import Any

import numpy as np
import polars as pl

from ledgerline.core.clock import instant_text
from ledgerline.decisions.credit import CreditPolicy, Scorecard
from ledgerline.decisions.credit.answer import DEBT_TO_INCOME, decide
from pipelines.training.credit.evaluate import Evaluation, FoldResult
from pipelines.training.credit.fairness import compare_groups
from pipelines.training.credit.fit import ModelName, Scores
from pipelines.training.credit.metrics import Metric, calibration_error, reliability
from pipelines.training.credit.parameters import CreditParameters
from pipelines.training.credit.samples import Development, outcomes
from pipelines.training.credit.uncertainty import bootstrap
from pipelines.training.leaks import LeakCheck
from pipelines.training.statistics import CONFIDENCE, paired_interval, spread

_DIGITS = 6
"""Figures are rounded so that the order in which a linear-algebra library adds does not change the report's bytes."""
NOT_OUT_OF_TIME = (
    "Not out of time: these applications have no dates, so they are split by a hash of their ids. How the model does "
    "on later applications is not known; expect less."
)
_ACCEPTED_ONLY = (
    "What became of applications that were turned down is not known: fit and test are on loans that were made."
)
_AGE = (
    "Age is an input. Regulation B lets a sound scoring system use it as long as it counts against nobody of 62 or "
    "more (12 CFR 1002.6(b)(2)); that is for the validator to look at."
)
_NO_DEBT = (
    "These applications do not say debt to income, which the policy asks of middle scores: all of those are denied."
)
_SHARED_VALIDATION = (
    "The applications that say when to stop also calibrate; the test applications do neither, and choose nothing."
)


def build_report(
    *,
    evaluation: Evaluation,
    parameters: CreditParameters,
    policy: CreditPolicy,
    data: Mapping[str, Any],
    deployed: Mapping[str, Any],
    leak_checks: Sequence[LeakCheck],
) -> dict[str, Any]:
    """Return the report as JSON values.

    Beside the part that all families share (ADR 7): ``data``, ``protocol``, ``versus_logistic_regression`` (paired
    differences over test folds), ``last_fold_bootstrap``, ``seeds``, ``calibration``, ``scores`` (what the scale and
    the policy make of the tested applications) and ``fairness``.

    Args:
        evaluation: Every fold.
        parameters: The family's parameters.
        policy: The credit policy, for its cut-off and for what it would decide.
        data: Facts of the training set, from :func:`data_facts`.
        deployed: Facts of the model that is deployed.
        leak_checks: What was checked.
    """
    scale = parameters.scorecard.scale
    aged = [_AGE] if "age" in data["features"] else []
    limits = [*([] if evaluation.out_of_time else [NOT_OUT_OF_TIME]), _ACCEPTED_ONLY, _SHARED_VALIDATION, *aged]
    scores = _scores(evaluation, scale, policy)
    report = {
        "family": "credit",
        "model": ModelName.XGBOOST,
        "baselines": [name for name in ModelName if name is not ModelName.XGBOOST],
        "metrics": {metric: {"higher_is_better": metric.higher_is_better} for metric in Metric},
        "primary_metric": Metric.AUC,
        "out_of_time": evaluation.out_of_time,
        "data": dict(data),
        "protocol": {"confidence": CONFIDENCE, "splits": parameters.splits.model_dump()},
        "folds": {"test": [_fold_facts(result) for result in evaluation.results]},
        "summary": {"test": _summary(evaluation.results)},
        "versus_logistic_regression": _versus_linear(evaluation.results),
        "last_fold_bootstrap": _bootstrap(evaluation.last, parameters),
        "seeds": {metric: [found[metric] for found in evaluation.seed_metrics.values()] for metric in Metric},
        "calibration": _calibration(evaluation, parameters),
        "scores": scores,
        "fairness": fairness_facts(evaluation, parameters, policy),
        "deployed_model": dict(deployed),
        "leak_checks": [asdict(check) for check in leak_checks],
        "limits": [*limits, *_scale_limits(scores, scale, policy, data["features"])],
    }
    return dict(rounded(report))


def data_facts(frame: pl.DataFrame, *, as_of: datetime, names: Sequence[str]) -> dict[str, Any]:
    """Return what a training set holds: applications, outcomes, time span, features."""
    first, last = frame["event_time"].min(), frame["event_time"].max()
    dated = bool(frame["dated"].all())
    return {
        "as_of": instant_text(as_of),
        "portfolio": frame["portfolio"][0],
        "rows": frame.height,
        "labelled": frame.height - frame["defaulted"].null_count(),
        "label_unknown": frame["defaulted"].null_count(),
        "defaults": int(frame["defaulted"].sum()),
        "dated": dated,
        "first_event": instant_text(first) if dated and isinstance(first, datetime) else None,
        "last_event": instant_text(last) if dated and isinstance(last, datetime) else None,
        "features": list(names),
    }


def development_facts(development: Development) -> dict[str, Any]:
    """Return what a model was fit on, and the part of it that was held back first, to stop at and to calibrate on."""
    return {
        "train": _counts(development.whole),
        "validation": _counts(development.validation),
        "train_start": _instant(development.whole["event_time"].min()),
        "train_end": _instant(development.whole["event_time"].max()),
    }


def fairness_facts(evaluation: Evaluation, parameters: CreditParameters, policy: CreditPolicy) -> dict[str, Any]:
    """Return adverse impact ratios over all tested applications: at the policy's cut-off, and where F1 is highest.

    The first cut-off is the probability of the lowest score that may be approved; what the policy asks besides is left
    out, so that the figures are the model's. The second is chosen on validation applications.
    """
    scale, lowest = parameters.scorecard.scale, policy.decisions.conditions_from
    scores, tested = evaluation.pooled(ModelName.XGBOOST), evaluation.tested
    by_policy = np.array([scale.score(value) >= lowest for value in scores.tolist()], dtype=bool)
    groups, left_out = compare_groups(tested, by_policy, parameters.fairness)
    f1_groups, f1_left_out = compare_groups(tested, scores < evaluation.f1_cut_off, parameters.fairness)
    effects = policy.jurisdiction.effects_test
    low = sorted({f"{each.attribute} {each.group}" for each in groups if each.air < effects.least_ratio})
    named = f"; below {effects.least_ratio:g}: {', '.join(low)}" if low else ""
    asked = "applies" if effects.applies else "does not apply"
    return {
        "cut_off": scale.probability_at(lowest - 0.5),
        "cut_off_score": lowest,
        "approval_rate": float(by_policy.mean()),
        "groups": [asdict(each) for each in groups],
        "left_out": left_out,
        "at_max_f1": {
            "cut_off": evaluation.f1_cut_off,
            "groups": [asdict(each) for each in f1_groups],
            "left_out": f1_left_out,
        },
        "note": (
            f"Approval rates over the largest group's, of {tested.height:,} tested applications; the ratios move with "
            f"the cut-off more than with the model. In {policy.jurisdiction.name} the effects test {asked} "
            f"({effects.rule}){named}."
        ),
        "policy": policy.id,
    }


def rounded(value: Any) -> Any:
    """Return JSON values with rounded figures and plain strings."""
    if isinstance(value, bool):
        return value
    if isinstance(value, float):
        return round(value, _DIGITS)
    if isinstance(value, Mapping):
        return {str(name): rounded(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(item) for item in value]
    return str(value) if isinstance(value, StrEnum) else value


def _fold_facts(result: FoldResult) -> dict[str, Any]:
    fold = result.fold
    return {
        "fold": fold.name,
        "test_start": _instant(fold.start),
        **development_facts(fold.development),
        "test": _counts(fold.test),
        "trees": result.trees.trees,
        "metrics": result.metrics,
    }


def _counts(frame: pl.DataFrame) -> dict[str, int]:
    return {"rows": frame.height, "defaults": int(frame["defaulted"].sum())}


def _summary(results: Sequence[FoldResult]) -> dict[str, Any]:
    return {
        model: {metric: asdict(spread([result.metrics[model][metric] for result in results])) for metric in Metric}
        for model in ModelName
    }


def _versus_linear(results: Sequence[FoldResult]) -> dict[str, Any]:
    def difference(result: FoldResult, metric: Metric) -> float:
        return result.metrics[ModelName.XGBOOST][metric] - result.metrics[ModelName.LOGISTIC_REGRESSION][metric]

    return {metric: asdict(paired_interval([difference(result, metric) for result in results])) for metric in Metric}


def _bootstrap(result: FoldResult, parameters: CreditParameters) -> dict[str, Any]:
    defaulted = outcomes(result.fold.test)
    return {
        "fold": result.fold.name,
        **{
            model: {
                metric: asdict(interval)
                for metric, interval in bootstrap(defaulted, result.scores[model], parameters.bootstrap).items()
            }
            for model in (ModelName.XGBOOST, ModelName.LOGISTIC_REGRESSION)
        },
    }


def _calibration(evaluation: Evaluation, parameters: CreditParameters) -> dict[str, Any]:
    defaulted = outcomes(evaluation.tested)
    found = {
        model: reliability(defaulted, evaluation.pooled(model), bins=parameters.calibration_bins)
        for model in (ModelName.XGBOOST, ModelName.LOGISTIC_REGRESSION)
    }
    return {
        "expected_calibration_error": {model: calibration_error(bins) for model, bins in found.items()},
        "bins": [asdict(each) for each in found[ModelName.XGBOOST]],
    }


def _scores(evaluation: Evaluation, scale: Scorecard, policy: CreditPolicy) -> dict[str, Any]:
    """Return how the tested applications spread over scores, categories and decisions."""
    tested, probabilities = evaluation.tested, evaluation.pooled(ModelName.XGBOOST)
    points = [scale.score(value) for value in probabilities.tolist()]
    debts = tested[DEBT_TO_INCOME].to_list() if DEBT_TO_INCOME in tested.columns else [None] * tested.height
    decided = [decide(policy, score, debt)[0].value for score, debt in zip(points, debts, strict=True)]
    by_category = {
        each.name: _share(_of(points, policy, each.name), probabilities, outcomes(tested)) for each in policy.categories
    }
    return {
        "quantiles": {str(share): float(np.quantile(points, share)) for share in (0, 0.05, 0.25, 0.5, 0.75, 0.95, 1)},
        "categories": by_category,
        "decisions": {name: decided.count(name) / len(decided) for name in sorted(set(decided))},
        "policy": policy.id,
    }


def _of(points: Sequence[int], policy: CreditPolicy, name: str) -> "np.ndarray[Any, np.dtype[np.bool_]]":
    return np.array([policy.category(score).name == name for score in points], dtype=bool)


def _share(chosen: Any, probabilities: Scores, defaulted: Any) -> dict[str, float | None]:
    if not chosen.any():
        return {"share": 0.0, "predicted_default_rate": None, "default_rate": None}
    return {
        "share": float(chosen.mean()),
        "predicted_default_rate": float(probabilities[chosen].mean()),
        "default_rate": float(defaulted[chosen].mean()),
    }


def _scale_limits(
    scores: Mapping[str, Any], scale: Scorecard, policy: CreditPolicy, features: Sequence[str]
) -> list[str]:
    """Say which of the policy's categories this scale gives to nobody, and what of the policy cannot be met."""
    empty = [each for each in policy.categories if scores["categories"][each.name]["share"] == 0]
    unknown = DEBT_TO_INCOME not in features and not policy.decisions.debt_to_income.granted_when_unknown
    return [
        *([_NO_DEBT] if unknown else []),
        *(
            f"No tested application is {each.name}: on this scale a score of {each.from_score} stands for a "
            f"probability of default of {scale.probability_at(each.from_score):.2%}."
            for each in empty
        ),
    ]


def _instant(value: Any) -> str | None:
    return instant_text(value) if isinstance(value, datetime) else None
