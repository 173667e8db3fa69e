"""A model's figures beside its baselines', from its evaluation report."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table

_NAMES = {"auc": "AUC", "ks": "KS", "owa": "OWA", "mase": "MASE", "smape": "sMAPE", "ic": "IC", "rank_ic": "rank IC"}
_MOST_METRICS = 7


def figures_table(report: Mapping[str, Any]) -> Table:
    """Return the figures over the test folds: ours, the baselines' and, on the published data, the published ones.

    Args:
        report: The bundle's ``evaluation.json``.
    """
    summary, metrics = report["summary"]["test"], shown_metrics(report)
    folds = len(report["folds"]["test"])
    timing = "out of time" if report["out_of_time"] else "NOT out of time: the source has no dates"
    title = f"{report['family']}: {folds} test folds, mean ± std, {timing}"
    table = Table("model", *(_heading(report, metric) for metric in metrics), title=title)
    for model in dict.fromkeys((report["model"], *report["baselines"], *summary)):
        if any(metric in summary.get(model, {}) for metric in metrics):
            ours = model == report["model"]
            cells = (_cell(summary[model].get(metric)) for metric in metrics)
            table.add_row(f"{_worded(model)}{' (ours)' * ours}", *cells, style="bold" if ours else None)
    _add_published(table, report, metrics)
    return table


def shown_metrics(report: Mapping[str, Any]) -> list[str]:
    """Return the metrics to show, the primary one first."""
    names = dict.fromkeys((report["primary_metric"], *report["metrics"]))
    return list(names)[:_MOST_METRICS]


def _add_published(table: Table, report: Mapping[str, Any], metrics: Sequence[str]) -> None:
    """Add what others published about the same data and protocol; only the fraud data has it."""
    published = report.get("published") or {}
    for name, figures in published.get("prequential_test", {}).items():
        table.add_row(f"published: {name}", *(_plain(figures.get(metric), 3) for metric in metrics), style="dim")
    for fold in report["folds"].get("baseline", []):
        figures = fold["metrics"]["logistic_regression"]
        table.add_section()
        table.add_row("baseline split: logistic regression", *(_plain(figures.get(metric), 4) for metric in metrics))
    for name, figures in published.get("baseline_split", {}).items():
        table.add_row(f"published: {name}", *(_plain(figures.get(metric), 3) for metric in metrics), style="dim")


def _heading(report: Mapping[str, Any], metric: str) -> str:
    better = report["metrics"].get(metric, {}).get("higher_is_better", True)
    return f"{_NAMES.get(metric, _worded(metric))}{'' if better else ' (lower is better)'}"


def _cell(figure: Mapping[str, Any] | None) -> str:
    if not figure or figure.get("mean") is None:
        return "-"
    spread = f" ± {figure['std']:.4f}" if figure.get("std") is not None else ""
    return f"{figure['mean']:.4f}{spread}"


def _plain(figure: float | None, digits: int) -> str:
    return "-" if figure is None else f"{figure:.{digits}f}"


def _worded(name: str) -> str:
    return name.replace("_", " ")
