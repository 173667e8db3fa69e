"""The compiled loop of :func:`feature_store.indicators.volume_profile`, which says what it computes.

Every row's profile is built anew from the rows that it covers, in one order, never carried on from the profile of the
row before: what the rows before those were leaves no trace.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import types
from numpy.typing import NDArray

from feature_store.compiling import compiled, compiled_for
from feature_store.lookback_kernels import READ_POSITIONS, READ_VALUES, Positions, Values


def _profiles(
    high: Values,
    low: Values,
    close: Values,
    volume: Values,
    position: Positions,
    rows: int,
    bins: int,
    value_area: float,
) -> NDArray[np.float64]:
    """Return, for each row, point of control, lower and upper end of the value area, and share of volume below."""
    found = np.full((4, close.size), np.nan)
    traded = np.empty(bins)
    for row in range(rows - 1, close.size):
        if position[row] < rows - 1:
            continue
        first, end = row - rows + 1, row + 1
        bottom, top = _range(high[first:end], low[first:end])
        if not np.isfinite(top - bottom):
            continue
        width = (top - bottom) / bins
        _spread(traded, high[first:end], low[first:end], volume[first:end], bottom, width)
        total = _sum(traded)
        if not (total > 0.0 and np.isfinite(total)):  # nothing was traded, or a volume is not known
            continue
        control = _busiest(traded)
        lowest, highest = _value_area(traded, control, value_area * total)
        found[0, row] = bottom + (control + 0.5) * width
        found[1, row] = bottom + lowest * width
        found[2, row] = bottom + (highest + 1) * width
        found[3, row] = _below(traded, close[row], bottom, width) / total
    return found


@compiled
def _range(high: Values, low: Values) -> Any:
    """Return the lowest low and the highest high; NaN for both where one is not known."""
    bottom, top = low[0], high[0]
    for bar in range(high.size):
        if np.isnan(high[bar]) or np.isnan(low[bar]):
            return np.nan, np.nan
        bottom, top = min(bottom, low[bar]), max(top, high[bar])
    return bottom, top


@compiled
def _spread(traded: Values, high: Values, low: Values, volume: Values, bottom: float, width: float) -> None:
    """Set each bin's volume: every bar's is spread evenly over the prices from its low to its high."""
    traded[:] = 0.0
    for bar in range(high.size):
        lowest, highest = _bin(low[bar], bottom, width, traded.size), _bin(high[bar], bottom, width, traded.size)
        if lowest == highest:
            traded[lowest] += volume[bar]
            continue
        density = volume[bar] / (high[bar] - low[bar])
        for step in range(lowest, highest + 1):
            covered = min(high[bar], bottom + (step + 1) * width) - max(low[bar], bottom + step * width)
            traded[step] += density * max(0.0, covered)


@compiled
def _bin(price: float, bottom: float, width: float, bins: int) -> Any:
    """Return the bin that a price lies in: the upper one on a border, the last one at the top."""
    if width <= 0.0:
        return 0
    return int(max(0.0, min(bins - 1.0, np.floor((price - bottom) / width))))


@compiled
def _sum(traded: Values) -> Any:
    total = 0.0
    for step in range(traded.size):
        total += traded[step]
    return total


@compiled
def _busiest(traded: Values) -> Any:
    """Return the bin of most volume; of several that nearest to the middle, of two as near the lower."""
    busiest = 0
    for step in range(1, traded.size):
        nearer = abs(2 * step + 1 - traded.size) < abs(2 * busiest + 1 - traded.size)
        if traded[step] > traded[busiest] or (traded[step] == traded[busiest] and nearer):
            busiest = step
    return busiest


@compiled
def _value_area(traded: Values, control: int, wanted: float) -> Any:
    """Return the lowest and the highest bin of the value area, grown from the point of control two bins at a time."""
    lowest = highest = control
    held = traded[control]
    while held < wanted and highest - lowest < traded.size - 1:
        above, below = _sum(traded[highest + 1 : highest + 3]), _sum(traded[max(0, lowest - 2) : lowest])
        if lowest == 0 or (highest < traded.size - 1 and above >= below):
            highest = min(traded.size - 1, highest + 2)
            held += above
        else:
            lowest = max(0, lowest - 2)
            held += below
    return lowest, highest


@compiled
def _below(traded: Values, price: float, bottom: float, width: float) -> Any:
    """Return the volume below a price, of the price's own bin in part; NaN where all prices are one."""
    if width <= 0.0 or np.isnan(price):
        return np.nan
    own = _bin(price, bottom, width, traded.size)
    share = max(0.0, min(1.0, (price - (bottom + own * width)) / width))
    return _sum(traded[:own]) + share * traded[own]


profiles: Callable[[Values, Values, Values, Values, Positions, int, int, float], NDArray[np.float64]] = compiled_for(
    types.float64[:, ::1](*(READ_VALUES,) * 4, READ_POSITIONS, types.int64, types.int64, types.float64),
    _profiles,
)
