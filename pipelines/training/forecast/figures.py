"""Pictures of a forecasting evaluation, for MLflow."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ledgerline.decisions.forecast.model import seasonal_change
from pipelines.training.forecast.evaluate import Evaluation

_EXAMPLES = 6
_SHOWN_MONTHS = 60


def draw_figures(
    evaluation: Evaluation, report: Mapping[str, Any], widths: Mapping[str, Sequence[float]]
) -> dict[str, Any]:
    """Return matplotlib figures by file name."""
    return {
        "accuracy.png": _accuracy(report),
        "error_by_month_ahead.png": _error_by_month(evaluation),
        "examples.png": _examples(evaluation, widths),
        "importance.png": _importance(report["deployed_model"]["importance"]),
    }


def _accuracy(report: Mapping[str, Any]) -> Any:
    figure, axes = _axes("Overall weighted average against Naive2, by group of series")
    names = [report["model"], *report["baselines"]]
    values = [[fold["metrics"][name]["owa"] for fold in report["folds"]["test"]] for name in names]
    axes.boxplot(values, tick_labels=[name.replace("_", "\n") for name in names])
    axes.axhline(1.0, color="grey", linewidth=0.8)
    axes.set_ylabel("OWA (lower is better)")
    return figure


def _error_by_month(evaluation: Evaluation) -> Any:
    figure, axes = _axes("Error by month ahead, in units of a series' yearly change")
    unit = np.array([seasonal_change(history) for history in evaluation.origin.histories])[:, None]
    for name in (evaluation.chosen, "naive2", "seasonal_naive", "linear"):
        error = np.abs(np.array(evaluation.origin.actuals) - np.array(evaluation.forecasts[name])) / unit
        axes.plot(np.arange(1, error.shape[1] + 1), error.mean(axis=0), label=str(name).replace("_", " "))
    axes.set_xlabel("months ahead")
    axes.legend()
    return figure


def _examples(evaluation: Evaluation, widths: Mapping[str, Sequence[float]]) -> Any:
    import matplotlib.figure

    figure = matplotlib.figure.Figure(figsize=(12, 7), layout="constrained")
    grid = figure.subplots(2, 3).ravel()
    # Spread over how well it went, so that nobody is shown the best ones only.
    order = np.argsort(evaluation.parts[evaluation.chosen])
    for axes, place in zip(grid, order[np.linspace(0, order.size - 1, _EXAMPLES).astype(int)], strict=False):
        history = evaluation.origin.histories[place][-_SHOWN_MONTHS:]
        point = evaluation.forecasts[evaluation.chosen][place]
        ahead = np.arange(1, point.size + 1)
        reach = np.asarray(next(iter(widths.values()))) * seasonal_change(evaluation.origin.histories[place])
        axes.plot(np.arange(-history.size + 1, 1), history, color="black", linewidth=0.8)
        axes.plot(ahead, evaluation.origin.actuals[place], color="black", linewidth=0.8, linestyle=":")
        axes.plot(ahead, point, color="tab:blue")
        axes.fill_between(ahead, point - reach, point + reach, alpha=0.2)
        axes.set_title(evaluation.names[place], fontsize=9)
    figure.suptitle(f"From the best to the worst forecast series ({evaluation.chosen.replace('_', ' ')})")
    return figure


def _importance(importance: Mapping[str, float]) -> Any:
    figure, axes = _axes("Share of the trees' gain")
    names = list(importance)[::-1]
    axes.barh(names, [importance[name] for name in names])
    return figure


def _axes(title: str) -> tuple[Any, Any]:
    import matplotlib.figure

    figure = matplotlib.figure.Figure(figsize=(8, 5), layout="constrained")
    axes = figure.subplots()
    axes.set_title(title)
    return figure, axes
