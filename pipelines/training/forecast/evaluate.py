"""Measure forecasting methods from fixed origins: choose on the months before the test, report on the test.

The protocol is the M competitions': the last ``horizon`` months of every series are the test, seen once. The method is
chosen on as many months before them, by models that knew neither.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import numpy as np
import polars as pl

from ledgerline.core.identity import sha256_bytes
from ledgerline.decisions.forecast.lag_features import LEAST_HISTORY, Floats
from ledgerline.decisions.forecast.members import TreeMember, seasonal_naive, theta
from ledgerline.decisions.forecast.series import Series, series_of
from pipelines.training.errors import TrainingRefused
from pipelines.training.forecast.accuracy import SeriesErrors, mase, naive2, owa_parts, smape
from pipelines.training.forecast.fit import LinearModel, examples, fit_trees
from pipelines.training.forecast.origins import Origin, origins
from pipelines.training.forecast.parameters import ForecastParameters

Progress = Callable[[str], None]
Forecasts = Mapping[str, Sequence[Floats]]


class Method(StrEnum):
    """What may be deployed; one of them is chosen."""

    THETA = "dynamic_optimised_theta"
    TREES = "global_lightgbm"
    MEAN = "theta_and_lightgbm"


class Baseline(StrEnum):
    """What the chosen method must beat."""

    NAIVE2 = "naive2"
    SEASONAL_NAIVE = "seasonal_naive"
    LINEAR = "linear"


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What was measured.

    Attributes:
        parameters: What it was measured with; the horizon as the data allowed it.
        names: The series that were measured, in the order of all arrays.
        one_calendar: Whether all of them end in the same month.
        too_short: How many series were not, because they lack the months.
        groups: Group of each series, for paired comparisons.
        chosen: The method with the smallest OWA before the test.
        validation: OWA of every method before the test, and of the baselines.
        origin: The test.
        forecasts: Every method's and baseline's forecasts of the test.
        errors: Their errors.
        parts: Their parts in the OWA, a value a series.
        seeds: OWA of the chosen method on the test, by the seed that the trees were fit with.
        residuals: Errors of the chosen method before the test, actual less forecast, shape (series, horizon).
        residual_histories: What was known then, for their scale.
    """

    parameters: ForecastParameters
    names: tuple[str, ...]
    one_calendar: bool
    too_short: int
    groups: Floats
    chosen: Method
    validation: Mapping[str, float]
    origin: Origin
    forecasts: Forecasts
    errors: Mapping[str, SeriesErrors]
    parts: Mapping[str, Floats]
    seeds: Mapping[int, float]
    residuals: Floats
    residual_histories: tuple[Floats, ...]


