"""What a run achieved, read from the evidence alone: the same text after a first run and after one that did nothing."""

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

from rich.markup import escape
from rich.panel import Panel
from rich.table import Table

from ledgerline.audit import Kind, Ledger, RecordedLeaf
from ledgerline.audit.trace import raw_bytes, resolve, trace
from ledgerline.cli.evidence import describe_files, tree
from ledgerline.cli.terminal import OUT

_METRICS = ("auc", "average_precision", "card_precision")
_MODELS = {"xgboost": "XGBoost (ours)", "logistic_regression": "logistic regression", "prior_rate": "prior rate"}


def show_data(ledger: Ledger) -> None:
    """Show what was landed, what was let in, and why the rest was not."""
    from pipelines.validation.current import current_receipts

    table = Table("dataset", "batches", "rows landed", "accepted", "quarantined", "reasons", title="Data")
    receipts = current_receipts(ledger)
    for dataset in sorted({receipt.identity["dataset"] for receipt in receipts}):
        own = [receipt for receipt in receipts if receipt.identity["dataset"] == dataset]
        reasons: Counter[str] = Counter()
        for receipt in own:
            reasons.update(receipt.detail["reasons"])
        counts = (sum(receipt.identity[name] for receipt in own) for name in ("landed", "accepted", "quarantined"))
        said = ", ".join(f"{code} {count:,}" for code, count in sorted(reasons.items())) or "-"
        table.add_row(dataset, str(len(own)), *(f"{count:,}" for count in counts), said)
    OUT.print(table)
    refused = ledger.log.leaves(Kind.REFUSED_FILE)
    for leaf in refused:
        said = escape(f"{leaf.detail['path']}: {leaf.identity['message']}")
        OUT.print(f"[yellow]refused file[/yellow] {said}")


def metrics_table(report: Mapping[str, Any]) -> Table:
    """Return the model's figures over the test folds beside its baselines' and, on the published data, the published.

    Args:
        report: The bundle's ``evaluation.json``.
    """
    summary = report["summary"]["test"]
    folds, top = len(report["folds"]["test"]), report["protocol"]["card_precision_top"]
    table = Table(
        "model", "AUC", "average precision", f"card precision@{top}", title=f"Test: {folds} weekly folds, mean ± std"
    )
    for name, label in _MODELS.items():
        cells = (f"{summary[name][metric]['mean']:.3f} ± {summary[name][metric]['std']:.3f}" for metric in _METRICS)
        table.add_row(label, *cells, style="bold" if name == "xgboost" else None)
    published = report.get("published")
    for name, figures in (published or {}).get("prequential_test", {}).items():
        table.add_row(f"published: {name}", *(f"{figures[metric]:.3f}" for metric in _METRICS), style="dim")
    for fold in report["folds"].get("baseline", []):
        figures = fold["metrics"]["logistic_regression"]
        table.add_section()
        table.add_row("baseline split: logistic regression", *(f"{figures[metric]:.4f}" for metric in _METRICS))
    for name, figures in (published or {}).get("baseline_split", {}).items():
        table.add_row(f"published: {name}", *(f"{figures[metric]:.3f}" for metric in _METRICS), style="dim")
    return table


def newest_bundle(ledger: Ledger, family: str) -> RecordedLeaf | None:
    """Return the model of a family that was trained last."""
    bundles = [leaf for leaf in ledger.log.leaves(Kind.MODEL_BUNDLE) if leaf.detail.get("family") == family]
    return bundles[-1] if bundles else None


def show_model(ledger: Ledger, family: str) -> None:
    """Show the newest model: its features, figures, gates, and who approved and deployed it."""
    features = ledger.log.leaves(Kind.FEATURE_VERSION)
    if features:
        latest = features[-1]
        OUT.print(
            f"Features  {latest.identity['view']} {latest.id[:16]}: {latest.detail['rows']:,} rows in "
            f"{latest.detail['partitions']} partitions, git tag {latest.detail['tag']}"
        )
    bundle = newest_bundle(ledger, family)
    if bundle is None:
        OUT.print(f"[yellow]No {family} model has been trained.[/yellow]")
        return
    report = _report(ledger, bundle)
    OUT.print(metrics_table(report))
    for sentence in report.get("limits", []):
        OUT.print(f"[dim]{sentence}[/dim]")
    show_gates(ledger, bundle)
    show_approvals(ledger, bundle)


def show_gates(ledger: Ledger, bundle: RecordedLeaf) -> None:
    """Show every gate's verdict on a model."""
    evaluation = ledger.log.latest(Kind.EVALUATION, bundle=bundle.identity["digest"])
    if evaluation is None:
        OUT.print("Gates     [yellow]not judged yet[/yellow]")
        return
    table = Table("gate", "verdict", "because", title=f"Gates: {_name(bundle)} {bundle.identity['digest'][:16]}")
    for gate in evaluation.identity["gates"]:
        table.add_row(gate["gate"], "[green]pass[/green]" if gate["passed"] else "[red]REFUSED[/red]", gate["detail"])
    OUT.print(table)


def show_approvals(ledger: Ledger, bundle: RecordedLeaf) -> None:
    """Show who signed a model and whether it serves; say loudly when only the demo approver did."""
    from ledgerline.decisions.deployment import current

    approvals = ledger.log.leaves(Kind.APPROVAL, bundle=bundle.identity["digest"])
    for approval in approvals:
        identity = approval.identity
        OUT.print(
            f"Approved  by {identity['approver']} as {identity['role']} for {identity['environment']}, until "
            f"{identity['expires_at']}; trained by {bundle.detail['trained_by']}"
        )
    if any(approval.identity["approver"] == "demo-approver" for approval in approvals):
        OUT.print(
            Panel(
                "[bold]NO PERSON APPROVED THIS MODEL.[/bold] A demo process signed it: the profile is `sandbox`. "
                "In the `live` profile nothing is deployed until the people of policies/approvals.yaml have signed.",
                border_style="red",
                title="[red]demo approver[/red]",
            ),
            soft_wrap=False,
        )
    deployment = current(ledger, bundle.detail["family"])
    if deployment is not None and deployment.bundle == bundle.identity["digest"]:
        OUT.print(f"Deployed  champion {_name(bundle)}, bundle {deployment.bundle}")
    else:
        OUT.print("Deployed  [yellow]not this model[/yellow]")


def show_trace(ledger: Ledger, decision_id: str) -> bool:
    """Show the walk back from a decision; return whether every raw byte behind it still holds."""
    start = trace(ledger.log, resolve(ledger.log, decision_id))
    files = raw_bytes(ledger.objects, start)
    OUT.print(tree(start), soft_wrap=False)
    OUT.print(describe_files(files))
    return bool(files) and not any(file.problem for file in files)


def _name(bundle: RecordedLeaf) -> str:
    return f"{bundle.detail['family']}@{bundle.detail['model_version']}"


def _report(ledger: Ledger, bundle: RecordedLeaf) -> dict[str, Any]:
    from ledgerline.decisions.bundle import EVALUATION_FILE, load_bundle

    report: dict[str, Any] = json.loads(load_bundle(ledger.objects, bundle.identity["digest"]).files[EVALUATION_FILE])
    return report
