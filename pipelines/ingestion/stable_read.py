"""Read a file that somebody else may be writing: whole and unchanged, or not at all."""

import hashlib
import os
import time
from dataclasses import dataclass
from pathlib import Path

from ledgerline.core.errors import LedgerlineError

_CHUNK_BYTES = 1 << 20
_ATTEMPTS = 3
_PAUSE_SECONDS = 0.2  # long enough for a writer of small files to finish, short enough for a full folder


class FileLeft(LedgerlineError):
    """A file cannot be taken now; it is left for the next run."""


@dataclass(frozen=True, slots=True)
class StableBytes:
    """What was read.

    Attributes:
        sha256: Of the bytes.
        size: Their number.
    """

    sha256: str
    size: int


def read_stable(path: Path, *, copy_to: Path | None = None) -> StableBytes:
    """Hash, and copy if asked, a file that stays as it is meanwhile.

    The file is compared before and after by inode, size, time of modification and of status change. As times have the
    file system's granularity, the bytes are hashed twice as well.

    Args:
        path: The file.
        copy_to: Where to keep the bytes that were hashed.

    Raises:
        FileLeft: The file kept changing, vanished, or may not be read.
    """
    for attempt in range(_ATTEMPTS):
        if attempt:
            time.sleep(_PAUSE_SECONDS)
        try:
            if (found := _read_once(path, copy_to)) is not None:
                return found
        except OSError as error:
            raise FileLeft(f"cannot be read ({error.strerror}); left for the next run") from error
    raise FileLeft(f"was being written during {_ATTEMPTS} attempts to read it; left for the next run")


def _read_once(path: Path, copy_to: Path | None) -> StableBytes | None:
    before = _state(path)
    first = _digest(path, copy_to)
    second = _digest(path, None)
    if first != second or first.size != before[1] or _state(path) != before:
        return None
    return first


def _state(path: Path) -> tuple[int, int, int, int]:
    found = path.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _digest(path: Path, copy_to: Path | None) -> StableBytes:
    digest = hashlib.sha256()
    size = 0
    with path.open("rb") as source, (copy_to or Path(os.devnull)).open("wb") as copy:
        while chunk := source.read(_CHUNK_BYTES):
            digest.update(chunk)
            copy.write(chunk)
            size += len(chunk)
    return StableBytes(digest.hexdigest(), size)
