"""What is traded at which prices: the sessions that everybody knows, and those that only the exchange does."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import polars as pl

from ledgerline.core.identity import content_id, sha256_file
from ledgerline.sandbox.sessions import PRESENT

_HISTORY = "market/prices_daily_*.csv"
_FUTURE = "exchange/bars.parquet"
_ACTIONS = "exchange/actions.csv"
_INSTRUMENTS = "market/instruments.csv"
_SCHEMA = {
    "symbol": pl.String,
    "session": pl.Date,
    "open": pl.Float64,
    "high": pl.Float64,
    "low": pl.Float64,
    "close": pl.Float64,
    "volume": pl.Float64,
}


@dataclass(frozen=True, slots=True)
class Bar:
    """One session of a symbol, adjusted for nothing.

    Attributes:
        session: Which.
        open, high, low, close: Prices in dollars.
        volume: Shares.
    """

    session: date
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: int


@dataclass(frozen=True, slots=True)
class CorporateAction:
    """What happens to a symbol's holders before a session opens.

    Attributes:
        symbol: Whose.
        action: ``split``, ``dividend`` or ``symbol_change``.
        ratio: Of a split: new shares for one.
        amount: Of a dividend: dollars a share.
        new_symbol: Of a change of name.
    """

    symbol: str
    action: str
    ratio: Decimal | None
    amount: Decimal | None
    new_symbol: str | None


class Tape:
    """The bars of a world, past and future.

    Args:
        bars: Bars by symbol, each in order of its sessions.
        future: The sessions after the present, in order; none where the market is closed for good.
        actions: What happens in them, by ex-date.
        names: What the symbols stand for.
        identity: Equal for equal futures.
    """

    def __init__(
        self,
        bars: Mapping[str, Sequence[Bar]],
        *,
        future: Sequence[date],
        actions: Mapping[date, Sequence[CorporateAction]],
        names: Mapping[str, str],
        identity: str,
    ) -> None:
        self._bars = {symbol: {bar.session: bar for bar in each} for symbol, each in bars.items()}
        self.future = tuple(future)
        self.names = dict(names)
        self.identity = identity
        self._actions = dict(actions)
        self.past = tuple(sorted({day for each in self._bars.values() for day in each} - set(future)))
        self._before = dict(pairwise((*self.future[::-1], *self.past[::-1])))

    @classmethod
    def of(cls, world: Path) -> "Tape":
        """Read a world's folder; where nobody has simulated a future, the market is closed for good.

        Bars of the past are read as a vendor delivers them: what is no bar is left out, and of a bar that came twice
        the last one counts.
        """
        history = _history(world)
        path = world / _FUTURE
        future = _typed(pl.read_parquet(path)) if path.exists() else history.clear()
        actions = world / _ACTIONS
        return cls(
            _by_symbol(pl.concat([history, future])),
            future=future["session"].unique().sort().to_list(),
            actions=_actions(actions) if actions.exists() else {},
            names=_names(world / _INSTRUMENTS),
            identity=content_id([sha256_file(each) for each in (path, actions) if each.exists()]),
        )

    @property
    def symbols(self) -> tuple[str, ...]:
        """Every symbol that is ever traded, in order."""
        return tuple(sorted(self._bars))

    def bar(self, symbol: str, session: date) -> Bar | None:
        """Return a symbol's bar of a session, or None where it did not trade."""
        return self._bars.get(symbol, {}).get(session)

    def bars(self, symbol: str, *, first: date, last: date) -> Iterator[Bar]:
        """Yield a symbol's bars from one day to another, both included, in order."""
        yield from (bar for day, bar in self._bars.get(symbol, {}).items() if first <= day <= last)

    def latest(self, symbol: str, until: date) -> Bar | None:
        """Return a symbol's newest bar that is not after a day."""
        return next((bar for day, bar in reversed(self._bars.get(symbol, {}).items()) if day <= until), None)

    def close_before(self, symbol: str, session: date) -> Decimal | None:
        """Return a symbol's newest close before a session, or None where there is none."""
        before = self._before.get(session)
        bar = None if before is None else self.latest(symbol, before)
        return None if bar is None else bar.close

    def actions(self, session: date) -> Sequence[CorporateAction]:
        """Return what happens before a session opens."""
        return self._actions.get(session, ())


def _history(world: Path) -> pl.DataFrame:
    tables = [_typed(pl.read_csv(path, infer_schema=False)) for path in sorted(world.glob(_HISTORY))]
    if not tables:
        return pl.DataFrame(schema=_SCHEMA)
    return (
        pl.concat(tables)
        .drop_nulls()
        .filter((pl.col("high") >= pl.col("low")) & (pl.col("close") > 0) & (pl.col("session") < PRESENT.date()))
        .unique(["symbol", "session"], keep="last", maintain_order=True)
    )


def _typed(rows: pl.DataFrame) -> pl.DataFrame:
    """Return the columns of a bar; a file that lacks them, somebody else's, has no bars."""
    if not set(_SCHEMA) <= set(rows.columns):
        return pl.DataFrame(schema=_SCHEMA)
    session = pl.col("session")
    read = session.str.to_date(strict=False) if rows.schema["session"] == pl.String else session
    return rows.select(
        "symbol", read, *(pl.col(name).cast(kind, strict=False) for name, kind in list(_SCHEMA.items())[2:])
    )


def _by_symbol(rows: pl.DataFrame) -> dict[str, list[Bar]]:
    bars: dict[str, list[Bar]] = {}
    for symbol, session, *prices, volume in rows.sort("symbol", "session").iter_rows():
        opened, high, low, close = (Decimal(repr(price)) for price in prices)
        bars.setdefault(symbol, []).append(Bar(session, opened, high, low, close, int(volume)))
    return bars


def _actions(path: Path) -> dict[date, list[CorporateAction]]:
    rows = pl.read_csv(path, infer_schema=False).select(
        "symbol",
        "action",
        pl.col("ex_date").str.to_date(),
        *(pl.col(name) for name in ("ratio", "amount", "new_symbol")),
    )
    found: dict[date, list[CorporateAction]] = {}
    for symbol, action, ex_date, ratio, amount, new_symbol in rows.iter_rows():
        found.setdefault(ex_date, []).append(
            CorporateAction(symbol, action, _decimal(ratio), _decimal(amount), new_symbol)
        )
    return found


def _decimal(text: str | None) -> Decimal | None:
    return Decimal(text) if text else None


def _names(path: Path) -> dict[str, str]:
    if not path.exists():
        return {}
    rows = pl.read_csv(path, infer_schema=False)
    return dict(rows.select("symbol", "company").iter_rows()) if {"symbol", "company"} <= set(rows.columns) else {}
