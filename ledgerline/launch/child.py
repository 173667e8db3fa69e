"""One supervised program while it runs."""

import os
import subprocess
import sys
import time
from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum, auto
from pathlib import Path
from typing import Any

import psutil

from ledgerline.launch import bound
from ledgerline.launch.processes import identity_of
from ledgerline.launch.program import Program

_MOST_RESTARTS = 5
_WITHIN_SECONDS = 600.0
_FIRST_BACK_OFF_SECONDS = 1.0


class Phase(Enum):
    """Where a supervised program stands."""

    WAITING = auto()  # for what must come before, or for the back-off to pass
    STARTING = auto()
    READY = auto()
    FINISHED = auto()  # ran once, and ended well
    GAVE_UP = auto()


@dataclass(slots=True)
class Child:
    """A program with its process, if it has one now.

    Attributes:
        program: What is run.
        phase: Where it stands.
        process: The process of the latest start.
        identity: Its pid and creation time.
        started_at: When it was last started, UTC; readiness compares heartbeats with it.
        since: When it was last started, or is to be started again, on the monotonic clock.
        was_ready: Whether it ever served.
        deaths: When it died, on the monotonic clock.
    """

    program: Program
    phase: Phase = Phase.WAITING
    process: subprocess.Popen[bytes] | None = None
    identity: dict[str, Any] | None = None
    started_at: datetime | None = None
    since: float = 0.0
    was_ready: bool = False
    deaths: deque[float] = field(default_factory=deque)

    def spawn(self) -> None:
        """Start the program in a session and process group of its own."""
        self.program.directory.mkdir(parents=True, exist_ok=True)
        self.program.log.parent.mkdir(parents=True, exist_ok=True)
        binder = (sys.executable, "-I", "-S", str(Path(bound.__file__)), str(os.getpid()))
        self.started_at = datetime.now(UTC)
        with self.program.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*binder, *self.program.argv],
                env=dict(self.program.environment),
                cwd=self.program.directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.since = time.monotonic()
        self.identity = _identity(self.process.pid)
        self.phase = Phase.STARTING

    def ended(self) -> int | None:
        """Return the exit status of a process that has ended, else None."""
        return self.process.poll() if self.process else None

    def schedule_restart(self) -> float | None:
        """Note a death and plan the next start.

        Returns:
            After how many seconds it is started again, or None when it has died too often.
        """
        now = time.monotonic()
        self.deaths.append(now)
        while self.deaths and now - self.deaths[0] > _WITHIN_SECONDS:
            self.deaths.popleft()
        self.process = None
        if len(self.deaths) > _MOST_RESTARTS:
            self.phase = Phase.GAVE_UP
            return None
        pause = _FIRST_BACK_OFF_SECONDS * float(2 ** (len(self.deaths) - 1))
        self.phase = Phase.WAITING
        self.since = now + pause
        return pause


def _identity(pid: int) -> dict[str, Any] | None:
    try:
        return identity_of(pid)
    except psutil.Error:  # it has ended already; the next look notices
        return None
