"""Pictures of an evaluation, for MLflow."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from pipelines.training.price.evaluate import Evaluation
from pipelines.training.price.fit import ModelName

_CALIBRATION_BINS = 10
_SHOWN_FEATURES = 20


def draw_figures(evaluation: Evaluation, *, importance: Mapping[str, float]) -> dict[str, Any]:
    """Return matplotlib figures by file name.

    Args:
        evaluation: The test.
        importance: Mean absolute contribution of each feature, log-odds.
    """
    return {
        "ic_over_time.png": _ic_over_time(evaluation),
        "net_return.png": _net_return(evaluation),
        "calibration.png": _calibration(evaluation),
        "contributions.png": _contributions(importance),
    }


def _axes(title: str, x: str, y: str) -> tuple[Any, Any]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    # A figure of its own, not pyplot's: nothing global, and no display is looked for.
    figure = Figure(figsize=(7, 5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.set(title=title, xlabel=x, ylabel=y)
    return figure, axes


def _ic_over_time(evaluation: Evaluation) -> Any:
    figure, axes = _axes("Information coefficient, summed over the test", "", "sum of daily coefficients")
    for model in ModelName:
        daily = np.mean([result.coefficients.ic for result in evaluation.results(model)], axis=0)
        sessions = evaluation.results(model)[0].coefficients.session
        closes = [evaluation.test.closes[int(session)] for session in sessions]
        axes.plot(closes, np.cumsum(daily), label=f"{model.replace('_', ' ')} (mean {daily.mean():+.4f})")
    axes.axhline(0, color="grey", linewidth=0.8)
    axes.legend()
    return figure


def _net_return(evaluation: Evaluation) -> Any:
    figure, axes = _axes("Long and short by rank, after costs", "", "sum of daily returns")
    closes = [evaluation.test.closes[int(session)] for session in evaluation.test.sessions]
    for model in ModelName:
        net = np.mean([result.portfolio.net for result in evaluation.results(model)], axis=0)
        axes.plot(closes, np.cumsum(net), label=model.replace("_", " "))
    gross = np.mean([result.portfolio.gross for result in evaluation.seeds], axis=0)
    axes.plot(closes, np.cumsum(gross), color="grey", linestyle=":", label="lightgbm before costs")
    axes.legend()
    return figure


def _calibration(evaluation: Evaluation) -> Any:
    figure, axes = _axes("Calibration", "mean predicted probability of a rise", "share that rose")
    scores, rises = evaluation.seeds[0].scores, evaluation.test.rises
    edges = np.unique(np.quantile(scores, np.linspace(0, 1, _CALIBRATION_BINS + 1)))
    groups = np.clip(np.searchsorted(edges, scores, side="right") - 1, 0, max(len(edges) - 2, 0))
    filled = np.unique(groups)
    predicted = [scores[groups == group].mean() for group in filled]
    axes.plot(predicted, [rises[groups == group].mean() for group in filled], "o-")
    axes.plot([min(predicted), max(predicted)], [min(predicted), max(predicted)], color="grey", linestyle=":")
    return figure


def _contributions(importance: Mapping[str, float]) -> Any:
    figure, axes = _axes("What moves the deployed model", "mean absolute contribution (TreeSHAP, log-odds)", "")
    ordered = sorted(importance.items(), key=lambda item: item[1])[-_SHOWN_FEATURES:]
    axes.barh([name for name, _ in ordered], [value for _, value in ordered])
    return figure
