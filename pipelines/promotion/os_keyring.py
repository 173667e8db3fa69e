"""The operating system's keyring as the keeper of a key file's passphrase, for those who would rather type none.

macOS Keychain, Windows Credential Locker, Secret Service or KWallet, through the library `keyring`, which is optional:
``pip install 'ledgerline[keyring]'``. The passphrase is random and never shown; the owner's login is what guards it.
"""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from ledgerline.core.errors import LedgerlineError


class KeyringUnusable(LedgerlineError):
    """The operating system's keyring cannot be asked, or does not keep what it is given."""


def kept_passphrase(keys: Path, name: str) -> str | None:
    """Return the passphrase that the keyring keeps for a person's key, or None.

    Args:
        keys: The folder of the installation's keys; each has its own entries.
        name: Whose key, spelled as its file is.

    Raises:
        KeyringUnusable: There is no keyring, it is locked, or the library is not installed.
    """
    with _library() as library:
        found: str | None = library.get_password(_service(keys), name)
        return found


def keep_passphrase(keys: Path, name: str) -> str:
    """Return the passphrase that the keyring keeps for a person's key, made and stored on the first call.

    Raises:
        KeyringUnusable: As in :func:`kept_passphrase`, or the keyring forgets at once, as its null backend does.
    """
    if kept := kept_passphrase(keys, name):
        return kept
    passphrase = secrets.token_urlsafe(32)
    with _library() as library:
        library.set_password(_service(keys), name, passphrase)
    if kept_passphrase(keys, name) != passphrase:
        raise KeyringUnusable("the keyring does not give back what it was told; use a passphrase instead")
    return passphrase


def _service(keys: Path) -> str:
    return f"ledgerline signing keys in {keys.resolve()}"


@contextmanager
def _library() -> Iterator[ModuleType]:
    try:
        import keyring
        import keyring.errors
    except ImportError as missing:
        raise KeyringUnusable(
            "the package `keyring` is not installed; pip install 'ledgerline[keyring]', or use a passphrase"
        ) from missing
    try:
        yield keyring
    except keyring.errors.KeyringError as refused:
        raise KeyringUnusable(
            f"the operating system's keyring does not answer ({type(refused).__name__}: {refused}); unlock it, or "
            "use a passphrase"
        ) from refused
