"""The market's clock while it runs: one session after the other, on a thread of its own."""

import threading

from ledgerline.sandbox.exchange.engine import Exchange

OPEN_SHARE = 0.2
"""So much of a session's time the market is open; the rest is for those who decide after its close."""


class Pace:
    """Lets sessions pass. How fast is in the books, so that a killed exchange goes on as it was.

    Args:
        exchange: Whose sessions.
    """

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._changed = threading.Condition()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="market", daemon=True)

    @property
    def seconds_per_session(self) -> float | None:
        """How long a session takes; None while the clock stands."""
        with self._exchange.journal.look():
            text = self._exchange.journal.get("pace")
        return float(text) if text else None

    def start(self) -> None:
        """Begin to look after the clock."""
        self._thread.start()

    def stop(self) -> None:
        """End; what the books say of the pace stays."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        self._thread.join()

    def run(self, seconds_per_session: float) -> None:
        """Let sessions pass from now on."""
        self._put(repr(seconds_per_session))

    def stand(self) -> None:
        """Let no session pass by itself."""
        self._put("")

    def _put(self, pace: str) -> None:
        with self._exchange.journal.change():
            self._exchange.journal.put("pace", pace)
        with self._changed:
            self._changed.notify()

    def _run(self) -> None:
        while not self._stopping:
            pace, moment = self.seconds_per_session, self._exchange.moment()
            waits = None if pace is None or moment.ended else pace * (OPEN_SHARE if moment.is_open else 1 - OPEN_SHARE)
            with self._changed:
                if self._stopping:
                    return
                told = self._changed.wait(waits)
            if not told and waits is not None:
                self._exchange.step()
