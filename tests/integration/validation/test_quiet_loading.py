"""Great Expectations is loaded when there is something to examine, and says nothing while it works."""

import subprocess
import sys

from ledgerline.core.settings import PROJECT_ROOT

VALIDATE = """
import logging, sys
from datetime import datetime
from pathlib import Path
logging.basicConfig(level=logging.INFO)
from ledgerline.audit import Ledger
from ledgerline.core.settings import Settings
from pipelines.validation import build_data_docs, validate
assert "great_expectations" not in sys.modules
ledger = Ledger.open(Settings(home=Path(sys.argv[1])))
print(validate(ledger, sys.argv[2], as_of=datetime.fromisoformat("2018-10-01T00:00:00+00:00")).id)
build_data_docs(ledger)
print("great_expectations" in sys.modules)
"""


def run(ledger, batch):
    command = [sys.executable, "-c", VALIDATE, str(ledger.settings.home), batch.id]
    return subprocess.run(command, cwd=PROJECT_ROOT, capture_output=True, text=True, check=True)


def test_library_works_in_silence_and_is_not_loaded_when_nothing_is_new(landing, ledger):
    batch = landing.land(ledger, landing.payments(5))
    first, second = run(ledger, batch), run(ledger, batch)
    receipt, loaded = first.stdout.splitlines()
    assert (loaded, first.stderr) == ("True", "")  # no progress bars, none of the library's log
    assert second.stdout.splitlines() == [receipt, "False"]
