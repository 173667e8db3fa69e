"""How far a long build is, for whoever waits."""

import time
from collections.abc import Callable

_SAID_EVERY_SECONDS = 5.0


class Progress:
    """Says every few seconds how many days are done, how fast, and how long the rest will take.

    Args:
        days: Days to be done.
        rows: Rows in them.
        say: Told.
    """

    def __init__(self, *, days: int, rows: int, say: Callable[[str], None]) -> None:
        self._days = days
        self._rows = rows
        self._say = say
        self._days_done = 0
        self._rows_done = 0
        self._began = self._said = time.monotonic()

    def done(self, *, days: int, rows: int) -> None:
        """Count what was just done."""
        self._days_done += days
        self._rows_done += rows
        now = time.monotonic()
        if now - self._said < _SAID_EVERY_SECONDS or self._days_done == self._days:
            return
        self._said = now
        speed = self._rows_done / (now - self._began)
        left = (self._rows - self._rows_done) / speed
        self._say(
            f"{self._days_done} of {self._days} days, {self._rows_done:,} of {self._rows:,} rows, "
            f"{speed:,.0f} rows/s, about {left:,.0f} s left"
        )
