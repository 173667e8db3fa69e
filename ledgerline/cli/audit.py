"""Verbs that an auditor asks the evidence with: trace, impact, live-at, history, reconcile, verify."""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table
from rich.tree import Tree

from ledgerline.audit.column_impact import column_impact
from ledgerline.audit.graph import EDGES
from ledgerline.audit.history import InForce, ModelHistory, Signature
from ledgerline.audit.history import history as history_of
from ledgerline.audit.history import live_at as in_force_at
from ledgerline.audit.impact import impact as walk_down
from ledgerline.audit.keeper import log_key
from ledgerline.audit.leaf import RecordedLeaf
from ledgerline.audit.ledger import Ledger
from ledgerline.audit.note import NoteKey
from ledgerline.audit.outcomes import LIVE_KINDS, life_of
from ledgerline.audit.trace import resolve
from ledgerline.audit.trace import trace as walk_back
from ledgerline.audit.verify import Trust, Verification, check_log
from ledgerline.audit.witness import Published
from ledgerline.cli.erase import erase, person
from ledgerline.cli.evidence import show_life, show_steps
from ledgerline.cli.export import export
from ledgerline.cli.impact_report import show_column, show_impact
from ledgerline.cli.replay import replay
from ledgerline.cli.terminal import ERROR, OUT, JsonOption, open_ledger
from ledgerline.core.contracts import CONTRACTS
from ledgerline.core.errors import LedgerlineError
from ledgerline.core.settings import Settings

_SHOWN_DIGITS = 12
_MOST_PROCESSES = 8  # each has a connection of its own to the database
_TIME = "%Y-%m-%d %H:%M:%S"
_FAMILIES = ("fraud", "credit", "forecast", "price")

audit = typer.Typer(
    no_args_is_help=True,
    help="""Ask the evidence: what is behind this, what came of that, what was live then, does all of it hold?

Example: `ledgerline audit live-at 2018-10-01`""",
)
Name = Annotated[
    str, typer.Argument(help="A decision, order or leaf id, model version (fraud@3), feature tag, digest or file.")
]


def register(app: typer.Typer) -> None:
    """Add this file's verbs to the command."""
    audit.command()(export)
    audit.command()(replay)
    audit.command()(erase)
    audit.command()(person)
    app.add_typer(audit, name="audit", rich_help_panel="Evidence")


