"""The compiled loops of :mod:`feature_store.lookback`, apart because loading numba takes half a second.

They add what numpy would add, in the same order: for every row lag by lag, the newest first, one rounding an operation
(no fast-math, which would let a compiler reorder or fuse). So a value has the same bits whichever block its row falls
into, and the same as plain numpy gives; a test holds them to that. What makes them fast is to do all lags of a thousand
rows before the next thousand, whose sums stay in the processor's first cache.

Arrays are contiguous Float64 and, for positions, Int64; they are read only. ``position`` says how many rows of its
history lie before each row.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit, types
from numpy.typing import NDArray

from feature_store.compiling import compiled_for

Values = NDArray[np.float64]
Positions = NDArray[np.int64]

READ_VALUES = types.Array(types.float64, 1, "C", readonly=True)
READ_POSITIONS = types.Array(types.int64, 1, "C", readonly=True)

_BLOCK = 1024


def _mean(values: Values, position: Positions, rows: int) -> Values:
    found = np.empty(values.size)
    begin = 0
    while begin < values.size:
        end = _block_end(position, begin)
        first = begin + min(end - begin, max(0, rows - 1 - _before(position, begin)))
        found[begin:first] = np.nan
        total = found[first:end]
        total[:] = 0.0
        for lag in range(rows):
            _add(total, values[first - lag : end - lag])
        for row in range(total.size):
            total[row] /= rows
        begin = end
    return found


def _deviation(values: Values, position: Positions, rows: int) -> Values:
    found = np.empty(values.size)
    mean = _mean_of(values, position, rows)
    begin = 0
    while begin < values.size:
        end = _block_end(position, begin)
        first = begin + min(end - begin, max(0, rows - 1 - _before(position, begin)))
        found[begin:first] = np.nan
        total = found[first:end]
        total[:] = 0.0
        for lag in range(rows):
            _add_squares(total, values[first - lag : end - lag], mean[first:end])
        for row in range(total.size):
            total[row] = np.sqrt(total[row] / rows)
        begin = end
    return found


def _highest(values: Values, position: Positions, rows: int, least: int) -> Values:
    found = values.copy()
    begin = 0
    while begin < values.size:
        end, before = _block_end(position, begin), _before(position, begin)
        for lag in range(1, min(rows, before + end - begin)):
            first = begin + max(0, lag - before)
            _raise(found[first:end], values[first - lag : end - lag])
        found[begin : begin + min(end - begin, max(0, least - 1 - before))] = np.nan
        begin = end
    return found


def _weighted(values: Values, position: Positions, weight: Values, least: int) -> Values:
    rows = weight.size
    found = np.empty(values.size)
    total, weights = np.empty(_BLOCK), np.empty(_BLOCK)
    held, marks = np.empty(_BLOCK + rows), np.empty(_BLOCK + rows)
    known = np.empty(_BLOCK + rows + 1, np.int64)
    full = _running_sum(weight)
    begin = 0
    while begin < values.size:
        end, before = _block_end(position, begin), _before(position, begin)
        size, reach = end - begin, min(before, max(0, rows - 1))
        gaps = _mark(values[begin - reach : end], held, marks, known)
        _add_weighted(total[:size], weight, held, before, reach)
        if gaps:
            _add_weighted(weights[:size], weight, marks, before, reach)
        for row in range(size):
            here, seen = reach + row, min(rows, before + row + 1)
            if marks[here] == 0.0 or known[here + 1] - known[here + 1 - seen] < least:
                found[begin + row] = np.nan
            elif gaps:
                found[begin + row] = total[row] / weights[row]
            else:
                found[begin + row] = total[row] / full[seen]
        begin = end
    return found


@njit(nogil=True)
def _block_end(position: Positions, begin: int) -> Any:
    """Return where a block ends: at the end of its history, or when it is full."""
    end = begin + 1
    while end < position.size and end - begin < _BLOCK and position[end] == position[end - 1] + 1:
        end += 1
    return end


@njit(nogil=True)
def _before(position: Positions, row: int) -> Any:
    """Return how many rows of its history lie before a row, and never more than there are rows."""
    return max(0, min(position[row], row))


@njit(nogil=True)
def _running_sum(weight: Values) -> Values:
    """Return the sums of no weight, of one, of two, …: what rows without a gap are divided by."""
    total = np.zeros(weight.size + 1)
    for lag in range(weight.size):
        total[lag + 1] = total[lag] + weight[lag]
    return total


@njit(nogil=True)
def _mark(values: Values, held: Values, marks: Values, known: Positions) -> Any:
    """Fill in zero for what is not known, one for what is, and how many were known before; say whether any was not."""
    known[0] = 0
    for row in range(values.size):
        absent = np.isnan(values[row])
        held[row] = 0.0 if absent else values[row]
        marks[row] = 0.0 if absent else 1.0
        known[row + 1] = known[row] + (0 if absent else 1)
    return known[values.size] < values.size


@njit(nogil=True)
def _add_weighted(total: Values, weight: Values, values: Values, before: int, reach: int) -> None:
    """Set sums of a block's rows: ``values`` begins ``reach`` rows before the block, the history ``before``."""
    total[:] = 0.0
    for lag in range(min(weight.size, before + total.size)):
        first = max(0, lag - before)
        _add_scaled(total[first:], weight[lag], values[first + reach - lag : total.size + reach - lag])


# Slices rather than shifted indices: only then are the loops below turned into vector instructions.


@njit(nogil=True)
def _add(total: Values, values: Values) -> None:
    for row in range(total.size):
        total[row] += values[row]


@njit(nogil=True)
def _add_scaled(total: Values, weight: float, values: Values) -> None:
    for row in range(total.size):
        total[row] += weight * values[row]


@njit(nogil=True)
def _add_squares(total: Values, values: Values, mean: Values) -> None:
    for row in range(total.size):
        apart = values[row] - mean[row]
        total[row] += apart * apart


@njit(nogil=True)
def _raise(found: Values, values: Values) -> None:
    """Take the greater, and what is known over what is not."""
    for row in range(found.size):
        greater = (values[row] > found[row]) | (found[row] != found[row])
        found[row] = values[row] if greater else found[row]


_ROWS = types.int64
_FOUND = types.float64[::1]
_mean_of = njit(nogil=True, error_model="numpy")(_mean)

mean: Callable[[Values, Positions, int], Values] = compiled_for(_FOUND(READ_VALUES, READ_POSITIONS, _ROWS), _mean)
deviation: Callable[[Values, Positions, int], Values] = compiled_for(
    _FOUND(READ_VALUES, READ_POSITIONS, _ROWS), _deviation
)
highest: Callable[[Values, Positions, int, int], Values] = compiled_for(
    _FOUND(READ_VALUES, READ_POSITIONS, _ROWS, _ROWS), _highest
)
weighted: Callable[[Values, Positions, Values, int], Values] = compiled_for(
    _FOUND(READ_VALUES, READ_POSITIONS, READ_VALUES, _ROWS), _weighted
)
