"""Signing keys: a private half encrypted on its owner's disk, a public half in the evidence log."""

import os
import re
import stat
import uuid
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from ledgerline.audit import Kind, Leaf, Ledger, RecordedLeaf
from ledgerline.core.clock import instant_text
from ledgerline.core.errors import LedgerlineError
from ledgerline.decisions.approval import key_in_force
from ledgerline.decisions.approval_policy import person

_NAME = re.compile(r"[a-z0-9][a-z0-9._@-]{0,63}")
_OWNER_ONLY = stat.S_IRUSR | stat.S_IWUSR


class KeyRefused(LedgerlineError):
    """A signing key cannot be made, or not be opened."""


def create_key(ledger: Ledger, name: str, *, passphrase: str, replace: bool = False) -> RecordedLeaf:
    """Make a person's Ed25519 signing key and put its public half on record.

    Killed between the two, it finishes when called again with the same passphrase.

    Args:
        ledger: The installation; the private half goes to ``settings.keys_path``, readable by its owner alone.
        name: Whose key.
        passphrase: Encrypts the private half (PKCS#8, the library's best encryption). There is no default.
        replace: Make a new key although there is one. Whatever is signed with the old one from now on is refused.

    Returns:
        The key's leaf.

    Raises:
        KeyRefused: The name or passphrase is unfit, or there is a key of that name already.
    """
    path = key_path(ledger, name)
    if not passphrase.strip():
        raise KeyRefused(f"a signing key needs a passphrase, and {name}'s is empty; choose one")
    if key_in_force(ledger, name) and not replace:
        raise KeyRefused(f"{name} has a signing key already; to retire it and make a new one, say so (replace)")
    if replace or not path.exists():
        _write_private_key(path, Ed25519PrivateKey.generate(), passphrase)
    return _put_on_record(ledger, name, open_key(ledger, name, passphrase=passphrase))


def open_key(ledger: Ledger, name: str, *, passphrase: str) -> Ed25519PrivateKey:
    """Decrypt a person's private key.

    Raises:
        KeyRefused: No such key, a wrong passphrase, not an Ed25519 key, or a file that others may read.
    """
    path = key_path(ledger, name)
    try:
        others = stat.S_IMODE(path.stat().st_mode) & (stat.S_IRWXG | stat.S_IRWXO)
        content = path.read_bytes()
    except FileNotFoundError as missing:
        raise KeyRefused(f"{name} has no signing key at {path}; make one: ledgerline keys create {name}") from missing
    if others:
        raise KeyRefused(f"{path} can be read or written by others than its owner; chmod 600 it, or replace the key")
    try:
        key = load_pem_private_key(content, passphrase.encode())
    except (ValueError, TypeError, UnsupportedAlgorithm) as unopened:
        raise KeyRefused(f"{path} does not open: wrong passphrase, or no encrypted private key") from unopened
    if not isinstance(key, Ed25519PrivateKey):
        raise KeyRefused(f"{path} holds no Ed25519 key")
    return key


def public_hex(key: Ed25519PrivateKey) -> str:
    """Return the public half as 64 hex digits."""
    return key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw).hex()


def key_path(ledger: Ledger, name: str) -> Path:
    """Return where a person's private key is kept.

    Raises:
        KeyRefused: The name is empty or could lead out of the folder.
    """
    if not _NAME.fullmatch(person(name)) or ".." in name:
        raise KeyRefused(f"{name!r} is no signer's name; use letters, digits and . _ @ - (64 at most)")
    return ledger.settings.keys_path / f"{person(name)}.pem"


def _put_on_record(ledger: Ledger, name: str, key: Ed25519PrivateKey) -> RecordedLeaf:
    leaf = Leaf(
        Kind.SIGNING_KEY,
        {"name": person(name), "public_key": public_hex(key)},
        {"created_at": instant_text(ledger.clock.now())},
    )
    return ledger.log.get(ledger.log.append(leaf))


def _write_private_key(path: Path, key: Ed25519PrivateKey, passphrase: str) -> None:
    """Write the key so that no other user can read it at any moment, and a kill leaves the old file or the new one."""
    content = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(passphrase.encode()))
    path.parent.mkdir(parents=True, exist_ok=True, mode=stat.S_IRWXU)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OWNER_ONLY), "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
