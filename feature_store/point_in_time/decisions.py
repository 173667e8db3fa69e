"""Which row of a history each decision knew, in one pass over the history in any order of time.

The decisions of a key are laid in a row, ascending. A feature row becomes known to all decisions from its
``available_at`` on, that is to a *suffix* of that row: it is offered to the suffix's first decision only, which keeps
the best row that it was offered. When the history has passed, the best row so far is carried from each decision to the
next. So the history is neither sorted nor held, and what is held grows with the decisions alone.
"""

from concurrent.futures import Executor

import numpy as np
import polars as pl
from numpy.typing import NDArray

from feature_store.compiling import compiled
from feature_store.point_in_time.keys import UNKNOWN, Integers

Flags = NDArray[np.bool_]

THREADS = min(8, pl.thread_pool_size())  # every thread walks over every row offered
NO_LIMIT = np.iinfo(np.int64).max
_EARLIEST = np.iinfo(np.int64).min

# The columns of what a decision keeps.
_EVENT, _AVAILABLE, _ROW = 0, 1, 2


class Decisions:
    """Decisions by key, and ascending within each.

    Args:
        keys: A number for each decision's key, from 0; ``UNKNOWN`` where it has none.
        decided_at: Instants as whole numbers of some unit, in the same order.
        count: How many keys there are.

    Attributes:
        span: The first and the last instant of decisions that have a key; ``None`` where none has.
    """

    def __init__(self, keys: Integers, decided_at: Integers, count: int) -> None:
        self.size = keys.size
        ends = np.cumsum(np.bincount(keys + 1, minlength=count + 1))
        self._starts: Integers = ends - ends[0]  # decisions without a key have number UNKNOWN and come first
        self._order: Integers = np.empty(self._starts[-1], dtype=np.int64)
        _lay_out(keys, _ascending(decided_at), self._starts[:-1].copy(), self._order)
        self._decided: Integers = decided_at[self._order]
        some = self._decided.size > 0
        self.span = (int(self._decided.min()), int(self._decided.max())) if some else None

    def nothing_known(self) -> "Known":
        """Return that no decision knows any row yet."""
        return Known(self._starts, self._decided, self._order, self.size)


class Known:
    """The best row of one history that each decision knows; made by :meth:`Decisions.nothing_known`."""

    def __init__(self, starts: Integers, decided: Integers, order: Integers, size: int) -> None:
        self._starts, self._decided, self._order, self._size = starts, decided, order, size
        self._best = np.full((decided.size, 3), _EARLIEST, dtype=np.int64)
        self._best[:, _ROW] = UNKNOWN

    def offer(
        self, keys: Integers, event_time: Integers, available_at: Integers, rows: Integers, threads: Executor
    ) -> None:
        """Take some of the history's rows into account.

        Args:
            keys: Each row's key number, or ``UNKNOWN``.
            event_time: In the unit of the decisions.
            available_at: In the unit of the decisions.
            rows: Each row's position in the history. Of rows alike in both instants the last position wins.
            threads: Each takes a range of keys: what the decisions of one key keep does not touch those of another.
        """

        def of_keys(first: int, end: int) -> None:
            _offer(first, end, keys, event_time, available_at, rows, self._starts, self._decided, self._best)

        edges = np.linspace(0, self._starts.size - 1, THREADS + 1).astype(np.int64).tolist()
        list(threads.map(of_keys, edges[:-1], edges[1:]))

    def settle(self, ttl: int = NO_LIMIT) -> tuple[Integers, Integers]:
        """Return what the decisions know now that the history has passed; to be called once.

        Args:
            ttl: The greatest age, decision less ``event_time``, at which a row still counts.

        Returns:
            The positions of the history's rows that are known to some decision, ascending; and for each decision, in
            the order given first, which of those it knows, or ``UNKNOWN``.
        """
        holder = np.full(self._decided.size, UNKNOWN, dtype=np.int64)
        used = np.zeros(self._decided.size, dtype=np.bool_)
        _carry(self._starts, self._decided, self._best, ttl, holder, used)
        holders = np.flatnonzero(used)
        rows = self._best[holders, _ROW]
        ascending = _ascending(rows)
        rank = np.empty(self._decided.size, dtype=np.int64)
        rank[holders[ascending]] = np.arange(holders.size)
        known = np.full(self._size, UNKNOWN, dtype=np.int64)
        known[self._order] = np.where(holder == UNKNOWN, UNKNOWN, rank[holder])
        return rows[ascending], known


def _ascending(values: Integers) -> Integers:
    """Return the order that sorts values; of equal ones either may come first."""
    return pl.Series(values).arg_sort().cast(pl.Int64).to_numpy()


@compiled
def _lay_out(keys: Integers, by_instant: Integers, free: Integers, order: Integers) -> None:
    for decision in by_instant:
        key = keys[decision]
        if key != UNKNOWN:
            order[free[key]] = decision
            free[key] += 1


@compiled
def _better(event: int, available: int, row: int, best: Integers) -> bool:
    """Return whether a row stands above the best so far: the newer moment, then the later word on it, then the last."""
    return (event, available, row) > (best[_EVENT], best[_AVAILABLE], best[_ROW])


@compiled
def _offer(
    first_key: int,
    end_key: int,
    keys: Integers,
    event_time: Integers,
    available_at: Integers,
    rows: Integers,
    starts: Integers,
    decided: Integers,
    best: Integers,
) -> None:
    for i in range(keys.size):
        if keys[i] < first_key or keys[i] >= end_key:
            continue
        available = available_at[i]
        first = starts[keys[i]]
        end = starts[keys[i] + 1]
        high = end
        while first < high:
            middle = (first + high) // 2
            if decided[middle] < available:
                first = middle + 1
            else:
                high = middle
        if first < end and _better(event_time[i], available, rows[i], best[first]):
            best[first, _EVENT] = event_time[i]
            best[first, _AVAILABLE] = available
            best[first, _ROW] = rows[i]


@compiled
def _carry(starts: Integers, decided: Integers, best: Integers, ttl: int, holder: Integers, used: Flags) -> None:
    for key in range(starts.size - 1):
        held = UNKNOWN
        for decision in range(starts[key], starts[key + 1]):
            row = best[decision, _ROW]
            if row != UNKNOWN and (
                held == UNKNOWN or _better(best[decision, _EVENT], best[decision, _AVAILABLE], row, best[held])
            ):
                held = decision
            if held == UNKNOWN:
                continue
            # No earlier than the earliest instant there is, where the subtraction would wrap.
            oldest = decided[decision] - ttl if decided[decision] >= _EARLIEST + ttl else _EARLIEST
            if ttl == NO_LIMIT or best[held, _EVENT] >= oldest:
                holder[decision] = held
                used[held] = True
