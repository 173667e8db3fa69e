"""The whole procedure: choose and measure, fit what is deployed on everything known, write the report."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl

from ledgerline.decisions.forecast.members import MemberKind
from ledgerline.decisions.forecast.model import MemberSpec, ModelSpec
from ledgerline.decisions.forecast.series import Series, series_of
from pipelines.training.forecast.evaluate import Evaluation, Method, Progress, evaluate
from pipelines.training.forecast.fit import examples, fit_trees, share_of_gain
from pipelines.training.forecast.intervals import coverage, half_widths
from pipelines.training.forecast.parameters import ForecastParameters
from pipelines.training.forecast.report import build_report


@dataclass(frozen=True, slots=True)
class TrainedForecast:
    """What a training made.

    Attributes:
        spec: The model that is deployed.
        evaluation: What was measured.
        report: ``evaluation.json`` as JSON values.
        series: What it was trained on.
    """

    spec: ModelSpec
    evaluation: Evaluation
    report: dict[str, Any]
    series: tuple[Series, ...]


def train_forecast(
    rows: pl.DataFrame,
    *,
    as_of: datetime,
    parameters: ForecastParameters,
    leak_checks: Callable[[Evaluation], Sequence[Mapping[str, Any]]],
    progress: Progress,
) -> TrainedForecast:
    """Choose a method, measure it, and fit it on all that is known at ``as_of``.

    Args:
        rows: Months of series, every version of each; see :mod:`ledgerline.decisions.forecast.series`.
        as_of: Nothing that became available later is used. Aware.
        parameters: The family's.
        leak_checks: Checks what was measured; its answers go into the report.
        progress: Told what is being done.

    Raises:
        TrainingRefused: The series are too short.
    """
    series = series_of(rows, as_of=as_of)
    evaluation = evaluate(rows, as_of=as_of, parameters=parameters, progress=progress)
    parameters = evaluation.parameters
    widths = half_widths(evaluation.residuals, evaluation.residual_histories, parameters.levels)
    covered = coverage(
        widths, evaluation.origin.histories, evaluation.origin.actuals, evaluation.forecasts[evaluation.chosen]
    )
    progress("fitting what is deployed on all months")
    spec = ModelSpec(parameters.horizon, _members(evaluation.chosen, series, parameters), widths)
    text = next((member.text for member in spec.members if member.text), None)
    progress("checking that nothing looks ahead")
    report = build_report(
        evaluation,
        spec=spec,
        as_of=as_of,
        coverage=covered,
        importance=share_of_gain(text) if text else {},
        leak_checks=leak_checks(evaluation),
        series=len(series),
    )
    return TrainedForecast(spec, evaluation, report, tuple(series))


def _members(chosen: Method, series: Sequence[Series], parameters: ForecastParameters) -> tuple[MemberSpec, ...]:
    if chosen is Method.THETA:
        return (MemberSpec(MemberKind.THETA, 1.0),)
    learn = examples([each.values for each in series], horizon=parameters.horizon, origins=parameters.model.origins)
    text = fit_trees(learn, parameters.model, seed=parameters.model.seeds[0])
    if chosen is Method.TREES:
        return (MemberSpec(MemberKind.TREES, 1.0, text),)
    return (MemberSpec(MemberKind.THETA, 0.5), MemberSpec(MemberKind.TREES, 0.5, text))
