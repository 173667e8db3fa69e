"""A small made-up market with every kind of dirt, on which it shows what the view's features read."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from feature_store.sources import empty_rows
from ledgerline.core.contracts import CORPORATE_ACTIONS, MACRO_SERIES, POSTS, PRICES_DAILY, DatasetContract

_SESSIONS = 150  # the longest indicator waits for 126
_FIRST = datetime(2020, 1, 1, 21, tzinfo=UTC)
_DAILY = ("VIX", "TREASURY_10Y", "TREASURY_2Y", "WTI")
_MONTHLY = ("CPI", "UNRATE", "GDP")
_LATE = 0.015
_SYMBOLS = ("AAA", "BBB", "CCC", "DDD", "IDX")
_RENAMED = {"CCC": (125, "CCX"), "DDD": (126, "DDY"), "IDX": (124, "IDY")}
_WORDS = ("great results, love it", "terrible loss, awful", "it trades", "good", "bad and sad")

_Row = tuple[Any, ...]


def probe(_features: Sequence[str]) -> dict[str, pl.DataFrame]:
    """Return the tables; the view's features are always the same."""
    random = np.random.default_rng(1)
    rows = {
        PRICES_DAILY: _bars(random),
        CORPORATE_ACTIONS: _actions(),
        MACRO_SERIES: _figures(random),
        POSTS: _posts(random),
    }
    return {contract.name: _table(contract, made) for contract, made in rows.items()}


def _table(contract: DatasetContract, rows: Iterator[_Row]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=empty_rows(contract).schema, orient="row")


def _close(session: float) -> datetime:
    return _FIRST + timedelta(days=session)


def _open(session: float) -> datetime:
    return _close(session) - timedelta(hours=6.5)


def _bars(random: np.random.Generator) -> Iterator[_Row]:
    """Yield four shares' bars and an index's; some late, some restated, some delivered adjusted."""
    for symbol in _SYMBOLS:
        close, asset_class = 100.0, "index" if symbol == "IDX" else "equity"
        for session in range(_SESSIONS):
            close *= float(np.exp(random.normal(0, 0.02)))
            name = _RENAMED[symbol][1] if symbol in _RENAMED and session >= _RENAMED[symbol][0] else symbol
            adjustment = "split" if random.random() < 0.5 else "raw"
            arrived = session + (2.0 if random.random() < _LATE else 0.0)
            yield _bar(random, name, close, adjustment, asset_class, session, arrived)
            if random.random() < _LATE:
                yield _bar(random, name, close * 1.01, adjustment, asset_class, session, arrived + 3)


def _bar(
    random: np.random.Generator,
    symbol: str,
    close: float,
    adjustment: str,
    asset_class: str,
    session: float,
    arrived: float,
) -> _Row:
    low, high = close * random.uniform(0.97, 0.99), close * random.uniform(1.01, 1.03)
    opened, volume = random.uniform(low, high), float(random.integers(1_000, 9_000))
    prices = (opened, high, low, close, random.uniform(90, 110), volume)
    return (symbol, *prices, adjustment, asset_class, _close(session), _close(arrived))


def _actions() -> Iterator[_Row]:
    """Yield splits of every share, every other one heard of late, changes of two names, and dividends."""
    for number, session in enumerate(range(20, _SESSIONS, 3)):
        symbol, late = _SYMBOLS[number % 5], 2 if number % 10 < 5 else -30
        yield symbol, "split", (3.0, 0.7, 1.7)[number % 3], 0.1, None, _open(session), _close(session + late)
    for symbol, (session, new) in _RENAMED.items():
        known = session + 4 if symbol == "DDD" else session - 100
        yield symbol, "symbol_change", None, 0.2, new, _open(session), _close(known)
    for number, session in enumerate(range(20, _SESSIONS, 5)):
        yield _SYMBOLS[number % 3], "dividend", 1.1, 0.3 + number, "BBX", _open(session), _close(session - 2)


def _figures(random: np.random.Generator) -> Iterator[_Row]:
    """Yield daily series of the last weeks, and monthly ones of three years, which are revised."""
    for series in _DAILY:
        for session in range(_SESSIONS - 60, _SESSIONS):
            value, vintage = float(random.uniform(1, 20)), str(random.choice(["archive", "none"]))
            yield series, value, vintage, _close(session), _close(session + 0.5)
    for series in _MONTHLY:
        for month in range(30):
            period = datetime(2018 + month // 12, month % 12 + 1, 1, tzinfo=UTC)
            for delay in (43, 80):
                vintage = str(random.choice(["archive", "none"]))
                yield series, float(random.uniform(100, 200)), vintage, period, period + timedelta(days=delay)


def _posts(random: np.random.Generator) -> Iterator[_Row]:
    for number in range(150):
        posted = _close(random.uniform(_SESSIONS - 40, _SESSIONS))
        symbol, words = str(random.choice(["AAA", "BBB", "CCX", "ZZZ"])), _WORDS[int(random.integers(5))]
        yield str(number), symbol, f"{words} {number % 9}", posted - timedelta(hours=1), posted
