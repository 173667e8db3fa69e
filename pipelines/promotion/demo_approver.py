"""A stand-in for the validator, so that the sandbox runs unattended: `python -m pipelines.promotion.demo_approver`.

It signs whatever passed the gates without looking at it. That is why it refuses to run in any profile but the sandbox,
runs as a process of its own with a key of its own, and says loudly what it does.
"""

import logging
import os
import secrets
import signal
import stat
import sys
import threading
from pathlib import Path

from sqlalchemy.exc import OperationalError

from ledgerline.audit import Ledger
from ledgerline.core.errors import LedgerlineError
from ledgerline.core.settings import Profile, Settings
from ledgerline.decisions.approval_policy import Role
from ledgerline.decisions.signing_keys import key_in_force
from pipelines.promotion.approvals import Pending, approve, pending
from pipelines.promotion.keys import create_key, key_path

NAME = "demo-approver"
_POLL_SECONDS = 1.0

_log = logging.getLogger("ledgerline.demo_approver")


class NotTheSandbox(LedgerlineError):
    """The demo approver was started where signatures mean something."""


class DemoApprover:
    """Signs as the validator for every model that waits for one.

    Args:
        ledger: A sandbox installation.

    Raises:
        NotTheSandbox: The installation's profile is another one.
    """

    def __init__(self, ledger: Ledger) -> None:
        profile = ledger.settings.profile
        if profile is not Profile.SANDBOX:
            raise NotTheSandbox(
                f"the demo approver signs without looking, so it never runs in the profile {profile}; people sign "
                "there: ledgerline approve"
            )
        self._ledger = ledger
        self._passphrase = _passphrase(ledger)
        self._refused: set[str] = set()

    def sign_pending(self) -> list[str]:
        """Sign for every bundle that waits for a validator; return the approvals' leaf ids."""
        signed = []
        for waiting in self._waiting():
            if Role.VALIDATOR not in waiting.missing or waiting.evaluation in self._refused:
                continue
            try:
                leaf_id = approve(
                    self._ledger, waiting.digest, approver=NAME, role=Role.VALIDATOR, passphrase=self._passphrase
                )
            except LedgerlineError as refusal:
                self._refused.add(waiting.evaluation)
                _log.error("DEMO APPROVER cannot sign for %s: %s", waiting.digest[:12], refusal)
                continue
            signed.append(leaf_id)
            _log.warning(
                "DEMO APPROVER signed for %s@%s (%s) as validator, approval %s: nobody has looked at this model",
                waiting.family,
                waiting.model_version,
                waiting.digest[:12],
                leaf_id[:12],
            )
        return signed

    def _waiting(self) -> list[Pending]:
        try:
            return pending(self._ledger)
        except OperationalError as busy:  # another process holds the database; the next look is soon
            _log.warning("the evidence log cannot be read just now: %s", busy)
            return []


def _passphrase(ledger: Ledger) -> str:
    """Return the passphrase of the demo's own key, making both on the first start."""
    path = ledger.settings.home / "demo" / "passphrase"
    if not path.exists():
        _write_secret(path, secrets.token_urlsafe(32))
        key_path(ledger, NAME).unlink(missing_ok=True)  # nobody can open it any more
    passphrase = path.read_text(encoding="ascii")
    recorded = key_in_force(ledger, NAME) is not None
    if not recorded or not key_path(ledger, NAME).exists():
        create_key(ledger, NAME, passphrase=passphrase, replace=recorded)
    return passphrase


def _write_secret(path: Path, secret: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=stat.S_IRWXU)
    temporary = path.with_suffix(".new")
    temporary.unlink(missing_ok=True)
    with os.fdopen(
        os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, stat.S_IRUSR | stat.S_IWUSR), "w"
    ) as stream:
        stream.write(secret)
    temporary.replace(path)


def main() -> int:
    """Sign until told to stop (SIGTERM or SIGINT)."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    settings = Settings()
    try:
        approver = DemoApprover(Ledger.open(settings))
    except LedgerlineError as refusal:
        _log.error("%s", refusal)
        return 2
    _log.warning("DEMO APPROVER signs for every model that passes the gates of %s, unseen", settings.home)
    while not stop.is_set():
        approver.sign_pending()
        stop.wait(_POLL_SECONDS)
    _log.info("demo approver stopped")
    return 0


if __name__ == "__main__":
    sys.exit(main())
