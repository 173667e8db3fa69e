"""What people see before they sign for a model: gates, figures beside the baselines', limits, the command."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ledgerline.audit import Kind, Ledger, RecordedLeaf
from ledgerline.decisions.approval import bundle_leaf
from ledgerline.decisions.bundle import EVALUATION_FILE, load_bundle
from ledgerline.decisions.separation import Makers, makers
from pipelines.promotion import missing_approvals

_FAIRNESS = "fairness"
_MOST_FAIRNESS_LINES = 40


@dataclass(frozen=True, slots=True)
class ApprovalPage:
    """One model's page.

    Attributes:
        subject: The headline.
        body: Markdown.
        command: What a person types to sign.
    """

    subject: str
    body: str
    command: str


def approval_page(ledger: Ledger, digest: str) -> ApprovalPage:
    """Return the page of a model that passed its gates.

    Raises:
        ApprovalRefused: No such bundle.
        SigningRefused: The gates have not judged it, or refused it.
        BundleRefused: Its bytes are not what was recorded.
    """
    bundle = bundle_leaf(ledger, digest)
    missing = missing_approvals(ledger, digest)
    name = f"{bundle.detail['family']}@{bundle.detail['model_version']}"
    role = missing[0] if missing else "validator"
    command = f"ledgerline approve {name} --as YOUR-NAME --role {role}"
    report = json.loads(load_bundle(ledger.objects, digest).files[EVALUATION_FILE])
    parts = [
        f"**{name}**, bundle `{digest}`. {_barred(makers(ledger, bundle))}",
        f"To sign, in a terminal: `{command}`",
        "Answering this page signs nothing and deploys nothing: it only looks at the evidence log again.",
        *_gates(ledger.log.latest(Kind.EVALUATION, bundle=digest)),
        *_figures(report),
        *_fairness(report),
        *_limits(report),
        f"Where it comes from, down to the raw bytes: `ledgerline trace {name}`",
    ]
    waits = f"waits for {', '.join(missing)}" if missing else "is signed for"
    return ApprovalPage(f"{name} {waits}", "\n\n".join(parts), command)


def _barred(made: Makers) -> str:
    """Say who made the model: none of them may sign for it."""
    hands = (("Trained by", made.trainers), ("code by", made.authors), ("committed by", made.committers))
    said = [f"{did} {', '.join(f'`{maker}`' for maker in people)}" for did, people in hands if people]
    return f"{'; '.join(said)}. None of them may sign for it." if said else ""


def _gates(evaluation: RecordedLeaf | None) -> list[str]:
    if evaluation is None:
        return []
    rows = [
        (gate["gate"], "pass" if gate["passed"] else "**REFUSED**", gate["detail"])
        for gate in evaluation.identity["gates"]
    ]
    return ["### Gates", _table(("gate", "verdict", "because"), rows)]


def _figures(report: Mapping[str, Any]) -> list[str]:
    summary = report["summary"]["test"]
    metrics = list(report.get("metrics") or next(iter(summary.values())))
    rows = [
        (f"**{model}**" if model == report.get("model") else model, *(_cell(figures, metric) for metric in metrics))
        for model, figures in summary.items()
        if any(metric in figures for metric in metrics)
    ]
    timing = "out of time" if report.get("out_of_time", True) else "**not out of time**: the source has no dates"
    return [
        f"### Test figures, mean ± std over {len(report['folds']['test'])} folds, {timing}",
        _table(("model", *metrics), rows),
    ]


def _cell(figures: Mapping[str, Any], metric: str) -> str:
    figure = figures.get(metric)
    return f"{figure['mean']:.4f} ± {figure['std']:.4f}" if figure and figure.get("mean") is not None else "-"


def _fairness(report: Mapping[str, Any]) -> list[str]:
    if not report.get(_FAIRNESS):
        return []
    lines = json.dumps(report[_FAIRNESS], indent=1, sort_keys=True).splitlines()
    more = ["..."] if len(lines) > _MOST_FAIRNESS_LINES else []
    return ["### Fairness", "\n".join(("```json", *lines[:_MOST_FAIRNESS_LINES], *more, "```"))]


def _limits(report: Mapping[str, Any]) -> list[str]:
    limits = report.get("limits") or []
    return ["### Limits", "\n".join(f"- {sentence}" for sentence in limits)] if limits else []


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)
