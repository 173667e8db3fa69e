"""A model before the gates: its bundle, its report and the line of evidence behind it, read once."""

import json
from dataclasses import dataclass
from typing import Any

from ledgerline.audit import Kind, Ledger, RecordedLeaf
from ledgerline.core.errors import LedgerlineError
from ledgerline.decisions.bundle import EVALUATION_FILE, Bundle, BundleRefused, load_bundle
from ledgerline.decisions.deployment import Deployment, current, find_deployment
from pipelines.promotion.gate_policy import GatePolicy


class ReportLacks(LedgerlineError):
    """An evaluation report does not hold a figure that a gate needs."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """What the gates look at.

    Attributes:
        ledger: The installation.
        leaf: The bundle's leaf.
        bundle: Its checked bytes, or None when they were refused.
        refusal: Why they were refused, or None.
        policy: What it must show.
    """

    ledger: Ledger
    leaf: RecordedLeaf
    bundle: Bundle | None
    refusal: str | None
    policy: GatePolicy

    @property
    def digest(self) -> str:
        """The bundle's digest."""
        return str(self.leaf.identity["digest"])

    def loaded(self) -> Bundle:
        """Return the bundle.

        Raises:
            ReportLacks: Its bytes were refused, so nothing can be read from them.
        """
        if self.bundle is None:
            raise ReportLacks("the bundle does not load")
        return self.bundle

    def parent(self, child: RecordedLeaf, kind: Kind) -> RecordedLeaf:
        """Return the only parent of a kind.

        Raises:
            ReportLacks: The log has none, or several.
        """
        found = [leaf for _, leaf in self.ledger.log.parents(child.id) if leaf.kind is kind]
        if len(found) != 1:
            raise ReportLacks(f"{child.kind} {child.id[:12]} names {len(found)} parents of kind {kind}, not one")
        return found[0]

    def training_set(self) -> RecordedLeaf:
        """Return what the bundle was trained on, by the log."""
        return self.parent(self.parent(self.leaf, Kind.TRAINING_RUN), Kind.TRAINING_SET)


def candidate(ledger: Ledger, leaf: RecordedLeaf, policy: GatePolicy) -> Candidate:
    """Load a bundle for the gates; bytes that are refused are a verdict, not an error."""
    try:
        return Candidate(ledger, leaf, load_bundle(ledger.objects, leaf.identity["digest"]), None, policy)
    except BundleRefused as refusal:
        return Candidate(ledger, leaf, None, str(refusal), policy)


def champion(ledger: Ledger, family: str, *, other_than: str) -> Bundle | None:
    """Return the bundle that serves, or for the bundle that serves itself the one it replaced; None before the first.

    A model that was judged, deployed and is judged again must meet the same opponent, or a task that runs twice would
    record two verdicts.
    """
    rival: Deployment | None = current(ledger, family)
    while rival is not None and rival.bundle == other_than:
        rival = find_deployment(ledger, rival.supersedes) if rival.supersedes else None
    return load_bundle(ledger.objects, rival.bundle) if rival else None


def evaluation_report(bundle: Bundle) -> dict[str, Any]:
    """Return a bundle's evaluation report.

    Raises:
        ReportLacks: It is not an object.
    """
    report = json.loads(bundle.files[EVALUATION_FILE])
    if not isinstance(report, dict):
        raise ReportLacks("the evaluation report is no JSON object")
    return report


def deployed_name(bundle: Bundle) -> str:
    """Return what the report calls the bundle's own model.

    Raises:
        ReportLacks: It does not say.
    """
    return str(_part(evaluation_report(bundle), "model"))


def higher_is_better(bundle: Bundle, metric: str) -> bool:
    """Return whether more of a metric is better.

    Raises:
        ReportLacks: The report does not say.
    """
    return _part(evaluation_report(bundle), "metrics", metric, "higher_is_better") is True


def fold_figures(bundle: Bundle, model: str, metric: str) -> dict[str, float]:
    """Return a metric of every test fold of a bundle's evaluation report, by the fold's name.

    Raises:
        ReportLacks: The report does not have them.
    """
    folds = _part(evaluation_report(bundle), "folds", "test")
    try:
        return {str(fold["fold"]): float(fold["metrics"][model][metric]) for fold in folds}
    except (KeyError, TypeError, ValueError) as lacking:
        raise ReportLacks(f"the evaluation report has no {metric} by test fold for {model}: {lacking!r}") from lacking


def leak_checks(bundle: Bundle) -> dict[str, bool]:
    """Return which checks against looking ahead were made, and whether each passed.

    Raises:
        ReportLacks: The report speaks of none.
    """
    try:
        return {check["check"]: check["passed"] is True for check in _part(evaluation_report(bundle), "leak_checks")}
    except (KeyError, TypeError) as lacking:
        raise ReportLacks(f"the evaluation report has no leak checks: {lacking!r}") from lacking


def _part(report: Any, *names: str) -> Any:
    for name in names:
        try:
            report = report[name]
        except (KeyError, TypeError) as lacking:
            raise ReportLacks(f"the evaluation report has no {'.'.join(names)}") from lacking
    return report
