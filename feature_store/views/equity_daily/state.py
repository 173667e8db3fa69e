"""The recent past: as much of every source as decisions from now on can depend on."""

from collections.abc import Mapping
from datetime import datetime

import polars as pl

from feature_store.views.equity_daily.instruments import epochs
from feature_store.views.equity_daily.macro_indicators import STATE_PERIODS
from feature_store.views.equity_daily.post_sentiment import LONG
from ledgerline.core.contracts import CORPORATE_ACTIONS, MACRO_SERIES, POSTS, PRICES_DAILY

SESSIONS = 300


def recent_state(
    sources: Mapping[str, pl.DataFrame], as_of: datetime, *, sessions: int = SESSIONS
) -> dict[str, pl.DataFrame]:
    """Return, of every source, the rows known at ``as_of`` that rows decided later can depend on.

    Computed on these rows and what arrives after them, every row that is decided after ``as_of`` for a session after
    those of the state is the one that the whole history gives, bit for bit. Rows that late bars of older sessions give
    are not.

    Args:
        sources: Accepted rows by contract; absent ones are taken as empty.
        as_of: The moment, timezone-aware.
        sessions: How many sessions of each share are kept, restated bars included: at least
            :data:`~feature_store.views.equity_daily.bars.LOOKBACK`.
    """
    known = {name: rows.filter(pl.col("available_at") <= as_of) for name, rows in sources.items()}
    state = {}
    if CORPORATE_ACTIONS.name in known:
        state[CORPORATE_ACTIONS.name] = known[CORPORATE_ACTIONS.name]
    if PRICES_DAILY.name in known:
        state[PRICES_DAILY.name] = _recent_bars(known[PRICES_DAILY.name], state.get(CORPORATE_ACTIONS.name), sessions)
    if MACRO_SERIES.name in known:
        state[MACRO_SERIES.name] = _newest(known[MACRO_SERIES.name], "series_id", STATE_PERIODS)
    if POSTS.name in known:
        state[POSTS.name] = known[POSTS.name].filter(pl.col("available_at") > as_of - LONG)
    return state


def _recent_bars(bars: pl.DataFrame, actions: pl.DataFrame | None, sessions: int) -> pl.DataFrame:
    """Return the bars of the last sessions of every share, under whatever symbols it has had."""
    found = epochs(actions) if actions is not None else []
    share = {symbol: min(epoch.symbols) for epoch in found for symbol in epoch.symbols}
    named = bars.with_columns(share=pl.col("symbol").replace(share))
    return _newest(named, "share", sessions).drop("share")


def _newest(rows: pl.DataFrame, of: str, count: int) -> pl.DataFrame:
    """Return the rows about the newest ``count`` instants of each."""
    return rows.filter(pl.col("event_time").rank("dense", descending=True).over(of) <= count)
