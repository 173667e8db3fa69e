"""The model card of a forecasting model, written from its report and nothing else."""

from collections.abc import Mapping
from typing import Any


def model_card(report: Mapping[str, Any]) -> str:
    """Return the card as Markdown; the same report gives the same text."""
    protocol, data, deployed = report["protocol"], report["data"], report["deployed_model"]
    members = ", ".join(f"{weight:g} x {kind.replace('_', ' ')}" for kind, weight in deployed["members"].items())
    lines = [
        "# Ledger forecasting model",
        "",
        f"Expects the next {protocol['horizon']} months of each monthly series of a ledger, with intervals, for "
        "planning. Not for prices, and not for series of another rhythm.",
        "",
        f"- Model: {members}; chosen on {protocol['chosen_on']}, not on the test",
        f"- Data: {data['series']:,} series as known on {data['as_of'][:10]}; {data['measured']:,} long enough to "
        "measure",
        "",
        "## Performance",
        "",
        f"On {protocol['test']}, forecast once from a fixed origin. Lower is better; ± is over {protocol['groups']} "
        "groups of series.",
        "",
        "| method | OWA | sMAPE | MASE |",
        "| --- | --- | --- | --- |",
        *(_row(name, report) for name in (report["model"], *report["baselines"])),
        "",
        *_seeds(report),
        "## Intervals",
        "",
        *(
            f"- {float(level):.0%} interval: {share:.1%} of the test months lay within"
            for level, share in report["intervals"]["coverage_on_test"].items()
        ),
        "",
        "## Looking ahead",
        "",
        *(f"- {check['check']}: {'passed' if check['passed'] else 'FAILED'}" for check in report["leak_checks"]),
        "",
        "## Limits",
        "",
        *(f"- {sentence}" for sentence in report["limits"]),
    ]
    return "\n".join(lines) + "\n"


def _row(name: str, report: Mapping[str, Any]) -> str:
    figures = report["summary"]["test"][name]
    cells = (f"{figures[metric]['mean']:.3f} ± {figures[metric]['std']:.3f}" for metric in ("owa", "smape", "mase"))
    return f"| {name.replace('_', ' ')} | {' | '.join(cells)} |"


def _seeds(report: Mapping[str, Any]) -> list[str]:
    if not report["seeds"]:
        return []
    owa = report["seeds"]["owa"]
    return [f"Over {len(owa['values'])} seeds of the trees: OWA {owa['mean']:.4f} ± {owa['std']:.4f}.", ""]
