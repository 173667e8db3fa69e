"""The training set: every share's features after a session, beside what the share then did.

The label of session t is the return from the close of t+1 to the close of t+2: whoever decides after close t can trade
at the next close at the latest, and nothing that was seen when deciding is part of what is earned.
"""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import polars as pl

from ledgerline.core.identity import content_id, source_fingerprint
from pipelines.training.errors import TrainingRefused

ROW_COLUMNS = ("symbol", "instrument", "event_time", "available_at")
LABEL_COLUMNS = ("forward_return", "label_available_at")
PRICE_COLUMNS = ("symbol", "close", "adjustment", "asset_class", "event_time", "available_at")
ACTION_COLUMNS = ("symbol", "action", "ratio", "event_time", "available_at")


def training_set_spec() -> str:
    """Return the fingerprint of how a training set is made: the code of this file."""
    return content_id({"family": "price", "code": source_fingerprint([Path(__file__)])})


def join_labels(
    features: pl.DataFrame, prices: pl.DataFrame, actions: pl.DataFrame, *, as_of: datetime, names: Sequence[str]
) -> pl.DataFrame:
    """Put beside every share and session the return from the next close to the one after, as known at ``as_of``.

    A bar that was restated decides as it first arrived and pays as it was last known. A session that a share lacks
    gives no label, rather than one over three sessions. Prices that are raw are adjusted for splits between the two
    closes; dividends are not counted.

    Args:
        features: ``ROW_COLUMNS`` and the features; a restated bar is a second row of a session, and is left out.
        prices: Accepted rows, at least ``PRICE_COLUMNS``.
        actions: Accepted rows, at least ``ACTION_COLUMNS``; may be empty.
        as_of: Nothing that became available later is used. Aware.
        names: The features, in the model's order.

    Returns:
        ``ROW_COLUMNS``, the features, ``forward_return`` and ``label_available_at``; both null while unknown, by
        session and symbol.

    Raises:
        TrainingRefused: Two instruments share a symbol in one session.
    """
    rows = (
        features.filter(pl.col("available_at") <= as_of)
        .sort("available_at", maintain_order=True)
        .unique(["symbol", "event_time"], keep="first", maintain_order=True)
        .select(*ROW_COLUMNS, *names)
    )
    closes = _closes(rows, prices, as_of)
    if closes.select("instrument", "session").is_duplicated().any():
        raise TrainingRefused("an instrument has two bars in one session; the feature version is not sound")
    ratios = _split_ratios(closes, actions, as_of)
    after = closes.join(ratios, on=["instrument", "session"], how="left").with_columns(pl.col("ratio").fill_null(1.0))
    first = _ahead(after, 1).select("instrument", "session", first_close="close", first_known="known_at")
    second = _ahead(after, 2).select(
        "instrument", "session", second_close=pl.col("close") * pl.col("ratio"), second_known="known_at"
    )
    labels = first.join(second, on=["instrument", "session"], how="inner").select(
        "instrument",
        "session",
        forward_return=pl.col("second_close") / pl.col("first_close") - 1,
        label_available_at=pl.max_horizontal("first_known", "second_known"),
    )
    placed = closes.select("instrument", "event_time", "session").join(labels, on=["instrument", "session"], how="left")
    return (
        rows.join(placed.drop("session"), on=["instrument", "event_time"], how="left")
        .sort("event_time", "symbol")
        .select(*ROW_COLUMNS, *names, *LABEL_COLUMNS)
    )


def feature_names(frame: pl.DataFrame) -> list[str]:
    """Return the features of a training set, in the model's order."""
    return [name for name in frame.columns if name not in (*ROW_COLUMNS, *LABEL_COLUMNS)]


def _closes(rows: pl.DataFrame, prices: pl.DataFrame, as_of: datetime) -> pl.DataFrame:
    """Return each instrument's closes as last known, numbered by the market's sessions."""
    known = (
        prices.filter((pl.col("asset_class") == "equity") & (pl.col("available_at") <= as_of))
        .sort("available_at", maintain_order=True)
        .unique(["symbol", "event_time"], keep="last", maintain_order=True)
        .select("symbol", "event_time", "close", "adjustment", known_at="available_at")
    )
    sessions = known.select(pl.col("event_time").unique().sort()).with_row_index("session")
    named = rows.select("instrument", "symbol", "event_time")
    return (
        known.join(named, on=["symbol", "event_time"], how="inner")
        .join(sessions, on="event_time", how="left")
        .with_columns(pl.col("session").cast(pl.Int64))
        .sort("instrument", "session")
    )


def _ahead(closes: pl.DataFrame, sessions: int) -> pl.DataFrame:
    """Return closes under the number of the session that lies ``sessions`` before theirs."""
    return closes.with_columns(pl.col("session") - sessions)


def _split_ratios(closes: pl.DataFrame, actions: pl.DataFrame, as_of: datetime) -> pl.DataFrame:
    """Return by instrument and session how many shares one share of the session before has become."""
    splits = (
        actions.filter((pl.col("action") == "split") & (pl.col("available_at") <= as_of))
        .sort("available_at", maintain_order=True)
        .unique(["symbol", "event_time"], keep="last", maintain_order=True)
        .select("symbol", "ratio", ex="event_time")
    )
    sessions = closes.select("event_time", "session").unique().sort("event_time")
    dated = splits.sort("ex").join_asof(sessions, left_on="ex", right_on="event_time", strategy="forward")
    raw = closes.filter(pl.col("adjustment") == "raw").select("instrument", "symbol", "session")
    return (
        dated.join(raw, on=["symbol", "session"], how="inner")
        .group_by("instrument", "session")
        .agg(pl.col("ratio").product())
    )
