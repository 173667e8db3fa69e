"""The whole procedure: evaluate on later sessions, fit the model to deploy, follow the live rules, write the report."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import polars as pl

from ledgerline.core.clock import instant_text
from ledgerline.decisions.trading import TradingPolicy
from ledgerline.decisions.trading.backtest import rule_backtest
from ledgerline.decisions.trading.model import INDICATORS
from pipelines.training.leaks import Recompute
from pipelines.training.price.evaluate import Evaluation, Progress, evaluate, rule_days
from pipelines.training.price.fit import fit_deployed, mean_contributions
from pipelines.training.price.leaks import check_leaks
from pipelines.training.price.parameters import PriceParameters
from pipelines.training.price.report import build_report, data_facts
from pipelines.training.price.samples import Sample, everything, split


@dataclass(frozen=True, slots=True)
class TrainedPriceModel:
    """What a training made.

    Attributes:
        booster: The native booster that is deployed.
        evaluation: The test, with every model's scores.
        report: ``evaluation.json`` as JSON values.
    """

    booster: Any
    evaluation: Evaluation
    report: dict[str, Any]


def train_model(
    frame: pl.DataFrame,
    *,
    as_of: datetime,
    parameters: PriceParameters,
    policy: TradingPolicy,
    names: Sequence[str],
    recompute: Recompute,
    progress: Progress,
) -> TrainedPriceModel:
    """Evaluate the procedure on later sessions, then apply it to every session whose label is known.

    Args:
        frame: A training set.
        as_of: Its moment.
        parameters: The family's parameters.
        policy: Rules and sizes of the live job, for what following them would have earned.
        names: The features, in the model's order.
        recompute: Computes the features again with another future, for the leak checks.
        progress: Told what is being done.

    Raises:
        TrainingRefused: Too few sessions, or prices that teach nothing.
    """
    evaluation = evaluate(split(frame, parameters.splits, names), parameters, names, progress)
    whole = everything(frame, names)
    trees, seed = int(np.median(evaluation.trees)), parameters.seeds[0]
    progress(f"fitting the model to deploy: {trees} trees on {len(whole):,} rows")
    booster = fit_deployed(whole, parameters.model, names, seed=seed, trees=trees)
    progress("following the live job's rules over the test")
    days = rule_days(evaluation.test, evaluation.seeds[0].scores, names, sorted(INDICATORS))
    rules = rule_backtest(days, policy, cost_bp=parameters.cost_bp)
    progress("checking that nothing looks ahead")
    leaks = check_leaks(frame, as_of=as_of, evaluation=evaluation, names=names, recompute=recompute)
    report = build_report(
        evaluation=evaluation,
        parameters=parameters,
        data=data_facts(frame, as_of=as_of, names=names),
        deployed=_deployed_facts(booster, whole, parameters, evaluation, seed=seed, trees=trees, names=names),
        rules=rules,
        policy=policy.id,
        leak_checks=leaks,
    )
    return TrainedPriceModel(booster, evaluation, report)


def _deployed_facts(
    booster: Any,
    sample: Sample,
    parameters: PriceParameters,
    evaluation: Evaluation,
    *,
    seed: int,
    trees: int,
    names: Sequence[str],
) -> dict[str, Any]:
    sessions = sample.sessions
    return {
        "model": "lightgbm",
        "parameters": parameters.model.model_dump(),
        "seed": seed,
        "trees": trees,
        "train_start": instant_text(sample.closes[int(sessions[0])]),
        "train_end": instant_text(sample.closes[int(sessions[-1])]),
        "train": {"rows": len(sample), "rose": int(sample.rises.sum())},
        "importance": mean_contributions(booster, evaluation.test, names),
    }
