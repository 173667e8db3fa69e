"""One build in a process of its own, which may die before its n-th effect; the tests start it and set its arguments.

An effect is what a kill could leave half done: a file opened for writing, renamed or removed, a command started.
"""

import os
import signal
import sys
from pathlib import Path
from typing import Any

from ledgerline.audit import Ledger
from ledgerline.core.clock import FixedClock
from ledgerline.core.settings import Settings
from pipelines.features import build

ARGUMENTS: dict[str, Any] = globals()["arguments"]
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
_effects = 0


def _is_effect(event: str, details: tuple[Any, ...]) -> bool:
    if event == "open":
        return isinstance(details[2], int) and bool(details[2] & _WRITING) and not _is_of_code(details[0])
    if event == "os.rename" and _is_of_code(details[0]):
        return False
    return event in {"os.rename", "os.remove", "os.link", "subprocess.Popen"}


def _is_of_code(path: Any) -> bool:
    """Whether a file is compiled code, which is kept when code runs for the first time and not by any build."""
    return "__pycache__" in str(path)


def _watch(event: str, details: tuple[Any, ...]) -> None:
    global _effects
    if _is_effect(event, details):
        _effects += 1
        if _effects == ARGUMENTS["dies_at"]:
            os.kill(os.getpid(), signal.SIGKILL)


settings = Settings(home=ARGUMENTS["home"], project=ARGUMENTS["project"])
ledger = Ledger.open(settings, FixedClock(ARGUMENTS["now"]))
sys.addaudithook(_watch)
build(ledger, ARGUMENTS["view"], as_of=ARGUMENTS["as_of"])
Path(ARGUMENTS["home"], "effects").write_text(str(_effects))
