"""Content ids: what a thing is called is a hash of what it is."""

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import rfc8785

_CHUNK_BYTES = 1 << 20


def canonical_json(value: Any) -> bytes:
    """Encode ``value`` as canonical JSON (RFC 8785): equal values give equal bytes, on any machine.

    Raises:
        rfc8785.CanonicalizationError: For what JSON cannot hold: NaN, infinities, integers beyond 2**53, other types.
    """
    return rfc8785.dumps(value)


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
