"""Verbs that bring data in and shape it: ingest, validate, quarantine, features."""

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from ledgerline.cli.quarantine_report import write_quarantine_report
from ledgerline.cli.summary import show_data
from ledgerline.cli.terminal import OUT, DataOption, MappingOption, open_ledger, progress, settings_for
from ledgerline.core.contracts import Domain, contract_named
from ledgerline.core.settings import Settings


def register(app: typer.Typer) -> None:
    """Add this file's verbs to the command."""
    app.command(rich_help_panel="Data")(ingest)
    app.command(rich_help_panel="Data")(validate)
    app.add_typer(quarantine, name="quarantine", rich_help_panel="Data")
    app.add_typer(features, name="features", rich_help_panel="Data")


def ensure_source(settings: Settings) -> None:
    """Write the simulated world's files unless the settings name a folder of real ones; written before: do nothing."""
    if settings.data is not None:
        return
    from ledgerline.sandbox import write_world_of

    world = write_world_of(settings, progress("sandbox"))
    OUT.print(f"Simulated world: {len(world.files)} files, {world.rows:,} rows, {world.fraud_rate:.2%} fraud")
    for dataset, kinds in world.planted.items():
        said = ", ".join(f"{count} {kind.replace('_', ' ')}" for kind, count in kinds.items())
        OUT.print(f"Dirt planted in {dataset}: {said}")


def ingest(
    dataset: Annotated[str | None, typer.Argument(help="One dataset, e.g. transactions. Without it: all.")] = None,
    domain: Annotated[
        Domain | None, typer.Option(help="Only the datasets of one domain, as one ingest DAG brings them in.")
    ] = None,
    data: DataOption = None,
    mapping: MappingOption = None,
) -> None:
    """Land source files: keep their raw bytes, read their rows by the mapping.

    Landing a file again does nothing. A file that cannot be read is refused with its reason; the others go on.

    Example: `ledgerline ingest --data ./my-files --domain market`
    """
    from pipelines.ingestion import land, mapped_datasets
    from pipelines.line import claim_home

    ledger = open_ledger(settings_for(data, mapping))
    ensure_source(ledger.settings)
    claim_home(ledger)
    table = Table("dataset", "files", "new", "refused")
    mapped = [dataset] if dataset else mapped_datasets(ledger.settings)
    for name in [name for name in mapped if domain is None or contract_named(name).domain is domain]:
        report = land(ledger, name, progress=progress("ingest"))
        table.add_row(name, str(len(report.batches)), str(len(report.new)), str(len(report.refused)))
        for leaf_id in report.refused:
            refused = ledger.log.get(leaf_id)
            said = escape(f"{refused.detail['path']}: {refused.identity['message']}")
            OUT.print(f"[yellow]refused[/yellow] {said}")
    OUT.print(table)


def validate() -> None:
    """Judge every landed batch by its Great Expectations suite; quarantine the rows that fail, with their reasons.

    Landed = accepted + quarantined, always. A batch with too many bad rows is blocked whole.
    """
    from ledgerline.audit import Kind
    from pipelines.validation import build_data_docs, validate_batches

    ledger = open_ledger()
    batches = [leaf.id for leaf in ledger.log.leaves(Kind.LANDED_BATCH)]
    validate_batches(ledger, batches, progress=progress("validate"))
    show_data(ledger)
    OUT.print(f"Data Docs: {build_data_docs(ledger)}")


quarantine = typer.Typer(no_args_is_help=True, help="What was not let in, and why.")


@quarantine.command("list")
def quarantine_list() -> None:
    """List every batch and file that holds quarantined rows, with the reasons."""
    from pipelines.validation import quarantine_entries

    table = Table("name", "dataset", "file", "rows", "reasons")
    for entry in quarantine_entries(open_ledger()):
        reasons = ", ".join(f"{code} {count}" for code, count in sorted(entry.reasons.items()))
        table.add_row(entry.name, entry.dataset, escape(entry.path), f"{entry.rows:,}", reasons)
    OUT.print(table)


@quarantine.command("show")
def quarantine_show(
    name: Annotated[str, typer.Argument(help="A name that `quarantine list` shows.")],
    rows: Annotated[int, typer.Option(min=1, help="How many rows to show.")] = 20,
    out: Annotated[Path | None, typer.Option(help="Write all of them to this CSV file instead.")] = None,
) -> None:
    """Show the quarantined rows of one batch: source row, column, reason and value."""
    import polars as pl

    from pipelines.validation import quarantined_rows

    frame = quarantined_rows(open_ledger(), name)
    if out:
        frame.write_csv(out)
        OUT.print(f"{frame.height:,} rows written to {out}")
        return
    with pl.Config(tbl_rows=rows, tbl_cols=-1, tbl_hide_dataframe_shape=True, tbl_width_chars=200, fmt_str_lengths=60):
        OUT.print(str(frame.head(rows)), markup=False)
    if frame.height > rows:
        OUT.print(f"{rows} of {frame.height:,} rows; --rows or --out shows more")


