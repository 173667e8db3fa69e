"""Evaluate the procedure *fit on what was known, score what came after* on every fold."""

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import polars as pl

from pipelines.training.credit.fit import FittedTrees, ModelName, Scores, fit_logistic, fit_trees, prior_rate
from pipelines.training.credit.metrics import Metric, best_f1_cut_off, fold_metrics
from pipelines.training.credit.parameters import CreditParameters
from pipelines.training.credit.samples import Fold, folds_of, is_dated, outcomes

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class FoldResult:
    """One fold, evaluated.

    Attributes:
        fold: Its applications.
        trees: The model that was fit.
        scores: Every model's probabilities of default of the test applications, shape (n,).
        metrics: Every model's figures.
    """

    fold: Fold
    trees: FittedTrees
    scores: Mapping[ModelName, Scores]
    metrics: Mapping[ModelName, Mapping[Metric, float]]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Every fold, evaluated.

    Attributes:
        results: Earliest fold first.
        out_of_time: Whether every fold was scored by what was known before it.
        seed_metrics: The model's figures on the last fold, by seed.
        f1_cut_off: Probability from which F1 is highest over the folds' validation applications.
    """

    results: tuple[FoldResult, ...]
    out_of_time: bool
    seed_metrics: Mapping[int, Mapping[Metric, float]]
    f1_cut_off: float

    @property
    def last(self) -> FoldResult:
        """The newest fold."""
        return self.results[-1]

    @property
    def tested(self) -> pl.DataFrame:
        """All test applications, each once."""
        return pl.concat([result.fold.test for result in self.results])

    def pooled(self, model: ModelName) -> Scores:
        """Return a model's probabilities of :attr:`tested`, each from the fold that it was tested in."""
        return np.concatenate([result.scores[model] for result in self.results])


def evaluate(
    frame: pl.DataFrame, parameters: CreditParameters, names: Sequence[str], progress: Progress | None = None
) -> Evaluation:
    """Fit and score every fold, and the last one with every seed.

    Folds run beside each other, one thread each; what a fold gives does not depend on it.

    Args:
        frame: A training set.
        parameters: The family's parameters.
        names: The features.
        progress: Told about every finished fold.

    Raises:
        TrainingRefused: The data fill too few folds.
    """
    say = progress or (lambda _: None)
    folds = folds_of(frame, parameters.splits)
    first, *others = parameters.seeds

    def run(fold: Fold) -> FoldResult:
        result = _evaluate_fold(fold, parameters, names, seed=first)
        auc = {model: result.metrics[model][Metric.AUC] for model in ModelName}
        say(f"{fold.name}: AUC " + ", ".join(f"{model} {value:.3f}" for model, value in auc.items()))
        return result

    def run_seed(seed: int) -> Mapping[Metric, float]:
        fitted = fit_trees(folds[-1].development, parameters, names, seed=seed)
        return fold_metrics(outcomes(folds[-1].test), fitted.probabilities(folds[-1].test))

    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        results = tuple(pool.map(run, folds))
        seeds = dict(zip(others, pool.map(run_seed, others), strict=True))
    validated = np.concatenate([outcomes(result.fold.development.validation) for result in results])
    cut_off = best_f1_cut_off(validated, np.concatenate([result.trees.validated for result in results]))
    own = {first: results[-1].metrics[ModelName.XGBOOST]}
    return Evaluation(results, is_dated(frame), own | seeds, cut_off)


def _evaluate_fold(fold: Fold, parameters: CreditParameters, names: Sequence[str], *, seed: int) -> FoldResult:
    trees = fit_trees(fold.development, parameters, names, seed=seed)
    linear = fit_logistic(fold.development, trees.encoding, parameters.linear)
    scores = {
        ModelName.PRIOR_RATE: prior_rate(fold.development, fold.test.height),
        ModelName.LOGISTIC_REGRESSION: linear.probabilities(fold.test),
        ModelName.XGBOOST: trees.probabilities(fold.test),
    }
    defaulted = outcomes(fold.test)
    metrics = {model: fold_metrics(defaulted, found) for model, found in scores.items()}
    return FoldResult(fold, trees, scores, metrics)
