"""Evaluate the procedure *fit on one week, score the week after the labels' delay* on every fold of the protocol."""

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime

import polars as pl

from pipelines.training.errors import TrainingRefused
from pipelines.training.fraud.fit import ModelName, fit_all
from pipelines.training.fraud.metrics import Metric, Scores, fold_metrics
from pipelines.training.fraud.parameters import FraudParameters
from pipelines.training.fraud.samples import FoldSamples, Sample, fold_samples
from pipelines.training.splits import Fold, FoldRole, fold_series, midnight

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class FoldResult:
    """One fold, evaluated.

    Attributes:
        samples: Its rows and what was left out.
        scores: Every model's scores on the test rows, shape (n,).
        metrics: Every model's figures.
        ceiling: Card precision of a model that knows the answers: what is reachable.
    """

    samples: FoldSamples
    scores: Mapping[ModelName, Scores]
    metrics: Mapping[ModelName, Mapping[Metric, float]]
    ceiling: float

    @property
    def fold(self) -> Fold:
        """Which fold."""
        return self.samples.fold

    @property
    def test(self) -> Sample:
        """The test rows."""
        return self.samples.test


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Every fold of the protocol that the data could fill.

    Attributes:
        results: By role, earliest fold first.
        left_out: Name of each fold that the data could not fill, and why.
    """

    results: Mapping[FoldRole, tuple[FoldResult, ...]]
    left_out: Mapping[str, str]

    @property
    def last_test(self) -> FoldResult:
        """The newest reported fold."""
        return self.results[FoldRole.TEST][-1]


def evaluate(
    frame: pl.DataFrame,
    *,
    as_of: datetime,
    parameters: FraudParameters,
    names: Sequence[str],
    roles: Sequence[FoldRole] = tuple(FoldRole),
    progress: Progress | None = None,
) -> Evaluation:
    """Fit and score every fold of ``roles``.

    Folds run beside each other, one thread each; what a fold gives does not depend on it.

    Args:
        frame: A training set.
        as_of: What the folds' days count back from.
        parameters: The family's parameters.
        names: The features, in the model's order.
        roles: Which folds; research looks at validation alone.
        progress: Told about every finished fold.

    Raises:
        TrainingRefused: The data fill no validation fold or no test fold of those asked for.
    """
    folds = [fold for role in roles for fold in fold_series(parameters.splits, as_of, role)]
    samples = [fold_samples(frame, fold, names) for fold in folds]
    left_out = {each.fold.name: why for each in samples if (why := _unusable(each, frame))}
    usable = [each for each in samples if each.fold.name not in left_out]
    for role in set(roles) & {FoldRole.VALIDATION, FoldRole.TEST}:
        if not any(each.fold.role is role for each in usable):
            reasons = "; ".join(f"{name}: {why}" for name, why in left_out.items())
            raise TrainingRefused(f"the data fill no {role} fold as of {as_of:%Y-%m-%d} ({reasons}); see params.yaml")
    results = _run(usable, parameters, names, progress or (lambda _: None))
    by_role = {role: tuple(result for result in results if result.fold.role is role) for role in roles}
    return Evaluation(by_role, left_out)


def _run(
    samples: Sequence[FoldSamples], parameters: FraudParameters, names: Sequence[str], progress: Progress
) -> list[FoldResult]:
    # The baseline split is the first test fold under the published parameters: the same week is fitted once.
    distinct = {each.fold.train_start: each for each in samples}

    def one(start: datetime) -> tuple[datetime, FoldResult]:
        result = evaluate_fold(distinct[start], parameters, names)
        progress(_sentence(result))
        return start, result

    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        done = dict(pool.map(one, distinct))
    return [replace(done[each.fold.train_start], samples=each) for each in samples]


def evaluate_fold(samples: FoldSamples, parameters: FraudParameters, names: Sequence[str]) -> FoldResult:
    """Fit every model on a fold's training rows and measure it on the test rows."""
    top = parameters.card_precision_top
    models = fit_all(samples.train, parameters, names)
    scores = {name: predict(samples.test.features) for name, predict in models.items()}
    metrics = {name: fold_metrics(samples.test, found, top=top) for name, found in scores.items()}
    ceiling = fold_metrics(samples.test, samples.test.is_fraud.astype(float), top=top)[Metric.CARD_PRECISION]
    return FoldResult(samples, scores, metrics, ceiling)


def _unusable(samples: FoldSamples, frame: pl.DataFrame) -> str | None:
    first = frame["event_time"].min()
    if not isinstance(first, datetime) or samples.fold.train_start < midnight(first):
        return f"its training week starts on {samples.fold.train_start:%Y-%m-%d}, before the data"
    for part, sample in (("training", samples.train), ("test", samples.test)):
        if not 0 < sample.frauds < len(sample):
            return f"its {part} week has {len(sample)} labelled rows and {sample.frauds} frauds"
    return None


def _sentence(result: FoldResult) -> str:
    figures = result.metrics[ModelName.XGBOOST]
    return (
        f"fold {result.fold.name}: AUC {figures[Metric.AUC]:.3f}, "
        f"average precision {figures[Metric.AVERAGE_PRECISION]:.3f}"
    )
