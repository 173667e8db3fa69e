"""The model card: what an approver reads before signing, written from the report and nothing else."""

from collections.abc import Mapping, Sequence
from typing import Any

_MODELS = {
    "xgboost": "gradient-boosted trees (deployed)",
    "logistic_regression": "logistic regression",
    "prior_rate": "prior rate",
}


def model_card(report: Mapping[str, Any]) -> str:
    """Return the card as Markdown; the same report gives the same text."""
    sections = (
        _introduction(report),
        _data(report),
        _performance(report),
        _threshold(report),
        _leaks(report),
        _limits(report),
    )
    return "\n\n".join("\n".join(section) for section in sections) + "\n"


def _introduction(report: Mapping[str, Any]) -> list[str]:
    deployed = report["deployed_model"]
    return [
        "# Card payment fraud model",
        "",
        "Gives a card payment the probability that it is fraudulent and alerts from a threshold on, so that an analyst "
        "or a rule may hold the payment. Not for credit decisions, pricing, or anything about a person beyond it.",
        "",
        f"- Model: XGBoost, {_parameters(deployed['parameters'])}",
        f"- Fit on: {deployed['train']['rows']:,} payments of {_day(deployed['train_start'])} to "
        f"{_day(deployed['train_end'])} (end exclusive), {deployed['train']['frauds']:,} of them frauds",
        f"- Inputs: {len(report['data']['features'])} features: {', '.join(report['data']['features'])}",
        "- Strongest inputs (mean absolute contribution, log-odds): " + _importance(deployed["importance"]),
    ]


def _data(report: Mapping[str, Any]) -> list[str]:
    data = report["data"]
    return [
        "## Data",
        "",
        f"{data['rows']:,} payments of {data['customers']:,} customers at {data['terminals']:,} terminals, "
        f"{_day(data['first_event'])} to {_day(data['last_event'])}, as known on {_day(data['as_of'])}: "
        f"{data['frauds']:,} known frauds, {data['label_unknown']:,} payments whose label was not known yet and which "
        "neither train nor test.",
    ]


def _performance(report: Mapping[str, Any]) -> list[str]:
    summary, top = report["summary"]["test"], report["protocol"]["card_precision_top"]
    lines = [
        "## Performance",
        "",
        f"Mean ± population standard deviation over {len(report['folds']['test'])} test weeks, each scored by a model "
        "fit on the week whose labels were known when it began. Cards known to be compromised are not tested again.",
        "",
        f"| model | AUC | average precision | card precision@{top} |",
        "| --- | --- | --- | --- |",
    ]
    lines += [f"| {title} | {_row(summary[name])} |" for name, title in _MODELS.items()]
    lines += _published_rows(report["published"])
    return [*lines, "", _versus_linear(report), "", _bootstrap(report)]


def _published_rows(published: Mapping[str, Any] | None) -> list[str]:
    if published is None:
        return []
    return [
        f"| published: {name.replace('_', ' ')} | "
        + " | ".join(f"{figures[metric]:.3f}" for metric in ("auc", "average_precision", "card_precision"))
        + " |"
        for name, figures in published["prequential_test"].items()
    ]


def _versus_linear(report: Mapping[str, Any]) -> str:
    parts = [
        f"{metric.replace('_', ' ')} {figures['mean']:+.3f} {_interval(figures)}"
        for metric, figures in report["versus_logistic_regression"].items()
    ]
    return f"Against logistic regression on the same weeks (95 % t interval of paired differences): {'; '.join(parts)}."


def _bootstrap(report: Mapping[str, Any]) -> str:
    bootstrap = report["last_fold_bootstrap"]
    figures = bootstrap["xgboost"]
    return (
        f"Newest test week, 95 % bootstrap interval by card: AUC {_interval(figures['auc'])}, "
        f"average precision {_interval(figures['average_precision'])}."
    )


def _threshold(report: Mapping[str, Any]) -> list[str]:
    threshold = report["threshold"]
    lines = [
        "## Alert threshold",
        "",
        f"{threshold['value']:.6f}, chosen on validation weeks alone so that at most "
        f"{threshold['cards_per_day_budget']:.0f} cards a day alert.",
        "",
        "| weeks | cards alerted a day | card precision | card recall | payment precision | payment recall |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for role in ("validation", "test"):
        found = threshold[role]
        shares = ("card_precision", "card_recall", "transaction_precision", "transaction_recall")
        lines.append(
            f"| {role} | {found['cards_alerted_per_day']:.1f} | "
            + " | ".join(_share(found[name]) for name in shares)
            + " |"
        )
    return lines


def _leaks(report: Mapping[str, Any]) -> list[str]:
    return ["## Checks against looking ahead", "", *map(_leak, report["leak_checks"])]


def _leak(check: Mapping[str, Any]) -> str:
    verdict = "passed" if check["passed"] else "**FAILED**"
    return f"- {verdict}: {check['check'].replace('_', ' ')}. {check['detail']}."


def _limits(report: Mapping[str, Any]) -> list[str]:
    left_out = [f"Fold {name} was left out: {why}." for name, why in report["folds_left_out"].items()]
    general = [
        "The fit uses no randomness: a second seed gives the same model, so the spread is over weeks.",
        "The inputs hold no personal attribute; whether groups of customers are alerted on unequally is not measured.",
    ]
    return ["## Limits", "", *(f"- {sentence}" for sentence in [*report["limits"], *general, *left_out])]


def _parameters(parameters: Mapping[str, Any]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in parameters.items())


def _importance(importance: Mapping[str, float], count: int = 5) -> str:
    strongest: Sequence[tuple[str, float]] = sorted(importance.items(), key=lambda item: (-item[1], item[0]))[:count]
    return ", ".join(f"{name} {value:.2f}" for name, value in strongest)


def _row(figures: Mapping[str, Any]) -> str:
    metrics = ("auc", "average_precision", "card_precision")
    return " | ".join(f"{figures[metric]['mean']:.3f} ± {figures[metric]['std']:.3f}" for metric in metrics)


def _interval(figures: Mapping[str, Any]) -> str:
    if figures["low"] is None:
        return "(too few weeks for an interval)"
    return (
        f"[{figures['low']:+.3f}, {figures['high']:+.3f}]"
        if figures["low"] < 0
        else f"[{figures['low']:.3f}, {figures['high']:.3f}]"
    )


def _share(value: float | None) -> str:
    return "none" if value is None else f"{value:.1%}"


def _day(instant: str) -> str:
    return instant[:10]
