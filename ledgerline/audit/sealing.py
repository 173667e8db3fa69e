"""Encryption of personal data: one key a person, one key a file, and the installation's own key over them all.

AES-SIV (RFC 5297) encrypts: the same content under the same key gives the same bytes, so that a task which is killed
and run again ends in the same objects, and without its key a sealed text tells nothing, not even to who guesses it.
Keys are kept wrapped (RFC 3394) under a key that HKDF (RFC 5869) derives from the installation's.
"""

import base64
import binascii
import hmac
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

from ledgerline.audit.key_file import KeyFileRefused, create_owner_only, read_owner_only
from ledgerline.core.errors import LedgerlineError
from ledgerline.core.settings import Settings

KEY_BYTES = 64  # AES-256 twice, as SIV takes it
_SEALED = "sealed:"  # before every text that is encrypted
_CHUNK_BYTES = 1 << 23
_LENGTH_BYTES = 4
_SHORTEST_SECRET = 32


class PersonalKeyRefused(LedgerlineError):
    """The installation's key to personal data is not there, or is not the one under which the data was sealed."""


def another_key() -> PersonalKeyRefused:
    """Return the refusal of a key under which nothing here was sealed."""
    return PersonalKeyRefused(
        "personal data here was sealed under another key than LEDGERLINE_PERSONAL_KEY, or keys/personal.key, holds; "
        "bring back the key of this installation"
    )


class Unopened(LedgerlineError):
    """Sealed content does not open: another key, or changed bytes."""


@dataclass(frozen=True, slots=True)
class PersonalKey:
    """What an installation derives from its key to personal data.

    Attributes:
        lookup: Keys the hashes by which persons and files are found again.
        wrapping: Encrypts the keys of persons and files.
    """

    lookup: bytes = field(repr=False)
    wrapping: bytes = field(repr=False)

    @classmethod
    def derived(cls, secret: bytes) -> "PersonalKey":
        """Derive both from the installation's secret."""

        def of(purpose: bytes) -> bytes:
            return HKDF(SHA256(), length=32, salt=None, info=b"ledgerline personal data, " + purpose).derive(secret)

        return cls(of(b"lookup"), of(b"wrapping"))

    def hash_of(self, *parts: str) -> str:
        """Return a keyed hash: it finds what is known again, and tells nobody without the key what that was."""
        message = b"".join(len(part).to_bytes(8, "big") + part for part in (each.encode() for each in parts))
        return hmac.digest(self.lookup, message, "sha256").hex()

    def wrap(self, key: bytes) -> bytes:
        """Encrypt a key."""
        return aes_key_wrap(self.wrapping, key)

    def unwrap(self, wrapped: bytes) -> bytes:
        """Return a key that was wrapped.

        Raises:
            PersonalKeyRefused: It was wrapped under another installation's key.
        """
        try:
            return aes_key_unwrap(self.wrapping, wrapped)
        except (InvalidUnwrap, ValueError) as other:
            raise another_key() from other


def personal_key(settings: Settings) -> PersonalKey:
    """Return the installation's key: from the environment, else from a file that is made on the first call.

    Raises:
        PersonalKeyRefused: The environment's is no key, or the file is, or could have been read by others.
    """
    if settings.personal_key is not None:
        return PersonalKey.derived(_decoded(settings.personal_key.get_secret_value(), "LEDGERLINE_PERSONAL_KEY"))
    return PersonalKey.derived(_file_secret(settings.keys_path / "personal.key"))


def new_key() -> bytes:
    """Return a key for a person or a file."""
    return os.urandom(KEY_BYTES)


def seal(key: bytes, content: bytes, place: str) -> bytes:
    """Encrypt ``content``; it opens under the same key and at the same ``place`` only."""
    return AESSIV(key).encrypt(content, [place.encode()])


def unseal(key: bytes, sealed: bytes, place: str) -> bytes:
    """Return what was sealed.

    Raises:
        Unopened: Another key, another place, or changed bytes.
    """
    try:
        return AESSIV(key).decrypt(sealed, [place.encode()])
    except (InvalidTag, ValueError) as changed:
        raise Unopened(f"sealed content of {place} does not open: it was changed, or belongs elsewhere") from changed


def seal_text(key: bytes, text: str, place: str) -> str:
    """Encrypt a text into a text."""
    return _SEALED + base64.urlsafe_b64encode(seal(key, text.encode(), place)).decode()


def unseal_text(key: bytes, sealed: str, place: str) -> str:
    """Return a text that was sealed.

    Raises:
        Unopened: It was not, or as :func:`unseal`.
    """
    try:
        content = base64.urlsafe_b64decode(sealed.removeprefix(_SEALED))
    except (binascii.Error, ValueError) as garbled:
        raise Unopened(f"the text of {place} was never sealed") from garbled
    return unseal(key, content, place).decode()


def seal_file(key: bytes, source: Path, into: Path) -> None:
    """Encrypt a file, in bounded memory."""
    with source.open("rb") as plain, into.open("wb") as sealed:
        for position, (chunk, following) in enumerate(_each_with_next(iter(lambda: plain.read(_CHUNK_BYTES), b""))):
            content = seal(key, chunk, _chunk_place(position, is_last=following is None))
            sealed.write(len(content).to_bytes(_LENGTH_BYTES, "big") + content)


def unseal_file(key: bytes, source: Path, into: Path) -> None:
    """Write what :func:`seal_file` was given.

    Raises:
        Unopened: Another key, or a file that was changed, cut or reordered. What was written is no whole file.
    """
    with source.open("rb") as sealed, into.open("wb") as plain:
        for position, (chunk, following) in enumerate(_each_with_next(_chunks(sealed))):
            plain.write(unseal(key, chunk, _chunk_place(position, is_last=following is None)))


def _chunks(sealed: BinaryIO) -> Iterator[bytes]:
    while prefix := sealed.read(_LENGTH_BYTES):
        length = int.from_bytes(prefix, "big")
        content = sealed.read(length)
        if len(content) != length or len(prefix) != _LENGTH_BYTES:
            raise Unopened("a sealed file does not open: it was cut or changed")
        yield content


def _each_with_next(chunks: Iterator[bytes]) -> Iterator[tuple[bytes, bytes | None]]:
    """Yield each chunk and the one after it; of nothing, one empty chunk."""
    chunk = next(chunks, b"")
    for following in chunks:
        yield chunk, following
        chunk = following
    yield chunk, None


def _chunk_place(position: int, *, is_last: bool) -> str:
    return f"raw file, part {position}{', the last' if is_last else ''}"


def _file_secret(path: Path) -> bytes:
    """Return the secret in a file, made by whoever comes first."""
    try:
        if not path.exists():
            create_owner_only(path, base64.b64encode(new_key()) + b"\n")
        return _decoded(read_owner_only(path).decode("ascii", "replace"), str(path))
    except KeyFileRefused as open_to_others:
        raise PersonalKeyRefused(str(open_to_others)) from open_to_others
    except OSError as error:
        raise PersonalKeyRefused(f"{path}: {error.strerror}; set LEDGERLINE_PERSONAL_KEY instead") from error


def _decoded(text: str, where: str) -> bytes:
    try:
        secret = base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        secret = b""
    if len(secret) < _SHORTEST_SECRET:
        raise PersonalKeyRefused(
            f"{where} holds no key to personal data: at least {_SHORTEST_SECRET} random bytes in base64, "
            f"e.g. from `openssl rand -base64 {KEY_BYTES}`"
        )
    return secret
