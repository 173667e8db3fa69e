"""Indicators over a fixed number of past rows, for all rows of many histories at once.

Every value depends on at most so many rows before its own, whatever lies before those. That is so for averages with
exponential weights too: they are cut off and normalised, not carried on from the first row ever. So a live job that
holds the recent past gets the very same value as the whole history gives, to the last bit: sums are added up lag by lag
in one order, never as differences of running totals.

Values are Float64 arrays in the order of the histories; NaN where too little is known.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Lookback:
    """Reads back within each row's own history.

    Attributes:
        position: How many rows of its history lie before each row.
    """

    position: NDArray[np.int64]

    def lag(self, values: Values, rows: int) -> Values:
        """Return the value so many rows earlier."""
        if rows == 0:
            return values
        earlier = np.full(values.size, np.nan)
        earlier[rows:] = values[: max(0, values.size - rows)]
        earlier[self.position < rows] = np.nan
        return earlier

    def change(self, values: Values, rows: int) -> Values:
        """Return the relative change over so many rows."""
        return ratio(values, self.lag(values, rows)) - 1.0

    def mean(self, values: Values, rows: int) -> Values:
        """Return the mean of the last ``rows`` values, this one included."""
        total = np.zeros(values.size)
        for earlier in self._lags(values, rows):
            total += earlier
        return total / rows

    def deviation(self, values: Values, rows: int) -> Values:
        """Return the population standard deviation of the last ``rows`` values."""
        mean = self.mean(values, rows)
        total = np.zeros(values.size)
        for earlier in self._lags(values, rows):
            total += (earlier - mean) ** 2
        return np.sqrt(total / rows)

    def highest(self, values: Values, rows: int, *, least: int) -> Values:
        """Return the greatest of the last ``rows`` values, or of those there are if they are at least ``least``."""
        return self._extreme(values, rows, least, np.fmax)

    def lowest(self, values: Values, rows: int, *, least: int) -> Values:
        """Return the smallest of the last ``rows`` values, or of those there are if they are at least ``least``."""
        return self._extreme(values, rows, least, np.fmin)

    def weighted(self, values: Values, *, decay: float, rows: int, least: int) -> Values:
        """Return the mean with weights 1, ``decay``, ``decay``², … over the last ``rows`` values.

        It is the exponential average, cut off. Rows without a value, and rows before the history, have no weight.

        Args:
            values: What is averaged.
            decay: How much less a row weighs than the next, between 0 and 1.
            rows: Where the weights are cut off.
            least: How many values there must be.
        """
        total, weights = np.zeros(values.size), np.zeros(values.size)
        known = np.zeros(values.size, dtype=np.int64)
        present = ~np.isnan(values)
        held, marks = np.where(present, values, 0.0), present.astype(np.float64)
        for lag in range(min(rows, int(self.position.max(initial=-1)) + 1)):
            within = self.position[lag:] >= lag
            end = values.size - lag
            weight = decay**lag * within
            total[lag:] += weight * held[:end]
            weights[lag:] += weight * marks[:end]
            known[lag:] += within & present[:end]
        enough = (known >= least) & present
        return np.where(enough, ratio(total, weights), np.nan)

    def _extreme(self, values: Values, rows: int, least: int, better: np.ufunc) -> Values:
        found = values.copy()
        for lag in range(1, min(rows, int(self.position.max(initial=-1)) + 1)):
            earlier = np.where(self.position[lag:] >= lag, values[: values.size - lag], np.nan)
            found[lag:] = better(found[lag:], earlier)
        return np.where(self.position + 1 >= least, found, np.nan)

    def _lags(self, values: Values, rows: int) -> Iterator[Values]:
        return (self.lag(values, lag) for lag in range(rows))


def ratio(above: Values, below: Values) -> Values:
    """Return the quotient; NaN where the divisor is zero."""
    quotient: Values = np.divide(above, below, out=np.full(above.size, np.nan), where=below != 0)
    return quotient
