"""Technical indicators of bars, for any view that reads back within histories.

Every function takes a :class:`~feature_store.lookback.Lookback` and arrays of one value a row, in the order of its
histories, and returns arrays of the same length: Float64, in the units of what was given unless it says otherwise, NaN
where too little is known. A row's value depends on a fixed number of rows up to its own, so it is the same, to the last
bit, whatever lies before those and whatever comes after. Arrays of another length raise
:class:`~feature_store.errors.LookbackInvalid`.

Textbooks carry exponential averages on from the first row ever, and start them from a plain mean. Here they are cut off
after :data:`EXPONENTIAL_ROWS` rows and normalised (:mod:`feature_store.lookback` says why). What is cut off weighs less
than one part in 2,500 for an average of span 50 and one in two million for Wilder's of 14.

Sources:
    J. Welles Wilder, *New Concepts in Technical Trading Systems*, 1978: the average, the true range, the RSI.
    Gerald Appel, *The Moving Average Convergence-Divergence Method*, 1979.
    John Bollinger, *Bollinger on Bollinger Bands*, 2001, of bands that he has used since 1983.
    J. Peter Steidlmayer and Kevin Koy, *Markets and Market Logic*, 1986, and the Chicago Board of Trade's
    *CBOT Market Profile*, 1991: the value area.
"""

from dataclasses import dataclass

import numpy as np

from feature_store.errors import IndicatorInvalid
from feature_store.lookback import Lookback, Values, ratio

EXPONENTIAL_ROWS = 200
"""After how many rows exponential averages are cut off."""

SIGNAL_ROWS = 60
"""Likewise for the MACD's signal line, which stands on such averages already."""

_ROUNDING = 1e-12  # of the mean: so much width rounding leaves between bands where prices did not move


@dataclass(frozen=True, slots=True)
class Macd:
    """Moving average convergence-divergence, in the units of the price.

    Attributes:
        line: Fast less slow exponential average.
        signal: Exponential average of the line.
        histogram: The line less its signal.
    """

    line: Values
    signal: Values
    histogram: Values


@dataclass(frozen=True, slots=True)
class Bollinger:
    """Bands about the mean.

    Attributes:
        lower: The mean less so many deviations, in the units of the price.
        middle: The mean.
        upper: The mean and so many deviations.
        position: Where the price lies: 0 on the lower band, 1 on the upper one (Bollinger's %b); NaN where prices did
            not move.
        width: Distance between the bands, as a share of the mean (Bollinger's BandWidth).
    """

    lower: Values
    middle: Values
    upper: Values
    position: Values
    width: Values


@dataclass(frozen=True, slots=True)
class VolumeProfile:
    """At which prices the volume of the last rows was traded.

    Attributes:
        point_of_control: Price at which most was traded: the middle of its bin.
        value_area_low: Lower end of the prices about it at which the value area's share was traded.
        value_area_high: Upper end of those.
        below_close: Share of the volume that was traded below the row's close, 0 to 1; NaN where all prices are one.
    """

    point_of_control: Values
    value_area_low: Values
    value_area_high: Values
    below_close: Values


def sma(back: Lookback, values: Values, rows: int) -> Values:
    """Return the simple moving average, ``Σ v / rows``: NaN where one of the last ``rows`` values is not known."""
    return back.mean(values, rows)


def ema(back: Lookback, values: Values, span: int, *, cut: int = EXPONENTIAL_ROWS) -> Values:
    """Return the exponential moving average of a span: weights fall by ``1 - 2 / (span + 1)`` a row.

    It is ``Σ wˡ vₗ / Σ wˡ`` over the lags ``l`` below ``cut`` whose values are known; NaN where the row's own value is
    not, or fewer than ``span`` are. Where nothing is cut off it is what pandas' ``ewm(span=span)`` gives.

    Args:
        back: The histories.
        values: What is averaged.
        span: How slow the average is.
        cut: After how many rows it is cut off.
    """
    return back.weighted(values, decay=1 - 2 / (span + 1), rows=cut, least=span)


def wilder(back: Lookback, values: Values, rows: int) -> Values:
    """Return Wilder's average (1978): an exponential one whose weights fall by ``1 - 1 / rows`` a row.

    NaN where the row's own value is not known, or fewer than ``rows`` are. Wilder starts from a plain mean and carries
    on; after a hundred rows the two differ in no digit that matters.
    """
    return back.weighted(values, decay=1 - 1 / rows, rows=EXPONENTIAL_ROWS, least=rows)


