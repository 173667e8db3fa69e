"""Indicators of prices and volume: returns, averages, oscillators, ranges, volatility, turnover, volume profile.

Those that have names are defined in :mod:`feature_store.indicators`. They look back over a fixed number of sessions, so
a history of :data:`~feature_store.views.equity_daily.bars.LOOKBACK` sessions gives the very values of the whole one.
Everything that has the dimension of a price is divided by the close.
"""

from collections.abc import Callable

import numpy as np

from feature_store.indicators import atr, bollinger, ema, macd, rsi, sma, volume_profile
from feature_store.lookback import Lookback, Values, ratio
from feature_store.table_view import TableFeature
from feature_store.views.equity_daily.bars import BarHistories

YEAR = 252

RETURNS = (1, 2, 3, 5, 10, 20, 60, 120)
AVERAGES = (5, 10, 20, 50)
EXPONENTIALS = (5, 12, 26, 50)
SPANS = (5, 20, 60)
PROFILE = 60


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
        **{f"sma_{rows}_ratio": ratio(close, sma(back, close, rows)) - 1 for rows in AVERAGES},
        **_exponentials(close, back),
        **_bollinger(close, back),
        **_oscillators(bars, back, daily),
        **_volatilities(bars, back, daily),
        **_volumes(bars, back, daily),
        **_extremes(bars, back),
        **_profile(bars, back),
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
    found = macd(back, close)
    return {
        **{f"ema_{rows}_ratio": ratio(close, ema(back, close, rows)) - 1 for rows in EXPONENTIALS},
        "macd": ratio(found.line, close),
        "macd_signal": ratio(found.signal, close),
        "macd_histogram": ratio(found.histogram, close),
    }


def _bollinger(close: Values, back: Lookback) -> dict[str, Values]:
    bands = bollinger(back, close, 20)
    return {"bollinger_position": bands.position, "bollinger_width": bands.width}


def _oscillators(bars: BarHistories, back: Lookback, daily: Values) -> dict[str, Values]:
    lowest, highest = (
        back.lowest(bars.low, 14, least=14),
        back.highest(bars.high, 14, least=14),
    )
    ups = np.where(np.isnan(daily), np.nan, (daily > 0).astype(np.float64))
    return {
        "rsi_14": rsi(back, bars.close, 14),
        "rsi_7": rsi(back, bars.close, 7),
        "stochastic_14": ratio(bars.close - lowest, highest - lowest),
        "up_share_10d": back.mean(ups, 10),
        "up_share_20d": back.mean(ups, 20),
    }


def _volatilities(bars: BarHistories, back: Lookback, daily: Values) -> dict[str, Values]:
    spans = {rows: back.deviation(daily, rows) for rows in SPANS}
    parkinson = np.sqrt(back.mean(_log(ratio(bars.high, bars.low)) ** 2, 20) / (4 * np.log(2)))
    return {
        **{f"volatility_{rows}d": values for rows, values in spans.items()},
        "volatility_ratio": ratio(spans[5], spans[60]),
        "atr_14": ratio(atr(back, high=bars.high, low=bars.low, close=bars.close, rows=14), bars.close),
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


def _profile(bars: BarHistories, back: Lookback) -> dict[str, Values]:
    close = bars.close
    profile = volume_profile(back, high=bars.high, low=bars.low, close=close, volume=bars.volume, rows=PROFILE)
    low, width = profile.value_area_low, profile.value_area_high - profile.value_area_low
    return {
        f"volume_point_of_control_{PROFILE}_ratio": ratio(close, profile.point_of_control) - 1,
        f"value_area_width_{PROFILE}": ratio(width, close),
        f"value_area_position_{PROFILE}": ratio(close - low, width),
        f"volume_below_close_{PROFILE}": profile.below_close,
    }


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
    sections: tuple[Callable[[], _Rows], ...] = (
        _returns_described,
        _levels_described,
        _risk_described,
        _profile_described,
    )
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


def _profile_described() -> _Rows:
    area = f"value area of {PROFILE} sessions, the prices at which 70 % of the volume was traded"
    return [
        (
            f"volume_point_of_control_{PROFILE}_ratio",
            f"Close over the price at which most volume of {PROFILE} sessions was traded, less one.",
            "share",
        ),
        (f"value_area_width_{PROFILE}", f"Width of the {area}, by the close.", "share"),
        (f"value_area_position_{PROFILE}", f"Close within the {area}: 0 lower end, 1 upper.", "share"),
        (
            f"volume_below_close_{PROFILE}",
            f"Share of the volume of {PROFILE} sessions traded below the close.",
            "0 to 1",
        ),
    ]
