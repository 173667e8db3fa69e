"""Killed anywhere, or run twice at once, a validation ends in the same receipts; changed bytes are noticed."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ledgerline.audit import Kind, Ledger
from ledgerline.audit.verify import entries_holding
from ledgerline.core.clock import FixedClock
from ledgerline.core.settings import PROJECT_ROOT, Settings
from ledgerline.core.storage import ObjectCorrupt
from pipelines.validation import build_data_docs, validate, validate_batches

WORKER = Path(__file__).parent / "worker.py"
DEADLINE_SECONDS = 60


def land_three(landing, ledger):
    """Land three batches, each with a bad row and one that an earlier batch delivered."""
    leaves = []
    for number in range(3):
        rows = landing.payments(50, start=50 * number)
        rows[1]["amount_minor"] = -1
        rows[2] = landing.payments(1)[0] if number else rows[2]
        leaves.append(landing.land(ledger, rows, path=f"{number}.csv"))
    return [leaf.id for leaf in leaves]


@pytest.fixture(scope="module")
def undisturbed(landing, tmp_path_factory):
    """The receipts' ids of an installation where nothing went wrong."""
    ledger = Ledger.open(Settings(home=tmp_path_factory.mktemp("undisturbed")), FixedClock(landing.AS_OF))
    batches = land_three(landing, ledger)
    return [receipt.id for receipt in validate_batches(ledger, batches, as_of=landing.AS_OF)]


class Workers:
    """The process that forks validations: see ``worker.py``."""

    def __init__(self):
        command = [sys.executable, str(WORKER)]
        self.process = subprocess.Popen(
            command, cwd=PROJECT_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ask(self, *words):
        self.process.stdin.write(json.dumps(words) + "\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())

    def start(self, ledger, batches, point="-"):
        return self.ask("start", str(ledger.settings.home), point, *batches)

    def wait(self, pid):
        return self.ask("wait", pid)


@pytest.fixture(scope="module")
def workers():
    found = Workers()
    yield found
    found.process.stdin.close()
    found.process.wait()
    found.process.stdout.close()


def check_end(ledger, batches, undisturbed, landing):
    """Validate once more: the receipts are the undisturbed ones, recorded once, and every file is whole."""
    receipts = validate_batches(ledger, batches, as_of=landing.AS_OF)
    assert [receipt.id for receipt in receipts] == undisturbed
    assert [leaf.id for leaf in ledger.log.leaves(Kind.VALIDATION_RECEIPT)] == undisturbed
    entries_holding(ledger.log)


@pytest.mark.parametrize(
    "point",
    [
        "judged, nothing written",
        "accepted file half written",
        "accepted file written",
        "quarantine stored",
        "everything but the receipt",
        "receipt recorded",
    ],
)
def test_validation_killed_at_any_point_and_run_again_gives_the_same_receipt(
    landing, ledger, workers, undisturbed, point
):
    batches = land_three(landing, ledger)
    assert workers.wait(workers.start(ledger, batches, point)) == -signal.SIGKILL
    assert len(ledger.log.leaves(Kind.VALIDATION_RECEIPT)) == (1 if point == "receipt recorded" else 0)
    check_end(ledger, batches, undisturbed, landing)


def test_validation_killed_from_outside_between_batches_gives_the_same_receipts(landing, ledger, workers, undisturbed):
    batches = land_three(landing, ledger)
    worker = workers.start(ledger, batches)
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not ledger.log.leaves(Kind.VALIDATION_RECEIPT) and time.monotonic() < deadline:
        pass
    os.kill(worker, signal.SIGKILL)
    workers.wait(worker)
    assert ledger.log.leaves(Kind.VALIDATION_RECEIPT)
    check_end(ledger, batches, undisturbed, landing)


def test_two_validations_at_once_record_each_receipt_once(landing, ledger, workers, undisturbed):
    batches = land_three(landing, ledger)
    both = [workers.start(ledger, batches), workers.start(ledger, list(reversed(batches)))]
    assert [workers.wait(worker) for worker in both] == [0, 0]
    returned = [(ledger.settings.home / f"receipts-{worker}").read_text().split() for worker in both]
    assert returned[0] == list(reversed(returned[1])) == undisturbed
    check_end(ledger, batches, undisturbed, landing)


def test_changed_byte_in_the_landed_rows_is_noticed_and_nothing_is_judged(landing, ledger):
    batch = landing.land(ledger, landing.payments(20))
    path = Path(ledger.objects.location(batch.identity["rows_object"]))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.chmod(0o600)
    path.write_bytes(content)
    with pytest.raises(ObjectCorrupt):
        validate(ledger, batch.id, as_of=landing.AS_OF)
    assert ledger.log.leaves(Kind.VALIDATION_RECEIPT) == []


def test_changed_accepted_file_of_an_earlier_batch_is_repaired_before_its_keys_count(landing, ledger):
    first = landing.land(ledger, landing.payments(40))
    second = landing.land(ledger, [*landing.payments(40, start=40), landing.payments(1)[0]])
    receipt = validate(ledger, first.id, as_of=landing.AS_OF)
    path = ledger.settings.workspace_path / ledger.log.get(receipt.id).detail["accepted_path"]
    content = path.read_bytes()
    path.write_bytes(content[:-7])
    assert validate(ledger, second.id, as_of=landing.AS_OF).reasons == {"already_accepted": 1}
    assert path.read_bytes() == content


def test_data_docs_cut_short_are_finished_by_the_next_build(landing, ledger):
    validate(ledger, landing.land(ledger, landing.payments(5)).id, as_of=landing.AS_OF)
    index = build_data_docs(ledger)
    [page] = (index.parent / "validations").rglob("*.html")
    whole = page.read_text()
    page.write_text(whole[:100])  # as a kill leaves it: a page cut, and no note that the build was finished
    (index.parent / ".finished.json").unlink()
    build_data_docs(ledger)
    assert page.stat().st_size > len(whole) // 2