def rsi(back: Lookback, close: Values, rows: int = 14) -> Values:
    """Return Wilder's relative strength index (1978): ``100 · gain / (gain + loss)``, 0 to 100.

    ``gain`` and ``loss`` are Wilder's averages of the rises and the falls from row to row. NaN for the first ``rows``
    rows of a history, and where the price never moved.
    """
    moves = close - back.lag(close, 1)
    gain = wilder(back, np.where(np.isnan(moves), np.nan, np.fmax(moves, 0.0)), rows)
    loss = wilder(back, np.where(np.isnan(moves), np.nan, np.fmax(-moves, 0.0)), rows)
    return 100 * ratio(gain, gain + loss)


def macd(back: Lookback, close: Values, *, fast: int = 12, slow: int = 26, signal: int = 9) -> Macd:
    """Return Appel's moving average convergence-divergence (1979).

    NaN before there are ``slow`` prices, and in signal and histogram before there are ``signal`` values of the line.

    Args:
        back: The histories.
        close: Prices.
        fast: Span of the faster average.
        slow: Span of the slower one.
        signal: Span of the average of their difference; it is cut off after :data:`SIGNAL_ROWS`.
    """
    line = ema(back, close, fast) - ema(back, close, slow)
    average = ema(back, line, signal, cut=SIGNAL_ROWS)
    return Macd(line, average, line - average)


def bollinger(back: Lookback, close: Values, rows: int = 20, *, deviations: float = 2.0) -> Bollinger:
    """Return Bollinger's bands (1983): the mean of ``rows`` prices and so many population deviations to either side.

    NaN where one of the last ``rows`` prices is not known.
    """
    middle, deviation = back.mean(close, rows), back.deviation(close, rows)
    half, whole = deviations * deviation, 2 * deviations * deviation
    lower = middle - half
    flat = whole <= _ROUNDING * middle
    position = np.where(flat, np.nan, ratio(close - lower, whole))
    return Bollinger(lower, middle, middle + half, position, ratio(whole, middle))


def true_range(back: Lookback, *, high: Values, low: Values, close: Values) -> Values:
    """Return Wilder's true range (1978): from the lower of low and the close before to the higher of high and it.

    NaN where one of the three is not known, so for the first row of a history; Wilder takes high less low there.
    """
    before = back.lag(close, 1)
    spanned: Values = np.maximum(high, before) - np.minimum(low, before)
    return spanned


def atr(back: Lookback, *, high: Values, low: Values, close: Values, rows: int = 14) -> Values:
    """Return Wilder's average of the true range (1978); NaN for the first ``rows`` rows of a history."""
    return wilder(back, true_range(back, high=high, low=low, close=close), rows)


def volume_profile(
    back: Lookback,
    *,
    high: Values,
    low: Values,
    close: Values,
    volume: Values,
    rows: int,
    bins: int = 24,
    value_area: float = 0.7,
) -> VolumeProfile:
    """Return the profile of the volume of the last ``rows`` rows over equal bins of price (Steidlmayer, CBOT 1991).

    The bins divide the range from the lowest low to the highest high. A row's volume is spread evenly from its low to
    its high: within a bar nobody knows at which price how much was traded, and this is the guess that prefers no price.
    (A Market Profile counts the half hours in which a price was traded, which daily bars do not tell.) The point of
    control is the bin of most volume; of several that nearest to the middle of the range, of two as near the lower one.
    The value area grows from there: of the two bins above and the two below, whichever hold more volume are taken in,
    those above if neither does, until ``value_area`` of all volume is held.

    NaN where one of the last ``rows`` rows is absent, or lacks its high, low or volume, and where nothing was traded.

    Args:
        back: The histories.
        high: Highest price of each row.
        low: Lowest price, no higher than that.
        close: Last price.
        volume: What was traded, not negative.
        rows: How many rows, its own included, a row's profile covers.
        bins: Into how many equal parts their range is divided.
        value_area: Which share of the volume the value area holds at least, above 0 and at most 1.

    Raises:
        IndicatorInvalid: A profile of no rows or bins, or a share that is none.
        LookbackInvalid: An array that has not one value a row.
    """
    if rows < 1 or bins < 1 or not 0 < value_area <= 1:
        raise IndicatorInvalid(
            f"volume_profile: rows={rows}, bins={bins}, value_area={value_area}: "
            "give at least one row and one bin, and a share above 0 and at most 1"
        )
    from feature_store import volume_profile_kernel

    found = volume_profile_kernel.profiles(
        back.read(high),
        back.read(low),
        back.read(close),
        back.read(volume),
        back.positions,
        rows,
        bins,
        value_area,
    )
    return VolumeProfile(*found)
