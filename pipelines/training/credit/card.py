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
        _scores(report),
        _fairness(report),
        _leaks(report),
        _limits(report),
    )
    return "\n\n".join("\n".join(section) for section in sections) + "\n"


def _introduction(report: Mapping[str, Any]) -> list[str]:
    deployed = report["deployed_model"]
    return [
        "# Credit application model",
        "",
        "Gives an application for credit the probability that it will default, and a score; the credit policy makes a "
        "decision of it. For the portfolio that it was trained on; for nothing else about a person.",
        "",
        f"- Model: XGBoost, {deployed['trees']} trees, {_parameters(deployed['parameters'])}, seed {deployed['seed']}",
        f"- Fit on: {deployed['train']['rows']:,} applications, {deployed['train']['defaults']:,} of them defaults; "
        f"how many trees, and the calibration, from {deployed['validation']['rows']:,} of them, held back first",
        f"- Inputs: {len(report['data']['features'])} features: {', '.join(report['data']['features'])}",
        "- Strongest inputs (mean absolute contribution, log-odds): " + _importance(deployed["importance"]),
    ]


def _data(report: Mapping[str, Any]) -> list[str]:
    data = report["data"]
    span = f"{data['first_event'][:10]} to {data['last_event'][:10]}" if data["dated"] else "without dates"
    return [
        "## Data",
        "",
        f"{data['rows']:,} applications of portfolio {data['portfolio']}, {span}, as known on {data['as_of'][:10]}: "
        f"{data['defaults']:,} known defaults, {data['label_unknown']:,} applications whose outcome was not known yet "
        "and which neither train nor test.",
    ]


def _performance(report: Mapping[str, Any]) -> list[str]:
    summary, folds = report["summary"]["test"], report["folds"]["test"]
    how = (
        f"{len(folds)} months, each scored by a model fit on what was known when it began."
        if report["out_of_time"]
        else f"{len(folds)} parts split by a hash. **Not out of time.**"
    )
    lines = [
        "## Performance",
        "",
        f"Mean ± population standard deviation over {how}",
        "",
        "| model | AUC | KS | Brier score |",
        "| --- | --- | --- | --- |",
    ]
    lines += [f"| {title} | {_row(summary[name])} |" for name, title in _MODELS.items()]
    errors = report["calibration"]["expected_calibration_error"]
    seeds = ", ".join(f"{value:.3f}" for value in report["seeds"]["auc"])
    last = report["last_fold_bootstrap"]
    return [
        *lines,
        "",
        _versus_linear(report),
        "",
        f"Fold {last['fold']}, 95 % bootstrap interval: AUC {_interval(last['xgboost']['auc'])}, KS "
        f"{_interval(last['xgboost']['ks'])}. AUC by seed: {seeds}.",
        "",
        f"Expected calibration error over all folds: {errors['xgboost']:.4f}, logistic regression "
        f"{errors['logistic_regression']:.4f}.",
    ]


def _versus_linear(report: Mapping[str, Any]) -> str:
    parts = [
        f"{metric} {figures['mean']:+.4f} {_interval(figures)}"
        for metric, figures in report["versus_logistic_regression"].items()
    ]
    return f"Against logistic regression on the same folds (95 % t interval of paired differences): {'; '.join(parts)}."


def _scores(report: Mapping[str, Any]) -> list[str]:
    scores, scale = report["scores"], report["deployed_model"]["scorecard"]
    lines = [
        "## Scores and decisions",
        "",
        f"{scale['base_score']:g} points at {scale['base_odds']:g} good to 1 bad, {scale['points_to_double_odds']:g} "
        f"to double the odds, {scale['lowest']} to {scale['highest']}. The tested applications:",
        "",
        "| category | share | predicted default rate | default rate |",
        "| --- | --- | --- | --- |",
    ]
    for name, found in scores["categories"].items():
        rates = (found["predicted_default_rate"], found["default_rate"])
        lines.append(f"| {name} | {found['share']:.1%} | {' | '.join(map(_share, rates))} |")
    decided = ", ".join(f"{name.replace('_', ' ')} {share:.1%}" for name, share in scores["decisions"].items())
    return [*lines, "", f"By policy {scores['policy'][:12]}: {decided}."]


def _fairness(report: Mapping[str, Any]) -> list[str]:
    fairness = report["fairness"]
    lines = ["## Protected groups", "", fairness["note"], ""]
    for title, found in (
        (f"Approved from a score of {fairness['cut_off_score']} (probability {fairness['cut_off']:.4f})", fairness),
        (
            f"Approved below a probability of {fairness['at_max_f1']['cut_off']:.4f} (highest F1)",
            fairness["at_max_f1"],
        ),
    ):
        lines += [
            f"{title}:",
            "",
            "| attribute | group | beside | n | approved | defaulted | adverse impact ratio |",
            "| --- | --- | --- | --- | --- | --- | --- |",
        ]
        lines += [_group(each) for each in found["groups"]]
        lines += ["", *(f"Not compared: {why}." for why in found["left_out"])]
    return lines


def _group(found: Mapping[str, Any]) -> str:
    interval = f" [{found['air_ci'][0]:.3f}, {found['air_ci'][1]:.3f}]" if found["air_ci"] else ""
    return (
        f"| {found['attribute']} | {found['group']} | {found['reference']} | {found['n']:,} | "
        f"{found['approval_rate']:.1%} | {found['default_rate']:.1%} | {found['air']:.3f}{interval} |"
    )


def _leaks(report: Mapping[str, Any]) -> list[str]:
    return ["## Checks against looking ahead", "", *map(_leak, report["leak_checks"])]


def _leak(check: Mapping[str, Any]) -> str:
    verdict = "passed" if check["passed"] else "**FAILED**"
    return f"- {verdict}: {check['check'].replace('_', ' ')}. {check['detail']}."


def _limits(report: Mapping[str, Any]) -> list[str]:
    return ["## Limits", "", *(f"- {sentence}" for sentence in report["limits"])]


def _parameters(parameters: Mapping[str, Any]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in parameters.items())


def _importance(importance: Mapping[str, float], count: int = 5) -> str:
    strongest: Sequence[tuple[str, float]] = sorted(importance.items(), key=lambda item: (-item[1], item[0]))[:count]
    return ", ".join(f"{name} {value:.2f}" for name, value in strongest)


def _row(figures: Mapping[str, Any]) -> str:
    return " | ".join(f"{figures[name]['mean']:.3f} ± {figures[name]['std']:.3f}" for name in ("auc", "ks", "brier"))


def _interval(figures: Mapping[str, Any]) -> str:
    if figures["low"] is None:
        return "(too few folds for an interval)"
    return f"[{figures['low']:.4f}, {figures['high']:.4f}]"


def _share(value: float | None) -> str:
    return "none" if value is None else f"{value:.1%}"