def allowed_by(series: Sequence[Series], parameters: ForecastParameters) -> ForecastParameters:
    """Return the parameters with a horizon that the series are long enough for.

    Half of the series must have months to look back over, to learn from, to choose on and to test on; the horizon is
    shortened until they do.

    Raises:
        TrainingRefused: They are too short for a horizon of one month.
    """
    typical = sorted(each.values.size for each in series)[len(series) // 2] if series else 0
    longest = (typical - LEAST_HISTORY) // 3
    if longest < 1:
        raise TrainingRefused(
            f"half of {len(series)} series have fewer than {LEAST_HISTORY + 3} months: {LEAST_HISTORY} to look back "
            "over, and one each to learn from, to choose on and to test on; forecast once there are more"
        )
    return parameters.model_copy(update={"horizon": min(parameters.horizon, longest)})


def evaluate(rows: pl.DataFrame, *, as_of: datetime, parameters: ForecastParameters, progress: Progress) -> Evaluation:
    """Choose the method before the test, and measure it and its baselines on the test.

    Args:
        rows: :data:`~ledgerline.decisions.forecast.series.SERIES_COLUMNS`; further columns are ignored.
        as_of: Nothing that became available later is used. Aware.
        parameters: The family's.
        progress: Told what is being done.

    Raises:
        TrainingRefused: The series are too short for a test and a choice before it.
    """
    series = series_of(rows, as_of=as_of)
    parameters = allowed_by(series, parameters)
    horizon = parameters.horizon
    long_enough = [each for each in series if each.values.size >= LEAST_HISTORY + 2 * horizon]
    before, test = origins(rows, long_enough, as_of=as_of, horizon=horizon)
    progress(f"choosing a method on the {horizon} months before the test, {len(long_enough):,} series")
    first = parameters.model.seeds[0]
    tried = _forecasts(before, parameters, seed=first)
    chosen_by = _owa(before, tried)
    chosen = min(Method, key=lambda method: chosen_by[method])
    progress(f"measuring {chosen} and its baselines on the test months")
    forecasts = _forecasts(test, parameters, seed=first)
    errors = {name: _errors(test, each) for name, each in forecasts.items()}
    parts = {name: owa_parts(each, errors[Baseline.NAIVE2]) for name, each in errors.items()}
    return Evaluation(
        parameters=parameters,
        names=tuple(each.name for each in long_enough),
        one_calendar=len({each.last_month for each in long_enough}) == 1,
        too_short=len(series) - len(long_enough),
        groups=np.array([_group(each.name, parameters.groups) for each in long_enough]),
        chosen=chosen,
        validation=chosen_by,
        origin=test,
        forecasts=forecasts,
        errors=errors,
        parts=parts,
        seeds=_by_seed(test, parameters, chosen, forecasts, errors[Baseline.NAIVE2], progress),
        residuals=np.array([a - f for a, f in zip(before.actuals, tried[chosen], strict=True)]),
        residual_histories=before.histories,
    )


def _forecasts(origin: Origin, parameters: ForecastParameters, *, seed: int) -> dict[str, list[Floats]]:
    horizon = parameters.horizon
    learn = examples(origin.histories, horizon=horizon, origins=parameters.model.origins)
    trees = TreeMember(fit_trees(learn, parameters.model, seed=seed))
    linear = LinearModel(learn, horizon)
    made: dict[str, list[Floats]] = {
        Method.THETA: [theta(each, horizon) for each in origin.histories],
        Method.TREES: [trees.forecast(each, horizon) for each in origin.histories],
        Baseline.NAIVE2: [naive2(each, horizon) for each in origin.histories],
        Baseline.SEASONAL_NAIVE: [seasonal_naive(each, horizon) for each in origin.histories],
        Baseline.LINEAR: [linear.forecast(each, horizon) for each in origin.histories],
    }
    made[Method.MEAN] = _mean(made[Method.THETA], made[Method.TREES])
    return made


def _by_seed(
    test: Origin,
    parameters: ForecastParameters,
    chosen: Method,
    forecasts: Forecasts,
    of_naive2: SeriesErrors,
    progress: Progress,
) -> dict[int, float]:
    """Return what the seed of the trees does to the chosen method; nothing where it has none."""
    if chosen is Method.THETA:
        return {}
    horizon = parameters.horizon
    first, *others = parameters.model.seeds
    found = {first: float(owa_parts(_errors(test, forecasts[chosen]), of_naive2).mean())}
    learn = examples(test.histories, horizon=horizon, origins=parameters.model.origins)
    for seed in others:
        progress(f"measuring seed {seed}")
        member = TreeMember(fit_trees(learn, parameters.model, seed=seed))
        trees = [member.forecast(each, horizon) for each in test.histories]
        made = trees if chosen is Method.TREES else _mean(forecasts[Method.THETA], trees)
        found[seed] = float(owa_parts(_errors(test, made), of_naive2).mean())
    return found


def _mean(one: Sequence[Floats], other: Sequence[Floats]) -> list[Floats]:
    return [(a + b) / 2 for a, b in zip(one, other, strict=True)]


def _owa(origin: Origin, forecasts: Forecasts) -> dict[str, float]:
    errors = {name: _errors(origin, each) for name, each in forecasts.items()}
    return {name: float(owa_parts(each, errors[Baseline.NAIVE2]).mean()) for name, each in errors.items()}


def _errors(origin: Origin, forecasts: Sequence[Floats]) -> SeriesErrors:
    known = list(zip(origin.histories, origin.actuals, forecasts, strict=True))
    return SeriesErrors(
        smape=np.array([smape(actual, forecast) for _, actual, forecast in known]),
        mase=np.array([mase(history, actual, forecast) for history, actual, forecast in known]),
    )


def _group(name: str, groups: int) -> int:
    """Deal a series into a group by its name: the same whoever computes it, and unrelated to what it is."""
    return int(sha256_bytes(name.encode())[:8], 16) % groups