@quarantine.command("report")
def quarantine_report() -> None:
    """Write one page about everything that was kept out or let in with a warning, by dataset, name and file.

    The page is Markdown in the installation's home; every run writes it too. Example: `ledgerline quarantine report`
    """
    OUT.print(f"Quarantine report: {write_quarantine_report(open_ledger())}")


@quarantine.command("release")
def quarantine_release(
    name: Annotated[str, typer.Argument(help="A name that `quarantine list` shows.")],
    person: Annotated[str, typer.Option("--as", help="Your name; it stays on record.")],
    reason: Annotated[str, typer.Option(help="Why these rows are right after all; it stays on record.")],
) -> None:
    """Let the quarantined rows of a batch in, in your name. They are known from now on, never from before.

    Decisions that were made without them are replayed without them. What is built and trained from the dataset is due
    anew. Example: `ledgerline quarantine release 3f9a51c0 --as maria --reason "the refund file was right"`
    """
    from pipelines.validation.release import release

    released = release(open_ledger(), name, person=person, reason=reason)
    OUT.print(f"released by {escape(person)}: {released}")


features = typer.Typer(no_args_is_help=True, help="Feature versions: build, list, verify, restore byte for byte.")
ViewArgument = Annotated[str, typer.Argument(help="The feature view.")]


@features.command("build")
def features_build(view: ViewArgument = "card_spending") -> None:
    """Build a view from all accepted data and seal it: DVC version, commit, tag. Built already: does nothing."""
    from pipelines.features import build

    version = build(open_ledger(), view, progress=progress(view))
    OUT.print(f"{view} {version.id[:16]}  {version.rows:,} rows in {version.partitions} partitions  tag {version.tag}")


@features.command("versions")
def features_versions(view: ViewArgument = "card_spending") -> None:
    """List the versions of a view, newest last."""
    from pipelines.features import versions

    table = Table("version", "tag", "commit", "rows", "partitions", "built at")
    for leaf in versions(open_ledger(), view):
        detail = leaf.detail
        table.add_row(
            leaf.id[:16],
            str(detail["tag"]),
            str(detail["commit"])[:12],
            f"{detail['rows']:,}",
            str(detail["partitions"]),
            str(detail["built_at"]),
        )
    OUT.print(table)


@features.command("restore")
def features_restore(
    version: Annotated[str, typer.Argument(help="A version that `features versions` shows.")],
    into: Annotated[Path, typer.Option(help="Folder to restore into.")],
) -> None:
    """Restore a feature version byte for byte into a folder; every file's hash is checked."""
    from pipelines.features import restore

    files = restore(open_ledger(), version, into)
    OUT.print(f"{len(files)} files restored into {into}, every hash checked")


@features.command("verify")
def features_verify(
    view: ViewArgument = "card_spending",
    version: Annotated[str | None, typer.Argument(help="One version. Without it: every version of the view.")] = None,
    repair: Annotated[
        bool, typer.Option("--repair", help="Put what is missing or changed there again, from a good copy here.")
    ] = False,
) -> None:
    """Read every object that a view's versions need in the DVC remote, and compare its hashes with what was sealed.

    Sealing reads back what is new and sees that the rest is there; this reads all of it. With --repair, an object that
    is missing or was changed is put there again from the workspace or its DVC cache, if a file there still hashes to
    what was sealed. Example: `ledgerline features verify card_spending`
    """
    from pipelines.features import verify_versions

    found = verify_versions(open_ledger(), view, version, repair=repair, progress=progress("verify"))
    for path in found.repaired:
        OUT.print(f"repaired: {path}", markup=False)
    OUT.print(f"{view}: {found.versions:,} versions, {found.files:,} files, every hash as it was sealed")


@features.command("gc")
def features_gc(dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False) -> None:
    """Remove what abandoned builds and killed seals left in the workspace and its DVC cache; never from the remote.

    Whatever the data branch, an evidence tag or the evidence log names stays, also where a tag is missing here.
    """
    from pipelines.features import collect_garbage

    garbage = collect_garbage(open_ledger(), dry_run=dry_run, progress=progress("gc"))
    if dry_run:
        for path in garbage.files:
            OUT.print(str(path), markup=False)
    said = "would be removed" if dry_run else "removed"
    OUT.print(f"{len(garbage.files):,} files, {garbage.size / 2**20:,.1f} MiB, {said}")
