"""The object store: immutable bytes under the name of their SHA-256, on any filesystem that fsspec reaches."""

import os
import shutil
import stat
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import fsspec

from ledgerline.core.errors import LedgerlineError
from ledgerline.core.identity import sha256_bytes, sha256_file


class ObjectCorrupt(LedgerlineError):
    """An object's bytes no longer hash to its name."""


class ObjectMissing(LedgerlineError):
    """No object of that name is stored."""


class ObjectStore:
    """Content-addressed, write-once storage: ``put`` returns the SHA-256 by which ``get`` finds the bytes again.

    A half-written object is never visible: bytes go to a temporary name first and are moved. Reading checks the
    hash, so a byte changed at rest is noticed and never served.

    Args:
        url: Any fsspec URL or a plain path, e.g. ``/srv/ledgerline/objects`` or ``s3://bucket/objects``.
    """

    def __init__(self, url: str | Path) -> None:
        self._fs, self._root = fsspec.core.url_to_fs(str(url))
        self._is_local = "file" in (self._fs.protocol if isinstance(self._fs.protocol, tuple) else (self._fs.protocol,))

    def location(self, sha256: str) -> str:
        """Return where the object lives: a path on a local store (for ``sha256sum``), otherwise a URL path."""
        return f"{self._root}/{sha256[:2]}/{sha256}"

    def __contains__(self, sha256: str) -> bool:
        return bool(self._fs.exists(self.location(sha256)))

    def put(self, content: bytes) -> str:
        """Store ``content`` and return its SHA-256; storing the same bytes again changes nothing."""
        sha256 = sha256_bytes(content)
        if sha256 not in self:
            with self._new_object(sha256) as temporary, self._fs.open(temporary, "wb") as stream:
                stream.write(content)
        return sha256

    def put_file(self, path: Path) -> str:
        """Store a local file's bytes and return their SHA-256."""
        sha256 = sha256_file(path)
        if sha256 not in self:
            with self._new_object(sha256) as temporary:
                self._fs.put_file(str(path), temporary)
        return sha256

    def get(self, sha256: str) -> bytes:
        """Return the object's bytes, checked.

        Raises:
            ObjectMissing: No such object.
            ObjectCorrupt: The stored bytes hash to something else.
        """
        try:
            content: bytes = self._fs.cat_file(self.location(sha256))
        except FileNotFoundError as missing:
            raise ObjectMissing(f"object {sha256} is not in the store ({self._root})") from missing
        if (found := sha256_bytes(content)) != sha256:
            raise ObjectCorrupt(f"object {sha256} at {self.location(sha256)} now hashes to {found}: it was changed")
        return content

    @contextmanager
    def local(self, sha256: str) -> Iterator[Path]:
        """Yield a local path to the object's checked bytes, for readers that need a file.

        Raises:
            ObjectMissing: No such object.
            ObjectCorrupt: The stored bytes hash to something else.
        """
        if not self._is_local:
            with TemporaryDirectory() as folder:
                path = Path(folder) / sha256
                path.write_bytes(self.get(sha256))
                yield path
            return
        path = Path(self.location(sha256))
        if not path.exists():
            raise ObjectMissing(f"object {sha256} is not in the store ({self._root})")
        if (found := sha256_file(path)) != sha256:
            raise ObjectCorrupt(f"object {sha256} at {path} now hashes to {found}: it was changed")
        yield path

    @contextmanager
    def _new_object(self, sha256: str) -> Iterator[str]:
        final = self.location(sha256)
        temporary = f"{self._root}/.incoming/{uuid.uuid4().hex}"
        self._fs.makedirs(f"{self._root}/.incoming", exist_ok=True)
        self._fs.makedirs(final.rsplit("/", 1)[0], exist_ok=True)
        try:
            yield temporary
            if self._is_local:
                _seal_local(Path(temporary), Path(final))
            else:
                self._fs.mv(temporary, final)
        finally:
            if self._fs.exists(temporary):
                self._fs.rm(temporary)


def _seal_local(temporary: Path, final: Path) -> None:
    """Make the bytes durable and read-only, then give them their name in one step."""
    with temporary.open("rb") as stream:
        os.fsync(stream.fileno())
    temporary.chmod(stat.S_IRUSR | stat.S_IRGRP | stat.S_IROTH)
    temporary.replace(final)


def write_atomically(path: Path, content: bytes) -> None:
    """Write ``content`` at ``path`` so that a reader, or a kill, sees the whole file or none of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        with temporary.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; on success it takes ``path``'s name in one step, else it is removed.

    For writers that want a path of their own, such as Parquet encoders.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{uuid.uuid4().hex}.{path.name}")
    try:
        yield temporary
        with temporary.open("rb") as stream:
            os.fsync(stream.fileno())
        temporary.replace(path)
    finally:
        if temporary.is_dir():
            shutil.rmtree(temporary)
        temporary.unlink(missing_ok=True)
