"""Eighty-eight real shares, VIX, consumer prices and posts through the view."""

import gzip
import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from feature_store.views.equity_daily import EQUITY_DAILY, recent_state
from ledgerline.core.settings import PROJECT_ROOT

SHARED = Path(os.environ.get("LEDGERLINE_SHARED_DATA", PROJECT_ROOT.parent / "shared" / "data"))
PRICES = SHARED / "market" / "stocknet"

pytestmark = [
    pytest.mark.real_data,
    pytest.mark.skipif(not PRICES.exists(), reason=f"the published share prices are not at {PRICES}"),
]


def instants(column: str, hours: int) -> pl.Expr:
    return pl.col(column).str.to_datetime(time_unit="us").dt.offset_by(f"{hours}h").dt.replace_time_zone("UTC")


def bars(file: Path) -> pl.DataFrame:
    return (
        pl.read_csv(file, null_values=["null"], schema_overrides={"Volume": pl.Float64})
        .drop_nulls()
        .select(
            symbol=pl.lit(file.stem),
            **{name.lower(): pl.col(name).cast(pl.Float64) for name in ("Open", "High", "Low", "Close", "Volume")},
            adjustment=pl.lit("split"),
            asset_class=pl.lit("equity"),
            event_time=instants("Date", 21),
            available_at=instants("Date", 21),
        )
    )


def series(name: str, file: str, period: str, value: str, *, lag: timedelta) -> pl.DataFrame:
    rows = pl.read_csv(SHARED / "economic" / file, schema_overrides={value: pl.Float64})
    at = rows.select(
        series_id=pl.lit(name), value=pl.col(value), vintage=pl.lit("none"), event_time=instants(period, 0)
    )
    return at.with_columns(available_at=pl.col("event_time") + lag)


@pytest.fixture(scope="module")
def sources() -> Mapping[str, pl.DataFrame]:
    with gzip.open(SHARED / "alternative" / "posts_2014_2015.jsonl.gz", "rt", encoding="utf-8") as lines:
        posts = pl.DataFrame([json.loads(line) for line in lines]).with_row_index("post_id")
    at = pl.col("created_at").str.to_datetime(time_unit="us", time_zone="UTC")
    return {
        "prices_daily": pl.concat([bars(file) for file in sorted(PRICES.glob("*.csv"))]),
        "macro_series": pl.concat(
            [
                series("VIX", "vix_daily.csv", "DATE", "CLOSE", lag=timedelta(days=1)),
                series("CPI", "cpi_us_monthly.csv", "Date", "Index", lag=timedelta(days=48)),
            ]
        ),
        "posts": posts.select(pl.col("post_id").cast(pl.String), "symbol", "text", event_time=at, available_at=at),
    }


def test_real_shares_give_a_row_a_bar_and_the_recent_past_gives_the_same_rows(sources):
    whole = EQUITY_DAILY.compute(sources)

    assert whole.height == sources["prices_daily"].height == 108_589
    assert whole.filter(pl.col("event_time") >= datetime(2014, 1, 1, tzinfo=UTC))["return_60d"].null_count() < 200
    the_fall = pl.col("event_time") == datetime(2016, 11, 9, 21, tzinfo=UTC)
    agfs = whole.filter((pl.col("symbol") == "AGFS") & the_fall)
    assert agfs["return_1d"][0] == pytest.approx(-0.489, abs=0.001)
    heard = whole.filter(
        pl.col("event_time").is_between(datetime(2014, 1, 5, tzinfo=UTC), datetime(2015, 12, 31, tzinfo=UTC))
    )
    assert heard["posts_5d"].null_count() < 0.02 * heard.height  # there are a few days without any post at all
    assert heard["sentiment_5d"].drop_nulls().mean() == pytest.approx(0.13, abs=0.05)

    as_of = datetime(2015, 6, 30, 22, tzinfo=UTC)
    until = as_of + timedelta(days=1)
    known = {name: rows.filter(pl.col("available_at") <= until) for name, rows in sources.items()}
    fresh = {name: rows.filter(pl.col("available_at") > as_of) for name, rows in known.items()}
    state = recent_state(sources, as_of)
    live = EQUITY_DAILY.compute({name: pl.concat([state[name], fresh[name]]) for name in sources})
    of_the_day = pl.col("available_at").is_between(as_of, until)
    shares = set(sources["prices_daily"]["symbol"])
    assert shares - set(live.filter(of_the_day)["symbol"]) == {"GMRE"}  # it was not listed yet
    assert live.filter(of_the_day).equals(whole.filter(of_the_day))
