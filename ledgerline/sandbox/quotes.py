"""From what happened on a market to what its exchange quotes: price levels, splits, dividends, names, listings."""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ledgerline.sandbox.market import SECTORS, Floats, Market
from ledgerline.sandbox.sessions import session_close

BAR_COLUMNS = ("symbol", "session", "open", "high", "low", "close", "volume")
ACTION_COLUMNS = ("symbol", "action", "ex_date", "announced_at", "ratio", "amount", "new_symbol")

_QUARTER = 63  # sessions between two dividends
_DIVIDEND = 0.004  # of the price
_NOTICE = 15  # sessions from the announcement to the ex-date
_RENAMED, _LATE, _DELISTED = 3, 7, 11  # places of three shares to which something happens
_FIRST_SPLIT, _SPLITS_EVERY = 2, 5
_STEMS = ("Alder", "Birch", "Cedar", "Dune", "Ember", "Fjord", "Grove", "Harbor", "Iris", "Juniper", "Kestrel", "Lark")
_TRADES = ("Systems", "Pharma", "Capital", "Oil", "Foods", "Works", "Power", "Mining")


class Action(StrEnum):
    """What a company does to its shares."""

    SPLIT = "split"
    DIVIDEND = "dividend"
    SYMBOL_CHANGE = "symbol_change"


@dataclass(frozen=True, slots=True)
class Quotes:
    """A market as quoted, adjusted for nothing.

    Attributes:
        bars: ``BAR_COLUMNS``, by session and symbol.
        actions: ``ACTION_COLUMNS``, by ex-date; all of them, announced or not.
        instruments: ``symbol, company, sector``.
        symbols: The symbol of each share in each session, shape (sessions, shares).
        listed: Whether it traded then, same shape.
        silent_split: The ex-date and symbol of the one split that nobody announces; None in a small market.
    """

    bars: pl.DataFrame
    actions: pl.DataFrame
    instruments: pl.DataFrame
    symbols: NDArray[np.str_]
    listed: NDArray[np.bool_]
    silent_split: tuple[date, str] | None


def quote(market: Market, generator: np.random.Generator) -> Quotes:
    """Turn returns into quotes."""
    total, shares = market.returns.shape
    levels, places, overnight, above, below = generator.spawn(5)
    splits = _splits(market, places)
    factor = np.ones((total, shares))
    for place, share, ratio in splits:
        factor[place:, share] *= ratio
    paid = np.zeros((total, shares))
    payments = [(place, share) for share in range(0, shares, 2) for place in range(10 + 3 * share, total, _QUARTER)]
    for place, share in payments:
        paid[place:, share] -= np.log1p(-_DIVIDEND)
    level = np.exp(levels.normal(4.2, 0.5, shares) + np.cumsum(market.returns, axis=0) - paid)
    close = _cents(level / factor)
    names, listed = _names(market, shares), _listed(market, shares)
    dividends = [
        (
            place,
            share,
            round(_DIVIDEND * float(close[place - 1, share] / factor[place, share] * factor[place - 1, share]), 2),
        )
        for place, share in payments
        if listed[place, share]
    ]
    opened = _opens(close, factor, market.returns, overnight)
    reach = 0.5 * (np.abs(market.returns) + 0.004)
    high = _cents(np.maximum(opened, close) * np.exp(reach * np.abs(above.standard_normal((total, shares)))))
    low = _cents(np.minimum(opened, close) * np.exp(-reach * np.abs(below.standard_normal((total, shares)))))
    bars = _bars(market, names, listed, (opened, high, low, close), np.round(market.volume * factor, -2))
    silent = splits[0] if len(splits) > 1 else None
    return Quotes(
        bars=bars,
        actions=_actions(market, names, splits, dividends),
        instruments=_instruments(market, names),
        symbols=names,
        listed=listed,
        silent_split=None if silent is None else (market.sessions[silent[0]], str(names[silent[0], silent[1]])),
    )


