"""The named indicators against their definitions in plain Python, on bars with every kind of hole."""

import math
import statistics
from fractions import Fraction
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_store import indicators
from feature_store.errors import IndicatorInvalid, LookbackInvalid
from feature_store.lookback import Lookback

DEEPEST = 200 + 60  # rows that the signal line reads
PROFILE = ("point_of_control", "value_area_low", "value_area_high", "below_close")


class Bars(NamedTuple):
    """Histories of bars, one behind the other; NaN where something is not known."""

    back: Lookback
    high: np.ndarray
    low: np.ndarray
    close: np.ndarray
    volume: np.ndarray

    @property
    def ranges(self):
        return {"high": self.high, "low": self.low, "close": self.close}

    def rows(self, rows):
        """Return some rows, as if their histories began with the first of them."""
        position = self.back.position[rows]
        place = np.arange(position.size)
        begins = np.maximum.accumulate(np.where(position == 0, place, 0))
        return Bars(Lookback(place - begins), *(values[rows] for values in self[1:]))


def random_bars(lengths, *, flat, holes, seed):
    """Prices are eighths and ranges powers of two of them, so that sums of volume are exact and may be equal."""
    random = np.random.default_rng(seed)
    count = sum(lengths)
    moves = np.where(random.random(count) < flat, 0, random.integers(-6, 7, count))
    low = (4000 + np.cumsum(moves)) / 8
    span = np.where(random.random(count) < flat, 0.0, 2.0 ** random.integers(0, 4, count) / 8)
    close = low + span * random.integers(0, 5, count) / 4
    volume = random.integers(0, 4, count) * 64.0
    columns = [low + span, low, close, volume]
    for values in columns:
        values[random.random(count) < holes] = np.nan
    position = np.concatenate([np.arange(length) for length in (0, *lengths)])
    return Bars(Lookback(position), *columns)


bars = st.builds(
    random_bars,
    st.lists(st.integers(0, 60), min_size=1, max_size=3),
    flat=st.sampled_from([0.0, 0.5, 0.97, 1.0]),
    holes=st.sampled_from([0.0, 0.0, 0.03, 0.3]),
    seed=st.integers(0, 2**32),
)


def pasts(position, *columns):
    """Yield, for each row, each column's values of its history up to it; None where not known."""
    for row, before in enumerate(position):
        yield tuple([known(value) for value in values[row - before : row + 1]] for values in columns)


def known(value):
    return None if value is None or math.isnan(value) else float(value)


def agree(computed, expected):
    for row, (value, definition) in enumerate(zip(computed, expected, strict=True)):
        found = known(value)
        assert found == (definition if definition is None else pytest.approx(definition, rel=1e-9, abs=1e-9)), row


def mean_of(values, rows):
    last = values[-rows:]
    return None if len(last) < rows or None in last else math.fsum(last) / rows


def deviation_of(values, rows):
    return None if mean_of(values, rows) is None else statistics.pstdev(values[-rows:])


def weighted_of(values, decay, cut, least):
    seen = [(decay**lag, value) for lag, value in enumerate(values[::-1][:cut]) if value is not None]
    if values[-1] is None or len(seen) < least:
        return None
    return math.fsum(weight * value for weight, value in seen) / math.fsum(weight for weight, _ in seen)


def ema_of(values, span, cut=200):
    return weighted_of(values, 1 - 2 / (span + 1), cut, span)


def wilder_of(values, rows):
    return weighted_of(values, 1 - 1 / rows, 200, rows)


def moves_of(closes):
    pairs = zip([None, *closes], closes, strict=False)
    return [None if before is None or now is None else now - before for before, now in pairs]


def rsi_of(closes, rows):
    moves = moves_of(closes)
    gain = wilder_of([move if move is None else max(move, 0) for move in moves], rows)
    loss = wilder_of([move if move is None else max(-move, 0) for move in moves], rows)
    return None if gain is None or gain + loss == 0 else 100 * gain / (gain + loss)


def less(one, other):
    return None if one is None or other is None else one - other


def line_of(closes, fast, slow):
    return less(ema_of(closes, fast), ema_of(closes, slow))


def true_range_of(high, low, before):
    return None if None in (high, low, before) else max(high - low, abs(high - before), abs(low - before))


@settings(max_examples=80, deadline=None)
@given(bars=bars)
def test_averages_and_relative_strength_are_those_of_their_definitions(bars):
    position, close = bars.back.position, bars.close

    agree(indicators.sma(bars.back, close, 5), [mean_of(past, 5) for (past,) in pasts(position, close)])
    agree(indicators.ema(bars.back, close, 7, cut=20), [ema_of(past, 7, 20) for (past,) in pasts(position, close)])
    agree(indicators.wilder(bars.back, close, 7), [wilder_of(past, 7) for (past,) in pasts(position, close)])
    agree(indicators.rsi(bars.back, close, 7), [rsi_of(past, 7) for (past,) in pasts(position, close)])


