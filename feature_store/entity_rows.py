"""The events and the decisions of every entity, side by side, ready for the compiled loops; worked on by every core."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from feature_store import kernels

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]

_SMALL = 20_000  # events and decisions of which threads would cost more than they save
_RANGES_A_CORE = 4


class EntityRows:
    """What is known of every entity, and what is decided about it.

    Args:
        codes: A number from 0 for the entity of each event, in arrival order.
        happened: ``event_time`` of each event, microseconds since 1970.
        decided: The entity of each decision, numbered alike.
        at: When each decision was made, ascending.
        limit: Position of the last event that each decision sees, ascending.
    """

    def __init__(self, codes: Integers, happened: Integers, decided: Integers, at: Integers, limit: Integers) -> None:
        self._codes = codes
        self._entities = 1 + max(int(codes.max(initial=-1)), int(decided.max(initial=-1)))
        self._events, self._event_begins = kernels.grouped(codes, self._entities)
        if decided.size == codes.size and np.shares_memory(decided, codes):
            self._decisions, self._decision_begins = self._events, self._event_begins
        else:
            self._decisions, self._decision_begins = kernels.grouped(decided, self._entities)
        self._when = happened
        self._happened = _gathered(happened, self._events)
        self._at = _gathered(at, self._decisions)
        self._limit = _gathered(limit, self._decisions)
        self._grouped: dict[int, tuple[Integers, Integers]] = {}

    @property
    def most_events(self) -> int:
        """How many events the entity has that has most."""
        return int(np.diff(self._event_begins).max(initial=0))

    def totals(self, delay: int, reach: int, values: list[Integers]) -> Integers:
        """Return, in the order of entities, how many events each decision's window holds and the sums of their values.

        Args:
            delay: Microseconds before the decision at which the window ends.
            reach: Microseconds before it at which it begins, exclusive.
            values: Whole numbers of each event, in arrival order.
        """
        contributed = tuple(self._by_entity(each) for each in values)
        when = self._happened, delay, self._happened, reach
        return self._added_up(self._events, self._event_begins, when, contributed)

    def label_totals(
        self, delay: int, reach: int, events: Integers, known: tuple[Integers, Integers], values: Integers
    ) -> Integers:
        """Return, in the order of entities, the sums of what labels said that were the newest known at each decision.

        Args:
            delay: Microseconds before the decision at which the window ends.
            reach: Microseconds before it at which it begins, exclusive.
            events: Position of the event that each label is about.
            known: From when each label is the newest known, and until when.
            values: What it says.
        """
        order, begins = kernels.grouped(self._codes[events], self._entities)
        positions = events[order]
        since = np.maximum(self._when[positions] + delay, known[0][order])
        until = np.minimum(self._when[positions] + reach, known[1][order])
        return self._added_up(positions, begins, (since, 0, until, 0), (values[order],))[:, 1]

    def in_order(self, counts: Integers, totals: Integers, how: int, divide_by: int, empty: float) -> Floats:
        """Return a window of every decision, in their order, from counts and sums in the order of entities."""
        found = np.empty(self._decisions.size)
        of_decisions = self._decisions, self._decision_begins, counts, totals, how, divide_by, empty
        self._in_ranges(lambda first, last: kernels.finish(first, last, *of_decisions, found))
        return found

    def look_back(
        self,
        values: Integers,
        *,
        how: int,
        span: tuple[int, int],
        rows: int,
        lag: int,
        half_life: int,
        divide_by: int,
        empty: float,
    ) -> Floats:
        """Return a window of every decision, in their order; see :func:`feature_store.kernels.look_back`."""
        grouped, found = self._by_entity(values), np.empty(self._decisions.size)
        of_events = self._events, self._event_begins, self._happened, grouped
        of_decisions = self._decisions, self._decision_begins, self._at, self._limit
        how_to = how, *span, rows, lag, half_life, divide_by, empty
        self._in_ranges(lambda first, last: kernels.look_back(first, last, *of_events, *of_decisions, *how_to, found))
        return found

    def listed(self, values: Integers, *, span: tuple[int, int], rows: int, divide_by: int) -> Floats:
        """Return the newest values of every decision's entity, oldest first: one row a decision, NaN where none is."""
        found = np.full((self._decisions.size, rows), np.nan)
        of_events = self._events, self._event_begins, self._happened, self._by_entity(values)
        of_decisions = self._decisions, self._decision_begins, self._at, self._limit
        self._in_ranges(
            lambda first, last: kernels.list_back(first, last, *of_events, *of_decisions, *span, divide_by, found)
        )
        return found

    def newest_seen(self) -> Integers:
        """Return ``event_time`` of the newest event that each decision sees of its entity; of none, the least."""
        newest = np.full(self._decisions.size, np.iinfo(np.int64).min)
        of_events = self._events, self._event_begins, self._happened
        of_decisions = self._decisions, self._decision_begins, self._at, self._limit
        self._in_ranges(lambda first, last: kernels.newest_seen(first, last, *of_events, *of_decisions, newest))
        return newest

    def _added_up(
        self,
        positions: Integers,
        begins: Integers,
        when: tuple[Integers, int, Integers, int],
        values: tuple[Integers, ...],
    ) -> Integers:
        totals = np.zeros((self._decisions.size, 1 + len(values)), np.int64)
        contributions = begins, positions, *when, _side_by_side(values, positions.size)
        of_decisions = self._decision_begins, self._at, self._limit
        self._in_ranges(lambda first, last: kernels.add_up(first, last, *contributions, *of_decisions, totals))
        return totals

    def _by_entity(self, values: Integers) -> Integers:
        """Return values of events in the order of entities; several windows read the same ones."""
        kept = self._grouped.get(id(values))
        if kept is None:
            kept = self._grouped[id(values)] = values, _gathered(values, self._events)
        return kept[1]

    def _in_ranges(self, work: Callable[[int, int], None]) -> None:
        in_ranges(work, self._event_begins + self._decision_begins)


def _gathered(values: Integers, places: Integers) -> Integers:
    """Return the values at some places: a walk through memory that is worth sharing out."""
    if places.size <= _SMALL:
        return values[places]
    found = np.empty(places.size, values.dtype)
    edges = np.linspace(0, places.size, (os.cpu_count() or 1) + 1).astype(np.int64).tolist()
    with ThreadPoolExecutor(len(edges) - 1) as pool:
        list(pool.map(lambda first, last: kernels.gather(values, places, first, last, found), edges[:-1], edges[1:]))
    return found


def _side_by_side(values: tuple[Integers, ...], size: int) -> Integers:
    if len(values) == 1:
        return values[0].reshape(1, -1)
    return np.stack(values) if values else np.empty((0, size), np.int64)


def in_ranges(work: Callable[[int, int], None], begins: Integers) -> None:
    """Call ``work(first, last)`` for ranges of entities that hold about equally much, on every core.

    Args:
        work: Called once for every range; it must release Python's lock and write nothing that another range writes.
        begins: How much lies before each entity, and how much there is.
    """
    entities, cores = begins.size - 1, os.cpu_count() or 1
    if begins[-1] <= _SMALL or cores == 1:
        work(0, entities)
        return
    cuts = np.searchsorted(begins, np.linspace(0, begins[-1], cores * _RANGES_A_CORE + 1)[1:-1])
    bounds = [0, *np.unique(cuts[(cuts > 0) & (cuts < entities)]).tolist(), entities]
    with ThreadPoolExecutor(cores) as pool:
        list(pool.map(work, bounds[:-1], bounds[1:]))
