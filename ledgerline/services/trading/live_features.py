"""The features of the session that closed last: the recent past and the new bars, through the very view of training."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

import polars as pl

from ledgerline.decisions.trading.venue import Bar
from ledgerline.services.trading.serving import PRICES, newest_session
from ledgerline.services.trading.sessions import close_of


@dataclass(frozen=True, slots=True)
class SessionRow:
    """What is known of one symbol after a session.

    Attributes:
        symbol: Ticker.
        close: The session's, as traded.
        previous_close: The one before it, adjusted for nothing; None where there is none.
        vector: The model's features, None where unknown.
    """

    symbol: str
    close: Decimal
    previous_close: Decimal | None
    vector: Mapping[str, float | None]


def session_rows(
    view: Any,
    tables: Mapping[str, pl.DataFrame],
    names: Sequence[str],
    bars: Mapping[str, Sequence[Bar]],
    session: date,
) -> list[SessionRow]:
    """Return the symbols that have a bar of ``session``, by name, with the features that a decision after it sees.

    Args:
        view: The view that makes the features.
        tables: The feature version's recent rows, by contract.
        names: The features that the model takes.
        bars: What the venue said since; sessions that the state holds already, or after ``session``, are left out.
        session: The session that closed last.
    """
    newest = newest_session(tables)
    new = [bar for each in bars.values() for bar in each if newest < bar.session <= session]
    prices = _with(tables[PRICES], new)
    close = close_of(session)
    features = view.compute({**tables, PRICES: prices})
    rows = (
        features.filter((pl.col("event_time") == close) & (pl.col("available_at") == close))
        .unique("symbol", keep="last", maintain_order=True)
        .sort("symbol")
    )
    closes = _closes(prices, session)
    return [
        SessionRow(row["symbol"], *closes[row["symbol"]], {name: _known(row[name]) for name in names})
        for row in rows.iter_rows(named=True)
        if row["symbol"] in closes
    ]


def _with(prices: pl.DataFrame, bars: Sequence[Bar]) -> pl.DataFrame:
    """Put the venue's raw bars behind the accepted ones; they are known from their session's close on."""
    rows = [
        {
            "symbol": bar.symbol,
            "open": float(bar.open),
            "high": float(bar.high),
            "low": float(bar.low),
            "close": float(bar.close),
            "adjusted_close": None,
            "volume": float(bar.volume),
            "adjustment": "raw",
            "asset_class": "equity",
            "event_time": close_of(bar.session),
            "available_at": close_of(bar.session),
        }
        for bar in bars
    ]
    added = pl.DataFrame(rows, schema=prices.select(_COLUMNS).schema) if rows else prices.select(_COLUMNS).clear()
    return pl.concat([prices.select(_COLUMNS), added])


_COLUMNS = (
    "symbol",
    "open",
    "high",
    "low",
    "close",
    "adjusted_close",
    "volume",
    "adjustment",
    "asset_class",
    "event_time",
    "available_at",
)


def _closes(prices: pl.DataFrame, session: date) -> dict[str, tuple[Decimal, Decimal | None]]:
    """Return by symbol the close of ``session`` and the one before it."""
    known = prices.filter((pl.col("asset_class") == "equity") & (pl.col("event_time") <= close_of(session)))
    last = (
        known.sort("event_time", "available_at")
        .unique(["symbol", "event_time"], keep="last", maintain_order=True)
        .group_by("symbol", maintain_order=True)
        .agg(pl.col("event_time").last(), pl.col("close").tail(2))
        .filter(pl.col("event_time") == close_of(session))
    )
    found: dict[str, tuple[Decimal, Decimal | None]] = {}
    for symbol, _, closes in last.iter_rows():
        before = _decimal(closes[0]) if len(closes) > 1 else None
        found[symbol] = (_decimal(closes[-1]), before)
    return found


def _decimal(price: float) -> Decimal:
    return Decimal(repr(price))


def _known(value: Any) -> float | None:
    return None if value is None else float(value)