@settings(max_examples=40, deadline=None)
@given(bars=bars)
def test_macd_is_the_difference_of_two_averages_and_its_average(bars):
    position = bars.back.position
    found = indicators.macd(bars.back, bars.close, fast=3, slow=6, signal=4)

    lines = [line_of(past, 3, 6) for (past,) in pasts(position, bars.close)]
    signals = [ema_of(lines[row - before : row + 1], 4, 60) for row, before in enumerate(position)]
    agree(found.line, lines)
    agree(found.signal, signals)
    agree(found.histogram, map(less, lines, signals))


@settings(max_examples=80, deadline=None)
@given(bars=bars, deviations=st.sampled_from([1.0, 2.0, 2.5]))
def test_bollinger_bands_lie_deviations_about_the_mean(bars, deviations):
    found = indicators.bollinger(bars.back, bars.close, 6, deviations=deviations)

    centres = [(mean_of(past, 6), deviation_of(past, 6)) for (past,) in pasts(bars.back.position, bars.close)]
    agree(found.middle, [mean for mean, _ in centres])
    agree(found.lower, [mean if mean is None else mean - deviations * spread for mean, spread in centres])
    agree(found.upper, [mean if mean is None else mean + deviations * spread for mean, spread in centres])
    agree(found.width, [mean if mean is None else 2 * deviations * spread / mean for mean, spread in centres])
    places = [
        None if not spread else (close - mean + deviations * spread) / (2 * deviations * spread)
        for close, (mean, spread) in zip(bars.close, centres, strict=True)
    ]
    agree(found.position, places)


@settings(max_examples=80, deadline=None)
@given(bars=bars)
def test_true_range_reaches_to_the_close_before(bars):
    position = bars.back.position
    ranges = [
        true_range_of(highs[-1], lows[-1], [None, *closes][-2])
        for highs, lows, closes in pasts(position, bars.high, bars.low, bars.close)
    ]

    agree(indicators.true_range(bars.back, **bars.ranges), ranges)
    averages = [wilder_of(ranges[row - before : row + 1], 5) for row, before in enumerate(position)]
    agree(indicators.atr(bars.back, **bars.ranges, rows=5), averages)


def profile_of(highs, lows, closes, volumes, rows, bins, share):
    """Return the volume profile by exact arithmetic: point of control, value area, share below the close."""
    last = [column[-rows:] for column in (highs, lows, volumes)]
    if len(closes) < rows or any(None in column for column in last) or sum(last[2]) == 0:
        return (None,) * 4
    bottom, top = Fraction(min(last[1])), Fraction(max(last[0]))
    if bottom == top:
        return bottom, bottom, bottom, None
    edges = [bottom + (top - bottom) * step / bins for step in range(bins + 1)]

    def traded(begin, end):
        """Return the volume between two prices, that at the lower one included, and at the top too."""
        total = Fraction(0)
        for high, low, volume in zip(*last, strict=True):
            if high > low:
                covered = min(Fraction(high), end) - max(Fraction(low), begin)
                total += Fraction(volume) * max(Fraction(0), covered) / Fraction(high - low)
            elif begin <= high < end or high == end == top:
                total += Fraction(volume)
        return total

    volume = [traded(begin, end) for begin, end in pairwise(edges)]
    middle = Fraction(bins - 1, 2)
    control = min(range(bins), key=lambda step: (-volume[step], abs(step - middle), step))
    first = last_ = control
    while sum(volume[first : last_ + 1]) < share * sum(volume):
        above, below = sum(volume[last_ + 1 : last_ + 3]), sum(volume[max(0, first - 2) : first])
        if first == 0 or (last_ < bins - 1 and above >= below):
            last_ = min(bins - 1, last_ + 2)
        else:
            first = max(0, first - 2)
    return (
        (edges[control] + edges[control + 1]) / 2,
        edges[first],
        edges[last_ + 1],
        None if closes[-1] is None else below_of(volume, edges, Fraction(closes[-1])),
    )


def below_of(volume, edges, close):
    """Return the share of the volume below a price, every bin's spread evenly over it."""
    width = edges[1] - edges[0]
    covered = [min(Fraction(1), max(Fraction(0), (close - edge) / width)) for edge in edges[:-1]]
    return sum(map(Fraction.__mul__, covered, volume)) / sum(volume)


