"""The view as a whole: it does not look ahead, and the recent past gives what the whole one gives."""

from collections.abc import Mapping

import polars as pl
import pytest

from feature_store.lookahead import leaks
from feature_store.views.equity_daily import EQUITY_DAILY, recent_state
from feature_store.views.equity_daily.bars import LOOKBACK
from ledgerline.core.identity import sha256_bytes

FINGERPRINT = "c87aa10c3336340d249f7cb1b41d09c421d00bb6c588a9aa78733c17ca871cec"
PINNED_VALUES = "ea01929c2a3f9eacd3e013eaaf57fc9b27b5c62b72c41afd200aff325a32b60e"
R10_INPUTS = (
    "rsi_14",
    "macd",
    "macd_signal",
    "macd_histogram",
    "bollinger_position",
    "bollinger_width",
    "sma_20_ratio",
    "sma_50_ratio",
    "ema_12_ratio",
    "ema_26_ratio",
    "return_1d",
    "return_5d",
    "return_20d",
    "volatility_20d",
    "volume_ratio_20d",
)


@pytest.fixture(scope="module")
def whole(dirty_sources):
    return EQUITY_DAILY.compute(dirty_sources)


def bits(frame: pl.DataFrame) -> bytes:
    return frame.select(pl.col(EQUITY_DAILY.feature_names).fill_null(-1e300)).to_numpy().tobytes(order="C")


def test_view_has_the_inputs_of_the_trading_rules_and_says_what_each_feature_is():
    assert set(R10_INPUTS) <= set(EQUITY_DAILY.feature_names)
    assert all(feature.description and feature.unit for feature in EQUITY_DAILY.features)


def test_fingerprint_is_pinned():
    """A change here parts deployed models from their features: make it on purpose."""
    assert EQUITY_DAILY.fingerprint == FINGERPRINT


def test_values_of_a_fixed_market_are_pinned(whole):
    """Values that change need a higher ``version`` of the view. Ten digits: logarithms differ in the last elsewhere."""
    values = whole.select(pl.col(EQUITY_DAILY.feature_names).round_sig_figs(10).fill_null(-1e300) + 0.0)

    assert sha256_bytes(values.to_numpy().tobytes(order="C")) == PINNED_VALUES


def test_one_row_a_share_and_session_in_arrival_order(whole, dirty_sources):
    bars = dirty_sources["prices_daily"].filter(pl.col("asset_class") == "equity")

    assert whole.height == bars.select("symbol", "event_time").n_unique()
    assert whole.equals(whole.sort("available_at", "event_time", "symbol"))


def test_order_of_rows_does_not_matter(whole, dirty_sources):
    shuffled = {name: rows.sample(fraction=1, shuffle=True, seed=3) for name, rows in dirty_sources.items()}

    assert EQUITY_DAILY.compute(shuffled).equals(whole)


def cuts(whole, sessions):
    """Return instants just before and at some decisions."""
    instants = whole["available_at"].unique().sort()
    return [instants[int(session)] for session in sessions]


def test_view_does_not_look_ahead(whole, dirty_sources):
    assert leaks(EQUITY_DAILY, EQUITY_DAILY.compute, dirty_sources, cuts=cuts(whole, (30, 151, 204, 321, 323))) == []


def with_later_restatements(sources: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    newest = pl.col("available_at") == pl.col("available_at").max().over("symbol", "event_time")
    first = pl.col("available_at").min().over("symbol", "event_time")
    prices = sources["prices_daily"].with_columns(first=first).filter(newest)
    return EQUITY_DAILY.compute({**sources, "prices_daily": prices.with_columns(available_at="first").drop("first")})


def with_splits_known_at_their_date(sources: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    actions = sources["corporate_actions"].with_columns(available_at="event_time")
    return EQUITY_DAILY.compute({**sources, "corporate_actions": actions})


def with_figures_at_their_period(sources: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    series = sources["macro_series"].with_columns(available_at="event_time")
    return EQUITY_DAILY.compute({**sources, "macro_series": series})


def scaled_by_all_sessions(sources: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    return EQUITY_DAILY.compute(sources).with_columns(pl.col("rsi_14") / pl.col("rsi_14").max())


@pytest.mark.parametrize(
    ("leaking", "session", "caught"),
    [
        (with_later_restatements, 230, {"sma_20_ratio", "volatility_20d"}),
        (with_splits_known_at_their_date, 321, {"return_5d", "volume_ratio_20d"}),
        (with_figures_at_their_period, 230, {"cpi_yoy", "gdp_yoy", "term_spread"}),
        (scaled_by_all_sessions, 30, {"rsi_14"}),
    ],
)
def test_view_that_looks_ahead_is_caught(whole, dirty_sources, leaking, session, caught):
    found = {leak.column for leak in leaks(EQUITY_DAILY, leaking, dirty_sources, cuts=cuts(whole, (session,)))}

    assert caught <= found
    assert len(found) < len(EQUITY_DAILY.features)


@pytest.mark.parametrize("session", [150, 204, 300, 321, 330])
def test_recent_past_and_new_bars_give_the_row_that_the_whole_history_gives(whole, dirty_sources, session):
    (as_of,) = cuts(whole, (session,))
    until = as_of + pl.duration(days=3)
    later = {
        name: rows.filter((pl.col("available_at") > as_of) & (pl.col("available_at") <= until))
        for name, rows in dirty_sources.items()
    }
    state = recent_state(dirty_sources, as_of, sessions=LOOKBACK + 5)

    live = EQUITY_DAILY.compute({name: pl.concat([state[name], later[name]]) for name in state})

    new = (pl.col("available_at") > as_of) & (pl.col("event_time") > as_of)
    expected = whole.filter(new & (pl.col("available_at") <= until))
    assert expected.height >= 4
    assert live.filter(new).select(EQUITY_DAILY.key_columns).equals(expected.select(EQUITY_DAILY.key_columns))
    assert bits(live.filter(new)) == bits(expected)


def test_recent_past_is_no_more_than_is_needed(dirty_sources, closes_at):
    as_of = closes_at(335)

    state = recent_state(dirty_sources, as_of, sessions=20)

    prices = state["prices_daily"]
    assert prices.filter(pl.col("symbol") == "AAA")["event_time"].n_unique() == 20
    assert prices.filter(pl.col("symbol").is_in(["CCC", "CCX"]))["event_time"].n_unique() == 20
    assert all(rows["available_at"].max() <= as_of for rows in state.values())
    assert state["posts"]["available_at"].min() > closes_at(330)
    assert state["macro_series"].height < dirty_sources["macro_series"].height
