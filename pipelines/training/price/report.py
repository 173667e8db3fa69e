"""The evaluation report: every figure that a reader, a gate or an approver needs, equal bytes for equal trainings."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from enum import StrEnum
from typing import Any

import numpy as np
import polars as pl

from ledgerline.core.clock import instant_text
from ledgerline.decisions.trading.backtest import RuleBacktest, annual
from ledgerline.decisions.trading.signals import SESSIONS_A_YEAR
from pipelines.training.leaks import LeakCheck
from pipelines.training.price.evaluate import Evaluation, fold_metrics
from pipelines.training.price.fit import ModelName
from pipelines.training.price.metrics import Metric, t_statistic
from pipelines.training.price.parameters import PriceParameters
from pipelines.training.price.samples import Sample
from pipelines.training.price.uncertainty import block_bootstrap
from pipelines.training.statistics import CONFIDENCE, spread

_DIGITS = 6
"""Figures are rounded so that the order in which a linear-algebra library adds does not change the report's bytes."""

_LIMITS = (
    "The shares are those that the source holds today: what was delisted is missing, which flatters every figure.",
    "Returns are of prices: dividends, taxes and the cost of borrowing shares are not counted.",
    "A portfolio is rebalanced at closing prices, at a fixed cost a side; what large orders move is not modelled.",
)


def build_report(
    *,
    evaluation: Evaluation,
    parameters: PriceParameters,
    data: Mapping[str, Any],
    deployed: Mapping[str, Any],
    rules: RuleBacktest,
    policy: str,
    leak_checks: Sequence[LeakCheck],
) -> dict[str, Any]:
    """Return the report as JSON values.

    Besides what every family's report has: ``signal`` (what the gate for a significant signal reads), ``portfolio``
    (the ranking held long and short, by model) and ``rules`` (the live job's own rules over the test).

    Args:
        evaluation: What was fitted and tested.
        parameters: The family's parameters.
        data: Facts of the training set, from :func:`data_facts`.
        deployed: Facts of the model that is deployed.
        rules: The live job's rules over the test sessions.
        policy: Content id of the trading policy that they followed.
        leak_checks: What was checked against looking ahead.
    """
    report = {
        "family": "price",
        "model": ModelName.LIGHTGBM,
        "baselines": [ModelName.MOMENTUM, ModelName.LOGISTIC_REGRESSION],
        "metrics": {metric: {"higher_is_better": True} for metric in Metric},
        "primary_metric": Metric.IC,
        "out_of_time": True,
        "data": dict(data),
        "protocol": _protocol(evaluation, parameters),
        "folds": {"test": _folds(evaluation)},
        "summary": {"test": _summary(evaluation)},
        "signal": signal_facts(evaluation, parameters),
        "portfolio": {model: _portfolio(evaluation, model) for model in ModelName},
        "rules": _rules(rules, policy),
        "deployed_model": dict(deployed),
        "leak_checks": [asdict(check) for check in leak_checks],
        "limits": list(_LIMITS),
    }
    return dict(rounded(report))


def signal_facts(evaluation: Evaluation, parameters: PriceParameters) -> dict[str, Any]:
    """Return how sure the signal is: over days, over seeds, and in money against zero and against every baseline.

    Returns:
        ``ic_mean``, ``ic_t_days``, ``rank_ic_mean``, ``rank_ic_t_days``, ``ic_seeds``, ``net_return`` and its 95 %
        interval ``net_return_ci``, ``gross_return``, ``net_over_baselines`` and ``net_over_baselines_ci``; returns a
        year, as shares.
    """
    rank_ic = np.mean([result.coefficients.rank_ic for result in evaluation.seeds], axis=0)
    net = _interval(evaluation.net, parameters)
    over = {
        model: _interval(evaluation.net - result.portfolio.net, parameters)
        for model, result in evaluation.baselines.items()
    }
    return {
        "days": len(evaluation.ic),
        "ic_mean": float(evaluation.ic.mean()),
        "ic_t_days": t_statistic(evaluation.ic),
        "rank_ic_mean": float(rank_ic.mean()),
        "rank_ic_t_days": t_statistic(rank_ic),
        "ic_seeds": [float(result.coefficients.ic.mean()) for result in evaluation.seeds],
        "gross_return": annual(np.mean([result.portfolio.gross for result in evaluation.seeds], axis=0)),
        "net_return": net[0],
        "net_return_ci": net[1],
        "net_over_baselines": {model: found[0] for model, found in over.items()},
        "net_over_baselines_ci": {model: found[1] for model, found in over.items()},
        "confidence": CONFIDENCE,
        "cost_bp": parameters.cost_bp,
    }


