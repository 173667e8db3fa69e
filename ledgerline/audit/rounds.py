"""Do something again and again until told to stop."""

import signal
import threading
import time
from collections.abc import Iterator
from datetime import timedelta


def until_told_to_stop() -> threading.Event:
    """Return an event that SIGTERM and SIGINT set."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop


def every(pause: timedelta, stop: threading.Event) -> Iterator[None]:
    """Yield at once and then every ``pause``, counted from beginning to beginning, until ``stop`` is set."""
    while not stop.is_set():
        began = time.monotonic()
        yield
        stop.wait(max(0.0, pause.total_seconds() - (time.monotonic() - began)))
