"""What is remembered of an accepted file instead of reading it again: its row groups, their spans and their ids.

A year of payments does not fit in memory, and one more day must not cost a reading of the year. So each file is read
once for what decides *which* rows of it matter, and to whom: for every row group when its rows became available, how
many on which day, the newest event, the first and the last id, and sixty-four bits an id, sorted. A digest is named
after the file's hash; deleted, it is made again.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow.parquet as pq
from numpy.typing import NDArray

from feature_store.id_hashes import Hashes, hashes_of
from ledgerline.core.storage import write_atomically
from pipelines.features.inputs import AcceptedFile

DIGEST_FORMAT = 1
"""Raised when what is in a digest, or how ids are hashed, changes."""

_WORD = 8
_DAY_MICROSECONDS = 86_400_000_000
_IN_MEMORY = 96  # pieces of which ids are kept in memory: a quarter of a million ids each, at most
_EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")

Instants = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """One row group of an accepted file, of which some rows are known. Instants are microseconds since 1970.

    Attributes:
        key: Names the file, and what of it is known.
        file: Its path below the workspace.
        number: Which row group it is.
        groups: How many the file has.
        offset: Rows of the file before it.
        rows: Rows in it.
        known: Rows of it that are known at ``as_of``.
        first_available: When the first of them became available.
        last_available: When the last did.
        last_event: The newest ``event_time`` of them.
        first_id: The least id by length, then by text.
        last_id: The greatest.
        days: Known rows by the UTC day on which they became available, counted from 1970.
    """

    key: str
    file: str
    number: int
    groups: int
    offset: int
    rows: int
    known: int
    first_available: int
    last_available: int
    last_event: int
    first_id: tuple[int, str]
    last_id: tuple[int, str]
    days: Mapping[int, int]
    _digest: Path
    _begin: int

    @property
    def name(self) -> str:
        """What tells this piece from all others."""
        return f"{self.key}#{self.number}"

    def hashes(self) -> Hashes:
        """Return the hashes of the known ids, ascending."""
        return _words(self._digest, self._begin, self.known).view(np.uint64)

    def happened(self) -> Instants:
        """Return ``event_time`` of the known rows, in the order of :meth:`hashes`."""
        return _words(self._digest, self._begin + self.known * _WORD, self.known)

    def may_share_ids(self, other: "Piece") -> bool:
        """Whether an id can be in both."""
        return self.first_id <= other.last_id and other.first_id <= self.last_id


class Digests:
    """Digests of accepted files in a folder: a cache, which may be deleted at any time.

    Args:
        folder: Where they are kept.
        as_of: Rows that became available later are not known.
    """

    def __init__(self, folder: Path, as_of: datetime) -> None:
        self._folder = folder
        self._as_of = as_of

    def missing(self, inputs: Iterable[AcceptedFile]) -> list[AcceptedFile]:
        """Return the files that must be read."""
        return [accepted for accepted in inputs if not self._path(accepted).exists()]

    def pieces(self, accepted: AcceptedFile, locate: Callable[[str], Path], event_id: str) -> list[Piece]:
        """Return a file's row groups that hold known rows, in order; the file is read where no digest is there.

        Args:
            accepted: The file.
            locate: Says where it lies, checked.
            event_id: The column that names an event.
        """
        digest = self._path(accepted)
        if not digest.exists():
            write_atomically(digest, _digest(locate(accepted.file.path), event_id, self._as_of))
        key = f"{accepted.file.path}:{digest.name}"
        return _pieces(digest, key, accepted.file.path)

    def _path(self, accepted: AcceptedFile) -> Path:
        cut = f"-{microseconds_of(self._as_of)}" if accepted.last_available > self._as_of else ""
        return self._folder / accepted.file.dataset / f"{accepted.file.sha256}{cut}.{DIGEST_FORMAT}"


def microseconds_of(moment: datetime) -> int:
    """Return microseconds since 1970."""
    since = moment - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def read_piece(path: Path, piece: Piece, columns: Iterable[str], *, as_of: datetime) -> pl.DataFrame:
    """Read some columns of a piece's known rows, in the file's order."""
    return read_rows(path, piece.offset, piece.rows, columns, whole=piece.groups == 1, as_of=as_of)


def read_rows(
    path: Path, offset: int, rows: int, columns: Iterable[str], *, whole: bool, as_of: datetime
) -> pl.DataFrame:
    """Read some columns of a run of an accepted file's rows that are known at ``as_of``."""
    wanted = list(dict.fromkeys((*columns, "available_at")))
    if whole:
        frame = pl.read_parquet(path, columns=wanted)
    else:
        frame = pl.scan_parquet(path).select(wanted).slice(offset, rows).collect()
    return frame.filter(pl.col("available_at") <= as_of)


@lru_cache(maxsize=_IN_MEMORY)
def _words(digest: Path, begin: int, count: int) -> Instants:
    words = np.fromfile(digest, np.int64, count, offset=begin)
    words.flags.writeable = False
    return words


def _digest(path: Path, event_id: str, as_of: datetime) -> bytes:
    metadata = pq.ParquetFile(path).metadata
    sizes = [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)]
    entries, arrays, offset, begin = [], [], 0, 0
    for number, rows in enumerate(sizes):
        whole = len(sizes) == 1
        frame = read_rows(path, offset, rows, (event_id, "event_time"), whole=whole, as_of=as_of)
        if frame.height:
            hashes = hashes_of(frame[event_id])
            order = np.argsort(hashes)
            happened = frame["event_time"].to_physical().to_numpy()
            arrays += [hashes[order].view(np.int64), happened[order]]
            entry = {"number": number, "groups": len(sizes), "offset": offset, "rows": rows, "begin": begin}
            entries.append(entry | _facts(frame, event_id))
            begin += 2 * _WORD * frame.height
        offset += rows
    header = json.dumps(entries).encode()
    header += b" " * (-len(header) % _WORD)
    return b"".join([len(header).to_bytes(_WORD, "little"), header, *(array.tobytes() for array in arrays)])


def _facts(frame: pl.DataFrame, event_id: str) -> dict[str, object]:
    available = frame["available_at"].to_physical()
    ids = frame.select(length=pl.col(event_id).str.len_chars(), name=event_id)
    days, counts = np.unique(available.to_numpy() // _DAY_MICROSECONDS, return_counts=True)
    return {
        "known": frame.height,
        "first_available": available.min(),
        "last_available": available.max(),
        "last_event": frame["event_time"].to_physical().max(),
        "first_id": list(ids.filter(pl.col("length") == pl.col("length").min()).min().row(0)),
        "last_id": list(ids.filter(pl.col("length") == pl.col("length").max()).max().row(0)),
        "days": dict(zip(map(str, days.tolist()), counts.tolist(), strict=True)),
    }


def _pieces(digest: Path, key: str, file: str) -> list[Piece]:
    with digest.open("rb") as stream:
        size = int.from_bytes(stream.read(_WORD), "little")
        entries = json.loads(stream.read(size))
    return [_piece(entry, digest, key, file, arrays_at=_WORD + size) for entry in entries]


def _piece(entry: dict[str, Any], digest: Path, key: str, file: str, *, arrays_at: int) -> Piece:
    begin = arrays_at + entry.pop("begin")
    ids = {name: (entry[name][0], entry[name][1]) for name in ("first_id", "last_id")}
    days = {int(day): rows for day, rows in entry["days"].items()}
    return Piece(key=key, file=file, _digest=digest, _begin=begin, **(entry | ids | {"days": days}))
