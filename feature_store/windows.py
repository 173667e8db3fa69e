"""Exact sums over sliding windows for every row at once, by differences of prefix sums over whole numbers.

A row is known by its *arrival position* (0 for the first to arrive), and an instant by the position of the first row
that is decided at or after it. An event counts over an interval of positions, and only for rows of its own entity.
Those rows are laid one entity after the other; the interval becomes one of *places* in that layout; adding at its
start, taking away at its end and summing up once gives every window. All numbers are integers, so the order of adding
cannot show.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Timeline:
    """When the rows were decided.

    Attributes:
        decided_at: Microseconds since 1970 at which each row was decided, ascending; its index is the arrival position.
    """

    decided_at: Integers

    def position_at(self, instants: Integers) -> Integers:
        """Return the position of the first row decided at or after each instant, or the number of rows if none is."""
        return np.searchsorted(self.decided_at, instants, side="left").astype(np.int64, copy=False)


@dataclass(frozen=True, slots=True)
class Contributions:
    """Intervals over which events add to their entity's windows.

    Attributes:
        start: First place that sees the event.
        end: First place that no longer does; at or before ``start`` for an event that came too late to be seen.
        value: What it adds.
    """

    start: Integers
    end: Integers
    value: Integers


class EntityRows:
    """The rows of every entity, one entity after the other and in arrival order within each.

    Args:
        codes: A whole number for each row's entity, equal where the entities are; in arrival order.

    Attributes:
        order: Arrival position of the row at each place.
    """

    def __init__(self, codes: Integers) -> None:
        self._width = codes.size + 1  # one more than the last position, so that "never" stays within the entity
        self._codes = codes
        self.order: Integers = np.argsort(codes, kind="stable")
        self._keys = codes[self.order] * self._width + self.order

    def places(self, events: Integers, positions: Integers) -> Integers:
        """Return the place of the first row of each event's entity that is at or after the given position.

        Args:
            events: Arrival positions of events, naming their entities. Searching in the order of places is several
                times faster than in the order of arrival, for it walks through memory.
            positions: Arrival positions, up to and including the number of rows.
        """
        return np.searchsorted(self._keys, self._codes[events] * self._width + positions)

    def totals(self, contributions: Contributions) -> Integers:
        """Return, for each row in arrival order, the sum of the contributions that it sees."""
        steps = np.zeros(self._width, dtype=np.int64)
        np.add.at(steps, contributions.start, contributions.value)
        np.subtract.at(steps, np.maximum(contributions.start, contributions.end), contributions.value)
        totals = np.empty(self._codes.size, dtype=np.int64)
        totals[self.order] = np.cumsum(steps[:-1])
        return totals