def _splits(market: Market, generator: np.random.Generator) -> list[tuple[int, int, float]]:
    """Return place, share and ratio: one share in five splits once, all of them before the present.

    The first of them, early in the history, is the one that nobody announces.
    """
    shares = range(_FIRST_SPLIT, market.returns.shape[1], _SPLITS_EVERY)
    first, last = market.present // 5, market.present - 50
    if last <= first:
        return []
    drawn = [(int(generator.integers(first, last)), share, float(generator.choice([2, 3, 4]))) for share in shares]
    return [(market.present // 6, *drawn[0][1:]), *drawn[1:]] if drawn else []


def _opens(close: Floats, factor: Floats, returns: Floats, generator: np.random.Generator) -> Floats:
    """Return opens: the close before, in today's shares, and what the night has brought."""
    before = np.vstack([close[:1] * factor[:1], close[:-1] * factor[:-1]]) / factor
    return _cents(before * np.exp(0.3 * (np.abs(returns) + 0.004) * generator.standard_normal(close.shape)))


def _cents(prices: Floats) -> Floats:
    return np.maximum(np.round(prices, 2), 0.01)


def _letters(share: int) -> str:
    stem, again = _STEMS[share % len(_STEMS)], share // len(_STEMS)
    return (stem[:2] + chr(ord("A") + again % 26) + (stem[-1] if again < 26 else chr(ord("A") + again // 26))).upper()


def _names(market: Market, shares: int) -> NDArray[np.str_]:
    """Return each share's symbol in each session: one changes its name two thirds into the history."""
    names = np.tile(np.array([_letters(share) for share in range(shares)], dtype="<U8"), (len(market.sessions), 1))
    if shares > _RENAMED:
        names[market.present * 2 // 3 :, _RENAMED] = f"{names[0, _RENAMED]}N"
    return names


def _listed(market: Market, shares: int) -> NDArray[np.bool_]:
    """Return who trades when: one share comes late, one is taken off the list."""
    listed = np.ones((len(market.sessions), shares), dtype=np.bool_)
    if shares > _LATE:
        listed[: market.present // 4, _LATE] = False
    if shares > _DELISTED:
        listed[market.present * 3 // 4 :, _DELISTED] = False
    return listed


def _bars(
    market: Market,
    names: NDArray[np.str_],
    listed: NDArray[np.bool_],
    prices: tuple[Floats, Floats, Floats, Floats],
    volume: Floats,
) -> pl.DataFrame:
    opened, high, low, close = (values[listed] for values in prices)
    sessions = np.repeat(np.array(market.sessions, dtype="datetime64[D]"), listed.sum(axis=1))
    return pl.DataFrame(
        {
            "symbol": names[listed],
            "session": sessions,
            "open": opened,
            "high": high,
            "low": low,
            "close": close,
            "volume": volume[listed].astype(np.int64),
        },
        schema_overrides={"session": pl.Date},
    ).sort("session", "symbol")


def _actions(
    market: Market,
    names: NDArray[np.str_],
    splits: list[tuple[int, int, float]],
    dividends: list[tuple[int, int, float]],
) -> pl.DataFrame:
    def row(
        action: Action, place: int, share: int, *, ratio: float | None = None, amount: float | None = None
    ) -> tuple[str, str, date, datetime, float | None, float | None, str | None]:
        # Nobody knows more of the past than its first session.
        announced = session_close(market.sessions[max(0, place - _NOTICE)])
        symbol, new = str(names[max(0, place - 1), share]), str(names[place, share])
        return symbol, action.value, market.sessions[place], announced, ratio, amount, new if new != symbol else None

    rows = [row(Action.SPLIT, place, share, ratio=ratio) for place, share, ratio in splits]
    rows += [row(Action.DIVIDEND, place, share, amount=amount) for place, share, amount in dividends]
    renamed = np.argwhere(names[1:] != names[:-1])
    rows += [row(Action.SYMBOL_CHANGE, int(place) + 1, int(share)) for place, share in renamed]
    schema = {
        "symbol": pl.String,
        "action": pl.String,
        "ex_date": pl.Date,
        "announced_at": pl.Datetime("us", "UTC"),
        "ratio": pl.Float64,
        "amount": pl.Float64,
        "new_symbol": pl.String,
    }
    return pl.DataFrame(rows, schema=schema, orient="row").sort("ex_date", "symbol", "action")


def _instruments(market: Market, names: NDArray[np.str_]) -> pl.DataFrame:
    rows = []
    for share in range(names.shape[1]):
        sector = int(market.sector[share])
        company = f"{_STEMS[share % len(_STEMS)]} {_TRADES[sector]}"
        rows += [(str(symbol), company, SECTORS[sector]) for symbol in dict.fromkeys(names[:, share].tolist())]
    return pl.DataFrame(rows, schema=["symbol", "company", "sector"], orient="row")
