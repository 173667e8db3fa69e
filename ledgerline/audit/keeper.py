"""The log's keeper: signs what the log is every few seconds. `python -m ledgerline.audit.keeper`."""

import logging
import sys
from datetime import timedelta
from pathlib import Path

from sqlalchemy.exc import OperationalError

from ledgerline.audit.key_file import own_key
from ledgerline.audit.ledger import Ledger
from ledgerline.audit.note import NoteKey, NoteSigner
from ledgerline.audit.rounds import every, until_told_to_stop
from ledgerline.audit.tree import sign_checkpoint
from ledgerline.core.errors import LedgerlineError
from ledgerline.core.settings import Settings
from ledgerline.core.storage import write_atomically

PAUSE = timedelta(seconds=5)
_SHOWN_DIGITS = 16

_log = logging.getLogger("ledgerline.keeper")


def log_signer(settings: Settings) -> NoteSigner:
    """Return the log's own key, made on the first call; its name tells this log from every other.

    The public half is left beside it.

    Raises:
        KeyFileRefused: It does not open.
    """
    passphrase = settings.log_key_passphrase
    private = own_key(settings.keys_path / "log.pem", passphrase.get_secret_value() if passphrase else None)
    public = NoteSigner.of("unnamed", private).key.public
    signer = NoteSigner.of(f"ledgerline.log/{public.hex()[:_SHOWN_DIGITS]}", private)
    path = log_key_path(settings)
    if not path.exists():
        write_atomically(path, f"{signer.key.text}\n".encode())
    return signer


def log_key_path(settings: Settings) -> Path:
    """Return where the log's public key is left for witnesses and auditors."""
    return settings.keys_path / "log.vkey"


def log_key(settings: Settings) -> NoteKey | None:
    """Return the log's public key, or None before it was made.

    Raises:
        NoteInvalid: The file holds no key.
    """
    path = log_key_path(settings)
    return NoteKey.parse(path.read_text(encoding="utf-8")) if path.exists() else None


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
        _sign(ledger, signer)
    _sign(ledger, signer)  # what was recorded while the others stopped
    return 0


def _sign(ledger: Ledger, signer: NoteSigner) -> None:
    try:
        sign_checkpoint(ledger.log, signer, ledger.clock.now())
    except OperationalError as busy:  # another process holds the database; the next round is soon
        _log.warning("the evidence log cannot be read just now: %s", busy)
    except LedgerlineError as refusal:  # said again every round: nothing is signed until somebody looks
        _log.error("NOTHING IS SIGNED: %s", refusal)


if __name__ == "__main__":
    sys.exit(main())
