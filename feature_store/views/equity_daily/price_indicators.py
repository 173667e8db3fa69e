"""Indicators of prices and volume: returns, averages, oscillators, ranges, volatility, turnover.

Definitions are the usual ones (Wilder 1978 for RSI and ATR, Appel 1979 for MACD, Bollinger 1983), with one difference:
exponential averages are cut off after :data:`EXPONENTIAL_ROWS` sessions and normalised, where textbooks carry them on
from the first session ever. What is cut off weighs less than one part in 2,500 for the slowest of them (EMA 50) and one
in two million for Wilder's 14; in return a history of :data:`~feature_store.views.equity_daily.bars.LOOKBACK` sessions
gives the very values of the whole one. Everything that has the dimension of a price is divided by the close.
"""

from collections.abc import Callable

import numpy as np

from feature_store.lookback import Lookback, Values, ratio
from feature_store.table_view import TableFeature
from feature_store.views.equity_daily.bars import BarHistories

EXPONENTIAL_ROWS = 200
SIGNAL_ROWS = 60
YEAR = 252

RETURNS = (1, 2, 3, 5, 10, 20, 60, 120)
AVERAGES = (5, 10, 20, 50)
EXPONENTIALS = (5, 12, 26, 50)
SPANS = (5, 20, 60)


def price_features() -> tuple[TableFeature, ...]:
    """Return what :func:`price_indicators` computes, in order."""
    return tuple(TableFeature(*row) for row in _described())


def price_indicators(bars: BarHistories) -> dict[str, Values]:
    """Compute every indicator for every row of the histories; NaN where too little is known."""
    back = Lookback(bars.histories.position)
    close = bars.close
    daily = back.change(close, 1)
    return {
        **{f"return_{rows}d": back.change(close, rows) for rows in RETURNS},
        **_session_shape(bars, back),
        **{f"sma_{rows}_ratio": ratio(close, back.mean(close, rows)) - 1 for rows in AVERAGES},
        **_exponentials(close, back),
        **_bollinger(close, back),
        **_oscillators(bars, back, daily),
        **_volatilities(bars, back, daily),
        **_volumes(bars, back, daily),
        **_extremes(bars, back),
    }


def _session_shape(bars: BarHistories, back: Lookback) -> dict[str, Values]:
    span = bars.high - bars.low
    return {
        "overnight_return": ratio(bars.open, back.lag(bars.close, 1)) - 1,
        "intraday_return": ratio(bars.close, bars.open) - 1,
        "range_1d": ratio(span, bars.close),
        "close_location": ratio(bars.close - bars.low, span),
    }


def _exponentials(close: Values, back: Lookback) -> dict[str, Values]:
    averages = {rows: exponential(back, close, rows) for rows in EXPONENTIALS}
    macd = averages[12] - averages[26]
    signal = exponential(back, macd, 9, cut=SIGNAL_ROWS)
    return {
        **{f"ema_{rows}_ratio": ratio(close, average) - 1 for rows, average in averages.items()},
        "macd": ratio(macd, close),
        "macd_signal": ratio(signal, close),
        "macd_histogram": ratio(macd - signal, close),
    }


def _bollinger(close: Values, back: Lookback) -> dict[str, Values]:
    middle, deviation = back.mean(close, 20), back.deviation(close, 20)
    lower, width = middle - 2 * deviation, 4 * deviation
    flat = width <= 1e-12 * middle  # rounding leaves a trace of width where prices did not move
    return {
        "bollinger_position": np.where(flat, np.nan, ratio(close - lower, width)),
        "bollinger_width": ratio(width, middle),
    }


def _oscillators(bars: BarHistories, back: Lookback, daily: Values) -> dict[str, Values]:
    move = bars.close - back.lag(bars.close, 1)
    lowest, highest = (
        back.lowest(bars.low, 14, least=14),
        back.highest(bars.high, 14, least=14),
    )
    ups = np.where(np.isnan(daily), np.nan, (daily > 0).astype(np.float64))
    return {
        "rsi_14": relative_strength(back, move, 14),
        "rsi_7": relative_strength(back, move, 7),
        "stochastic_14": ratio(bars.close - lowest, highest - lowest),
        "up_share_10d": back.mean(ups, 10),
        "up_share_20d": back.mean(ups, 20),
    }