@audit.command()
def trace(
    name: Name,
    every: Annotated[bool, typer.Option("--all", help="Write out every file instead of the first few.")] = False,
    picture: Annotated[
        Path | None,
        typer.Option(help="Also draw the chain to this file: .svg, .html or .mmd (Mermaid).", show_default=False),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Walk back from a live decision, or anything else recorded, to the raw bytes and the people behind it.

    Every raw file's bytes are read again and must hash to the name they were recorded under. Exit status 1 if not.

    Example: `ledgerline audit trace fraud@3 --picture chain.svg`
    """
    ledger = open_ledger()
    start = walk_back(ledger.log, resolve(ledger.log, name))
    if picture is not None:
        from ledgerline.cli.picture import draw

        draw(start, picture)
        ERROR.print(f"drawn to {escape(str(picture))}")
    show_steps(ledger, start, every=every, as_json=as_json)


@audit.command()
def impact(
    name: Annotated[
        str, typer.Argument(help="As for trace; or a contract's column: transactions.amount_minor.", metavar="NAME")
    ],
    as_json: JsonOption = False,
) -> None:
    """Walk down from a raw file, or anything else recorded, to everything that was made from it.

    Models and deployments are named; of decisions and orders, of which there may be millions, the first and the last.
    Of a contract's column: the features that read it, their versions, and all that was made from those.

    Example: `ledgerline audit impact transactions/2018-04-02.csv`, or `ledgerline audit impact posts.text`
    """
    log = open_ledger().log
    if name.partition(".")[0] in CONTRACTS and not log.called(name, limit=1):
        show_column(column_impact(log, name), as_json=as_json)
        return
    show_impact(walk_down(log, name), as_json=as_json)


@audit.command("live-at")
def live_at(
    time: Annotated[
        str, typer.Argument(help="ISO 8601, UTC unless it says otherwise: 2018-10-01T09:30 or 2018-10-01.")
    ],
    as_json: JsonOption = False,
) -> None:
    """Show which models were in force at an instant: what they were trained on, who signed, and until when.

    A date alone is its first instant. Example: `ledgerline audit live-at 2018-10-01T09:30`
    """
    at = _instant(time)
    found = in_force_at(open_ledger(), at)
    if as_json:
        OUT.print_json(json.dumps({"at": at, "in_force": [asdict(each) for each in found]}, default=_json))
        return
    if not found:
        OUT.print(f"Nothing was in force at {at:{_TIME}} UTC.")
        return
    _show_in_force(found, at)


@audit.command()
def history(
    name: Annotated[
        str, typer.Argument(help="fraud, credit, forecast or price; or a decision or an order.", metavar="NAME")
    ],
    as_json: JsonOption = False,
) -> None:
    """Show every model version of a family: what the gates said, who signed, when it was in force, what came back.

    Of a decision or an order: what followed, from the order and what the venue said to what came of it.

    Example: `ledgerline audit history fraud`, or `ledgerline audit history c0ffee42`
    """
    ledger = open_ledger()
    if name not in _FAMILIES:
        show_life(life_of(ledger.log, _live(ledger, name)), as_json=as_json)
        return
    found = history_of(ledger, name)
    if as_json:
        OUT.print_json(json.dumps([asdict(each) for each in found], default=_json))
        return
    if not found:
        raise LedgerlineError(f"no {name} model was ever trained here; `ledgerline train {name}` trains one")
    tree = Tree(f"[bold]{escape(name)}[/bold]  {len(found)} version(s), oldest first")
    for each in found:
        _grow(tree, each)
    OUT.print(tree)


@audit.command()
def reconcile(as_json: JsonOption = False) -> None:
    """Compare MLflow's versions, aliases and tags with the evidence log. Nothing is changed on either side.

    Whatever somebody moved or edited there changes nothing that is served: the log is what counts. Exit status 1 when
    they differ, or MLflow cannot be asked.

    Example: `ledgerline audit reconcile`
    """
    from pipelines.monitoring import reconcile as compare

    found = compare(open_ledger())
    if as_json:
        OUT.print_json(json.dumps([asdict(each) for each in found]))
    else:
        for each in found:
            OUT.print(f"[red]{escape(str(each))}[/red]")
        OUT.print(f"{len(found)} difference(s)." if found else "[green]MLflow shows what the log says.[/green]")
    if found:
        raise typer.Exit(1)


@audit.command()
def verify(
    entries: Annotated[
        str, typer.Option("--range", help="Only these entries, first:last; either may be left out.", metavar="A:B")
    ] = ":",
    hashes_only: Annotated[
        bool, typer.Option("--hashes-only", help="Bytes, hashes and signed roots; not what the entries say.")
    ] = False,
    log_only: Annotated[
        bool, typer.Option("--log-only", help="The log itself; not the files, bundles and rows that it speaks of.")
    ] = False,
    witness: Annotated[
        Path | None, typer.Option(help="The folder that the witness publishes, or a copy. Default: this machine's.")
    ] = None,
    witness_key: Annotated[
        str | None, typer.Option(help="The witness's public key (a line) as you know it. Default: the folder's.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Read the whole log and name what does not hold, and what no longer is as it was recorded.

    That is every hash, signed root and edge, the witness's copy, the signatures of approvals, the bytes of bundles and
    raw files, and the rows of decisions, deployments and orders. Exit status 1 when something does not hold.

    Example: `ledgerline audit verify --witness /mnt/witness --witness-key "$(cat witness.vkey)"`
    """
    from ledgerline.decisions.effects import check_effects, leaf_checks

    ledger = open_ledger()
    first, last = _range(entries)
    beside = not log_only and not hashes_only
    with _progress() as progress:
        found = check_log(
            ledger.log,
            _trust(ledger.settings, witness, witness_key),
            first=first,
            last=last,
            hashes_only=hashes_only,
            checks=leaf_checks(ledger) if beside else None,
            grammar=EDGES,
            progress=progress,
            processes=min(os.cpu_count() or 1, _MOST_PROCESSES),
        )
    if beside and (first, last) == (1, None):
        findings = sorted([*found.findings, *check_effects(ledger)], key=lambda finding: finding.sequence)
        found = replace(found, findings=tuple(findings))
    if as_json:
        OUT.print_json(json.dumps({"holds": found.holds, **asdict(found)}, default=_json))
    else:
        _show_verification(found)
    if not found.holds:
        raise typer.Exit(1)


def _live(ledger: Ledger, name: str) -> RecordedLeaf:
    leaf = resolve(ledger.log, name)
    if leaf.kind not in LIVE_KINDS:
        raise LedgerlineError(
            f"{name} is a {leaf.kind}; a history is of a family ({', '.join(_FAMILIES)}), a decision or an order; "
            f"`ledgerline audit impact {name}` shows what was made from anything else"
        )
    return leaf


def _show_in_force(found: list[InForce], at: datetime) -> None:
    table = Table("family", "job", "model", "trained on data as of", "signed by", "since", "until")
    table.title = f"In force at {at:{_TIME}} UTC"
    for each in sorted(found, key=lambda live: (live.environment, live.family, live.job)):
        as_of = f"{each.model.as_of:{_TIME}}" if each.model and each.model.as_of else "-"
        features = f"\n{each.model.feature_tag or each.model.feature_version[:_SHOWN_DIGITS]}" if each.model else ""
        table.add_row(
            f"{each.family} ({each.environment})",
            each.job,
            f"{each.model.name if each.model else '-'}\n{each.bundle[:_SHOWN_DIGITS]}",
            escape(f"{as_of}{features}"),
            escape("\n".join(f"{signed.person} ({signed.role})" for signed in each.approvals)) or "-",
            f"{each.since:{_TIME}}",
            f"{each.until:{_TIME}}" if each.until else "now",
        )
    OUT.print(table)


def _grow(tree: Tree, found: ModelHistory) -> None:
    model = found.model
    as_of = f", on data as of {model.as_of:{_TIME}}" if model.as_of else ""
    branch = tree.add(
        f"[bold]{escape(model.name)}[/bold] [cyan]{model.bundle[:_SHOWN_DIGITS]}[/cyan]  "
        f"{model.trained_at:{_TIME}} trained by {escape(model.trained_by)}{as_of}"
    )
    for verdict in found.verdicts:
        said = f"all {verdict.gates} gates passed" if verdict.passed else "[red]refused[/red]"
        why = "".join(f"; {gate}: {detail}" for gate, detail in verdict.refused)
        branch.add(f"{verdict.at:{_TIME}} {said}{escape(why)}")
    for signed in found.approvals:
        branch.add(_said_of(signed))
    for live in found.deployments:
        until = f"until {live.until:{_TIME}}" if live.until else "[green]in force[/green]"
        what = "put back" if live.is_return else "deployed"
        why = f": {live.reason}" if live.reason else ""
        where = escape(f"by {live.deployed_by} to {live.job} in {live.environment}{why}")
        branch.add(f"{live.since:{_TIME}} {what} {where}, {until}")


def _said_of(signed: Signature) -> str:
    who = escape(f"{signed.person} as {signed.role} for {signed.environment}")
    return f"{signed.signed_at:{_TIME}} signed by {who}, until {signed.expires_at:{_TIME}}"


def _show_verification(found: Verification) -> None:
    OUT.print(f"{found.entries:,} entries and {found.edges:,} edges read, {found.checkpoints:,} signed roots compared.")
    if found.witnessed_at:
        OUT.print(
            f"The witness vouches for the first {found.witnessed:,} entries, at {found.witnessed_at:{_TIME}} UTC."
        )
    else:
        OUT.print("[yellow]No witness vouches for this log here: only the log's own word was checked.[/yellow]")
    for finding in found.findings:
        OUT.print(f"[red]{escape(str(finding))}[/red]")
    OUT.print("[green]Everything holds.[/green]" if found.holds else "[bold red]The log does not hold.[/bold red]")


def _trust(settings: Settings, witness: Path | None, witness_key: str | None) -> Trust:
    """Believe the keys that are given, or else those that lie on this machine: the log's own, and its witness's."""
    if witness is not None and not witness.is_dir():
        raise LedgerlineError(f"{witness} is no folder; name the one that the witness publishes")
    published = Published(witness or settings.witness_path)
    own = log_key(settings) or published.log_key
    key = NoteKey.parse(witness_key) if witness_key else published.key
    return Trust(own) if key is None else Trust(own, published, (key,))


@contextmanager
def _progress() -> Iterator[Callable[[int, int], None] | None]:
    """Yield what draws a bar, on a terminal only."""
    if not ERROR.is_terminal:
        yield None
        return
    from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn

    with Progress(
        *Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeRemainingColumn(), console=ERROR
    ) as bar:
        task = bar.add_task("entries", total=None)
        yield lambda done, of: bar.update(task, completed=done, total=of)


def _instant(text: str) -> datetime:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError as garbled:
        raise LedgerlineError(f"{text!r} is no instant: write 2018-10-01T09:30 or 2018-10-01 (UTC)") from garbled
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)


def _range(text: str) -> tuple[int, int | None]:
    first, colon, last = text.partition(":")
    try:
        begin, end = int(first or 1), int(last) if last else None
    except ValueError:
        begin, end = 0, None
    if not colon or begin < 1 or (end is not None and end < begin):
        raise LedgerlineError(f"{text!r} is no range of entries: write 1:5000, 5000: or :5000")
    return begin, end


def _json(value: Any) -> Any:
    """Encode what JSON has no word for."""
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} is not JSON")
