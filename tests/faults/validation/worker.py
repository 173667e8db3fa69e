"""Validates batches in processes of their own, which die at a named point if told to.

Loading Great Expectations takes seconds, so one process loads it and forks a child for each validation. It reads JSON
lines: ``["start", home, point, batch, ...]`` answers the child's process id, ``["wait", pid]`` its exit code.
"""

import json
import os
import signal
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from ledgerline.audit import EvidenceLog, Ledger
from ledgerline.core.settings import Settings
from ledgerline.core.storage import ObjectStore
from pipelines.validation import receipts, stage
from pipelines.validation.examiner import great_expectations

AS_OF = "2018-10-01T00:00:00+00:00"


def die(*_: Any, **__: Any) -> None:
    """End this process as the kernel would: nothing is flushed, no ``finally`` runs."""
    os.kill(os.getpid(), signal.SIGKILL)


def dying_after(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return ``function`` followed by death."""

    def run(*args: Any, **kwargs: Any) -> None:
        function(*args, **kwargs)
        die()

    return run


def arm(point: str) -> None:
    """Put death at one point of a validation."""
    match point:
        case "judged, nothing written":
            stage.record = die
        case "accepted file half written":
            real = receipts.write_atomically
            receipts.write_atomically = lambda path, content: (
                real(path.with_name(f".{path.name}.cut"), content[: len(content) // 2]) or die()
            )
        case "accepted file written":
            receipts.write_atomically = dying_after(receipts.write_atomically)
        case "quarantine stored":
            ObjectStore.put = dying_after(ObjectStore.put)
        case "everything but the receipt":
            EvidenceLog.append = die
        case "receipt recorded":
            EvidenceLog.append = dying_after(EvidenceLog.append)


def validate(home: str, point: str, *batches: str) -> None:
    """Validate, and leave the receipts' ids in a file named after this process."""
    ledger = Ledger.open(Settings(home=Path(home)))
    arm(point)
    found = stage.validate_batches(ledger, batches, as_of=datetime.fromisoformat(AS_OF))
    Path(home, f"receipts-{os.getpid()}").write_text("\n".join(receipt.id for receipt in found))


def start(*arguments: str) -> int:
    """Fork a child that validates; return its process id."""
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        validate(*arguments)
        status = 0
    finally:
        os._exit(status)


def main() -> None:
    """Obey until the input ends."""
    great_expectations()
    for line in sys.stdin:
        command, *arguments = json.loads(line)
        answer = start(*arguments) if command == "start" else os.waitstatus_to_exitcode(os.waitpid(arguments[0], 0)[1])
        sys.stdout.write(f"{answer}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
