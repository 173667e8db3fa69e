"""Which share a bar belongs to, as it was known: symbols change, and are used again."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Change:
    """A symbol that was changed.

    Attributes:
        old: The symbol before.
        new: The symbol from ``event`` on.
        event: When, in microseconds since 1970.
        known: From when that was known, likewise.
    """

    old: str
    new: str
    event: int
    known: int


class Names:
    """Who is who, by what was known of changes of symbols at one moment.

    Args:
        changes: Those that were known.
    """

    def __init__(self, changes: Iterable[Change]) -> None:
        self._into: dict[str, list[Change]] = defaultdict(list)
        self._away: dict[str, list[Change]] = defaultdict(list)
        for change in sorted(changes, key=lambda change: change.event):
            self._into[change.new].append(change)
            self._away[change.old].append(change)

    def instrument(self, symbol: str, event: int) -> str:
        """Return the permanent name of what was called ``symbol`` at an instant.

        It is the first symbol of its chain. A symbol that another share had given up before is told from that by the
        date, e.g. ``FB@2022-06-09``.
        """
        came, left = _last(self._into[symbol], event), _last(self._away[symbol], event)
        if came and (not left or left.event < came.event):
            return self.instrument(came.old, came.event - 1)
        if left:
            return f"{symbol}@{_EPOCH + timedelta(microseconds=left.event):%Y-%m-%d}"
        return symbol


@dataclass(frozen=True, slots=True)
class Epoch:
    """A span of time in which nothing was learnt about some symbols' changes.

    Attributes:
        symbols: The symbols, which the changes link with each other and with no other.
        begin: First instant, in microseconds since 1970; None for ever before.
        end: First instant after it; None for ever after.
        names: What was known.
    """

    symbols: frozenset[str]
    begin: int | None
    end: int | None
    names: Names


def epochs(actions: pl.DataFrame) -> list[Epoch]:
    """Return the spans of time for every symbol that is ever changed, or that another is changed into."""
    changes = _changes(actions)
    found = []
    for linked in _linked(changes):
        own = [change for change in changes if change.old in linked]
        learnt: list[int | None] = [None, *sorted({change.known for change in own})]
        for begin, end in zip(learnt, [*learnt[1:], None], strict=True):
            known = _newest([change for change in own if begin is not None and change.known <= begin])
            found.append(Epoch(linked, begin, end, Names(known)))
    return found


def names_of(found: Sequence[Epoch], symbol: str, known: int) -> Names:
    """Return who is who for a symbol at an instant."""
    for epoch in found:
        if (
            symbol in epoch.symbols
            and (epoch.begin is None or epoch.begin <= known)
            and (epoch.end is None or known < epoch.end)
        ):
            return epoch.names
    return Names(())


def microseconds(instants: pl.Series) -> NDArray[np.int64]:
    """Return instants as microseconds since 1970."""
    return instants.to_physical().to_numpy()


def _changes(actions: pl.DataFrame) -> list[Change]:
    named = actions.filter((pl.col("action") == "symbol_change") & pl.col("new_symbol").is_not_null())
    rows = named.select("symbol", "new_symbol", pl.col("event_time", "available_at").to_physical())
    return [Change(*row) for row in rows.iter_rows()]


def _newest(changes: Iterable[Change]) -> Iterator[Change]:
    """Yield, of the versions of each change, the one that was known last."""
    newest: dict[tuple[str, int], Change] = {}
    for change in sorted(changes, key=lambda change: change.known):
        newest[change.old, change.event] = change
    yield from newest.values()


def _linked(changes: Iterable[Change]) -> list[frozenset[str]]:
    groups: list[frozenset[str]] = []
    for change in changes:
        ends = frozenset((change.old, change.new))
        touching = [group for group in groups if group & ends]
        groups = [group for group in groups if not group & ends]
        groups.append(ends.union(*touching))
    return groups


def _last(changes: Sequence[Change], event: int) -> Change | None:
    """Return the last of the changes, which are in order of time, that had taken place at an instant."""
    place = bisect_right(changes, event, key=lambda change: change.event)
    return changes[place - 1] if place else None
