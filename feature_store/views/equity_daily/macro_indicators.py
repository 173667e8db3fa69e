"""The economy as it was known: of each series the newest period that had been released, at its newest vintage."""

from bisect import insort
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from feature_store.table_view import TableFeature
from ledgerline.core.frames import INSTANT

_DAILY = timedelta(days=30)
_SLOW = timedelta(days=400)

Known = dict[datetime, float]
"""Values of a series' periods as known at some moment."""


@dataclass(frozen=True, slots=True)
class MacroFeature:
    """A feature of one series.

    Attributes:
        name: The feature's name.
        series: The series' id.
        value: Computed from the periods known, in order, and their values.
        stale: How old the newest period may be; beyond that the value is null.
        description: For the reader.
        unit: What the number counts.
    """

    name: str
    series: str
    value: Callable[[Sequence[datetime], Known], float | None]
    stale: timedelta
    description: str
    unit: str


def _level(periods: Sequence[datetime], known: Known) -> float | None:
    return known[periods[-1]]


def _since(periods: Sequence[datetime], known: Known, count: int) -> tuple[float, float] | None:
    """Return the newest value and the one so many known periods before it."""
    return (known[periods[-1]], known[periods[-1 - count]]) if len(periods) > count else None


def _change(count: int) -> Callable[[Sequence[datetime], Known], float | None]:
    def change(periods: Sequence[datetime], known: Known) -> float | None:
        pair = _since(periods, known, count)
        return pair[0] - pair[1] if pair else None

    return change


def _growth(count: int) -> Callable[[Sequence[datetime], Known], float | None]:
    def growth(periods: Sequence[datetime], known: Known) -> float | None:
        pair = _since(periods, known, count)
        return pair[0] / pair[1] - 1 if pair and pair[1] else None

    return growth


def _over_a_year(periods: Sequence[datetime], known: Known) -> float | None:
    """Return the growth over the period that began a year before the newest, null if that is missing."""
    newest = periods[-1]
    year_ago = known.get(newest.replace(year=newest.year - 1)) if (newest.month, newest.day) != (2, 29) else None
    return known[newest] / year_ago - 1 if year_ago else None


def _change_over_a_year(periods: Sequence[datetime], known: Known) -> float | None:
    newest = periods[-1]
    year_ago = known.get(newest.replace(year=newest.year - 1)) if (newest.month, newest.day) != (2, 29) else None
    return known[newest] - year_ago if year_ago is not None else None


_BY_SERIES = (
    MacroFeature("vix", "VIX", _level, _DAILY, "Implied volatility of the index, VIX.", "points"),
    MacroFeature("vix_change_5d", "VIX", _change(5), _DAILY, "Change of VIX over 5 of its days.", "points"),
    MacroFeature("treasury_10y", "TREASURY_10Y", _level, _DAILY, "Ten-year Treasury yield.", "as delivered"),
    MacroFeature("treasury_2y", "TREASURY_2Y", _level, _DAILY, "Two-year Treasury yield.", "as delivered"),
    MacroFeature("oil_return_20d", "WTI", _growth(20), _DAILY, "Change of the oil price over 20 of its days.", "share"),
    MacroFeature("cpi_yoy", "CPI", _over_a_year, _SLOW, "Consumer prices over the same month a year before.", "share"),
    MacroFeature("unemployment", "UNRATE", _level, _SLOW, "Rate of unemployment.", "percent"),
    MacroFeature(
        "unemployment_change_1y", "UNRATE", _change_over_a_year, _SLOW, "Change of that rate over a year.", "points"
    ),
    MacroFeature(
        "gdp_yoy", "GDP", _over_a_year, _SLOW, "Domestic product over the same quarter a year before.", "share"
    ),
)
_TERM_SPREAD = TableFeature("term_spread", "Ten-year less two-year Treasury yield.", "as delivered")

STATE_PERIODS = 60
"""How many of a series' newest periods decide every feature of it."""


def macro_features() -> tuple[TableFeature, ...]:
    """Return what :func:`macro_indicators` computes, in order."""
    return (*(TableFeature(each.name, each.description, each.unit) for each in _BY_SERIES), _TERM_SPREAD)


def macro_indicators(decisions: pl.DataFrame, series: pl.DataFrame) -> pl.DataFrame:
    """Return every macro feature of every decision, in the decisions' order.

    Args:
        decisions: Any frame with ``available_at``.
        series: Accepted rows of ``macro_series``.
    """
    moments = decisions.select("available_at").with_row_index("row").sort("available_at")
    for feature in _BY_SERIES:
        known = _as_released(feature, series.filter(pl.col("series_id") == feature.series))
        moments = moments.join_asof(known, on="available_at", strategy="backward")
        fresh = pl.col("available_at") - pl.col("period") <= feature.stale
        moments = moments.with_columns(pl.when(fresh).then(feature.name).alias(feature.name)).drop("period")
    spread = (pl.col("treasury_10y") - pl.col("treasury_2y")).alias(_TERM_SPREAD.name)
    names = [feature.name for feature in macro_features()]
    return moments.with_columns(spread).sort("row").select(names)


def _as_released(feature: MacroFeature, rows: pl.DataFrame) -> pl.DataFrame:
    """Return, for every moment at which a series became known differently, its newest period and the feature."""
    schema: dict[str, pl.DataType] = {"available_at": INSTANT, "period": INSTANT, feature.name: pl.Float64()}
    return pl.DataFrame(list(_releases(feature, rows)), schema=schema, orient="row")


def _releases(feature: MacroFeature, rows: pl.DataFrame) -> Iterator[tuple[datetime, datetime, float | None]]:
    known: Known = {}
    periods: list[datetime] = []
    ordered = rows.sort("available_at", "event_time").select("available_at", "event_time", "value").rows()
    for place, (released, period, value) in enumerate(ordered):
        if period not in known:
            insort(periods, period)
        known[period] = value
        if place + 1 == len(ordered) or ordered[place + 1][0] != released:
            yield released, periods[-1], feature.value(periods, known)