def _volatilities(bars: BarHistories, back: Lookback, daily: Values) -> dict[str, Values]:
    before = back.lag(bars.close, 1)
    true_range = np.fmax(bars.high, before) - np.fmin(bars.low, before)
    true_range[np.isnan(before)] = np.nan
    spans = {rows: back.deviation(daily, rows) for rows in SPANS}
    parkinson = np.sqrt(back.mean(_log(ratio(bars.high, bars.low)) ** 2, 20) / (4 * np.log(2)))
    return {
        **{f"volatility_{rows}d": values for rows, values in spans.items()},
        "volatility_ratio": ratio(spans[5], spans[60]),
        "atr_14": ratio(wilder(back, true_range, 14), bars.close),
        "parkinson_20d": parkinson,
        "return_to_volatility_20d": ratio(back.change(bars.close, 20), spans[20] * np.sqrt(20)),
        "skewness_20d": _skewness(back, daily, 20),
    }


def _volumes(bars: BarHistories, back: Lookback, daily: Values) -> dict[str, Values]:
    volume, turnover = bars.volume, bars.volume * bars.close
    typical = (bars.high + bars.low + bars.close) / 3
    worth = ratio(back.mean(typical * volume, 20), back.mean(volume, 20))
    return {
        **{f"volume_ratio_{rows}d": ratio(volume, back.mean(volume, rows)) for rows in SPANS},
        "volume_trend": ratio(back.mean(volume, 5), back.mean(volume, 20)),
        "volume_deviation_20d": ratio(back.deviation(volume, 20), back.mean(volume, 20)),
        "log_turnover_20d": _log(back.mean(turnover, 20)),
        "signed_volume_20d": ratio(back.mean(np.sign(daily) * volume, 20), back.mean(volume, 20)),
        "illiquidity_20d": back.mean(ratio(np.abs(daily), turnover / 1e9), 20),
        "vwap_20_ratio": ratio(bars.close, worth) - 1,
    }


