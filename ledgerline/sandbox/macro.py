"""Simulated economic series: what is released when, and how it is revised afterwards.

Consumer prices, unemployment and domestic product come weeks after their period, and come again, corrected. Yields, oil
and implied volatility come every session, and stay as they are. Implied volatility follows the market's.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

import numpy as np
import polars as pl

from ledgerline.sandbox.market import Floats, Market
from ledgerline.sandbox.sessions import PRESENT, session_close

MACRO_COLUMNS = ("series_id", "period", "released_at", "value")

_YEARS_BEFORE = 2  # so that changes over a year are known from the first session on
_RELEASED = time(12, 30, tzinfo=UTC)
_AFTER_CLOSE = timedelta(minutes=15)
_SESSIONS_A_YEAR = 252
_PREMIUM = 0.0055  # by how much more than the market's daily volatility is implied

Release = tuple[str, date, datetime, float]


@dataclass(frozen=True, slots=True)
class _Slow:
    """A series of months or quarters.

    Attributes:
        name: Its id.
        months: In a period.
        lags: Days from the period's end to each of its releases; the last is final.
        errors: By how much each release is off, as a standard deviation, in the series' unit.
        digits: To which it is rounded.
    """

    name: str
    months: int
    lags: tuple[int, ...]
    errors: tuple[float, ...]
    digits: int


_CPI = _Slow("CPI", 1, (13, 43), (0.06, 0.0), 3)
_UNEMPLOYMENT = _Slow("UNRATE", 1, (5, 190), (0.08, 0.0), 1)
_PRODUCT = _Slow("GDP", 3, (28, 58, 88), (60.0, 25.0, 0.0), 1)


def release_series(market: Market, generator: np.random.Generator) -> pl.DataFrame:
    """Return every release before the present: ``MACRO_COLUMNS``, by release.

    Args:
        market: Whose sessions and volatility there are.
        generator: Where all randomness comes from.
    """
    prices, jobs, product, errors, implied, yields, oil = generator.spawn(7)
    first = market.sessions[0]
    months = list(_months(date(first.year - _YEARS_BEFORE, 1, 1), PRESENT.date()))
    quarters = months[::3]
    past = range(market.present)
    days = [market.sessions[place] for place in past]
    level = 230 * np.exp(np.cumsum(prices.normal(0.0017, 0.0016, len(months))))
    jobless = 6.5 + np.cumsum(jobs.normal(-0.02, 0.12, len(months)))
    growth = 16_500 * np.exp(np.cumsum(product.normal(0.0055, 0.005, len(quarters))))
    releases = [
        *_slowly(_CPI, months, level, errors),
        *_slowly(_UNEMPLOYMENT, months, np.maximum(jobless, 2.5), errors),
        *_slowly(_PRODUCT, quarters, growth, errors),
        *_daily("VIX", days, _implied(market.roughness[: len(days)], implied)),
        *_daily("TREASURY_10Y", days, 2.4 + _wander(len(days), 0.03, yields)),
        *_daily("TREASURY_2Y", days, 1.3 + _wander(len(days), 0.02, yields)),
        *_daily("WTI", days, 60 * np.exp(_wander(len(days), 0.018, oil))),
    ]
    table = pl.DataFrame(releases, schema=_SCHEMA, orient="row")
    return table.filter(pl.col("released_at") < PRESENT).sort("released_at", "series_id", "period")


def spoil_releases(releases: pl.DataFrame, generator: np.random.Generator) -> tuple[pl.DataFrame, dict[str, int]]:
    """Take the figure from three releases, and date one before its period; return the dirt too."""
    if releases.height < 100:
        return releases, {}
    lacking = generator.choice(releases.height, 4, replace=False)
    flags = np.zeros((2, releases.height), dtype=np.bool_)
    flags[0, lacking[:3]], flags[1, lacking[3:]] = True, True
    missing, early = (pl.lit(pl.Series(each)) for each in flags)
    spoilt = releases.with_columns(
        value=pl.when(missing).then(None).otherwise("value"),
        released_at=pl.when(early)
        .then(pl.col("period").cast(pl.Datetime("us", "UTC")) - pl.duration(days=40))
        .otherwise("released_at"),
    )
    return spoilt, {"missing_values": 3, "released_before_period": 1}


def _slowly(series: _Slow, periods: Sequence[date], truth: Floats, generator: np.random.Generator) -> Iterator[Release]:
    for period, value in zip(periods, truth.tolist(), strict=True):
        end = _months_later(period, series.months)
        for lag, error in zip(series.lags, series.errors, strict=True):
            said = round(value + error * float(generator.standard_normal()), series.digits)
            yield series.name, period, datetime.combine(end + timedelta(days=lag), _RELEASED), said


def _daily(name: str, days: Sequence[date], values: Floats) -> Iterator[Release]:
    for day, value in zip(days, values.tolist(), strict=True):
        yield name, day, session_close(day) + _AFTER_CLOSE, round(value, 2)


def _implied(roughness: Floats, generator: np.random.Generator) -> Floats:
    """Return implied volatility in points: it goes where the market's volatility is, in a few sessions."""
    points, level = np.empty(len(roughness)), 100 * np.sqrt(_SESSIONS_A_YEAR)
    now = level * (roughness[0] + _PREMIUM)
    noise = generator.standard_normal(len(roughness))
    for place, rough in enumerate(roughness):
        now += 0.2 * (level * (rough + _PREMIUM) - now) + 0.5 * noise[place]
        points[place] = max(now, 8.0)
    return points


def _wander(count: int, step: float, generator: np.random.Generator) -> Floats:
    """Return a path that never goes far from zero."""
    shocks, path, now = step * generator.standard_normal(count), np.empty(count), 0.0
    for place in range(count):
        now = 0.995 * now + shocks[place]
        path[place] = now
    return path


def _months(first: date, until: date) -> Iterator[date]:
    month = first
    while month < until:
        yield month
        month = _months_later(month, 1)


def _months_later(month: date, count: int) -> date:
    place = month.year * 12 + month.month - 1 + count
    return date(place // 12, place % 12 + 1, 1)


_SCHEMA = {
    "series_id": pl.String,
    "period": pl.Date,
    "released_at": pl.Datetime("us", "UTC"),
    "value": pl.Float64,
}
