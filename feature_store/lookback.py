"""Indicators over a fixed number of past rows, for all rows of many histories at once.

Every value depends on at most so many rows before its own, whatever lies before those. That is so for averages with
exponential weights too: they are cut off and normalised, not carried on from the first row ever. So a live job that
holds the recent past gets the very same value as the whole history gives, to the last bit: sums are added up lag by lag
in one order, never as differences of running totals. The loops are compiled (:mod:`feature_store.lookback_kernels`),
and loaded by whoever first calls one: a job that looks back nowhere pays nothing.

Values are Float64 arrays in the order of the histories; NaN where too little is known.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from feature_store.errors import LookbackInvalid

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
        from feature_store import lookback_kernels

        return lookback_kernels.mean(self.read(values), self.positions, rows)

    def deviation(self, values: Values, rows: int) -> Values:
        """Return the population standard deviation of the last ``rows`` values."""
        from feature_store import lookback_kernels

        return lookback_kernels.deviation(self.read(values), self.positions, rows)

    def highest(self, values: Values, rows: int, *, least: int) -> Values:
        """Return the greatest of the last ``rows`` values, or of those there are if the rows are at least ``least``."""
        from feature_store import lookback_kernels

        return lookback_kernels.highest(self.read(values), self.positions, rows, least)

    def lowest(self, values: Values, rows: int, *, least: int) -> Values:
        """Return the smallest of the last ``rows`` values, or of those there are if the rows are at least ``least``."""
        return -self.highest(-values, rows, least=least)

    def weighted(self, values: Values, *, decay: float, rows: int, least: int) -> Values:
        """Return the mean with weights 1, ``decay``, ``decay``², … over the last ``rows`` values.

        It is the exponential average, cut off. Rows without a value, and rows before the history, have no weight.

        Args:
            values: What is averaged.
            decay: How much less a row weighs than the next, between 0 and 1.
            rows: Where the weights are cut off.
            least: How many values there must be, the row's own among them.
        """
        from feature_store import lookback_kernels

        weights = np.array([decay**lag for lag in range(rows)], np.float64)
        return lookback_kernels.weighted(self.read(values), self.positions, weights, least)

    @property
    def positions(self) -> NDArray[np.int64]:
        """The positions as compiled loops read them: in one piece."""
        return np.ascontiguousarray(self.position, np.int64)

    def read(self, values: Values) -> Values:
        """Return values as compiled loops read them: in one piece, one a row.

        Raises:
            LookbackInvalid: There is not one value a row; a compiled loop would read beyond the end.
        """
        if values.shape != self.position.shape:
            raise LookbackInvalid(
                f"values of shape {values.shape} beside histories of {self.position.size:,} rows: give one value a row"
            )
        return np.ascontiguousarray(values, np.float64)


def ratio(above: Values, below: Values) -> Values:
    """Return the quotient; NaN where the divisor is zero."""
    quotient: Values = np.divide(above, below, out=np.full(above.size, np.nan), where=below != 0)
    return quotient