def _extremes(bars: BarHistories, back: Lookback) -> dict[str, Values]:
    return {
        "from_high_20d": ratio(bars.close, back.highest(bars.high, 20, least=20)) - 1,
        "from_low_20d": ratio(bars.close, back.lowest(bars.low, 20, least=20)) - 1,
        "from_high_52w": ratio(bars.close, back.highest(bars.high, YEAR, least=YEAR // 2)) - 1,
        "from_low_52w": ratio(bars.close, back.lowest(bars.low, YEAR, least=YEAR // 2)) - 1,
    }


def exponential(back: Lookback, values: Values, span: int, *, cut: int = EXPONENTIAL_ROWS) -> Values:
    """Return the exponential average of a span: weights fall by ``1 - 2 / (span + 1)`` a row."""
    return back.weighted(values, decay=1 - 2 / (span + 1), rows=cut, least=span)


def wilder(back: Lookback, values: Values, rows: int) -> Values:
    """Return Wilder's average: weights fall by ``1 - 1 / rows`` a row."""
    return back.weighted(values, decay=1 - 1 / rows, rows=EXPONENTIAL_ROWS, least=rows)


def relative_strength(back: Lookback, moves: Values, rows: int) -> Values:
    """Return Wilder's relative strength index, 0 to 100; null where the price never moved."""
    gain = wilder(back, np.where(np.isnan(moves), np.nan, np.fmax(moves, 0.0)), rows)
    loss = wilder(back, np.where(np.isnan(moves), np.nan, np.fmax(-moves, 0.0)), rows)
    return 100 * ratio(gain, gain + loss)


def _skewness(back: Lookback, values: Values, rows: int) -> Values:
    mean, deviation = back.mean(values, rows), back.deviation(values, rows)
    total = np.zeros(values.size)
    for lag in range(rows):
        total += (back.lag(values, lag) - mean) ** 3
    return ratio(total / rows, deviation**3)


def _log(values: Values) -> Values:
    return np.log(values, out=np.full(values.size, np.nan), where=values > 0)


_Rows = list[tuple[str, str, str]]


def _described() -> _Rows:
    sections: tuple[Callable[[], _Rows], ...] = (_returns_described, _levels_described, _risk_described)
    return [row for section in sections for row in section()]


def _returns_described() -> _Rows:
    return [
        *((f"return_{n}d", f"Change of the close over {n} of the share's own sessions.", "share") for n in RETURNS),
        ("overnight_return", "Open over the close before.", "share"),
        ("intraday_return", "Close over open.", "share"),
        ("range_1d", "High less low, by the close.", "share"),
        ("close_location", "Where the close lies between low and high.", "0 to 1"),
    ]


def _levels_described() -> _Rows:
    return [
        *((f"sma_{n}_ratio", f"Close over its mean of {n} sessions, less one.", "share") for n in AVERAGES),
        *((f"ema_{n}_ratio", f"Close over its exponential mean of span {n}, less one.", "share") for n in EXPONENTIALS),
        ("macd", "EMA 12 less EMA 26, by the close.", "share"),
        ("macd_signal", "EMA 9 of that difference, by the close.", "share"),
        ("macd_histogram", "The difference less its EMA 9, by the close.", "share"),
        ("bollinger_position", "Close between the bands, 20 sessions and 2 deviations: 0 lower, 1 upper.", "share"),
        ("bollinger_width", "Distance between the bands, by the mean.", "share"),
        ("rsi_14", "Wilder's relative strength index of 14 sessions.", "0 to 100"),
        ("rsi_7", "Wilder's relative strength index of 7 sessions.", "0 to 100"),
        ("stochastic_14", "Close between lowest low and highest high of 14 sessions.", "0 to 1"),
        ("up_share_10d", "Share of the last 10 sessions with a higher close.", "share"),
        ("up_share_20d", "Share of the last 20 sessions with a higher close.", "share"),
    ]


def _risk_described() -> _Rows:
    return [
        *((f"volatility_{n}d", f"Standard deviation of {n} daily returns.", "share a day") for n in SPANS),
        ("volatility_ratio", "Volatility of 5 sessions over that of 60.", "ratio"),
        ("atr_14", "Wilder's average true range of 14 sessions, by the close.", "share"),
        ("parkinson_20d", "Volatility from highs and lows of 20 sessions (Parkinson 1980).", "share a day"),
        ("return_to_volatility_20d", "Return of 20 sessions by its volatility.", "ratio"),
        ("skewness_20d", "Skewness of 20 daily returns.", "number"),
        *((f"volume_ratio_{n}d", f"Volume over its mean of {n} sessions.", "ratio") for n in SPANS),
        ("volume_trend", "Mean volume of 5 sessions over that of 20.", "ratio"),
        ("volume_deviation_20d", "Standard deviation of 20 sessions' volume, by its mean.", "ratio"),
        ("log_turnover_20d", "Natural logarithm of the mean turnover of 20 sessions.", "log currency"),
        ("signed_volume_20d", "Volume of rising less that of falling sessions, by all, over 20 sessions.", "-1 to 1"),
        ("illiquidity_20d", "Absolute return a billion of turnover, mean of 20 sessions (Amihud 2002).", "share"),
        ("vwap_20_ratio", "Close over the volume-weighted price of 20 sessions, less one.", "share"),
        ("from_high_20d", "Close over the highest high of 20 sessions, less one.", "share"),
        ("from_low_20d", "Close over the lowest low of 20 sessions, less one.", "share"),
        ("from_high_52w", "Close over the highest high of 252 sessions, less one; of at least 126.", "share"),
        ("from_low_52w", "Close over the lowest low of 252 sessions, less one; of at least 126.", "share"),
    ]