def data_facts(frame: pl.DataFrame, *, as_of: datetime, names: Sequence[str]) -> dict[str, Any]:
    """Return what a training set holds: rows, labels, shares and time span."""
    first, last = frame["event_time"].min(), frame["event_time"].max()
    return {
        "as_of": instant_text(as_of),
        "rows": frame.height,
        "labelled": frame.height - frame["forward_return"].null_count(),
        "label_unknown": frame["forward_return"].null_count(),
        "rose": int((frame["forward_return"] > 0).sum()),
        "shares": frame["instrument"].n_unique(),
        "sessions": frame["event_time"].n_unique(),
        "first_session": instant_text(first) if isinstance(first, datetime) else None,
        "last_session": instant_text(last) if isinstance(last, datetime) else None,
        "features": list(names),
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


def _protocol(evaluation: Evaluation, parameters: PriceParameters) -> dict[str, Any]:
    return {
        "label": "return from the close of the next session to the close of the one after",
        "parts": {part: _part(sample) for part, sample in evaluation.parts.samples.items()},
        "purged_rows": evaluation.parts.purged,
        "seeds": list(parameters.seeds),
        "trees": list(evaluation.trees),
        "cost_bp": parameters.cost_bp,
        "bootstrap": parameters.bootstrap.model_dump(),
    }


def _part(sample: Sample) -> dict[str, Any]:
    sessions = sample.sessions
    return {
        "rows": len(sample),
        "sessions": len(sessions),
        "first": instant_text(sample.closes[int(sessions[0])]),
        "last": instant_text(sample.closes[int(sessions[-1])]),
    }


def _folds(evaluation: Evaluation) -> list[dict[str, Any]]:
    return [
        {
            "fold": fold.name,
            "sessions": len(fold.sessions),
            "test_start": instant_text(fold.start),
            "test_end": instant_text(fold.end),
            "metrics": {model: fold_metrics(evaluation, fold, model) for model in ModelName},
        }
        for fold in evaluation.folds
    ]


def _summary(evaluation: Evaluation) -> dict[str, Any]:
    by_fold = [{model: fold_metrics(evaluation, fold, model) for model in ModelName} for fold in evaluation.folds]
    return {
        model: {metric: asdict(spread([fold[model][metric] for fold in by_fold])) for metric in Metric}
        for model in ModelName
    }


def _portfolio(evaluation: Evaluation, model: ModelName) -> dict[str, float]:
    results = evaluation.results(model)
    return {
        "gross_return": float(np.mean([annual(result.portfolio.gross) for result in results])),
        "net_return": float(np.mean([annual(result.portfolio.net) for result in results])),
        "turnover_a_day": float(np.mean([result.portfolio.turnover.mean() for result in results])),
    }


def _rules(rules: RuleBacktest, policy: str) -> dict[str, Any]:
    return {"policy": policy, "orders": rules.orders, "signals": dict(rules.signals), **asdict(rules.performance)}


def _interval(daily: "np.ndarray[Any, Any]", parameters: PriceParameters) -> tuple[float, list[float | None]]:
    found, _ = block_bootstrap(daily, parameters.bootstrap, scale=SESSIONS_A_YEAR)
    return found.mean, [found.low, found.high]
