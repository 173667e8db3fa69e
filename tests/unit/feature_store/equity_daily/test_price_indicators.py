"""Every indicator against a slow twin in plain Python, written from its definition."""

import math
import statistics
from itertools import pairwise

import numpy as np
import pytest

from feature_store.views.equity_daily.price_indicators import price_features

BARS = 300
CHECKED = (4, 19, 25, 33, 58, 59, 60, 130, 199, 200, 260, 299)


def weights(decay, rows, cut):
    return [decay**lag for lag in range(min(rows, cut))]


def exponential(values, decay, cut, least):
    """Average the values, the last weighing most; None where there are fewer than ``least``."""
    if len(values) < least:
        return None
    weight = weights(decay, len(values), cut)
    return math.fsum(w * v for w, v in zip(weight, values[::-1], strict=False)) / math.fsum(weight)


def mean(values, rows):
    return math.fsum(values[-rows:]) / rows if len(values) >= rows else None


def deviation(values, rows):
    return statistics.pstdev(values[-rows:]) if len(values) >= rows else None


def over(above, below):
    return None if above is None or below is None or below == 0 else above / below


def less_one(value):
    return None if value is None else value - 1


def relative_strength(moves, rows):
    gain = exponential([max(move, 0) for move in moves], 1 - 1 / rows, 200, rows)
    loss = exponential([max(-move, 0) for move in moves], 1 - 1 / rows, 200, rows)
    return None if gain is None or gain + loss == 0 else 100 * gain / (gain + loss)


def macd(closes):
    """Return the differences of the two averages, one a session from the 26th on."""
    return [
        exponential(closes[: n + 1], 1 - 2 / 13, 200, 12) - exponential(closes[: n + 1], 1 - 2 / 27, 200, 26)
        for n in range(25, len(closes))
    ]


def volume_profile(bars):
    """Return point of control and value area of some bars: 24 bins of price, a bar's volume spread over its range."""
    bottom, top = min(bar["low"] for bar in bars), max(bar["high"] for bar in bars)
    edges = [bottom + (top - bottom) * step / 24 for step in range(25)]
    traded = [
        math.fsum(
            bar["volume"] * max(0.0, min(bar["high"], end) - max(bar["low"], begin)) / (bar["high"] - bar["low"])
            for bar in bars
        )
        for begin, end in pairwise(edges)
    ]
    first = last = control = traded.index(max(traded))
    while math.fsum(traded[first : last + 1]) < 0.7 * math.fsum(traded):
        above, below = math.fsum(traded[last + 1 : last + 3]), math.fsum(traded[max(0, first - 2) : first])
        if first == 0 or (last < 23 and above >= below):
            last = min(23, last + 2)
        else:
            first = max(0, first - 2)
    return (edges[control] + edges[control + 1]) / 2, edges[first], edges[last + 1]


def traded_below(bars, price):
    """Return the share of the volume below a price; within a bin it is as much as the price is above the bin's end."""
    bottom, top = min(bar["low"] for bar in bars), max(bar["high"] for bar in bars)
    step = math.floor((price - bottom) / (top - bottom) * 24)
    begin, end = (bottom + (top - bottom) * (step + side) / 24 for side in (0, 1))

    def below(limit):
        shares = ((min(bar["high"], limit) - bar["low"]) / (bar["high"] - bar["low"]) for bar in bars)
        return math.fsum(bar["volume"] * max(0.0, share) for bar, share in zip(bars, shares, strict=True))

    whole = math.fsum(bar["volume"] for bar in bars)
    return (below(begin) + (price - begin) / (end - begin) * (below(end) - below(begin))) / whole


