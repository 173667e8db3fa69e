"""The witness's process, as the stack runs it: `python -m ledgerline.audit.watch`. It looks again and again."""

import logging
import sys
import threading
from datetime import timedelta

from sqlalchemy.exc import OperationalError

from ledgerline.audit.checkpoint import SignedCheckpoint
from ledgerline.audit.keeper import log_key
from ledgerline.audit.key_file import own_key
from ledgerline.audit.ledger import Ledger
from ledgerline.audit.note import NoteKey, NoteSigner
from ledgerline.audit.rounds import every, until_told_to_stop
from ledgerline.audit.tree import size_of
from ledgerline.audit.witness import Witness, WitnessRefused, observe, post
from ledgerline.core.errors import LedgerlineError
from ledgerline.core.settings import Settings

PAUSE = timedelta(seconds=15)
LONGEST_PAUSE = timedelta(seconds=60)
_LAST_LOOKS, _LAST_PAUSE = 20, timedelta(milliseconds=250)
_SHOWN_DIGITS = 16

_log = logging.getLogger("ledgerline.witness")


def witness_signer(settings: Settings) -> NoteSigner:
    """Return the witness's own key, made on the first call.

    Raises:
        KeyFileRefused: It does not open.
    """
    passphrase = settings.witness_passphrase
    path = settings.witness_path / "witness.pem"
    private = own_key(path, passphrase.get_secret_value() if passphrase else None)
    public = NoteSigner.of("unnamed", private).key.public
    return NoteSigner.of(f"ledgerline.witness/{public.hex()[:_SHOWN_DIGITS]}", private, cosigns=True)


class Watch:
    """A witness that looks at one installation's log.

    Args:
        ledger: The installation; of it only the log's signed checkpoints and its entries' hashes are read.
        key: The log's public key; None takes what the log's keeper has left beside its own, and keeps to it.
    """

    def __init__(self, ledger: Ledger, key: NoteKey | None = None) -> None:
        self._ledger, self._key = ledger, key
        self._witness: Witness | None = None

    def look(self) -> SignedCheckpoint | None:
        """Vouch for the log's newest checkpoint and publish it; None while there is none.

        Raises:
            LogForked: It does not continue what was vouched for.
            WitnessRefused: The witness's files do not fit.
        """
        settings = self._ledger.settings
        if self._witness is None:
            key = self._key or log_key(settings)
            if key is None:
                return None
            self._witness = Witness(settings.witness_path, witness_signer(settings), key)
        cosigned = observe(self._witness, self._ledger.log, self._ledger.clock.now())
        if cosigned and settings.witness_post_to and (problem := post(cosigned, settings.witness_post_to)):
            _log.error("%s did not take the checkpoint: %s", settings.witness_post_to, problem)
        return cosigned

    def looks(self, pause: timedelta, stop: threading.Event) -> int:
        """Look until told to stop, and then until everything that was recorded is vouched for, or seconds have passed.

        Returns:
            0, or 3 if the last look found history rewritten.
        """
        status = 0
        for _ in every(pause, stop):
            status = self._look()
        for _ in range(_LAST_LOOKS):
            status = self._look()
            if status or self._is_complete():
                break
            threading.Event().wait(_LAST_PAUSE.total_seconds())
        return status

    def _look(self) -> int:
        try:
            self.look()
        except OperationalError as busy:  # another process holds the database; the next look is soon
            _log.warning("the evidence log cannot be read just now: %s", busy)
        except LedgerlineError as refusal:  # said again at every look: nothing is vouched for until somebody looks
            _log.error("NOT VOUCHED FOR: %s", refusal)
            return 3
        return 0

    def _is_complete(self) -> bool:
        if self._witness is None or self._witness.last is None:
            return False
        with self._ledger.log.reading() as connection:
            return self._witness.last.checkpoint.size >= size_of(connection)


def require_pause(pause: timedelta) -> timedelta:
    """Return a pause between two looks that keeps the witness's promise.

    Raises:
        WitnessRefused: It is none, or longer than a minute.
    """
    if not timedelta() < pause <= LONGEST_PAUSE:
        raise WitnessRefused(f"a witness looks at least every {LONGEST_PAUSE.total_seconds():.0f} s")
    return pause


def main() -> int:
    """Look until told to stop (SIGTERM or SIGINT)."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    stop = until_told_to_stop()
    ledger = Ledger.open()
    _log.info("what is vouched for is published in %s", ledger.settings.witness_path)
    return Watch(ledger).looks(PAUSE, stop)


if __name__ == "__main__":
    sys.exit(main())
