"""The whole procedure: evaluate on every fold, fit the model to deploy in the same way, check it, write the report."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl

from ledgerline.decisions.credit import Attribute, AttributeKind, CreditInputs, CreditPolicy
from pipelines.training.credit.evaluate import Evaluation, Progress, evaluate
from pipelines.training.credit.fit import FittedTrees, fit_trees, mean_contributions
from pipelines.training.credit.leaks import check_leaks
from pipelines.training.credit.parameters import CreditParameters
from pipelines.training.credit.report import build_report, data_facts, development_facts
from pipelines.training.credit.samples import whole_development
from pipelines.training.leaks import Recompute


@dataclass(frozen=True, slots=True)
class TrainedCreditModel:
    """What a training made.

    Attributes:
        model: What is deployed.
        takes: What it takes, for the bundle's ``inputs.json``.
        evaluation: Every fold, with its scores.
        report: ``evaluation.json`` as JSON values.
    """

    model: FittedTrees
    takes: CreditInputs
    evaluation: Evaluation
    report: dict[str, Any]


def train_model(
    frame: pl.DataFrame,
    *,
    as_of: datetime,
    parameters: CreditParameters,
    policy: CreditPolicy,
    names: Sequence[str],
    attributes: Mapping[str, AttributeKind],
    recompute: Recompute,
    progress: Progress,
) -> TrainedCreditModel:
    """Evaluate the procedure, then apply it to everything that is known.

    Args:
        frame: A training set.
        as_of: Its moment.
        parameters: The family's parameters.
        policy: The credit policy, for what it would decide.
        names: The features.
        attributes: What an application says about itself; features besides follow from it.
        recompute: Computes the features again with another future, for the leak checks.
        progress: Told what is being done.

    Raises:
        TrainingRefused: Too few applications whose outcome is known.
    """
    evaluation = evaluate(frame, parameters, names, progress)
    development = whole_development(frame, parameters.splits)
    progress(f"fitting the model to deploy on {development.fit.height:,} applications")
    seed = parameters.seeds[0]
    model = fit_trees(development, parameters, names, seed=seed)
    progress("checking that neither the future nor a protected attribute is in it")
    leaks = check_leaks(frame, as_of=as_of, evaluation=evaluation, names=names, recompute=recompute)
    deployed = {
        "model": "xgboost",
        "parameters": parameters.model.model_dump(),
        "seed": seed,
        "trees": model.trees,
        "calibration": model.calibration.values(),
        "scorecard": parameters.scorecard.scale.values(),
        **development_facts(development),
        "importance": dict(mean_contributions(model, evaluation.last.fold.test)),
    }
    report = build_report(
        evaluation=evaluation,
        parameters=parameters,
        policy=policy,
        data=data_facts(frame, as_of=as_of, names=names),
        deployed=deployed,
        leak_checks=leaks,
    )
    return TrainedCreditModel(model, _takes(model, frame, parameters, attributes), evaluation, report)


def _takes(
    model: FittedTrees, frame: pl.DataFrame, parameters: CreditParameters, attributes: Mapping[str, AttributeKind]
) -> CreditInputs:
    """Return what the model takes; an attribute that no application of the portfolio ever gave is not asked for."""
    return CreditInputs(
        portfolio=str(frame["portfolio"][0]),
        attributes={
            name: Attribute(kind, round(frame[name].null_count() / frame.height, 6))
            for name, kind in attributes.items()
            if name in frame.columns
        },
        encoding=model.encoding,
        calibration=model.calibration,
        scorecard=parameters.scorecard.scale,
    )
