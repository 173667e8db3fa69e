"""Run the stack of this environment's home until killed; the simulated market's files are written first."""

import sys

from ledgerline.audit import Ledger
from ledgerline.cli.data import ensure_source
from ledgerline.core.settings import Settings
from ledgerline.launch import start
from pipelines.line import claim_home


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


settings = Settings()
ensure_source(settings)
claim_home(Ledger.open(settings))
with start(settings, report=lambda event: say(f"{event.subject} {event.text}")) as stack:
    stack.require_dags(["ingest_market"])
    say("READY")
    stack.wait_until_stopped()
