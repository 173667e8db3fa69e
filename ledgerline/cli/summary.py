"""What a run achieved, read from the evidence alone: the same text after a first run and after one that did nothing."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from rich.markup import escape
from rich.panel import Panel
from rich.table import Table

from ledgerline.audit import Kind, Ledger, RecordedLeaf
from ledgerline.audit.trace import raw_bytes, resolve, trace
from ledgerline.cli.evidence import describe_files, tree
from ledgerline.cli.figures import figures_table
from ledgerline.cli.quarantine_report import write_quarantine_report
from ledgerline.cli.terminal import OUT

_MOST_REFUSED_FILES = 10


def show_data(ledger: Ledger) -> None:
    """Show what was landed, what was let in and with which warnings, and why the rest was not."""
    from pipelines.validation.current import current_receipts

    table = Table(
        "dataset", "files", "rows landed", "accepted", "quarantined", "quarantined because of", "warnings", title="Data"
    )
    receipts = current_receipts(ledger)
    for dataset in sorted({receipt.identity["dataset"] for receipt in receipts}):
        own = [receipt for receipt in receipts if receipt.identity["dataset"] == dataset]
        counts = (sum(receipt.identity[name] for receipt in own) for name in ("landed", "accepted", "quarantined"))
        said = (_counted(own, name) for name in ("reasons", "warnings"))
        table.add_row(dataset, str(len(own)), *(f"{count:,}" for count in counts), *said)
    OUT.print(table)
    refused = ledger.log.leaves(Kind.REFUSED_FILE)
    for leaf in refused[:_MOST_REFUSED_FILES]:
        said_of = escape(f"{leaf.detail['path']}: {leaf.identity['message']}")
        OUT.print(f"[yellow]refused file[/yellow] {said_of}")
    if len(refused) > _MOST_REFUSED_FILES:
        OUT.print(f"[yellow]and {len(refused) - _MOST_REFUSED_FILES} more refused files[/yellow]")
    OUT.print(f"Quarantine report: {write_quarantine_report(ledger)}")


def _counted(receipts: Sequence[RecordedLeaf], key: str) -> str:
    found: Counter[str] = Counter()
    for receipt in receipts:
        found.update(receipt.detail.get(key) or {})
    return ", ".join(f"{code} {count:,}" for code, count in sorted(found.items())) or "-"


def newest_bundle(ledger: Ledger, family: str) -> RecordedLeaf | None:
    """Return the model of a family that was trained last."""
    bundles = [leaf for leaf in ledger.log.leaves(Kind.MODEL_BUNDLE) if leaf.detail.get("family") == family]
    return bundles[-1] if bundles else None


def show_model(ledger: Ledger, family: str) -> None:
    """Show a family's newest model: its features, figures, gates, and who approved and deployed it."""
    bundle = newest_bundle(ledger, family)
    if bundle is None:
        OUT.print(f"[yellow]No {family} model has been trained.[/yellow]")
        return
    features = ledger.log.get(bundle.detail["feature_version"])
    OUT.print(
        f"Features  {features.identity['view']} {features.id[:16]}: {features.detail['rows']:,} rows in "
        f"{features.detail['partitions']} partitions, git tag {features.detail['tag']}"
    )
    report = evaluation_report(ledger, bundle)
    OUT.print(figures_table(report))
    for sentence in report.get("limits", []):
        OUT.print(f"[dim]{escape(sentence)}[/dim]")
    show_gates(ledger, bundle)
    show_approvals(ledger, bundle)


def show_gates(ledger: Ledger, bundle: RecordedLeaf) -> None:
    """Show every gate's verdict on a model."""
    evaluation = ledger.log.latest(Kind.EVALUATION, bundle=bundle.identity["digest"])
    if evaluation is None:
        OUT.print("Gates     [yellow]not judged yet[/yellow]")
        return
    table = Table("gate", "verdict", "because", title=f"Gates: {model_name(bundle)} {bundle.identity['digest'][:16]}")
    for gate in evaluation.identity["gates"]:
        verdict = "[green]pass[/green]" if gate["passed"] else "[red]REFUSED[/red]"
        table.add_row(gate["gate"], verdict, escape(gate["detail"]))
    OUT.print(table)


def show_approvals(ledger: Ledger, bundle: RecordedLeaf) -> None:
    """Show who signed a model and whether it is in force."""
    from ledgerline.decisions.deployment import current

    for approval in ledger.log.leaves(Kind.APPROVAL, bundle=bundle.identity["digest"]):
        identity = approval.identity
        OUT.print(
            f"Approved  by {identity['approver']} as {identity['role']} for {identity['environment']}, until "
            f"{identity['expires_at']}; trained by {bundle.detail['trained_by']}"
        )
    deployment = current(ledger, bundle.detail["family"])
    if deployment is not None and deployment.bundle == bundle.identity["digest"]:
        OUT.print(f"Deployed  champion {model_name(bundle)}, bundle {deployment.bundle}")
    else:
        OUT.print("Deployed  [yellow]not this model[/yellow]")


def show_demo_approver(ledger: Ledger) -> None:
    """Say loudly when only the demo approver signed for something."""
    signed = [leaf for leaf in ledger.log.leaves(Kind.APPROVAL) if leaf.identity["approver"] == "demo-approver"]
    if not signed:
        return
    OUT.print(
        Panel(
            "[bold]NO PERSON APPROVED THESE MODELS.[/bold] A demo process signed them: the profile is `sandbox`. "
            "In the `live` profile nothing is deployed until the people of policies/approvals.yaml have signed.",
            border_style="red",
            title="[red]demo approver[/red]",
        ),
        soft_wrap=False,
    )


def show_trace(ledger: Ledger, name: str) -> bool:
    """Show the walk back from something recorded; return whether every raw byte behind it still holds."""
    start = trace(ledger.log, resolve(ledger.log, name))
    files = raw_bytes(ledger.objects, start)
    OUT.print(tree(start), soft_wrap=False)
    OUT.print(describe_files(files))
    return bool(files) and not any(file.problem for file in files)


def model_name(bundle: RecordedLeaf) -> str:
    """Return a model's name for people, e.g. ``credit@2``."""
    return f"{bundle.detail['family']}@{bundle.detail['model_version']}"


def evaluation_report(ledger: Ledger, bundle: RecordedLeaf) -> Mapping[str, Any]:
    """Return a bundle's ``evaluation.json``."""
    from ledgerline.decisions.bundle import EVALUATION_FILE, load_bundle

    report: dict[str, Any] = json.loads(load_bundle(ledger.objects, bundle.identity["digest"]).files[EVALUATION_FILE])
    return report
