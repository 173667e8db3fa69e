"""Verbs that read the evidence: trace; and what a reader asks first about each kind of entry."""

import json
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table
from rich.tree import Tree

from ledgerline.audit.leaf import Kind, RecordedLeaf
from ledgerline.audit.ledger import Ledger
from ledgerline.audit.outcomes import LIVE_KINDS, outcomes_of
from ledgerline.audit.trace import RawBytes, Step, raw_bytes, resolve
from ledgerline.audit.trace import trace as walk_back
from ledgerline.cli.terminal import OUT, JsonOption, open_ledger

_SHOWN_ALIKE = 2


def register(app: typer.Typer) -> None:
    """Add this file's verbs to the command."""
    app.command(rich_help_panel="Evidence")(trace)


def trace(
    name: Annotated[str, typer.Argument(help="A decision, order or leaf id, model version (fraud@1), digest or file.")],
    every: Annotated[bool, typer.Option("--all", help="Write out every file instead of the first few.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Walk back from a live decision, or anything else recorded, to the raw bytes and the people behind it.

    Every raw file's bytes are read again and must hash to the name they were recorded under. Exit status 1 if not.
    """
    ledger = open_ledger()
    show_steps(ledger, walk_back(ledger.log, resolve(ledger.log, name)), every=every, as_json=as_json)


def show_steps(ledger: Ledger, start: Step, *, every: bool, as_json: bool) -> None:
    """Show a trace and read the raw files behind it again.

    Raises:
        typer.Exit: With status 1, some file's bytes are not what they were.
    """
    files, outcomes = raw_bytes(ledger.objects, start), outcomes_of(ledger.log, start.leaf)
    if as_json:
        said = {
            "steps": [step_json(step) for step in start.walk()],
            "outcomes": [outcome_json(leaf) for leaf in outcomes],
            "raw_files": [file_json(file) for file in files],
        }
        OUT.print_json(json.dumps(said))
    else:
        OUT.print(tree(start, every=every), soft_wrap=False)
        if start.leaf.kind is Kind.FEATURE_VERSION:
            OUT.print(describe_columns(start.leaf))
        if start.leaf.kind in LIVE_KINDS:
            OUT.print(describe_outcomes(outcomes))
        OUT.print(describe_files(files))
    if any(file.problem for file in files):
        raise typer.Exit(1)


def step_json(step: Step) -> dict[str, Any]:
    """Return one step as JSON values."""
    leaf = step.leaf
    return {
        "role": step.role,
        "kind": leaf.kind,
        "id": leaf.id,
        "sequence": leaf.sequence,
        "recorded_at": leaf.recorded_at.isoformat(),
        "identity": leaf.identity,
        "detail": leaf.detail,
        "parents": [parent.leaf.id for parent in step.parents],
        "met_before": step.met_before,
    }


def outcome_json(leaf: RecordedLeaf) -> dict[str, Any]:
    """Return what came of a decision as JSON values."""
    return {
        "id": leaf.id,
        "came": leaf.identity["came"],
        "known_at": leaf.identity["known_at"],
        "recorded_at": leaf.recorded_at.isoformat(),
        "label": leaf.detail.get("label"),
        "event": leaf.identity.get("event"),
    }


def describe_columns(version: RecordedLeaf) -> Table | str:
    """Return which columns of which contracts each feature of a version reads."""
    columns = version.detail.get("columns")
    if not columns:
        return "It does not say: it was recorded before versions said so, or its view declares no probe to find out by."
    alike: dict[tuple[str, ...], list[str]] = {}
    for feature, read in columns.items():
        alike.setdefault(tuple(read), []).append(feature)
    table = Table("features", "read")
    for read, features in alike.items():
        table.add_row(escape(", ".join(features)), escape(", ".join(read)))
    return table


def describe_outcomes(outcomes: list[RecordedLeaf]) -> str:
    """Say what came of a decision or an order, as far as it is known."""
    if not outcomes:
        return "What came of it is not on record yet."
    lines = (f"  [cyan]{leaf.id[:12]}[/cyan]  {escape(essence(leaf))}" for leaf in outcomes)
    return "\n".join(("What came of it:", *lines))


def show_life(leaves: Sequence[RecordedLeaf], *, as_json: bool) -> None:
    """Show a decision or an order and everything that came of it, in order."""
    if as_json:
        said = [
            {
                "kind": leaf.kind,
                "id": leaf.id,
                "recorded_at": leaf.recorded_at.isoformat(),
                "said": essence(leaf),
                **({"outcome": outcome_json(leaf)} if leaf.kind is Kind.OUTCOME else {}),
            }
            for leaf in leaves
        ]
        OUT.print_json(json.dumps(said))
        return
    for leaf in leaves:
        when, what = f"{leaf.recorded_at:%Y-%m-%d %H:%M:%S}", f"[bold]{leaf.kind}[/bold] [cyan]{leaf.id[:12]}[/cyan]"
        OUT.print(f"{when} {what}  {escape(essence(leaf))}")
    if not any(leaf.kind is Kind.OUTCOME for leaf in leaves):
        OUT.print("What came of it is not on record yet.")


def file_json(file: RawBytes) -> dict[str, Any]:
    """Return where one raw file's bytes are and whether they hold, as JSON values."""
    return {"sha256": file.sha256, "path": file.path, "location": file.location, "problem": file.problem}


def describe_files(files: list[RawBytes]) -> str:
    """Say whether the bytes behind a trace are what they were, and how to see it without us."""
    broken = [file for file in files if file.problem]
    if broken:
        return "\n".join(f"[bold red]{escape(f'{file.path}: {file.problem}')}[/bold red]" for file in broken)
    if not files:
        return "No raw file stands behind this."
    last = files[-1]
    return (
        f"[green]{len(files)} raw file(s) read again: every SHA-256 holds.[/green] See for yourself:\n"
        f"  sha256sum {escape(last.location)}\n  {last.sha256}  {escape(last.path)}"
    )


def tree(start: Step, *, every: bool = False) -> Tree:
    """Return a trace as a tree to print; runs of alike parents are cut short unless ``every``."""
    branch = Tree(label(start))
    _grow(branch, start, every=every)
    return branch


def _grow(branch: Tree, step: Step, *, every: bool) -> None:
    shown: dict[tuple[str, Kind, Any], int] = {}
    hidden: dict[tuple[str, Kind, Any], int] = {}
    for parent in step.parents:
        alike = (parent.role, parent.leaf.kind, parent.leaf.identity.get("dataset"))
        if not every and shown.get(alike, 0) >= _SHOWN_ALIKE:
            hidden[alike] = hidden.get(alike, 0) + 1
            continue
        shown[alike] = shown.get(alike, 0) + 1
        _grow(branch.add(label(parent)), parent, every=every)
    for (role, kind, dataset), count in hidden.items():
        branch.add(
            f"[dim]... and {count} more {kind} as {role}{f' of {dataset}' if dataset else ''} (--all shows them)[/dim]"
        )


def label(step: Step) -> str:
    """Return one line about a step: what it is, its id, and what a reader asks first."""
    again = "  [dim](see above)[/dim]" if step.met_before else ""
    return f"[bold]{step.leaf.kind}[/bold] [cyan]{step.leaf.id[:12]}[/cyan]  {escape(essence(step.leaf))}{again}"


# What a reader asks first about each kind of leaf; ``i`` is its identity, ``d`` its detail.
_ESSENCE = {
    Kind.RAW_FILE: "{d[path]}  sha256 {i[sha256]}",
    Kind.REQUEST: "{d[bytes]} bytes as received  sha256 {i[sha256]}",
    Kind.LANDED_BATCH: "{i[dataset]}: {i[rows]:,} rows read, {i[unreadable]:,} unreadable, from {d[path]}",
    Kind.VALIDATION_RECEIPT: "{i[dataset]} {i[verdict]}: {i[accepted]:,} rows accepted, {i[quarantined]:,} quarantined",
    Kind.FEATURE_VERSION: "{i[view]}: {d[rows]:,} rows, {d[tag]}, commit {d[commit]:.12}",
    Kind.TRAINING_SET: "{i[family]}: {i[rows]:,} rows as known at {i[as_of]}",
    Kind.TRAINING_RUN: "MLflow run {d[mlflow_run_id]}, trained by {d[trained_by]}",
    Kind.MODEL_BUNDLE: "{d[family]}@{d[model_version]}  digest {i[digest]}",
    Kind.SIGNING_KEY: "{i[name]}, Ed25519 {i[public_key]}",
    Kind.KEY_REVOCATION: "key of {d[name]} revoked by {d[revoked_by]}: {d[reason]}",
    Kind.APPROVAL: "signed by {i[approver]} as {i[role]} for {i[environment]}, until {i[expires_at]}",
    Kind.DEPLOYMENT: "{i[family]} to {i[job]} in {i[environment]}, at {d[deployed_at]}",
    Kind.DECISION: "{i[family]} decision {i[decision_id]}, at {d[decided_at]}",
    Kind.FORECAST: "{i[series]:,} series by {d[model]}, CSV sha256 {i[csv]}",
    Kind.SCORED_BATCH: "{i[family]}: {i[rows]:,} rows scored  sha256 {i[sha256]}",
    Kind.ORDER_INTENT: "{i[side]} {i[quantity]} {i[symbol]} after session {i[session]}, {i[client_order_id]}",
    Kind.VENUE_EVENT: "the venue says {i[status]} of {i[client_order_id]}",
    Kind.RELEASE: "released by {i[person]}: {i[reason]}",
    Kind.HALT: "{i[action]} by {i[person]}: {i[reason]}",
    Kind.ERASURE: "{i[subject]} erased by {d[erased_by]} at {d[erased_at]}: {d[reason]}",
    Kind.MONITORING: "{i[exceeded]} limits exceeded, at {d[looked_at]}",
}

_SEALABLE = (Kind.RAW_FILE, Kind.REQUEST)


def essence(leaf: RecordedLeaf) -> str:
    """Return what a reader asks first about a leaf."""
    if leaf.kind is Kind.EVALUATION:
        gates = leaf.identity["gates"]
        return f"{sum(gate['passed'] for gate in gates)} of {len(gates)} gates passed"
    try:
        if leaf.kind is Kind.OUTCOME:
            came = ", ".join(f"{name} {_worded(value)}" for name, value in leaf.identity["came"].items())
            return f"{came} of {leaf.detail['subject']}, known from {leaf.identity['known_at']}"
        said = _ESSENCE.get(leaf.kind, "").format(i=leaf.identity, d=leaf.detail)
        return f"{said} (sealed)" if {"fingerprint", "person"} & leaf.detail.keys() and leaf.kind in _SEALABLE else said
    except (KeyError, ValueError, AttributeError) as garbled:  # an entry that was changed must be shown too
        return f"({garbled}: not as this kind of entry is written)"


def _worded(value: Any) -> str:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
