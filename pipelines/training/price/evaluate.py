"""Fit on the past, choose on what follows, and measure on the sessions after that, over several seeds."""

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ledgerline.decisions.trading.backtest import LongShort, annual, long_short
from pipelines.training.price.fit import (
    ModelName,
    Scores,
    fit_logistic,
    fit_trees,
    momentum,
    trees_of,
    trees_predict,
)
from pipelines.training.price.metrics import DailyCoefficients, Metric, auc, daily_coefficients
from pipelines.training.price.parameters import PriceParameters
from pipelines.training.price.samples import Part, Parts, Sample

Progress = Callable[[str], None]
_FEWEST_FOLD_SESSIONS = 10


@dataclass(frozen=True, slots=True)
class ModelResult:
    """One model's scores of the test sessions, and what they are worth.

    Attributes:
        scores: Probabilities that the price rises, shape (n,).
        coefficients: Information coefficients by session.
        portfolio: The ranking, held long and short.
    """

    scores: Scores
    coefficients: DailyCoefficients
    portfolio: LongShort


@dataclass(frozen=True, slots=True)
class Fold:
    """One calendar month of the test.

    Attributes:
        name: E.g. ``2016-03``.
        sessions: Numbers of its sessions.
        start, end: First and last close.
    """

    name: str
    sessions: NDArray[np.int64]
    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The test, evaluated.

    Attributes:
        parts: What was fitted on and tested on.
        seeds: One result a seed of the model, in the parameters' order.
        baselines: One result a baseline.
        trees: How many trees each seed was given.
        folds: The test's months.
    """

    parts: Parts
    seeds: tuple[ModelResult, ...]
    baselines: Mapping[ModelName, ModelResult]
    trees: tuple[int, ...]
    folds: tuple[Fold, ...]

    @property
    def test(self) -> Sample:
        """The test rows."""
        return self.parts.samples[Part.TEST]

    @property
    def net(self) -> NDArray[np.float64]:
        """Net return of every test session, mean over seeds: what a share of the money with each would earn."""
        return np.mean([result.portfolio.net for result in self.seeds], axis=0)

    @property
    def ic(self) -> NDArray[np.float64]:
        """Information coefficient of every test session, mean over seeds."""
        return np.mean([result.coefficients.ic for result in self.seeds], axis=0)

    def results(self, model: ModelName) -> Sequence[ModelResult]:
        """Return a model's results: one a seed, or one for a baseline."""
        return self.seeds if model is ModelName.LIGHTGBM else (self.baselines[model],)


def evaluate(parts: Parts, parameters: PriceParameters, names: Sequence[str], progress: Progress) -> Evaluation:
    """Fit every seed and baseline on the training sessions and measure them on the test sessions."""
    train, validation, test = (parts.samples[part] for part in (Part.TRAIN, Part.VALIDATION, Part.TEST))

    def one(seed: int) -> tuple[ModelResult, int]:
        booster = fit_trees(train, parameters.model, names, seed=seed, validation=validation)
        trees = trees_of(booster, parameters.model)
        result = _measured(test, trees_predict(booster, trees)(test.features), parameters)
        progress(f"seed {seed}: {trees} trees, IC {result.coefficients.ic.mean():+.4f}")
        return result, trees

    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        fitted = list(pool.map(one, parameters.seeds))
    baselines = {
        ModelName.MOMENTUM: momentum(names),
        ModelName.LOGISTIC_REGRESSION: fit_logistic(train, parameters.linear),
    }
    return Evaluation(
        parts=parts,
        seeds=tuple(result for result, _ in fitted),
        baselines={name: _measured(test, predict(test.features), parameters) for name, predict in baselines.items()},
        trees=tuple(trees for _, trees in fitted),
        folds=_months(test),
    )


def fold_metrics(evaluation: Evaluation, fold: Fold, model: ModelName) -> dict[Metric, float]:
    """Return a model's figures of one month, mean over its seeds."""
    found = [_fold_metrics(evaluation.test, result, fold) for result in evaluation.results(model)]
    return {metric: float(np.mean([each[metric] for each in found])) for metric in Metric}


def _fold_metrics(test: Sample, result: ModelResult, fold: Fold) -> dict[Metric, float]:
    during = np.isin(result.coefficients.session, fold.sessions)
    days = np.isin(test.sessions, fold.sessions)
    rows = np.isin(test.session, fold.sessions)
    return {
        Metric.IC: float(np.mean(result.coefficients.ic[during])) if during.any() else 0.0,
        Metric.RANK_IC: float(np.mean(result.coefficients.rank_ic[during])) if during.any() else 0.0,
        Metric.AUC: auc(_rows(test, rows), result.scores[rows]),
        Metric.NET_RETURN: annual(result.portfolio.net[days]),
    }


def _measured(test: Sample, scores: Scores, parameters: PriceParameters) -> ModelResult:
    portfolio = long_short(_by_day(test, scores), _by_day(test, test.forward_return), cost_bp=parameters.cost_bp)
    return ModelResult(scores, daily_coefficients(test, scores), portfolio)


def _by_day(sample: Sample, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return values as a table of sessions and shares, NaN where there is no row."""
    table = np.full((len(sample.sessions), int(sample.share.max()) + 1), np.nan)
    table[np.searchsorted(sample.sessions, sample.session), sample.share] = values
    return table


def _months(test: Sample) -> tuple[Fold, ...]:
    """Return the test's calendar months; a fragment at either end joins its neighbour."""
    groups: list[list[int]] = []
    for session in test.sessions.tolist():
        close = test.closes[session]
        if groups and (test.closes[groups[-1][0]].year, test.closes[groups[-1][0]].month) == (close.year, close.month):
            groups[-1].append(session)
        else:
            groups.append([session])
    if len(groups) > 1 and len(groups[-1]) < _FEWEST_FOLD_SESSIONS:
        groups[-2:] = [groups[-2] + groups[-1]]
    if len(groups) > 1 and len(groups[0]) < _FEWEST_FOLD_SESSIONS:
        groups[:2] = [groups[0] + groups[1]]
    return tuple(
        Fold(f"{test.closes[group[-1]]:%Y-%m}", np.array(group), test.closes[group[0]], test.closes[group[-1]])
        for group in groups
    )


def _rows(sample: Sample, wanted: NDArray[np.bool_]) -> Sample:
    return Sample(
        features=sample.features[wanted],
        forward_return=sample.forward_return[wanted],
        session=sample.session[wanted],
        share=sample.share[wanted],
        closes=sample.closes,
        newest_label=sample.newest_label,
    )


def rule_days(sample: Sample, scores: Scores, names: Sequence[str], wanted: Sequence[str]) -> list[list[Any]]:
    """Return the test sessions as the live job's rules see them; prices are an index that starts at 100 for each share.

    Args:
        sample: The test rows.
        scores: Probabilities that the price rises.
        names: The features, in the sample's order.
        wanted: The indicators that the rules look at.
    """
    from ledgerline.decisions.trading.backtest import SymbolDay

    columns = {name: list(names).index(name) for name in wanted}
    index = dict.fromkeys(sample.share.tolist(), 100.0)
    days: dict[int, list[Any]] = {int(session): [] for session in sample.sessions}
    for row in range(len(sample)):
        share = int(sample.share[row])
        price = index[share]
        index[share] = price * (1 + float(sample.forward_return[row]))
        indicators = {name: _known(sample.features[row, column]) for name, column in columns.items()}
        days[int(sample.session[row])].append(
            SymbolDay(str(share), float(scores[row]), indicators, price, index[share])
        )
    return list(days.values())


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
