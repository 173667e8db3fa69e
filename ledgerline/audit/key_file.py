"""Ed25519 private keys in files: readable by their owner alone, and encrypted where there is a passphrase."""

import os
import stat
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from ledgerline.core.errors import LedgerlineError

_OWNER_ONLY = stat.S_IRUSR | stat.S_IWUSR


class KeyFileRefused(LedgerlineError):
    """A private key's file does not open, or others could have read it."""


def write_key(path: Path, key: Ed25519PrivateKey, passphrase: str | None) -> None:
    """Write a key so that no other user can read it at any moment, and a kill leaves the old file or the new one."""
    encryption = BestAvailableEncryption(passphrase.encode()) if passphrase else NoEncryption()
    with _owner_only(path, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)) as written:
        written.replace(path)


def create_owner_only(path: Path, content: bytes) -> None:
    """Write a secret likewise, unless there is one: of several who come at once, one is the first."""
    with _owner_only(path, content) as written, suppress(FileExistsError):
        path.hardlink_to(written)


def read_owner_only(path: Path) -> bytes:
    """Return a secret's bytes.

    Raises:
        FileNotFoundError: There is none.
        KeyFileRefused: Others may read or write the file.
    """
    if stat.S_IMODE(path.stat().st_mode) & (stat.S_IRWXG | stat.S_IRWXO):
        raise KeyFileRefused(
            f"{path} can be read or written by others than its owner; chmod 600 it, or replace the key"
        )
    return path.read_bytes()


def read_key(path: Path, passphrase: str | None) -> Ed25519PrivateKey:
    """Read a key.

    Raises:
        FileNotFoundError: There is none.
        KeyFileRefused: A wrong passphrase, not an Ed25519 key, or a file that others may read.
    """
    content = read_owner_only(path)
    try:
        key = load_pem_private_key(content, passphrase.encode() if passphrase else None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as unopened:
        raise KeyFileRefused(f"{path} does not open: wrong or missing passphrase, or no private key") from unopened
    if not isinstance(key, Ed25519PrivateKey):
        raise KeyFileRefused(f"{path} holds no Ed25519 key")
    return key


def own_key(path: Path, passphrase: str | None) -> Ed25519PrivateKey:
    """Return a machine's own key, making it on the first call.

    Raises:
        KeyFileRefused: It does not open.
    """
    try:
        return read_key(path, passphrase)
    except FileNotFoundError:
        write_key(path, Ed25519PrivateKey.generate(), passphrase)
        return read_key(path, passphrase)


@contextmanager
def _owner_only(path: Path, content: bytes) -> Iterator[Path]:
    """Yield a file beside ``path`` that holds ``content`` durably and that no other user could ever read."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=stat.S_IRWXU)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OWNER_ONLY), "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)
