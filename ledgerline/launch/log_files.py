"""The logs of the stack's processes."""

import re
from pathlib import Path

_TAIL_BYTES = 16_384
_TERMINAL_CODES = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


def set_aside(log: Path) -> None:
    """Make room for a new launch's log; the previous launch's is kept beside it."""
    log.parent.mkdir(parents=True, exist_ok=True)
    if log.exists():
        log.replace(log.with_suffix(".previous.log"))


def tail(log: Path, lines: int = 15) -> str:
    """Return the last lines of a log, for an error message; empty when there is none."""
    try:
        with log.open("rb") as stream:
            stream.seek(0, 2)
            stream.seek(max(0, stream.tell() - _TAIL_BYTES))
            text = stream.read().decode("utf-8", errors="replace")
    except FileNotFoundError:
        return ""
    return "\n".join(_TERMINAL_CODES.sub("", line) for line in text.splitlines()[-lines:])
