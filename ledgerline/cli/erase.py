"""Verbs about the persons behind personal data: erase, person."""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from ledgerline.cli.terminal import ERROR, OUT, JsonOption, open_ledger

if TYPE_CHECKING:
    from ledgerline.audit.erasure import Erasure


def erase(
    subject: Annotated[
        str, typer.Argument(help="Who: COLUMN=IDENTIFIER as the data have it (customer_id=596), or a pseudonym.")
    ],
    person: Annotated[str, typer.Option("--as", help="Your name; it stays on record.")],
    reason: Annotated[str, typer.Option(help="Why. It stays on record, so do not say who is erased.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask. It cannot be undone.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Destroy the key to what is kept about a person. It cannot be undone.

    What a mapping calls personal is kept under a key of the person's own: with the key it is gone, in every row and
    request. Raw files that the person is in are sealed as a whole, and can no longer be opened either; what was typed
    from them stays. So does the log, which verifies as before, and what a pseudonym alone is in: features, models,
    decisions. New rows of the person are withheld, and requests refused. Backups from before hold the key: let them go.

    Example: `ledgerline audit erase customer_id=596 --as dana --reason "request 2024-117"`
    """
    from ledgerline.audit.erasure import erasable
    from ledgerline.audit.erasure import erase as destroy
    from pipelines.ingestion.landing import incoming
    from pipelines.ingestion.scratch import remove_abandoned

    ledger = open_ledger()
    found = erasable(ledger, subject)
    if not yes:
        ERROR.print(f"[bold]{escape(found.pseudonym)}[/bold]: {_what(found)}")
        typer.confirm("Destroy it for good?", abort=True, err=True)
    remove_abandoned(incoming(ledger.settings))
    done = destroy(ledger, subject, person=person, reason=reason)
    if as_json:
        OUT.print_json(json.dumps(asdict(done)))
        return
    OUT.print(f"[green]{escape(done.pseudonym)} is erased[/green], by entry {str(done.leaf)[:12]}: {_what(done)}")
    if not done.is_rewritten:
        ERROR.print(
            "[yellow]The database's files still hold the keys, encrypted, as another process has been reading it since "
            "before;[/yellow] `ledgerline audit erase` with --yes, again later, rewrites them."
        )
    OUT.print("Backups of the database from before still hold the key. `ledgerline audit verify` holds as it did.")


def person(
    subject: Annotated[str, typer.Argument(help="A pseudonym, or COLUMN=IDENTIFIER.")], as_json: JsonOption = False
) -> None:
    """Say who a pseudonym stands for, or which pseudonym a person has, or that the person was erased.

    Example: `ledgerline audit person person-0c6a5d1e8f0b4c7d9a2e3f4b5c6d7e8f`
    """
    from ledgerline.audit.erasure import known_person

    found = known_person(open_ledger(), subject)
    if as_json:
        OUT.print_json(json.dumps(asdict(found)))
        return
    if found.erased_at is not None:
        OUT.print(
            f"{escape(found.pseudonym)} was [bold]erased[/bold] at {found.erased_at} by {escape(found.erased_by)}"
        )
    else:
        OUT.print(f"{escape(found.pseudonym)} is {escape(f'{found.column}={found.identifier}')}")


def _what(found: "Erasure") -> str:
    if not found.files:
        return "what is kept of them in rows and requests; no raw file"
    return f"what is kept of them in rows and requests, and {len(found.files):,} raw file(s) as received"
