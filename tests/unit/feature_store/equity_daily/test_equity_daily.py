"""The view as a whole: it does not look ahead, and the recent past gives what the whole one gives."""

from collections.abc import Mapping

import polars as pl
import pytest

from feature_store.lookahead import leaks
from feature_store.views.equity_daily import EQUITY_DAILY, recent_state
from feature_store.views.equity_daily.bars import LOOKBACK

FINGERPRINT = "6761d885759df2ff4b43cbb493b503265a4704c7915a4dfa9ea31227e070d5aa"
PINNED_VALUES = {
    "return_1d": (-93.55430632153686, 5),
    "return_2d": (-138.3405157697843, 11),
    "return_3d": (-193.69233966856754, 15),
    "return_5d": (-279.4434426821321, 23),
    "return_10d": (-641.792426816896, 43),
    "return_20d": (-911.5830916182341, 84),
    "return_60d": (-2197.459206396598, 243),
    "return_120d": (-2985.5550964318836, 483),
    "overnight_return": (-346.5186220385156, 5),
    "intraday_return": (254.55126083362427, 0),
    "range_1d": (2026.0098718108502, 0),
    "close_location": (32245.0, 0),
    "sma_5_ratio": (-158.45612363639364, 19),
    "sma_10_ratio": (-329.61402809592585, 39),
    "sma_20_ratio": (-576.7783188028502, 79),
    "sma_50_ratio": (-1221.7539924501996, 199),
    "ema_5_ratio": (-171.57632608177298, 19),
    "ema_12_ratio": (-393.5205733042527, 47),
    "ema_26_ratio": (-715.8933660724165, 103),
    "ema_50_ratio": (-1236.8120996497714, 199),
    "macd": (-433.40671460636173, 103),
    "macd_signal": (-399.7246133943361, 135),
    "macd_histogram": (-32.644903752992, 135),
    "bollinger_position": (26375.908993331162, 79),
    "bollinger_width": (7914.9097035630475, 79),
    "rsi_14": (2953307.964818189, 59),
    "rsi_7": (2996983.235458622, 31),
    "stochastic_14": (27763.769915994508, 55),
    "up_share_10d": (30156.800000000003, 43),
    "up_share_20d": (29335.15, 84),
    "volatility_5d": (1109.7316710576272, 23),
    "volatility_20d": (1215.2177189406277, 84),
    "volatility_60d": (1100.690921123069, 243),
    "volatility_ratio": (45791.61171161024, 243),
    "atr_14": (2398.7871801046754, 59),
    "parkinson_20d": (1303.3411021021234, 79),
    "return_to_volatility_20d": (-11016.092176056654, 84),
    "skewness_20d": (3154.5389564727593, 84),
    "volume_ratio_5d": (63895.33446750355, 19),
    "volume_ratio_20d": (60714.76411708481, 79),
    "volume_ratio_60d": (52590.335224571885, 239),
    "volume_trend": (61143.72772744763, 79),
    "volume_deviation_20d": (27567.44096378337, 79),
    "log_turnover_20d": (796619.625239216, 79),
    "signed_volume_20d": (-1740.841371713759, 84),
    "illiquidity_20d": (3460547.002960903, 84),
    "vwap_20_ratio": (-546.6062694052389, 79),
    "from_high_20d": (-4884.086624343025, 79),
    "from_low_20d": (4316.125741634636, 79),
    "from_high_52w": (-9395.940609736894, 503),
    "from_low_52w": (6944.419352018066, 503),
    "volume_point_of_control_60_ratio": (-771.1150577960414, 239),
    "value_area_width_60": (7337.310774546802, 239),
    "value_area_position_60": (16426.346691040897, 239),
    "volume_below_close_60": (19775.2905893742, 239),
    "return_1d_rank": (32408.25, 5),
    "return_5d_rank": (32484.083333333336, 23),
    "return_20d_rank": (30666.416666666668, 84),
    "return_60d_rank": (26948.416666666664, 243),
    "volatility_20d_rank": (30603.0, 84),
    "rsi_14_rank": (31727.916666666668, 59),
    "volume_ratio_20d_rank": (30736.833333333336, 79),
    "log_turnover_20d_rank": (30790.166666666668, 79),
    "from_high_52w_rank": (20266.666666666664, 503),
    "market_return_1d": (68.38632114116726, 4),
    "market_return_5d": (191.56369811809685, 17),
    "market_return_20d": (489.0874579764069, 76),
    "market_volatility_20d": (1198.8161870773388, 76),
    "vix": (1153853.0, 0),
    "vix_change_5d": (-5703.0, 0),
    "treasury_10y": (195532.0, 0),
    "treasury_2y": (97595.0, 0),
    "oil_return_20d": (0.0, 1334),
    "cpi_yoy": (2785.836604963228, 0),
    "unemployment": (0.0, 1334),
    "unemployment_change_1y": (0.0, 1334),
    "gdp_yoy": (2233.2167400577564, 0),
    "term_spread": (97937.0, 0),
    "posts_1d": (13758.0, 29),
    "posts_5d": (67779.0, 29),
    "sentiment_1d": (-127.98249999999992, 1085),
    "sentiment_5d": (-3413.2569, 579),
    "positive_share_5d": (13752.683333333334, 579),
    "negative_share_5d": (15814.983333333334, 579),
    "posts_surge": (37655.333333333336, 579),
}
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
    """Values that change need a higher ``version`` of the view.

    Weighted sums, each row under another weight: logarithms differ in their last digit between processors, and no
    rounding keeps every value on one side of a boundary.
    """
    weights = 1 + pl.int_range(pl.len()) % 97
    sums = whole.select(
        *((pl.col(name).fill_null(0) * weights).sum().alias(name) for name in EQUITY_DAILY.feature_names)
    ).row(0, named=True)
    nulls = whole.select(pl.col(EQUITY_DAILY.feature_names).null_count()).row(0, named=True)

    assert sums == pytest.approx({name: value for name, (value, _) in PINNED_VALUES.items()}, rel=1e-9)
    assert nulls == {name: count for name, (_, count) in PINNED_VALUES.items()}


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
        (with_later_restatements, 230, {"sma_20_ratio", "volatility_20d", "value_area_width_60"}),
        (with_splits_known_at_their_date, 321, {"return_5d", "volume_ratio_20d", "volume_below_close_60"}),
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
