"""The log's keeper: signs what the log is every few seconds. `python -m ledgerline.audit.keeper`."""

import logging
import sys
from datetime import timedelta

from sqlalchemy.exc import OperationalError

from ledgerline.audit.key_file import own_key
from ledgerline.audit.ledger import Ledger
from ledgerline.audit.note import NoteSigner
from ledgerline.audit.rounds import every, until_told_to_stop
from ledgerline.audit.tree import sign_checkpoint
from ledgerline.core.errors import LedgerlineError
from ledgerline.core.settings import Settings

PAUSE = timedelta(seconds=5)
_SHOWN_DIGITS = 16

_log = logging.getLogger("ledgerline.keeper")


def log_signer(settings: Settings) -> NoteSigner:
    """Return the log's own key, made on the first call; its name tells this log from every other.

    Raises:
        KeyFileRefused: It does not open.
    """
    passphrase = settings.log_key_passphrase
    private = own_key(settings.keys_path / "log.pem", passphrase.get_secret_value() if passphrase else None)
    public = NoteSigner.of("unnamed", private).key.public
    return NoteSigner.of(f"ledgerline.log/{public.hex()[:_SHOWN_DIGITS]}", private)


def main() -> int:
    """Sign until told to stop (SIGTERM or SIGINT)."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    stop = until_told_to_stop()
    try:
        ledger = Ledger.open()
        signer = log_signer(ledger.settings)
    except LedgerlineError as refusal:
        _log.error("%s", refusal)
        return 2
    _log.info("the evidence log's checkpoints are signed by %s", signer.key.text)
    for _ in every(PAUSE, stop):
        try:
            sign_checkpoint(ledger.log, signer, ledger.clock.now())
        except OperationalError as busy:  # another process holds the database; the next round is soon
            _log.warning("the evidence log cannot be read just now: %s", busy)
        except LedgerlineError as refusal:  # said again every round: nothing is signed until somebody looks
            _log.error("NOTHING IS SIGNED: %s", refusal)
    return 0


if __name__ == "__main__":
    sys.exit(main())
