"""Short ways to write bars, actions, series and posts, and a small market with every kind of dirt."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from feature_store.sources import empty_rows
from feature_store.views.equity_daily import EQUITY_DAILY
from ledgerline.core.contracts import CONTRACTS

FIRST_CLOSE = datetime(2020, 1, 1, 21, tzinfo=UTC)
DAY = timedelta(days=1)


def close_of(session: float) -> datetime:
    """Return when the n-th session closed; sessions are days here."""
    return FIRST_CLOSE + timedelta(days=session)


def open_of(session: float) -> datetime:
    """Return when the n-th session opened."""
    return close_of(session) - timedelta(hours=6.5)


@dataclass
class Market:
    """Rows of every source, to be added to.

    Attributes:
        rows: By contract.
    """

    rows: dict[str, list[dict[str, Any]]] = field(
        default_factory=lambda: {name: [] for name in ("prices_daily", "corporate_actions", "macro_series", "posts")}
    )

    def bar(
        self,
        symbol: str,
        session: float,
        close: float,
        *,
        known: float | None = None,
        volume: float = 1000.0,
        spread: float = 0.01,
        adjustment: str = "raw",
        asset_class: str = "equity",
    ) -> None:
        """Add a bar; ``known`` is the session at whose close it arrived."""
        self.rows["prices_daily"].append(
            {
                "symbol": symbol,
                "open": close * (1 - spread / 4),
                "high": close * (1 + spread),
                "low": close * (1 - spread),
                "close": close,
                "adjusted_close": None,
                "volume": volume,
                "adjustment": adjustment,
                "asset_class": asset_class,
                "event_time": close_of(session),
                "available_at": close_of(session if known is None else known),
            }
        )

    def action(
        self, symbol: str, action: str, session: float, *, known: float = -10, ratio: float | None = None, new: str = ""
    ) -> None:
        """Add a corporate action that takes place at a session's open."""
        self.rows["corporate_actions"].append(
            {
                "symbol": symbol,
                "action": action,
                "ratio": ratio,
                "amount": None,
                "new_symbol": new or None,
                "event_time": open_of(session),
                "available_at": close_of(known),
            }
        )

    def figure(self, series: str, period: datetime, value: float, released: datetime) -> None:
        """Add a release of a macro series."""
        self.rows["macro_series"].append(
            {
                "series_id": series,
                "value": value,
                "vintage": "archive",
                "event_time": period,
                "available_at": released,
            }
        )

    def post(self, symbol: str, at: datetime, text: str) -> None:
        """Add a post."""
        number = len(self.rows["posts"])
        self.rows["posts"].append(
            {"post_id": str(number), "symbol": symbol, "text": text, "event_time": at, "available_at": at}
        )

    @property
    def sources(self) -> dict[str, pl.DataFrame]:
        """The rows as the frames of their contracts."""
        return {name: pl.DataFrame(rows, schema=empty_rows(CONTRACTS[name]).schema) for name, rows in self.rows.items()}

    def features(self) -> dict[tuple[str, int], dict[str, Any]]:
        """Compute the view; return each row by symbol and session."""
        return by_session(EQUITY_DAILY.compute(self.sources))


def by_session(computed: pl.DataFrame) -> dict[tuple[str, int], dict[str, Any]]:
    return {(row["symbol"], (row["event_time"] - FIRST_CLOSE) // DAY): row for row in computed.to_dicts()}


@pytest.fixture
def market() -> Market:
    return Market()


@pytest.fixture(scope="session")
def walk() -> Callable[..., list[float]]:
    """Return closes of so many sessions that wander about."""

    def walk_(sessions: int, *, seed: int = 1) -> list[float]:
        steps = np.random.default_rng(seed).normal(0, 0.02, sessions)
        return (100 * np.exp(np.cumsum(steps))).tolist()

    return walk_


@pytest.fixture(scope="session")
def closes_at() -> Callable[[float], datetime]:
    return close_of


@pytest.fixture(scope="session")
def sessions_of() -> Callable[[pl.DataFrame], dict[tuple[str, int], dict[str, Any]]]:
    return by_session


@pytest.fixture(scope="session")
def dirty_sources(walk: Callable[..., list[float]]) -> Mapping[str, pl.DataFrame]:
    """Return 340 sessions of four shares and an index: late, restated and missing bars, splits, a changed symbol."""
    market, sessions = Market(), 340
    random = np.random.default_rng(7)
    for number, symbol in enumerate(("AAA", "BBB", "CCC", "DDD")):
        for session, close in enumerate(walk(sessions, seed=number)):
            if random.random() < 0.02:
                continue
            name = "CCX" if symbol == "CCC" and session >= 200 else symbol
            raw = close / 2 if symbol == "AAA" and session >= 150 else close
            raw = raw / 3 if symbol == "AAA" and session >= 320 else raw
            volume = float(random.integers(1_000, 9_000))
            late = int(random.integers(1, 4)) if random.random() < 0.02 else 0
            market.bar(name, session, raw, known=session + late, volume=volume, spread=random.uniform(0.001, 0.03))
            if random.random() < 0.02:
                restated = session + late + int(random.integers(1, 9))
                market.bar(name, session, raw * random.uniform(0.97, 1.03), known=restated, volume=volume)
    for session, close in enumerate(walk(sessions, seed=9)):
        market.bar("INDEX", session, close, asset_class="index")
    market.action("AAA", "split", 150, ratio=2.0, known=140)
    market.action("AAA", "split", 320, ratio=3.0, known=322)  # heard of late
    market.action("CCC", "symbol_change", 200, new="CCX", known=203)  # likewise
    _add_economy(market)
    words = ("great results, love it", "terrible loss, awful", "it trades", "good", "bad and sad")
    for number in range(400):
        symbol = ("AAA", "BBB", "CCC", "CCX")[int(random.integers(4))]
        market.post(symbol, close_of(random.uniform(5, sessions)), f"{words[int(random.integers(5))]} {number % 50}")
    return market.sources


def _add_economy(market: Market) -> None:
    for month in range(36):
        period = datetime(2018 + month // 12, month % 12 + 1, 1, tzinfo=UTC)
        market.figure("CPI", period, 250 + month, period + timedelta(days=43))
        market.figure("CPI", period, 250.5 + month, period + timedelta(days=100))
        market.figure("GDP", period, 1000 + 3 * month, period + timedelta(days=120))
    for session in range(-30, 330):
        market.figure("VIX", close_of(session), 15 + session % 7, close_of(session + 0.1))
        market.figure("TREASURY_10Y", close_of(session), 2 + session % 3, close_of(session + 1))
        market.figure("TREASURY_2Y", close_of(session), 1 + session % 2, close_of(session + 1))
