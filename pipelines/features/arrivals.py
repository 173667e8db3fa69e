"""Which rows of a view's accepted files count, found without holding them: repeated ids, and what labels are about.

An id counts once, as it first arrived; and a file of labels matters for as long as the events that its labels name are
in a window, whatever time the labels state. Both are questions about all of history. They are answered from the
digests of files, and what was answered is remembered: files that come later are compared with the old ones, and only
rows whose ids are hashed alike are read, and compared themselves.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import polars as pl

from feature_store.id_hashes import Hashes, hashes_of, in_both, repeated
from ledgerline.core.identity import content_id
from ledgerline.core.storage import write_atomically
from pipelines.features.digests import DIGEST_FORMAT, Instants, Piece

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PAIRS_A_PIECE = 16  # beyond so many, all ids are sorted together instead of compared file by file
_SORTED_AT_ONCE = 4_000_000

ReadIds = Callable[[Piece], pl.DataFrame]
"""Returns a piece's known rows in the file's order: ``id``, ``event_time`` and ``available_at``."""

_REPEATS = pl.Schema(
    {
        "piece": pl.String,
        "row": pl.Int64,  # among the piece's known rows
        "id": pl.String,
        "event_time": pl.Int64,
        "available_at": pl.Int64,
        "ignored": pl.Boolean,
    }
)


@dataclass(frozen=True, slots=True)
class Remembered:
    """What was found out about some files, from which finding out about more goes on.

    Attributes:
        events: Names of the pieces of events that it covers.
        labelled: For each piece of labels the newest ``event_time`` of the events it names; None where it names none.
        repeats: Every row whose id another row has, and whether it is ignored: some other arrived first.
    """

    events: frozenset[str] = frozenset()
    labelled: Mapping[str, int | None] = field(default_factory=dict)
    repeats: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=_REPEATS))

    def save(self, path: Path) -> None:
        """Keep it."""
        kept = {
            "format": DIGEST_FORMAT,
            "events": sorted(self.events),
            "labelled": dict(self.labelled),
            "repeats": self.repeats.rows(),
        }
        write_atomically(path, orjson.dumps(kept))

    @classmethod
    def load(cls, path: Path) -> "Remembered":
        """Return what :meth:`save` kept; nothing where there is nothing to be read."""
        try:
            kept: dict[str, Any] = orjson.loads(path.read_bytes())
        except (FileNotFoundError, orjson.JSONDecodeError):
            return cls()
        if kept.get("format") != DIGEST_FORMAT:
            return cls()
        repeats = pl.DataFrame(kept["repeats"], schema=_REPEATS, orient="row")
        return cls(frozenset(kept["events"]), kept["labelled"], repeats)


@dataclass(frozen=True, slots=True)
class Arrivals:
    """A view's accepted rows, piece by piece.

    Attributes:
        events: Pieces of events, in the order of the inputs.
        labels: Pieces of labels.
        ignored: For each piece with some, the rows of it that do not count, among its known ones.
        labelled: For each piece of labels that names known events, the newest ``event_time`` of those.
        found: What to go on from next time.
    """

    events: Sequence[Piece]
    labels: Sequence[Piece]
    ignored: Mapping[str, Instants]
    labelled: Mapping[str, int]
    found: Remembered


@dataclass(frozen=True, slots=True)
class History:
    """What decides which days there are, and what each was made from.

    Attributes:
        dates: Every UTC day on which a row that counts became available, ascending, with how many did.
        contents: For each input path, what names the rows of it that count: its hash, or a hash over that and the ids
            in it that had arrived before.
        last_event: For each input path with rows that count, the latest ``event_time`` of the events they are about; a
            label's own is not relied on.
    """

    dates: Mapping[date, int]
    contents: Mapping[str, str]
    last_event: Mapping[str, datetime]


def find_arrivals(events: Sequence[Piece], labels: Sequence[Piece], read_ids: ReadIds, before: Remembered) -> Arrivals:
    """Find the rows that count, and what labels are about.

    Args:
        events: Pieces of events in the order of the inputs: of two rows of one id that became available at one
            instant, the one that stands first here arrived first.
        labels: Pieces of labels.
        read_ids: Reads the rows in which a repeated id may be.
        before: What is remembered of some of the pieces, or of others.
    """
    order = {piece.name: position for position, piece in enumerate(events)}
    gone = before.events - order.keys()
    known = before.repeats.filter(pl.col("piece").is_in(list(order)))
    new = [piece for piece in events if piece.name not in before.events]
    repeats = _repeats(new, [piece for piece in events if piece.name in before.events], read_ids, known, order)
    moved = bool(gone) or not _ignored_of(repeats, before.events).equals(_ignored_of(before.repeats, before.events))
    counting = _Counting(repeats)
    old_labelled: Mapping[str, int | None] = {} if moved else before.labelled
    labelled = _labelled(labels, old_labelled, events, new, counting)
    return Arrivals(
        events=events,
        labels=labels,
        ignored=counting.ignored_rows,
        labelled={name: newest for name, newest in labelled.items() if newest is not None},
        found=Remembered(frozenset(order), labelled, repeats),
    )


def history_of(arrivals: Arrivals, hashes: Mapping[str, str]) -> History:
    """Return what decides the stamps of days.

    Args:
        arrivals: The rows that count.
        hashes: SHA-256 of every input by its path.
    """
    counting = _Counting(arrivals.found.repeats)
    days: Counter[int] = Counter()
    last_event: dict[str, int] = {}
    for piece in arrivals.events:
        days.update(piece.days)
        newest = counting.last_event(piece)
        if newest is not None:
            last_event[piece.file] = max(newest, last_event.get(piece.file, newest))
    days.subtract(counting.ignored_days)
    for piece in arrivals.labels:
        if (newest := arrivals.labelled.get(piece.name)) is not None:
            last_event[piece.file] = max(newest, last_event.get(piece.file, newest))
    ignored = counting.ignored_ids({piece.name: piece.file for piece in arrivals.events})
    contents = {
        path: content_id([sha256, ignored[path]]) if path in ignored else sha256 for path, sha256 in hashes.items()
    }
    return History(
        dates={_date(day): days[day] for day in sorted(days) if days[day]},
        contents=contents,
        last_event={path: _EPOCH + timedelta(microseconds=newest) for path, newest in last_event.items()},
    )


class _Counting:
    """What repeated rows take away from their pieces."""

    def __init__(self, repeats: pl.DataFrame) -> None:
        self._repeats = repeats
        self._ignored = repeats.filter("ignored")
        by_piece = self._ignored.partition_by("piece", as_dict=True)
        self.ignored_rows: dict[str, Instants] = {
            str(name): part["row"].sort().to_numpy() for (name,), part in by_piece.items()
        }

    @property
    def ignored_days(self) -> Counter[int]:
        """Ignored rows by the day on which they became available."""
        days = self._ignored["available_at"].to_numpy() // 86_400_000_000
        return Counter(days.tolist())

    def ignored_ids(self, files: Mapping[str, str]) -> dict[str, str]:
        """Return, for each file with ignored rows, a hash over their ids."""
        by_file = self._ignored.with_columns(file=pl.col("piece").replace_strict(files, return_dtype=pl.String))
        return {file: content_id(ids) for file, ids in by_file.group_by("file").agg(pl.col("id").sort()).iter_rows()}

    def ids(self, piece: Piece) -> tuple[Hashes, Instants]:
        """Return the hashes of a piece's ids that count, ascending, and when each event happened."""
        hashes, happened = piece.hashes(), piece.happened()
        if piece.name not in self.ignored_rows:
            return hashes, happened
        own = self._repeats.filter(pl.col("piece") == piece.name)
        ids = hashes_of(own["id"])
        others = ~np.isin(hashes, ids)
        first = own.with_columns(hash=pl.Series(ids)).filter(~pl.col("ignored"))
        found = np.append(hashes[others], first["hash"].to_numpy())
        when = np.append(happened[others], first["event_time"].to_numpy())
        ascending = np.argsort(found, kind="stable")
        return found[ascending], when[ascending]

    def last_event(self, piece: Piece) -> int | None:
        """Return the newest ``event_time`` of the rows that count; None where none does."""
        if piece.name not in self.ignored_rows:
            return piece.last_event
        _, happened = self.ids(piece)
        return int(happened.max()) if happened.size else None