@settings(max_examples=400, deadline=None)
@given(bars=bars, rows=st.sampled_from([1, 4, 9]), bins=st.sampled_from([1, 2, 8, 16]))
def test_volume_profile_is_that_of_exact_arithmetic(bars, rows, bins):
    found = indicators.volume_profile(
        bars.back, **bars.ranges, volume=bars.volume, rows=rows, bins=bins, value_area=0.75
    )

    expected = [
        profile_of(*past, rows, bins, Fraction(3, 4))
        for past in pasts(bars.back.position, bars.high, bars.low, bars.close, bars.volume)
    ]
    for name, definitions in zip(PROFILE, zip(*expected, strict=True) if expected else [()] * 4, strict=True):
        agree(getattr(found, name), [value if value is None else float(value) for value in definitions])


def every_indicator(bars):
    """Return all that there is to return, one column each."""
    back, close = bars.back, bars.close
    macd, bands = indicators.macd(back, close), indicators.bollinger(back, close)
    profile = indicators.volume_profile(back, **bars.ranges, volume=bars.volume, rows=60)
    return np.column_stack(
        [
            indicators.sma(back, close, 50),
            indicators.ema(back, close, 50),
            indicators.rsi(back, close),
            indicators.atr(back, **bars.ranges),
            *(macd.line, macd.signal, macd.histogram),
            *(bands.lower, bands.middle, bands.upper, bands.position, bands.width),
            *(getattr(profile, name) for name in PROFILE),
        ]
    )


def bits(values):
    return np.where(np.isnan(values), np.nan, values).tobytes()


@settings(max_examples=40, deadline=None)
@given(first=st.integers(0, 40), holes=st.sampled_from([0.0, 0.01]), seed=st.integers(0, 2**32))
def test_what_lies_before_the_rows_that_are_read_leaves_no_trace(first, holes, seed):
    whole = random_bars((DEEPEST + 60,), flat=0.1, holes=holes, seed=seed)

    recent = whole.rows(slice(first, None))

    assert bits(every_indicator(recent)[DEEPEST - 1 :]) == bits(every_indicator(whole)[first + DEEPEST - 1 :])


@settings(max_examples=40, deadline=None)
@given(end=st.integers(0, 320), holes=st.sampled_from([0.0, 0.01]), seed=st.integers(0, 2**32))
def test_what_comes_later_changes_nothing(end, holes, seed):
    whole = random_bars((100, 0, 220), flat=0.1, holes=holes, seed=seed)

    assert bits(every_indicator(whole.rows(slice(end)))) == bits(every_indicator(whole)[:end])


@settings(max_examples=40, deadline=None)
@given(lengths=st.lists(st.integers(0, 90), min_size=2, max_size=4), seed=st.integers(0, 2**32))
def test_history_has_the_same_values_whatever_stands_beside_it(lengths, seed):
    whole = random_bars(lengths, flat=0.1, holes=0.02, seed=seed)
    ends = np.cumsum(lengths)

    alone = [every_indicator(whole.rows(slice(end - size, end))) for end, size in zip(ends, lengths, strict=True)]

    assert bits(np.concatenate(alone)) == bits(every_indicator(whole))


def test_volume_of_a_bar_goes_to_the_prices_that_it_spans():
    back, column = Lookback(np.arange(2)), np.array
    found = indicators.volume_profile(
        back,
        high=column([14.0, 13.0]),
        low=column([10.0, 12.0]),
        close=column([12.0, 12.5]),
        volume=column([400.0, 500.0]),
        rows=2,
        bins=4,
    )

    assert found.point_of_control[1] == 12.5  # 100, 100, 600, 100
    assert (found.value_area_low[1], found.value_area_high[1]) == (10.0, 13.0)
    assert found.below_close[1] == pytest.approx(500 / 900)


@pytest.mark.parametrize("wrong", [{"rows": 0}, {"bins": 0}, {"value_area": 0.0}, {"value_area": 1.1}])
def test_profile_of_nothing_is_refused(wrong):
    bars = random_bars((5,), flat=0.0, holes=0.0, seed=1)

    with pytest.raises(IndicatorInvalid, match=next(iter(wrong))):
        indicators.volume_profile(bars.back, **bars.ranges, volume=bars.volume, **({"rows": 3} | wrong))


def test_profile_of_columns_that_are_not_alike_is_refused():
    bars = random_bars((5,), flat=0.0, holes=0.0, seed=1)

    with pytest.raises(LookbackInvalid, match="5 rows"):
        indicators.volume_profile(bars.back, **bars.ranges, volume=bars.volume[:4], rows=3)
