"""The model card: what an approver reads before signing, written from the report and nothing else."""

from collections.abc import Mapping, Sequence
from typing import Any

_MODELS = {
    "lightgbm": "gradient-boosted trees (deployed)",
    "logistic_regression": "logistic regression",
    "momentum": "momentum: what rose over 20 sessions rises on",
}


def model_card(report: Mapping[str, Any]) -> str:
    """Return the card as Markdown; the same report gives the same text."""
    sections = (
        _introduction(report),
        _data(report),
        _signal(report),
        _performance(report),
        _rules(report),
        _leaks(report),
        _limits(report),
    )
    return "\n\n".join("\n".join(section) for section in sections) + "\n"


def _introduction(report: Mapping[str, Any]) -> list[str]:
    deployed = report["deployed_model"]
    return [
        "# Daily share price model",
        "",
        "Gives a share, after a session's close, the probability that its price rises from the next close to the one "
        "after. One of two votes of the trading job, which sizes and limits its orders itself. Not investment advice.",
        "",
        f"- Model: LightGBM, {deployed['trees']} trees, {_parameters(deployed['parameters'])}, seed {deployed['seed']}",
        f"- Fit on: {deployed['train']['rows']:,} rows of {_day(deployed['train_start'])} to "
        f"{_day(deployed['train_end'])}, of which {deployed['train']['rose']:,} rose",
        f"- Inputs: {len(report['data']['features'])} features: {', '.join(report['data']['features'])}",
        "- Strongest inputs (mean absolute contribution, log-odds): " + _importance(deployed["importance"]),
    ]


def _data(report: Mapping[str, Any]) -> list[str]:
    data, parts = report["data"], report["protocol"]["parts"]
    spans = "; ".join(
        f"{name} {_day(part['first'])} to {_day(part['last'])} ({part['sessions']} sessions)"
        for name, part in parts.items()
    )
    return [
        "## Data",
        "",
        f"{data['rows']:,} rows of {data['shares']} shares over {data['sessions']:,} sessions, as known on "
        f"{_day(data['as_of'])}. By time: {spans}; {report['protocol']['purged_rows']:,} rows between the parts are "
        "left out, because their label was not known when the next part began.",
    ]


def _signal(report: Mapping[str, Any]) -> list[str]:
    signal = report["signal"]
    seeds = ", ".join(f"{value:+.4f}" for value in signal["ic_seeds"])
    lines = [
        "## Signal",
        "",
        f"Over {signal['days']} test sessions: information coefficient {signal['ic_mean']:+.4f} "
        f"(t = {signal['ic_t_days']:.2f} over days), rank coefficient {signal['rank_ic_mean']:+.4f} "
        f"(t = {signal['rank_ic_t_days']:.2f}); by seed {seeds}.",
        "",
        f"Held long and short by rank, a year: {signal['gross_return']:+.1%} gross, {signal['net_return']:+.1%} "
        f"{_interval(signal['net_return_ci'])} net of {signal['cost_bp']:g} bp a side "
        f"({signal['confidence']:.0%} block bootstrap).",
    ]
    lines += [
        f"Over {_MODELS[name].split(':')[0]}: {value:+.1%} {_interval(signal['net_over_baselines_ci'][name])}."
        for name, value in signal["net_over_baselines"].items()
    ]
    return lines


def _performance(report: Mapping[str, Any]) -> list[str]:
    summary = report["summary"]["test"]
    lines = [
        "## By month",
        "",
        f"Mean ± population standard deviation over {len(report['folds']['test'])} test months.",
        "",
        "| model | IC | rank IC | AUC of a rise | net return a year |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name, title in _MODELS.items():
        figures = summary[name]
        cells = [f"{figures[m]['mean']:+.4f} ± {figures[m]['std']:.4f}" for m in ("ic", "rank_ic", "auc")]
        net = figures["net_return"]
        lines.append(f"| {title} | {' | '.join(cells)} | {net['mean']:+.1%} ± {net['std']:.1%} |")
    return lines


def _rules(report: Mapping[str, Any]) -> list[str]:
    rules = report["rules"]
    return [
        "## The trading job's own rules over the test",
        "",
        f"{rules['orders']} orders, total return {_share(rules['total_return'])}, Sharpe ratio "
        f"{_number(rules['sharpe'])}, largest drawdown {_share(rules['max_drawdown'])}, "
        f"{_share(rules['win_rate'])} of {rules['trades']} closed trades won (policy {rules['policy'][:12]}).",
    ]


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
    return ", ".join(f"{name} {value:.3f}" for name, value in strongest)


def _interval(bounds: Sequence[float | None]) -> str:
    low, high = bounds
    return "(too few days for an interval)" if low is None or high is None else f"[{low:+.1%}, {high:+.1%}]"


def _share(value: float | None) -> str:
    return "none" if value is None else f"{value:.1%}"


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.2f}"


def _day(instant: str) -> str:
    return instant[:10]
