"""The view's declaration, and how its parts come together."""

from collections.abc import Mapping
from datetime import timedelta

import polars as pl

from feature_store.table_view import TableFeature, TableView
from feature_store.views.equity_daily.bars import bar_histories
from feature_store.views.equity_daily.macro_indicators import macro_features, macro_indicators
from feature_store.views.equity_daily.post_sentiment import LEXICON, post_sentiment, sentiment_features
from feature_store.views.equity_daily.price_indicators import price_features, price_indicators
from feature_store.views.equity_daily.probe import probe
from feature_store.views.equity_daily.session_ranks import rank_features, session_ranks
from feature_store.views.equity_daily.state import recent_state
from ledgerline.core.contracts import CORPORATE_ACTIONS, MACRO_SERIES, POSTS, PRICES_DAILY

_KEYS = ("symbol", "instrument", "event_time", "available_at")
_STALE = timedelta(days=10)  # longer than any closure of an exchange: what is older is a share that no longer trades
_EQUITY, _INDEX = "equity", "index"
_INDEXES = 1_000  # more than there are, so that an instant and a place among them fit into one number
_OF_THE_INDEX = ("return_1d", "return_5d", "return_20d", "volatility_20d")


def _market_features() -> tuple[TableFeature, ...]:
    return tuple(
        TableFeature(f"market_{name}", f"{name} of the index, at its newest session known.", "share")
        for name in _OF_THE_INDEX
    )


def _compute(tables: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    bars = bar_histories(tables[PRICES_DAILY.name], tables[CORPORATE_ACTIONS.name])
    decided = bars.histories.decided
    indicators = {
        name: pl.Series(name, values[decided], nan_to_null=True) for name, values in price_indicators(bars).items()
    }
    rows = bars.keys.with_columns(**indicators)
    shares = rows.filter(pl.col("asset_class") == _EQUITY).sort("available_at", "event_time", "symbol")
    parts = (
        session_ranks(shares),
        _market(shares, rows.filter(pl.col("asset_class") == _INDEX)),
        macro_indicators(shares, tables[MACRO_SERIES.name]),
        post_sentiment(shares, tables[POSTS.name]),
    )
    names = EQUITY_DAILY.feature_names
    whole = pl.concat([shares, *parts], how="horizontal")
    return whole.select(*_KEYS, *(_finite(name) for name in names))


def _finite(name: str) -> pl.Expr:
    value = pl.col(name).cast(pl.Float64)
    return pl.when(value.is_finite()).then(value).alias(name)


def _market(shares: pl.DataFrame, index: pl.DataFrame) -> pl.DataFrame:
    """Return what the index did in the newest session known; of several in one session, that first by symbol."""
    named = {name: f"market_{name}" for name in _OF_THE_INDEX}
    place = pl.col("symbol").rank("dense", descending=True).cast(pl.Int64)
    preference = pl.col("event_time").to_physical() * _INDEXES + place
    arrived = index.with_columns(preference=preference).sort("available_at", "preference")
    newest = arrived.filter(pl.col("preference") == pl.col("preference").cum_max())
    at_once = newest.unique("available_at", keep="last", maintain_order=True)
    known = at_once.select("available_at", *_OF_THE_INDEX).rename(named)
    return shares.select("available_at").join_asof(known, on="available_at", strategy="backward").drop("available_at")


EQUITY_DAILY = TableView(
    name="equity_daily",
    description="Daily indicators of shares: prices and volume, the market, the economy, and what is posted.",
    owner="price models",
    sources=(PRICES_DAILY, CORPORATE_ACTIONS, MACRO_SERIES, POSTS),
    key_columns=_KEYS,
    features=(*price_features(), *rank_features(), *_market_features(), *macro_features(), *sentiment_features()),
    computation=_compute,
    recent=recent_state,
    probe=probe,
    meaning={"sentiment": LEXICON},
    entities=("symbol",),
    ttl=_STALE,
)
