"""Content ids: what a thing is called is a hash of what it is."""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import orjson
import rfc8785

_CHUNK_BYTES = 1 << 20

_LARGEST_INTEGER = 2**53 - 1
# Between these, Python and ECMAScript write a float that is no whole number alike: its shortest digits, no exponent.
_SMALLEST_PLAIN_FLOAT, _LARGEST_PLAIN_FLOAT = 1e-4, 1e16
_encode = json.JSONEncoder(ensure_ascii=False, check_circular=False, separators=(",", ":"), sort_keys=True).encode


class _NotPlain(Exception):
    """A value that the standard library's encoder might write in another way than RFC 8785."""


def canonical_json(value: Any) -> bytes:
    """Encode ``value`` as canonical JSON (RFC 8785): equal values give equal bytes, on any machine.

    Raises:
        rfc8785.CanonicalizationError: For what JSON cannot hold: NaN, infinities, integers beyond 2**53, other types.
    """
    # Every record of the evidence log passes here, and rfc8785 is pure Python: what faster encoders write alike, ten
    # times as fast, they write.
    try:
        if _is_simple(value):
            return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
        return _encode(_plain(value)).encode()
    except (_NotPlain, UnicodeEncodeError, orjson.JSONEncodeError, RecursionError):
        return rfc8785.dumps(value)


def _is_simple(value: Any) -> bool:
    """Whether every encoder writes a value alike: no floats, no odd types, no names but in ASCII."""
    kind = type(value)
    if kind is dict:
        values = value.values()
        try:
            if not "".join(value).isascii():
                return False
        except TypeError:
            return False
    elif kind is list or kind is tuple:
        values = value
    else:
        values = (value,)
    for each in values:
        kind = type(each)
        if kind is str or each is None or kind is bool:
            continue
        if kind is int:
            if not -_LARGEST_INTEGER <= each <= _LARGEST_INTEGER:
                return False
        elif not (kind is dict or kind is list or kind is tuple) or not _is_simple(each):
            return False
    return True


def _plain(value: Any) -> Any:
    """Return an equal value of which both encoders make the same bytes.

    Raises:
        _NotPlain: There is none, or it is not known that there is.
    """
    kind = type(value)
    if kind is str or kind is bool or value is None:
        return value
    if kind is int and -_LARGEST_INTEGER <= value <= _LARGEST_INTEGER:
        return value
    if kind is float:
        if value.is_integer() and -_LARGEST_INTEGER <= value <= _LARGEST_INTEGER:
            return int(value)
        if _SMALLEST_PLAIN_FLOAT <= abs(value) < _LARGEST_PLAIN_FLOAT:
            return value
    elif kind is dict:
        if all(type(name) is str and name.isascii() for name in value):  # else sorted by UTF-16, which Python does not
            return {name: _plain(each) for name, each in value.items()}
    elif kind is list or kind is tuple:
        return [_plain(each) for each in value]
    raise _NotPlain


def sha256_bytes(content: bytes) -> str:
    """Return the SHA-256 of ``content`` as 64 hex digits, as ``sha256sum`` prints it."""
    return hashlib.sha256(content).hexdigest()


def sha256_file(path: Path) -> str:
    """Return the SHA-256 of a file's bytes as 64 hex digits, reading it in pieces."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def content_id(value: Any) -> str:
    """Return the SHA-256 of the canonical JSON of ``value``."""
    return sha256_bytes(canonical_json(value))


def source_fingerprint(roots: Iterable[Path]) -> str:
    """Return one hash over the Python sources below ``roots`` (files or folders), by their names and bytes.

    It stands for *which code* in the identity of what that code makes: an edit makes a new identity.
    """
    files: dict[str, str] = {}
    for root in roots:
        paths = [root] if root.is_file() else sorted(root.rglob("*.py"))
        files |= {f"{root.name}/{path.relative_to(root).as_posix()}": sha256_file(path) for path in paths}
    return content_id(files)
