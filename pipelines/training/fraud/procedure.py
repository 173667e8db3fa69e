"""The whole procedure: evaluate on every fold, choose the threshold, fit the model to deploy, write the report."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl

from ledgerline.core.clock import instant_text
from pipelines.training.fraud.evaluate import Evaluation, Progress, evaluate
from pipelines.training.fraud.fit import fit_booster, mean_contributions
from pipelines.training.fraud.leaks import check_leaks
from pipelines.training.fraud.parameters import FraudParameters
from pipelines.training.fraud.report import build_report, data_facts, scored
from pipelines.training.fraud.samples import Sample, deployment_sample
from pipelines.training.fraud.threshold import choose_threshold
from pipelines.training.leaks import Recompute
from pipelines.training.splits import FoldRole, deployment_week


@dataclass(frozen=True, slots=True)
class TrainedFraudModel:
    """What a training made.

    Attributes:
        booster: The native booster that is deployed.
        threshold: Where alerts begin.
        evaluation: Every fold, with its scores.
        report: ``evaluation.json`` as JSON values.
    """

    booster: Any
    threshold: float
    evaluation: Evaluation
    report: dict[str, Any]


def train_model(
    frame: pl.DataFrame,
    *,
    as_of: datetime,
    parameters: FraudParameters,
    names: Sequence[str],
    recompute: Recompute,
    progress: Progress,
) -> TrainedFraudModel:
    """Evaluate the procedure on past weeks, then apply it to the newest week whose labels are known.

    Args:
        frame: A training set.
        as_of: Its moment.
        parameters: The family's parameters.
        names: The features, in the model's order.
        recompute: Computes the features again with another future, for the leak checks.
        progress: Told what is being done.

    Raises:
        TrainingRefused: The data fill no fold, or the newest week teaches nothing.
    """
    evaluation = evaluate(frame, as_of=as_of, parameters=parameters, names=names, progress=progress)
    threshold = choose_threshold(scored(evaluation.results[FoldRole.VALIDATION]), parameters.alert_budget)
    week = deployment_week(parameters.splits, as_of)
    progress(f"fitting the model to deploy on the week of {week[0]:%Y-%m-%d}")
    train = deployment_sample(frame, week, names)
    booster = fit_booster(train, parameters.model, names)
    progress("checking that nothing looks ahead")
    leaks = check_leaks(frame, as_of=as_of, evaluation=evaluation, names=names, recompute=recompute)
    report = build_report(
        evaluation=evaluation,
        threshold=threshold,
        parameters=parameters,
        data=data_facts(frame, as_of=as_of, names=names),
        deployed=_deployed_facts(booster, train, week, parameters, evaluation.last_test.test, names),
        leak_checks=leaks,
    )
    return TrainedFraudModel(booster, threshold.value, evaluation, report)


def _deployed_facts(
    booster: Any,
    train: Sample,
    week: tuple[datetime, datetime],
    parameters: FraudParameters,
    explained: Sample,
    names: Sequence[str],
) -> dict[str, Any]:
    return {
        "model": "xgboost",
        "parameters": parameters.model.model_dump(),
        "train_start": instant_text(week[0]),
        "train_end": instant_text(week[1]),
        "train": {"rows": len(train), "frauds": train.frauds},
        "importance": mean_contributions(booster, explained, names),
    }
