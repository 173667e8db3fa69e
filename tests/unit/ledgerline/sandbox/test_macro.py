from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest

from ledgerline.sandbox.macro import release_series, spoil_releases
from ledgerline.sandbox.market import Market, simulate_market
from ledgerline.sandbox.sessions import PRESENT


@pytest.fixture(scope="module")
def market() -> Market:
    return simulate_market(symbols=5, sessions=600, future=0, signal=0.0, generator=np.random.default_rng(2))


@pytest.fixture(scope="module")
def releases(market: Market) -> pl.DataFrame:
    return release_series(market, np.random.default_rng(3))


def series(releases: pl.DataFrame, name: str) -> pl.DataFrame:
    return releases.filter(pl.col("series_id") == name)


def test_nothing_is_released_before_its_period_is_over_nor_after_the_present(releases: pl.DataFrame) -> None:
    assert releases["released_at"].max() < PRESENT
    months = releases.filter(pl.col("series_id").is_in(["CPI", "UNRATE"]))
    over = months["period"].dt.offset_by("1mo").cast(pl.Datetime("us", "UTC"))
    assert (months["released_at"] > over).all()
    quarters = series(releases, "GDP")
    assert (quarters["released_at"] > quarters["period"].dt.offset_by("3mo").cast(pl.Datetime("us", "UTC"))).all()


def test_slow_series_are_revised_and_daily_ones_are_not(releases: pl.DataFrame) -> None:
    for name, times in (("CPI", 2), ("UNRATE", 2), ("GDP", 3)):
        known = series(releases, name).group_by("period").agg(pl.len(), pl.col("value").n_unique().alias("values"))
        assert known["len"].max() == times
        assert (known["values"] > 1).mean() > 0.3
    for name in ("VIX", "TREASURY_10Y", "TREASURY_2Y", "WTI"):
        assert not series(releases, name)["period"].is_duplicated().any()


def test_domestic_product_of_a_quarter_is_known_four_weeks_after_it(releases: pl.DataFrame) -> None:
    quarter = series(releases, "GDP").filter(pl.col("period") == datetime(2018, 1, 1, tzinfo=UTC).date())
    assert quarter["released_at"].to_list() == [
        datetime(2018, 4, 29, 12, 30, tzinfo=UTC),
        datetime(2018, 5, 29, 12, 30, tzinfo=UTC),
        datetime(2018, 6, 28, 12, 30, tzinfo=UTC),
    ]


def test_history_reaches_a_year_further_back_than_prices(releases: pl.DataFrame, market: Market) -> None:
    assert (market.sessions[0] - series(releases, "CPI")["period"].min()).days > 400


def test_implied_volatility_is_higher_in_rough_spells(releases: pl.DataFrame, market: Market) -> None:
    points = series(releases, "VIX")["value"].to_numpy()
    rough = market.roughness > 0.004
    assert points[rough].mean() > points[~rough].mean() + 3


def test_spoilt_releases_are_as_many_as_are_counted(releases: pl.DataFrame) -> None:
    spoilt, dirt = spoil_releases(releases, np.random.default_rng(4))
    assert spoilt["value"].null_count() == dirt["missing_values"] > 0
    early = spoilt["released_at"] < spoilt["period"].cast(pl.Datetime("us", "UTC"))
    assert early.sum() == dirt["released_before_period"] > 0