def _repeats(
    new: Sequence[Piece], old: Sequence[Piece], read_ids: ReadIds, known: pl.DataFrame, order: Mapping[str, int]
) -> pl.DataFrame:
    """Return every row of which another has the id."""
    suspects = _suspects(new, old)
    frames = [known.drop("ignored")]
    for piece in (*old, *new):
        if (hashes := suspects.get(piece.name)) is not None:
            rows = read_ids(piece).with_row_index("row")
            alike = rows.filter(pl.Series(np.isin(hashes_of(rows["id"]), hashes)))
            frames.append(
                alike.select(
                    pl.lit(piece.name).alias("piece"),
                    pl.col("row").cast(pl.Int64),
                    "id",
                    *(pl.col(instant).to_physical().cast(pl.Int64) for instant in ("event_time", "available_at")),
                )
            )
    rows = pl.concat(frames).unique(("piece", "row"))
    rows = rows.filter(pl.len().over("id") > 1)
    position = pl.col("piece").replace_strict(dict(order), return_dtype=pl.Int64)
    arrived = rows.sort("available_at", position, "row")
    return arrived.with_columns(ignored=~pl.col("id").is_first_distinct())


def _suspects(new: Sequence[Piece], old: Sequence[Piece]) -> dict[str, Hashes]:
    """Return, by piece, the hashes of ids that stand in another piece too, or twice in it; but not of two old ones."""
    found: defaultdict[str, list[Hashes]] = defaultdict(list)
    pairs = [
        (piece, other)
        for place, piece in enumerate(new)
        for other in (*old, *new[:place])
        if piece.may_share_ids(other)
    ]
    for piece in new:
        hashes = piece.hashes()
        if (twice := repeated(hashes)).size:
            found[piece.name].append(hashes[twice])
    if len(pairs) > _PAIRS_A_PIECE * (len(new) + len(old)):
        everywhere = _shared_by_any((*old, *new))
        for piece in (*old, *new):
            hashes = piece.hashes()
            if (places := in_both(hashes, everywhere)).size:
                found[piece.name].append(hashes[places])
    else:
        for piece, other in pairs:
            hashes = piece.hashes()
            if (places := in_both(hashes, other.hashes())).size:
                for each in (piece, other):
                    found[each.name].append(hashes[places])
    return {name: np.unique(np.concatenate(parts)) for name, parts in found.items()}


