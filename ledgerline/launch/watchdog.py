"""End a stack whose launcher was killed: ``python -m ledgerline.launch.watchdog TOKEN``.

It reads from a pipe that only the launcher holds open. When the launcher dies, however that happens, the pipe ends and
the watchdog ends every process that carries the launch's mark. A launcher that stopped its stack itself writes
``STOPPED`` first. It runs in a session of its own, so that a Ctrl-C meant for the launcher does not reach it.
"""

import signal
import sys

from ledgerline.launch.processes import STACK_MARK, end_all, kill_marked, marked

STOPPED = b"stopped\n"
_GRACE_SECONDS = 5.0


def main() -> int:
    """Wait for the launcher's end; return 0 when nothing of its stack is left."""
    token = sys.argv[1]
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # ending only the watchdog would leave the stack unwatched
    if STOPPED in sys.stdin.buffer.read():
        return 0
    end_all(marked(**{STACK_MARK: token}), grace=_GRACE_SECONDS)
    kill_marked(**{STACK_MARK: token})
    return 0


if __name__ == "__main__":
    sys.exit(main())
