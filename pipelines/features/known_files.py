"""What files were found to hash to, so that a file that nobody touched is not read again to know it.

A file is known by its size, its two times and its inode, as git's index and DVC's own state know theirs. Whoever writes
it by ordinary means changes one of them. What changed under all four, a bit on a disk, is found when features are read
or restored, for those hash every file, and by ``ledgerline features verify``.
"""

import json
from pathlib import Path

from ledgerline.core.identity import sha256_file
from ledgerline.core.storage import write_atomically

_FORMAT = 1
_Signature = list[int]


class KnownFiles:
    """SHA-256 of files by their path; a cache, which may be deleted at any time.

    Args:
        path: Where it is kept.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._found: dict[str, tuple[_Signature, str]] = _read(path)
        self._changed = False

    def sha256(self, file: Path) -> str:
        """Return a file's hash, reading it only where it is not known as it lies there.

        Raises:
            FileNotFoundError: There is no such file.
        """
        signature = _signature(file)
        known = self._found.get(str(file))
        if known is not None and known[0] == signature:
            return known[1]
        sha256 = sha256_file(file)
        if _signature(file) == signature:  # else somebody writes it just now
            self._found[str(file)] = (signature, sha256)
            self._changed = True
        return sha256

    def save(self) -> None:
        """Keep what was found, without files that are gone."""
        if not self._changed:
            return
        there = {name: [signature, sha256] for name, (signature, sha256) in self._found.items() if Path(name).exists()}
        write_atomically(self._path, json.dumps({"format": _FORMAT, "files": there}).encode())
        self._changed = False


def _signature(file: Path) -> _Signature:
    stat = file.stat()
    return [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino]


def _read(path: Path) -> dict[str, tuple[_Signature, str]]:
    try:
        kept = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return {}
    if not isinstance(kept, dict) or kept.get("format") != _FORMAT:
        return {}
    return {name: (signature, sha256) for name, (signature, sha256) in kept["files"].items()}
