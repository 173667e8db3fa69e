"""The verb of the witness, who runs elsewhere and holds a key of their own."""

import logging
import sys
from datetime import timedelta
from typing import Annotated

import typer

from ledgerline.audit.note import NoteKey
from ledgerline.audit.rounds import until_told_to_stop
from ledgerline.audit.watch import PAUSE, Watch, require_pause
from ledgerline.cli.terminal import OUT, open_ledger
from ledgerline.core.errors import LedgerlineError


def register(app: typer.Typer) -> None:
    """Add this file's verbs to the command."""
    app.command(rich_help_panel="Evidence")(witness)


def witness(
    once: Annotated[bool, typer.Option("--once", help="Look once and say what was vouched for.")] = False,
    every: Annotated[float, typer.Option(help="Seconds between two looks, 60 at most.")] = PAUSE.total_seconds(),
    log_key: Annotated[
        str | None, typer.Option(help="The log's public key (a line). Default: what stands in keys/log.vkey.")
    ] = None,
) -> None:
    """Vouch for the evidence log: check that it has only grown, cosign its checkpoints, publish them.

    Whoever holds the log's own key cannot rewrite what a witness has seen without being noticed, as long as what the
    witness publishes is out of their reach. So run it as another user or on another machine, with a folder of its own
    (`LEDGERLINE_WITNESS`), a database login that may only read `checkpoint` and `leaf`, and post what it vouches for
    somewhere else (`LEDGERLINE_WITNESS_POST_TO`). The local stack runs one for show.

    Example: `LEDGERLINE_WITNESS=/srv/witness ledgerline witness --every 30`
    """
    ledger = open_ledger()
    watch = Watch(ledger, NoteKey.parse(log_key) if log_key else None)
    if once:
        cosigned = watch.look()
        if cosigned is None:
            raise LedgerlineError("the log has signed no checkpoint yet; its keeper does, as soon as the stack runs")
        OUT.print(f"vouched for {cosigned.checkpoint.size:,} entries; published in {ledger.settings.witness_path}")
        OUT.print(str(cosigned.note), markup=False, highlight=False, soft_wrap=True)
        return
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    OUT.print(f"looking every {every:g} s until Ctrl-C; published in {ledger.settings.witness_path}")
    raise typer.Exit(watch.looks(require_pause(timedelta(seconds=every)), until_told_to_stop()))
