"""What a data vendor delivers of the market: daily bars as files, corporate actions, and the dirt of a real feed."""

import io
from datetime import date
from itertools import pairwise

import numpy as np
import polars as pl

from ledgerline.sandbox.draw import Draw
from ledgerline.sandbox.parts import Files
from ledgerline.sandbox.quotes import Action, Quotes
from ledgerline.sandbox.sessions import PRESENT, sessions_between

SESSION_FILES = 45
"""Of so many sessions before the present there is a file each; of older ones there is a file a year."""

_STALE_SESSIONS = 7
_FEWEST_SHARES = 20  # a dirty row in a file of fewer would be too much of it
_PRICES = ("open", "high", "low", "close")
_TEN_YEARS = 10


def deliver_bars(quotes: Quotes, generator: np.random.Generator) -> tuple[pl.DataFrame, dict[str, int]]:
    """Return the bars before the present as delivered, with the session in whose file each row is, and the dirt.

    Args:
        quotes: What the exchange quoted.
        generator: Where all randomness comes from.

    Returns:
        ``BAR_COLUMNS`` and ``delivered``, in order of delivery; and how many rows are dirty, by kind.
    """
    bars = quotes.bars.filter(pl.col("session") < PRESENT.date()).with_columns(delivered="session")
    sessions = bars["session"].unique().sort()
    if bars.height == 0 or bars.height / len(sessions) < _FEWEST_SHARES:
        return bars, {}
    draw = Draw(bars.height, generator)
    bars, stale = _hold_still(bars, draw, generator)
    recent = (bars["session"] > sessions[max(0, len(sessions) - SESSION_FILES)]).to_numpy()
    before_last = recent & (bars["session"] < sessions[-1]).to_numpy()
    old = ~recent
    restated = _one_a_session(draw, bars, before_last, count=2)
    empty = np.concatenate([draw.some(3, old), _one_a_session(draw, bars, before_last, count=1, apart=restated)])
    crossed, twice, missing, future = draw.some(3, old), draw.some(2, old), draw.some(3, old), draw.some(1, old)
    parts = [
        _changed(bars, empty=empty, crossed=crossed, future=future, missing=missing),
        bars[twice],
        _restated(bars[restated], sessions),
    ]
    delivered = pl.concat(parts).sort("delivered", "session", "symbol", maintain_order=True)
    return delivered, {
        "null_bars": empty.size,
        "high_below_low": crossed.size,
        "duplicates": twice.size,
        "restated": restated.size,
        "missing_sessions": missing.size,
        "stale_prices": stale,
        "future_dates": future.size,
        "splits_not_announced": int(quotes.silent_split is not None),
    }


def bar_files(delivered: pl.DataFrame) -> Files:
    """Yield the bars as CSV: a file a year, named by its last session, then a file a session."""
    sessions = delivered["delivered"].unique().sort()
    recent = set(sessions[-SESSION_FILES:])
    label = (
        pl.when(pl.col("delivered").is_in(recent))
        .then(pl.col("delivered").dt.to_string())
        .otherwise(pl.col("delivered").dt.year().cast(pl.String))
    )
    for file in delivered.with_columns(file=label).partition_by("file", maintain_order=True):
        last: date = file["delivered"][-1]
        yield f"market/prices_daily_{last:%Y-%m-%d}.csv", csv_bytes(file.drop("file", "delivered"))


def announced_actions(quotes: Quotes) -> pl.DataFrame:
    """Return the actions that were announced before the present; the silent split never was."""
    known = quotes.actions.filter(pl.col("announced_at") <= PRESENT)
    if quotes.silent_split is None:
        return known
    ex_date, symbol = quotes.silent_split
    silent = (pl.col("action") == Action.SPLIT) & (pl.col("ex_date") == ex_date) & (pl.col("symbol") == symbol)
    return known.filter(~silent)


