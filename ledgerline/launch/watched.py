"""The launcher's side of the watchdog."""

import os
import subprocess
import sys

from ledgerline.launch.processes import PART_MARK, STACK_MARK
from ledgerline.launch.watchdog import STOPPED


class Watched:
    """Keeps a watchdog beside the launcher; see :mod:`ledgerline.launch.watchdog`.

    Args:
        token: The launch's mark.
    """

    def __init__(self, token: str) -> None:
        self._token = token
        self._watchdog = self._start()

    def keep(self) -> None:
        """Start the watchdog again if somebody ended it."""
        if self._watchdog.poll() is not None:
            self._watchdog = self._start()

    def release(self) -> None:
        """Tell the watchdog that the stack was stopped, and see it off."""
        pipe = self._watchdog.stdin
        if pipe is None:
            return
        try:
            pipe.write(STOPPED)
            pipe.close()
        except OSError:  # it has gone before us
            pass
        self._watchdog.wait()

    def _start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", "ledgerline.launch.watchdog", self._token],
            # It ends whatever is marked, so it may not be marked itself.
            env={name: value for name, value in os.environ.items() if name not in (STACK_MARK, PART_MARK)},
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
