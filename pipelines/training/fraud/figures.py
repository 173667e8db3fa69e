"""Pictures of an evaluation, for MLflow: drawn on the newest test week and over the folds."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pipelines.training.fraud.evaluate import FoldResult
from pipelines.training.fraud.fit import ModelName
from pipelines.training.fraud.metrics import Metric

_SHOWN = (ModelName.XGBOOST, ModelName.LOGISTIC_REGRESSION)
_CALIBRATION_BINS = 20


def draw_figures(results: Sequence[FoldResult], *, threshold: float, importance: Mapping[str, float]) -> dict[str, Any]:
    """Return matplotlib figures by file name.

    Args:
        results: The test folds; the last is drawn in detail.
        threshold: Where alerts begin.
        importance: Mean absolute contribution of each feature, log-odds.
    """
    last = results[-1]
    return {
        "precision_recall.png": _precision_recall(last),
        "roc.png": _roc(last),
        "score_histogram.png": _score_histogram(last, threshold),
        "calibration.png": _calibration(last),
        "contributions.png": _contributions(importance),
        "fold_metrics.png": _fold_metrics(results),
    }


def interactive_page(results: Sequence[FoldResult], *, threshold: float) -> str:
    """Return one self-contained HTML page: precision and recall over thresholds, to be explored by pointing."""
    import plotly.graph_objects as go
    from sklearn.metrics import precision_recall_curve

    figure = go.Figure()
    for result in results:
        scores = result.scores[ModelName.XGBOOST]
        precision, recall, thresholds = precision_recall_curve(result.test.is_fraud, scores)
        kept = np.unique(np.linspace(0, len(thresholds) - 1, 400).astype(int))
        figure.add_scatter(
            x=recall[kept],
            y=precision[kept],
            customdata=thresholds[kept],
            name=result.fold.name,
            hovertemplate="threshold %{customdata:.4f}<br>recall %{x:.3f}<br>precision %{y:.3f}",
        )
    figure.update_layout(
        title=f"Precision and recall of payments by threshold (alerts from {threshold:.4f})",
        xaxis_title="recall",
        yaxis_title="precision",
        template="plotly_white",
    )
    page: str = figure.to_html(include_plotlyjs=True, full_html=True)  # readable with no network
    return page


def _axes(title: str, x: str, y: str) -> tuple[Any, Any]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    # A figure of its own, not pyplot's: nothing global, and no display is looked for.
    figure = Figure(figsize=(7, 5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.set(title=title, xlabel=x, ylabel=y)
    return figure, axes


def _precision_recall(result: FoldResult) -> Any:
    from sklearn.metrics import precision_recall_curve

    figure, axes = _axes(f"Precision and recall, {result.fold.name}", "recall", "precision")
    for model in _SHOWN:
        precision, recall, _ = precision_recall_curve(result.test.is_fraud, result.scores[model])
        axes.step(recall, precision, where="post", label=_label(result, model, Metric.AVERAGE_PRECISION))
    axes.axhline(result.test.frauds / len(result.test), color="grey", linestyle=":", label="share of frauds")
    axes.legend()
    return figure


def _roc(result: FoldResult) -> Any:
    from sklearn.metrics import roc_curve

    figure, axes = _axes(f"ROC, {result.fold.name}", "false positive rate", "true positive rate")
    for model in _SHOWN:
        false, true, _ = roc_curve(result.test.is_fraud, result.scores[model])
        axes.plot(false, true, label=_label(result, model, Metric.AUC))
    axes.plot([0, 1], [0, 1], color="grey", linestyle=":")
    axes.legend()
    return figure


def _score_histogram(result: FoldResult, threshold: float) -> Any:
    figure, axes = _axes(f"Scores, {result.fold.name}", "probability of fraud", "payments (log scale)")
    scores, fraud = result.scores[ModelName.XGBOOST], result.test.is_fraud
    bins = np.linspace(0, 1, 51)
    axes.hist(scores[~fraud], bins=bins, alpha=0.6, label="genuine")
    axes.hist(scores[fraud], bins=bins, alpha=0.6, label="fraud")
    axes.axvline(threshold, color="black", linestyle="--", label=f"alert from {threshold:.4f}")
    axes.set_yscale("log")
    axes.legend()
    return figure


def _calibration(result: FoldResult) -> Any:
    figure, axes = _axes(f"Calibration, {result.fold.name}", "mean predicted probability", "share of frauds")
    scores, fraud = result.scores[ModelName.XGBOOST], result.test.is_fraud
    edges = np.unique(np.quantile(scores, np.linspace(0, 1, _CALIBRATION_BINS + 1)))
    groups = np.clip(np.searchsorted(edges, scores, side="right") - 1, 0, max(len(edges) - 2, 0))
    filled = np.unique(groups)
    axes.plot(
        [scores[groups == group].mean() for group in filled], [fraud[groups == group].mean() for group in filled], "o-"
    )
    axes.plot([0, 1], [0, 1], color="grey", linestyle=":")
    axes.set_xscale("symlog", linthresh=1e-3)
    axes.set_yscale("symlog", linthresh=1e-3)
    return figure


def _contributions(importance: Mapping[str, float]) -> Any:
    figure, axes = _axes("What moves the deployed model", "mean absolute contribution (TreeSHAP, log-odds)", "")
    ordered = sorted(importance.items(), key=lambda item: item[1])
    axes.barh([name for name, _ in ordered], [value for _, value in ordered])
    return figure


def _fold_metrics(results: Sequence[FoldResult]) -> Any:
    figure, axes = _axes("Test weeks", "first day of the test week", "")
    weeks = [f"{result.fold.test_start:%m-%d}" for result in results]
    for metric, marker in zip(Metric, "o^s", strict=True):
        for model, style in zip(_SHOWN, ("-", ":"), strict=True):
            figures = [result.metrics[model][metric] for result in results]
            axes.plot(weeks, figures, marker + style, label=f"{model.replace('_', ' ')}: {metric.replace('_', ' ')}")
    axes.set_ylim(0, 1)
    axes.legend(fontsize="small")
    return figure


def _label(result: FoldResult, model: ModelName, metric: Metric) -> str:
    return f"{model.replace('_', ' ')} ({result.metrics[model][metric]:.3f})"