def twin(bars):
    """Return every indicator of the last of some bars, from their definitions; None where too little is known."""
    closes, volumes = [bar["close"] for bar in bars], [bar["volume"] for bar in bars]
    highs, lows = [bar["high"] for bar in bars], [bar["low"] for bar in bars]
    last, span = bars[-1], highs[-1] - lows[-1]
    returns = [now / before - 1 for before, now in pairwise(closes)]
    moves = [now - before for before, now in pairwise(closes)]
    true_ranges = [max(h, c) - min(low, c) for h, low, c in zip(highs[1:], lows[1:], closes, strict=False)]
    turnover = [price * volume for price, volume in zip(closes, volumes, strict=True)]
    found = {
        f"return_{n}d": less_one(over(closes[-1], closes[-1 - n])) if len(closes) > n else None
        for n in (1, 2, 3, 5, 10, 20, 60, 120)
    }
    found["overnight_return"] = last["open"] / closes[-2] - 1
    found["intraday_return"] = last["close"] / last["open"] - 1
    found["range_1d"] = span / closes[-1]
    found["close_location"] = (closes[-1] - lows[-1]) / span
    for n in (5, 10, 20, 50):
        found[f"sma_{n}_ratio"] = less_one(over(closes[-1], mean(closes, n)))
    for n in (5, 12, 26, 50):
        found[f"ema_{n}_ratio"] = less_one(over(closes[-1], exponential(closes, 1 - 2 / (n + 1), 200, n)))
    differences = macd(closes)
    signal = exponential(differences, 0.8, 60, 9)
    found["macd"] = over(differences[-1], closes[-1]) if differences else None
    found["macd_signal"] = over(signal, closes[-1])
    found["macd_histogram"] = None if signal is None else (differences[-1] - signal) / closes[-1]
    middle, width = mean(closes, 20), deviation(closes, 20)
    found["bollinger_position"] = None if middle is None else (closes[-1] - middle + 2 * width) / (4 * width)
    found["bollinger_width"] = None if middle is None else 4 * width / middle
    found["rsi_14"], found["rsi_7"] = relative_strength(moves, 14), relative_strength(moves, 7)
    bottom, top = min(lows[-14:]), max(highs[-14:])
    found["stochastic_14"] = (closes[-1] - bottom) / (top - bottom) if len(closes) >= 14 else None
    for n in (10, 20):
        found[f"up_share_{n}d"] = mean([float(r > 0) for r in returns], n)
    for n in (5, 20, 60):
        found[f"volatility_{n}d"] = deviation(returns, n)
        found[f"volume_ratio_{n}d"] = over(volumes[-1], mean(volumes, n))
    found["volatility_ratio"] = over(found["volatility_5d"], found["volatility_60d"])
    found["atr_14"] = over(exponential(true_ranges, 1 - 1 / 14, 200, 14), closes[-1])
    squares = [math.log(h / low) ** 2 for h, low in zip(highs, lows, strict=True)]
    found["parkinson_20d"] = math.sqrt(mean(squares, 20) / (4 * math.log(2))) if len(closes) >= 20 else None
    risk = found["volatility_20d"]
    found["return_to_volatility_20d"] = over(found["return_20d"], risk and risk * math.sqrt(20))
    centre = mean(returns, 20)
    found["skewness_20d"] = centre and math.fsum((r - centre) ** 3 for r in returns[-20:]) / 20 / risk**3
    found["volume_trend"] = over(mean(volumes, 5), mean(volumes, 20))
    found["volume_deviation_20d"] = over(deviation(volumes, 20), mean(volumes, 20))
    found["log_turnover_20d"] = math.log(mean(turnover, 20)) if len(closes) >= 20 else None
    signed = [math.copysign(volume, r) for volume, r in zip(volumes[1:], returns, strict=True)]
    found["signed_volume_20d"] = over(mean(signed, 20), mean(volumes, 20))
    found["illiquidity_20d"] = mean([abs(r) / (t / 1e9) for r, t in zip(returns, turnover[1:], strict=True)], 20)
    typical = [(bar["high"] + bar["low"] + bar["close"]) / 3 for bar in bars]
    worth = over(mean([t * v for t, v in zip(typical, volumes, strict=True)], 20), mean(volumes, 20))
    found["vwap_20_ratio"] = less_one(over(closes[-1], worth))
    enough, year = len(closes) >= 20, len(closes) >= 126
    found["from_high_20d"] = closes[-1] / max(highs[-20:]) - 1 if enough else None
    found["from_low_20d"] = closes[-1] / min(lows[-20:]) - 1 if enough else None
    found["from_high_52w"] = closes[-1] / max(highs[-252:]) - 1 if year else None
    found["from_low_52w"] = closes[-1] / min(lows[-252:]) - 1 if year else None
    control, low, high = volume_profile(bars[-60:]) if len(bars) >= 60 else (None, None, None)
    found["volume_point_of_control_60_ratio"] = less_one(over(closes[-1], control))
    found["value_area_width_60"] = None if low is None else (high - low) / closes[-1]
    found["value_area_position_60"] = None if low is None else (closes[-1] - low) / (high - low)
    found["volume_below_close_60"] = traded_below(bars[-60:], closes[-1]) if len(bars) >= 60 else None
    return found


@pytest.fixture
def bars(market, walk):
    random = np.random.default_rng(3)
    for session, close in enumerate(walk(BARS)):
        volume, spread = float(random.integers(500, 5000)), random.uniform(0.001, 0.03)
        market.bar("AAA", session, close, volume=volume, spread=spread)
    return market.rows["prices_daily"]


def test_indicators_equal_their_definitions(market, bars):
    features = market.features()

    for session in CHECKED:
        expected = twin(bars[: session + 1])
        assert set(expected) == {feature.name for feature in price_features()}
        for name, value in expected.items():
            computed = features["AAA", session][name]
            assert computed == (value if value is None else pytest.approx(value, rel=1e-9, abs=1e-12)), (session, name)


def test_cut_off_averages_are_close_to_those_carried_on_for_ever(market, bars):
    closes = [bar["close"] for bar in bars]
    moves = np.diff(closes)
    gain, loss = np.fmax(moves[:14], 0).mean(), np.fmax(-moves[:14], 0).mean()
    for move in moves[14:]:
        gain, loss = (gain * 13 + max(move, 0)) / 14, (loss * 13 + max(-move, 0)) / 14

    rsi = market.features()["AAA", BARS - 1]["rsi_14"]

    assert rsi == pytest.approx(100 - 100 / (1 + gain / loss), abs=1e-4)


def test_first_bar_of_a_share_has_no_past(market):
    market.bar("AAA", 0, 100.0)

    row = market.features()["AAA", 0]

    assert row["return_1d"] is None
    assert row["sma_5_ratio"] is None
    assert row["range_1d"] == pytest.approx(0.02)


def test_share_that_never_moves_has_no_oscillators_and_no_infinities(market):
    for session in range(80):
        market.bar("AAA", session, 50.0, volume=0.0, spread=0.0)

    row = market.features()["AAA", 79]

    absent = ("rsi_14", "bollinger_position", "stochastic_14", "volume_ratio_20d", "log_turnover_20d", "close_location")
    absent += ("volume_point_of_control_60_ratio", "value_area_position_60", "volume_below_close_60")
    assert [row[name] for name in absent] == [None] * len(absent)
    assert row["bollinger_width"] == pytest.approx(0.0)
    assert row["return_20d"] == 0.0


def test_share_that_trades_at_one_price_has_its_value_area_there(market):
    for session in range(60):
        market.bar("AAA", session, 50.0, spread=0.0)

    row = market.features()["AAA", 59]

    assert row["volume_point_of_control_60_ratio"] == 0.0
    assert row["value_area_width_60"] == 0.0
    assert row["value_area_position_60"] is None
    assert row["volume_below_close_60"] is None
