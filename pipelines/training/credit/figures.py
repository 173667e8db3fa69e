"""Pictures of an evaluation, for MLflow: over all folds, every application scored by a model that had not seen it."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from pipelines.training.credit.evaluate import Evaluation
from pipelines.training.credit.fit import ModelName
from pipelines.training.credit.metrics import Metric, kolmogorov_smirnov
from pipelines.training.credit.samples import outcomes

_SHOWN = (ModelName.XGBOOST, ModelName.LOGISTIC_REGRESSION)
_SHOWN_INPUTS = 20
_FOUR_FIFTHS = 0.8


def draw_figures(evaluation: Evaluation, report: Mapping[str, Any]) -> dict[str, Any]:
    """Return matplotlib figures by file name.

    Args:
        evaluation: Every fold.
        report: The evaluation report.
    """
    suffix = "" if report["out_of_time"] else " (not out of time)"
    return {
        "roc.png": _roc(evaluation, suffix),
        "ks.png": _ks(evaluation, suffix),
        "calibration.png": _calibration(report, suffix),
        "adverse_impact.png": _adverse_impact(report, suffix),
        "contributions.png": _contributions(report["deployed_model"]["importance"]),
        "fold_auc.png": _fold_auc(report, suffix),
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


def _roc(evaluation: Evaluation, suffix: str) -> Any:
    from sklearn.metrics import roc_curve

    figure, axes = _axes(f"ROC, newest fold{suffix}", "false positive rate", "true positive rate")
    last = evaluation.last
    for model in _SHOWN:
        false, true, _ = roc_curve(outcomes(last.fold.test), last.scores[model])
        axes.plot(false, true, label=f"{model.replace('_', ' ')} ({last.metrics[model][Metric.AUC]:.3f})")
    axes.plot([0, 1], [0, 1], color="grey", linestyle=":")
    axes.legend()
    return figure


def _ks(evaluation: Evaluation, suffix: str) -> Any:
    defaulted, scores = outcomes(evaluation.tested), evaluation.pooled(ModelName.XGBOOST)
    found = kolmogorov_smirnov(defaulted, scores)
    figure, axes = _axes(f"Distributions of scores, KS {found:.3f}{suffix}", "probability of default", "share below")
    for outcome, label in ((False, "paid back"), (True, "defaulted")):
        ranked = np.sort(scores[defaulted == outcome])
        axes.plot(ranked, np.linspace(0, 1, len(ranked)), label=label)
    axes.legend()
    return figure


def _calibration(report: Mapping[str, Any], suffix: str) -> Any:
    figure, axes = _axes(f"Calibration{suffix}", "mean predicted probability", "share that defaulted")
    bins = report["calibration"]["bins"]
    highest = max(max(each["predicted"], each["observed"]) for each in bins)
    axes.plot([each["predicted"] for each in bins], [each["observed"] for each in bins], "o-")
    axes.plot([0, highest], [0, highest], color="grey", linestyle=":")
    return figure


def _adverse_impact(report: Mapping[str, Any], suffix: str) -> Any:
    fairness = report["fairness"]
    figure, axes = _axes(f"Approval rates over the largest group's{suffix}", "adverse impact ratio", "")
    for found, marker, label in (
        (fairness, "o", f"score from {fairness['cut_off_score']}"),
        (fairness["at_max_f1"], "s", f"probability below {fairness['at_max_f1']['cut_off']:.3f} (highest F1)"),
    ):
        names = [f"{each['attribute']} {each['group']} / {each['reference']}" for each in found["groups"]]
        axes.plot([each["air"] for each in found["groups"]], names, marker, label=label)
    axes.axvline(1, color="grey", linewidth=0.8)
    axes.axvline(_FOUR_FIFTHS, color="grey", linestyle=":", label="four fifths")
    axes.legend(fontsize="small")
    return figure


def _contributions(importance: Mapping[str, float]) -> Any:
    figure, axes = _axes("What moves the deployed model", "mean absolute contribution (TreeSHAP, log-odds)", "")
    ordered = sorted(importance.items(), key=lambda item: item[1])[-_SHOWN_INPUTS:]
    axes.barh([name for name, _ in ordered], [value for _, value in ordered])
    return figure


def _fold_auc(report: Mapping[str, Any], suffix: str) -> Any:
    figure, axes = _axes(f"Test folds{suffix}", "", "AUC")
    folds = report["folds"]["test"]
    for model in _SHOWN:
        values = [fold["metrics"][model]["auc"] for fold in folds]
        axes.plot([fold["fold"] for fold in folds], values, "o-", label=model.replace("_", " "))
    axes.legend()
    return figure
