"""Signed notes: a short text and the signatures under it, as C2SP writes them (c2sp.org/signed-note).

Two kinds of signature are known: a plain one (``0x01``), by which the log signs its checkpoints, and a timestamped
cosignature (``0x04``, c2sp.org/tlog-cosignature), by which a witness says what it saw and when.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ledgerline.core.errors import LedgerlineError

_ED25519, _COSIGNATURE = 0x01, 0x04
_KEY_BYTES, _ID_BYTES, _TIME_BYTES = 32, 4, 8
_NAME = re.compile(r"[^\s+]+")
_SIGNATURE_LINE = re.compile(r"— (?P<name>[^\s+]+) (?P<signature>[A-Za-z0-9+/]+=*)")
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")


class NoteInvalid(LedgerlineError):
    """A note is not one, or a key it must be signed with has not signed it."""


@dataclass(frozen=True, slots=True)
class NoteKey:
    """The public half of a key that signs notes.

    Attributes:
        name: Whose, as the signature lines say; a URL without scheme, as a rule.
        public: 32 bytes, Ed25519.
        cosigns: Whether it signs as a witness, with the time.
    """

    name: str
    public: bytes
    cosigns: bool = False

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name) or len(self.public) != _KEY_BYTES:
            raise NoteInvalid(
                f"{self.name!r} with {len(self.public)} bytes is no note key: no spaces or plus, 32 bytes"
            )

    @property
    def id(self) -> bytes:
        """The four bytes by which a signature line says which key it is from."""
        return hashlib.sha256(self.name.encode() + b"\n" + self._encoded).digest()[:_ID_BYTES]

    @property
    def text(self) -> str:
        """The key in one line (C2SP calls it a vkey): name, id and key."""
        return f"{self.name}+{self.id.hex()}+{base64.b64encode(self._encoded).decode()}"

    @classmethod
    def parse(cls, text: str) -> "NoteKey":
        """Read a key from its line.

        Raises:
            NoteInvalid: It is none, or its id is another key's.
        """
        name, _, rest = text.strip().partition("+")
        key_id, _, encoded = rest.partition("+")
        content = _decoded(encoded)
        if content[:1] not in (bytes([_ED25519]), bytes([_COSIGNATURE])):
            raise NoteInvalid(f"{text!r} is not the key of a log or a witness")
        key = cls(name, content[1:], cosigns=content[0] == _COSIGNATURE)
        if key.id.hex() != key_id:
            raise NoteInvalid(f"{text!r}: the key's id would be {key.id.hex()}")
        return key

    @property
    def _encoded(self) -> bytes:
        return bytes([_COSIGNATURE if self.cosigns else _ED25519]) + self.public


@dataclass(frozen=True, slots=True)
class NoteSigner:
    """A key that signs notes, with its private half.

    Attributes:
        key: The public half and its name.
        private: The private half; never shown.
    """

    key: NoteKey
    private: Ed25519PrivateKey

    @classmethod
    def of(cls, name: str, private: Ed25519PrivateKey, *, cosigns: bool = False) -> "NoteSigner":
        """Name a private key."""
        public = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        return cls(NoteKey(name, public, cosigns=cosigns), private)

    def sign(self, text: str, at: datetime | None = None) -> str:
        """Return the signature line for a note's text.

        Args:
            text: The note's text, ending in a newline.
            at: The moment of a witness's cosignature, UTC; None for a log.
        """
        if not self.key.cosigns:
            return _line(self.key, self.private.sign(text.encode()))
        if at is None:
            raise NoteInvalid(f"{self.key.name} cosigns, so it must say when")
        seconds = int(at.timestamp())
        signature = self.private.sign(_cosigned(text, seconds))
        return _line(self.key, seconds.to_bytes(_TIME_BYTES, "big") + signature)


@dataclass(frozen=True, slots=True)
class Note:
    """A text and the signature lines under it.

    Attributes:
        text: What is signed, ending in a newline.
        signatures: The lines, without their newlines.
    """

    text: str
    signatures: tuple[str, ...]

    def __str__(self) -> str:
        return "\n".join((self.text, *self.signatures, ""))

    @classmethod
    def parse(cls, content: str) -> "Note":
        """Read a note as it is written.

        Raises:
            NoteInvalid: It has no text, no signature, or what neither may hold.
        """
        text, found, lines = content.rpartition("\n\n")
        signatures = lines.splitlines()
        if not found or not signatures or not lines.endswith("\n") or _CONTROL.search(content):
            raise NoteInvalid("not a signed note: it needs a text, an empty line and signature lines")
        if strange := [line for line in signatures if not _SIGNATURE_LINE.fullmatch(line)]:
            raise NoteInvalid(f"not a signature line: {strange[0]!r}")
        return cls(f"{text}\n", tuple(signatures))

    def with_signature(self, line: str) -> "Note":
        """Return the note with one more signature."""
        return Note(self.text, (*self.signatures, line))

    def is_signed_by(self, key: NoteKey) -> bool:
        """Whether a log's key has signed the text; a line that is the key's by name and id must verify.

        Raises:
            NoteInvalid: A line is said to be this key's and is not.
        """
        return bool(list(_signatures_of(self, key)))

    def witnessed_at(self, keys: Iterable[NoteKey]) -> datetime | None:
        """Return when one of these witnesses last cosigned the text, UTC, or None.

        Raises:
            NoteInvalid: A line is said to be one of these keys' and is not.
        """
        times = [seconds for key in keys if key.cosigns for seconds in _signatures_of(self, key)]
        return datetime.fromtimestamp(max(times), UTC) if times else None


def _signatures_of(note: Note, key: NoteKey) -> Iterable[int]:
    """Yield the time (0 of a plain one) of every signature that a key has made under a note."""
    for line in note.signatures:
        match = _SIGNATURE_LINE.fullmatch(line)
        content = _decoded(match["signature"]) if match else b""
        if match is None or match["name"] != key.name or content[:_ID_BYTES] != key.id:
            continue
        content = content[_ID_BYTES:]
        seconds, message = 0, note.text.encode()
        if key.cosigns:
            seconds = int.from_bytes(content[:_TIME_BYTES], "big")
            content, message = content[_TIME_BYTES:], _cosigned(note.text, seconds)
        try:
            Ed25519PublicKey.from_public_bytes(key.public).verify(content, message)
        except InvalidSignature as forged:
            raise NoteInvalid(f"the note is not what {key.name} signed") from forged
        yield seconds


def _cosigned(text: str, seconds: int) -> bytes:
    return f"cosignature/v1\ntime {seconds}\n{text}".encode()


def _line(key: NoteKey, signature: bytes) -> str:
    return f"— {key.name} {base64.b64encode(key.id + signature).decode()}"


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as garbled:
        raise NoteInvalid(f"{text[:40]!r} is not base64") from garbled
