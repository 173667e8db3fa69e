"""Signing keys: a private half encrypted on its owner's disk, a public half in the evidence log, revocable."""

import re
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ledgerline.audit import Kind, Leaf, Ledger, Parent, RecordedLeaf
from ledgerline.audit.key_file import KeyFileRefused, read_key, write_key
from ledgerline.core.clock import instant_text
from ledgerline.core.errors import LedgerlineError
from ledgerline.decisions.approval_policy import person
from ledgerline.decisions.signing_keys import key_in_force, newest_key, revocation
from pipelines.promotion.os_keyring import keep_passphrase, kept_passphrase

_NAME = re.compile(r"[a-z0-9][a-z0-9._@-]{0,63}")
_KEYRING = "keyring"


class KeyRefused(LedgerlineError):
    """A signing key cannot be made, opened or revoked."""


def create_key(ledger: Ledger, name: str, *, passphrase: str | None, replace: bool = False) -> RecordedLeaf:
    """Make a person's Ed25519 signing key and put its public half on record.

    Killed between the two, it finishes when called again with the same passphrase.

    Args:
        ledger: The installation; the private half goes to ``settings.keys_path``, readable by its owner alone.
        name: Whose key.
        passphrase: Encrypts the private half (PKCS#8, the library's best encryption). There is no default; None lets
            the operating system's keyring keep a random one.
        replace: Make a new key although there is one. Whatever is signed with the old one from now on is refused.
            Not needed after the old one was revoked.

    Returns:
        The key's leaf.

    Raises:
        KeyRefused: The name or passphrase is unfit, or there is a key of that name already.
        KeyringUnusable: There is no keyring to keep the passphrase.
    """
    path = key_path(ledger, name)
    if passphrase is not None and not passphrase.strip():
        raise KeyRefused(f"a signing key needs a passphrase, and {name}'s is empty; choose one")
    if key_in_force(ledger, name) and not replace:
        raise KeyRefused(
            f"{name} has a signing key already; to make a new one, revoke it first: ledgerline keys revoke {name}"
        )
    secret = keep_passphrase(ledger.settings.keys_path, person(name)) if passphrase is None else passphrase
    if replace or not _is_unfinished(ledger, name, secret):
        write_key(path, Ed25519PrivateKey.generate(), secret)
    kept_in = {"passphrase_in": _KEYRING} if passphrase is None else {}
    return _put_on_record(ledger, name, open_key(ledger, name, passphrase=secret), kept_in)


def revoke_key(ledger: Ledger, name: str, *, revoked_by: str, reason: str) -> RecordedLeaf:
    """Revoke a person's newest key: what it signs from now on is refused, what is on record from before stands.

    Nothing undoes it. The person makes a new key, and a policy that names its signers must be told the new public half.

    Args:
        ledger: The installation.
        name: Whose key.
        revoked_by: Who revokes it; stays on record.
        reason: Why; stays on record.

    Returns:
        The revocation's leaf.

    Raises:
        KeyRefused: There is no key to revoke, or nobody said who revokes it and why.
    """
    if not person(revoked_by) or not reason.strip():
        raise KeyRefused("say who revokes the key and why: both stay on record")
    key = newest_key(ledger, name)
    if key is None:
        raise KeyRefused(f"{name} has no signing key on record")
    if earlier := revocation(ledger, key.identity["public_key"]):
        raise KeyRefused(
            f"the key of {name} was revoked already, by {earlier.detail['revoked_by']} at "
            f"{earlier.detail['revoked_at']}: {earlier.detail['reason']}"
        )
    leaf = Leaf(
        Kind.KEY_REVOCATION,
        {"key": key.id, "public_key": key.identity["public_key"]},
        {
            "name": key.identity["name"],
            "revoked_by": person(revoked_by),
            "reason": reason.strip(),
            "revoked_at": instant_text(ledger.clock.now()),
        },
    )
    return ledger.log.get(ledger.log.append(leaf, [Parent(key.id, "key")]))


def open_key(ledger: Ledger, name: str, *, passphrase: str) -> Ed25519PrivateKey:
    """Decrypt a person's private key.

    Raises:
        KeyRefused: No such key, a wrong passphrase, not an Ed25519 key, or a file that others may read.
    """
    path = key_path(ledger, name)
    try:
        return read_key(path, passphrase)
    except FileNotFoundError as missing:
        raise KeyRefused(f"{name} has no signing key at {path}; make one: ledgerline keys create {name}") from missing
    except KeyFileRefused as refused:
        raise KeyRefused(str(refused)) from refused


def passphrase_in_keyring(ledger: Ledger, name: str) -> str | None:
    """Return the passphrase of a person's key where the operating system's keyring keeps it, or None.

    Raises:
        KeyringUnusable: The keyring should know it, and cannot be asked.
        KeyRefused: The keyring should know it, and does not: the key was made on another machine or login.
    """
    key = key_in_force(ledger, name)
    if key is None or key.detail.get("passphrase_in") != _KEYRING:
        return None
    passphrase = kept_passphrase(ledger.settings.keys_path, person(name))
    if passphrase is None:
        raise KeyRefused(
            f"the keyring of this login does not know the passphrase of {name}'s key; sign where it was made, or "
            f"revoke it and make a new one: ledgerline keys revoke {name}"
        )
    return passphrase


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


def _is_unfinished(ledger: Ledger, name: str, passphrase: str) -> bool:
    """Whether a private key lies on the disk whose making was killed before it came on record."""
    if not key_path(ledger, name).exists():
        return False
    try:
        public_key = public_hex(open_key(ledger, name, passphrase=passphrase))
    except KeyRefused:
        if newest_key(ledger, name):  # it is revoked: the file is that key's, under a passphrase of its own
            return False
        raise
    return revocation(ledger, public_key) is None


def _put_on_record(ledger: Ledger, name: str, key: Ed25519PrivateKey, kept_in: dict[str, str]) -> RecordedLeaf:
    leaf = Leaf(
        Kind.SIGNING_KEY,
        {"name": person(name), "public_key": public_hex(key)},
        {"created_at": instant_text(ledger.clock.now()), **kept_in},
    )
    return ledger.log.get(ledger.log.append(leaf))
