"""The verb that hands evidence to an auditor: export."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from ledgerline.cli.terminal import ERROR, OUT, JsonOption, open_ledger

if TYPE_CHECKING:
    from ledgerline.audit.export import Export
    from ledgerline.audit.verify_export import Report


def export(
    names: Annotated[
        list[str], typer.Argument(help="Decisions, orders, model versions (fraud@1), digests, files or leaf ids.")
    ],
    folder: Annotated[Path, typer.Option("--to", help="The folder to make; it must not be there yet.")],
    without_raw: Annotated[
        bool, typer.Option("--without-raw", help="Leave out raw files and rows; the export says so.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Write everything behind some decisions, orders or models into a folder that an auditor can check alone.

    The folder holds the entries of the log, proofs that they are in what the log and its witness signed, the public
    keys, the bytes themselves, and a program that checks all of it offline. It is checked once here; exit status 1 if
    it does not hold.

    Example: `ledgerline audit export fraud@1 --to for-the-auditor`
    """
    from ledgerline.audit.export import export_evidence
    from ledgerline.audit.keeper import log_signer
    from ledgerline.audit.verify_export import verify
    from ledgerline.decisions.export import evidence_parts

    ledger = open_ledger()
    # Where the log's key is not kept, none may be made.
    signer = log_signer(ledger.settings) if (ledger.settings.keys_path / "log.pem").exists() else None
    made = export_evidence(
        ledger,
        names,
        folder,
        parts=evidence_parts(ledger),
        signer=signer,
        without_raw=without_raw,
        say=lambda message: ERROR.print(f"[dim]export[/dim] {escape(message)}"),
    )
    report = verify(made.folder)
    if as_json:
        values = {
            "holds": report.holds,
            "findings": [str(finding) for finding in report.findings],
            "folder": str(made.folder),
            "entries": made.entries,
            "files": made.files,
            "size": made.size,
            "witnessed": made.witnessed,
            "left_out": made.left_out,
            "has_log_key": made.has_log_key,
        }
        OUT.print_json(json.dumps(values))
    else:
        _tell(made, report)
    if not report.holds:
        raise typer.Exit(1)


def _tell(made: "Export", report: "Report") -> None:
    OUT.print(f"{made.entries} entries and {made.files} files, proven against a log of {made.size} entries.")
    if not made.has_log_key:
        OUT.print("[bold]The log's public key is not in it[/bold]: it is not known here. Give it to the auditor.")
    if not made.witnessed:
        OUT.print("[bold]No witness has vouched[/bold] for it yet.")
    if made.left_out:
        OUT.print(f"{made.left_out} raw files and files of rows were left out.")
    for finding in report.findings:
        OUT.print(f"[bold red]{escape(str(finding))}[/bold red]")
    OUT.print(f"Check it:  python -I {escape(str(made.folder / 'verify_export.py'))} {escape(str(made.folder))}")
