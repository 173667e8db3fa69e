"""Become a program that is asked to end when its parent dies: ``python -I -S bound.py PARENT_PID PROGRAM ARGUMENT...``.

Where the platform can (Linux) the kernel sends SIGTERM to the program when the thread that started it ends, however
that happens. It is the second belt: the watchdog is the first, and ends the program's descendants too. Standard library
only, because it runs in front of every program.
"""

import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Bind this process to its parent, then replace it with the program."""
    parent = int(sys.argv[1])
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent:  # the parent died before the bond held
        sys.exit(1)
    os.execv(sys.argv[2], sys.argv[2:])  # noqa: S606 (there is no shell to keep away from)


if __name__ == "__main__":
    main()