def csv_bytes(rows: pl.DataFrame) -> bytes:
    """Return rows as CSV; instants to the second, in UTC."""
    instants = [name for name, kind in rows.schema.items() if kind == pl.Datetime("us", "UTC")]
    text = [pl.col(name).dt.strftime("%Y-%m-%dT%H:%M:%SZ") for name in instants]
    buffer = io.BytesIO()
    rows.with_columns(text).write_csv(buffer)
    return buffer.getvalue()


def parquet_bytes(rows: pl.DataFrame) -> bytes:
    """Return rows as Parquet."""
    buffer = io.BytesIO()
    rows.write_parquet(buffer, compression="zstd")
    return buffer.getvalue()


def _one_a_session(
    draw: Draw, bars: pl.DataFrame, possible: np.ndarray, *, count: int, apart: np.ndarray | None = None
) -> np.ndarray:
    """Pick rows of different sessions, and of others than the rows ``apart`` and the sessions after theirs."""
    sessions = bars["session"].to_numpy()
    chosen: list[int] = []
    taken = set() if apart is None else set(sessions[apart].tolist())
    for _ in range(count):
        free = possible & ~np.isin(sessions, list(taken)) if taken else possible
        found = draw.some(1, free)
        chosen += found.tolist()
        taken |= set(sessions[found].tolist())
    return np.array(chosen, dtype=np.int64)


def _hold_still(bars: pl.DataFrame, draw: Draw, generator: np.random.Generator) -> tuple[pl.DataFrame, int]:
    """Let one share's quotes stand still for some sessions, without volume, as when a feed repeats its last price."""
    symbol = str(bars["symbol"].unique().sort()[int(generator.integers(3))])
    rows = np.flatnonzero((bars["symbol"] == symbol).to_numpy())
    begin = int(generator.integers(rows.size // 3, rows.size // 2))
    still = rows[begin : begin + _STALE_SESSIONS]
    draw.take(rows[begin - 1 : begin + _STALE_SESSIONS])
    standing = np.zeros(bars.height, dtype=np.bool_)
    standing[still] = True
    price = float(bars["close"][int(rows[begin - 1])])
    here = pl.lit(pl.Series(standing))
    held = [pl.when(here).then(pl.lit(price)).otherwise(pl.col(name)).alias(name) for name in _PRICES]
    return bars.with_columns(*held, volume=pl.when(here).then(0).otherwise(pl.col("volume"))), still.size


def _changed(
    bars: pl.DataFrame, *, empty: np.ndarray, crossed: np.ndarray, future: np.ndarray, missing: np.ndarray
) -> pl.DataFrame:
    def at(rows: np.ndarray) -> pl.Expr:
        flags = np.zeros(bars.height, dtype=np.bool_)
        flags[rows] = True
        return pl.lit(pl.Series(flags))

    blank = [pl.when(at(empty)).then(None).otherwise(pl.col(name)).alias(name) for name in (*_PRICES, "volume")]
    crossed_bars = bars.with_columns(
        high=pl.when(at(crossed)).then(pl.col("low") - 0.01).otherwise(pl.col("high")),
        session=pl.when(at(future))
        .then(pl.col("session").replace(_later(bars["session"][future])))
        .otherwise(pl.col("session")),
    )
    return crossed_bars.with_columns(blank).filter(~at(missing))


def _later(sessions: pl.Series) -> dict[date, date]:
    """Return for each session one of ten years later."""

    def ten_years_on(day: date) -> date:
        return sessions_between(date(day.year + _TEN_YEARS, day.month, 1), date(day.year + _TEN_YEARS, 12, 31))[0]

    return {day: ten_years_on(day) for day in sessions}


def _restated(bars: pl.DataFrame, sessions: pl.Series) -> pl.DataFrame:
    """Return the bars as they are sent again with the next session: half a percent off."""
    following = dict(pairwise(sessions))
    return bars.with_columns(
        *((pl.col(name) * 1.005).round(2) for name in _PRICES),
        delivered=pl.col("session").replace_strict(following, return_dtype=pl.Date),
    )
