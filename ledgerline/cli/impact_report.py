"""What was made from something, as a person reads it and as a program does."""

import json
from typing import Any

from rich.markup import escape
from rich.table import Table

from ledgerline.audit.column_impact import ColumnImpact
from ledgerline.audit.impact import Impact, Many, Occurrence
from ledgerline.audit.leaf import Kind, RecordedLeaf
from ledgerline.cli.evidence import essence
from ledgerline.cli.terminal import OUT

_SHOWN_DIGITS = 12
_SHOWN_LEAVES = 12
_TIME = "%Y-%m-%d %H:%M:%S"


def show_impact(found: Impact, *, as_json: bool) -> None:
    """Show everything that was made from one thing."""
    start = found.start
    if as_json:
        said = {"start": {"id": start.id, "kind": start.kind, "said": essence(start)}, **_json_of(found)}
        OUT.print_json(json.dumps(said))
        return
    OUT.print(f"[bold]{start.kind}[/bold] [cyan]{start.id[:_SHOWN_DIGITS]}[/cyan]  ", end="")
    OUT.print(escape(essence(start)))
    _show_made(found)


def show_column(found: ColumnImpact, *, as_json: bool) -> None:
    """Show everything that reads one column of a contract."""
    if as_json:
        versions = [_short(leaf) for leaf in found.versions]
        said = {"column": found.column, "features": found.features, "versions": versions}
        OUT.print_json(json.dumps({**said, "silent_versions": found.silent, **_json_of(found.below)}))
        return
    OUT.print(f"[bold]{escape(found.column)}[/bold] is read by")
    for view, features in found.features.items():
        OUT.print(f"  {view}: {', '.join(features)}")
    if found.silent:
        OUT.print(f"[yellow]{found.silent} feature versions do not say what they read; they are not in this.[/yellow]")
    _show_first("Feature versions", found.versions)
    _show_made(found.below)


def _show_made(found: Impact) -> None:
    if not found.counts:
        OUT.print("Nothing was made from it.")
        return
    table = Table("made from it", "how many", "first recorded (UTC)", "last recorded (UTC)")
    for kind, count in found.counts.items():
        many, few = found.many.get(kind), found.of(kind)
        first, last = (many.first, many.last) if many else (few[0], few[-1])
        table.add_row(kind.value, f"{count:,}", f"{first.recorded_at:{_TIME}}", f"{last.recorded_at:{_TIME}}")
    OUT.print(table)
    if found.labelled:
        OUT.print(f"By labels in it the outcome of {found.labelled.count:,} live decisions became known.")
    _show_first("Models", found.of(Kind.MODEL_BUNDLE))
    _show_first("Deployments", found.of(Kind.DEPLOYMENT))


def _show_first(title: str, leaves: tuple[RecordedLeaf, ...]) -> None:
    for leaf in leaves[:_SHOWN_LEAVES]:
        OUT.print(f"{title}: [cyan]{leaf.id[:_SHOWN_DIGITS]}[/cyan]  {escape(essence(leaf))}")
    if len(leaves) > _SHOWN_LEAVES:
        OUT.print(f"[dim]{title}: ... and {len(leaves) - _SHOWN_LEAVES} more (--json names them)[/dim]")


def _json_of(found: Impact) -> dict[str, Any]:
    return {
        "counts": dict(found.counts),
        "models": [_short(leaf) for leaf in found.of(Kind.MODEL_BUNDLE)],
        "deployments": [_short(leaf) for leaf in found.of(Kind.DEPLOYMENT)],
        "labelled": found.labelled and _many(found.labelled),
        "many": {kind: _many(many) for kind, many in found.many.items()},
    }


def _short(leaf: RecordedLeaf) -> dict[str, str]:
    return {"id": leaf.id, "recorded_at": leaf.recorded_at.isoformat(), "said": essence(leaf)}


def _many(many: Many) -> dict[str, Any]:
    return {"kind": many.kind, "count": many.count, "first": _occurrence(many.first), "last": _occurrence(many.last)}


def _occurrence(one: Occurrence) -> dict[str, str]:
    return {"id": one.id, "recorded_at": one.recorded_at.isoformat()}