def _shared_by_any(pieces: Iterable[Piece]) -> Hashes:
    """Return the hashes that stand more than once in all pieces together, ascending."""
    together = np.concatenate([piece.hashes() for piece in pieces])
    together.sort()
    return np.unique(together[1:][together[1:] == together[:-1]])


def _ignored_of(repeats: pl.DataFrame, pieces: Iterable[str]) -> pl.DataFrame:
    ignored = repeats.filter(pl.col("ignored") & pl.col("piece").is_in(list(pieces)))
    return ignored.select("piece", "row").sort("piece", "row")


def _labelled(
    labels: Sequence[Piece],
    before: Mapping[str, int | None],
    events: Sequence[Piece],
    new_events: Sequence[Piece],
    counting: _Counting,
) -> dict[str, int | None]:
    """Return the newest ``event_time`` of the events that each piece of labels names."""
    newest: dict[str, int | None] = {piece.name: before.get(piece.name) for piece in labels}
    pairs = [
        (piece, event)
        for piece in labels
        for event in (new_events if piece.name in before else events)
        if piece.may_share_ids(event)
    ]
    if len(pairs) > _PAIRS_A_PIECE * (len(labels) + len(events)):
        for name, found in _newest_by_range(labels, events, counting).items():
            newest[name] = max(found, newest[name] or found)
        return newest
    for piece, event in sorted(pairs, key=lambda pair: pair[1].last_event, reverse=True):
        best = newest[piece.name]
        if best is not None and best >= event.last_event:
            continue
        ids, happened = counting.ids(event)
        if (places := in_both(ids, piece.hashes())).size:
            found = int(happened[places].max())
            newest[piece.name] = found if best is None else max(best, found)
    return newest


def _newest_by_range(labels: Sequence[Piece], events: Sequence[Piece], counting: _Counting) -> dict[str, int]:
    """Do the same for every pair at once, one range of hashes after the other."""
    total = sum(piece.known for piece in (*labels, *events))
    count = 1 + total // _SORTED_AT_ONCE
    bounds = [np.uint64(number * 2**64 // count) for number in range(count)]
    ranges = list(zip(bounds, [*bounds[1:], None], strict=True))
    newest = np.full(len(labels), np.iinfo(np.int64).min)
    for low, high in ranges:
        parts = [_within(*counting.ids(piece), low, high) for piece in events]
        ids, happened = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
        ascending = np.lexsort((happened, ids))
        ids, happened = ids[ascending], happened[ascending]
        for place, piece in enumerate(labels):
            hashes = piece.hashes()
            own, _ = _within(hashes, hashes.view(np.int64), low, high)
            at = np.searchsorted(ids, own, side="right") - 1  # of events that hash alike the newest, as pair by pair
            named = at[(at >= 0) & (ids[at] == own)] if ids.size else at[:0]
            if named.size:
                newest[place] = max(newest[place], happened[named].max())
    return {
        piece.name: int(found) for piece, found in zip(labels, newest, strict=True) if found != np.iinfo(np.int64).min
    }


def _within(hashes: Hashes, beside: Instants, low: np.uint64, high: np.uint64 | None) -> tuple[Hashes, Instants]:
    begin = np.searchsorted(hashes, low)
    end = hashes.size if high is None else np.searchsorted(hashes, high)
    return hashes[begin:end], beside[begin:end]


def _date(day: int) -> date:
    return date(1970, 1, 1) + timedelta(days=day)
