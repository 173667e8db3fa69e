"""Bars as decisions saw them: one history for each instrument and span of knowledge, adjusted for the splits known."""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from feature_store.histories import Histories, Versions, as_known
from feature_store.lookback import Values
from feature_store.views.equity_daily.instruments import Epoch, epochs, microseconds, names_of

LOOKBACK = 280
"""How many bars before its own a decision reads at most; :mod:`feature_store.views.equity_daily.price_indicators`."""

_RAW = "raw"


@dataclass(frozen=True, slots=True)
class Split:
    """A split, as it was known from some moment on.

    Attributes:
        event: When, in microseconds since 1970.
        known: From when this was known, likewise.
        ratio: New shares for one old.
    """

    event: int
    known: int
    ratio: float


@dataclass(frozen=True, slots=True)
class BarHistories:
    """Bars of every instrument, as each decision saw them.

    Attributes:
        keys: ``symbol``, ``instrument``, ``asset_class``, ``event_time``, ``available_at`` of every decision, in the
            order of ``histories.decided``.
        histories: Where the histories begin, and which rows of them are decided.
        open: Price of each row of the histories, on the scale of the decisions in it. Likewise the others.
        high: Highest price.
        low: Lowest price.
        close: Last price.
        volume: Shares traded, on the same scale.
    """

    keys: pl.DataFrame
    histories: Histories
    open: Values
    high: Values
    low: Values
    close: Values
    volume: Values


def bar_histories(bars: pl.DataFrame, actions: pl.DataFrame) -> BarHistories:
    """Return the histories in which every bar is decided as it first arrived.

    A bar of a symbol belongs to an instrument by the changes of symbols known at the decision. A split counts from its
    ex-date's open and from when it was known, whichever is later; it rescales the raw bars before it and no others. A
    restated bar counts from its own arrival.

    Args:
        bars: Accepted rows of ``prices_daily``, a key once.
        actions: Accepted rows of ``corporate_actions``.
    """
    known = epochs(actions)
    told = _told_apart(bars, known)
    codes, instruments = _codes(told)
    splits = _splits(actions, known)
    event, arrival = microseconds(told["event_time"]), microseconds(told["available_at"])
    own_splits = {code: splits[name] for code, name in enumerate(instruments) if name in splits}
    histories = as_known(
        Versions(
            entity=codes,
            event=event,
            arrival=arrival,
            regime=_splits_in_force(codes, event, arrival, own_splits),
            decides=told["decides"].to_numpy(),
        ),
        lookback=LOOKBACK,
    )
    rows = told[histories.version]
    scale = _scale(histories, codes, event, arrival, own_splits)
    scale[(rows["adjustment"] != _RAW).to_numpy()] = 1.0
    prices = {name: rows[name].to_numpy() / scale for name in ("open", "high", "low", "close")}
    return BarHistories(
        keys=rows.select("symbol", "instrument", "asset_class", "event_time", "available_at")[histories.decided],
        histories=histories,
        volume=rows["volume"].to_numpy() * scale,
        **prices,
    )


def _told_apart(bars: pl.DataFrame, known: list[Epoch]) -> pl.DataFrame:
    """Return the bars with ``instrument``, ``epoch`` and ``decides``.

    Where symbols are changed a bar comes once for every span of knowledge, and is decided in the one in which it
    arrived.
    """
    changed = frozenset[str]().union(*(epoch.symbols for epoch in known))
    plain = bars.filter(~pl.col("symbol").is_in(changed)).with_columns(
        instrument="symbol", epoch=pl.lit(0, pl.Int64), decides=pl.lit(True)
    )
    return pl.concat([plain, *(_in_epoch(bars, epoch, number) for number, epoch in enumerate(known))])


def _in_epoch(bars: pl.DataFrame, epoch: Epoch, number: int) -> pl.DataFrame:
    arrival = pl.col("available_at").to_physical()
    seen = bars.filter(pl.col("symbol").is_in(epoch.symbols) & (arrival < epoch.end if epoch.end is not None else True))
    times = seen.select("symbol", pl.col("event_time").to_physical()).iter_rows()
    instruments = [epoch.names.instrument(symbol, event) for symbol, event in times]
    return seen.with_columns(
        pl.Series("instrument", instruments, pl.String),
        epoch=pl.lit(number, pl.Int64),
        decides=arrival >= epoch.begin if epoch.begin is not None else pl.lit(True),
    )


def _codes(told: pl.DataFrame) -> tuple[NDArray[np.int64], list[str]]:
    """Return a number for each bar's instrument within a span of knowledge, and the instrument of each number."""
    entities = told.select("instrument", "epoch").unique(maintain_order=True).with_row_index("code")
    coded = told.select("instrument", "epoch").join(
        entities, on=["instrument", "epoch"], how="left", maintain_order="left"
    )
    return coded["code"].cast(pl.Int64).to_numpy(), entities["instrument"].to_list()


def _splits(actions: pl.DataFrame, known: list[Epoch]) -> dict[str, list[Split]]:
    """Return every version of every split, by instrument as known with the split."""
    found: dict[str, list[Split]] = {}
    rows = actions.filter((pl.col("action") == "split") & (pl.col("ratio") > 0))
    for symbol, ratio, event, arrival in rows.select(
        "symbol", "ratio", pl.col("event_time").to_physical(), pl.col("available_at").to_physical()
    ).iter_rows():
        instrument = names_of(known, symbol, arrival).instrument(symbol, event - 1)
        found.setdefault(instrument, []).append(Split(event, arrival, ratio))
    return {name: sorted(splits, key=lambda split: split.known) for name, splits in found.items()}


def _splits_in_force(
    codes: NDArray[np.int64],
    event: NDArray[np.int64],
    arrival: NDArray[np.int64],
    splits: dict[int, list[Split]],
) -> NDArray[np.int64]:
    """Return how many versions of splits each bar's decision knows; one more, and the past is read anew."""
    counts = np.zeros(codes.size, np.int64)
    for code, own in splits.items():
        rows = np.flatnonzero(codes == code)
        for split in own:
            counts[rows] += (split.known <= arrival[rows]) & (split.event <= event[rows])
    return counts


def _scale(
    histories: Histories,
    codes: NDArray[np.int64],
    event: NDArray[np.int64],
    arrival: NDArray[np.int64],
    splits: dict[int, list[Split]],
) -> Values:
    """Return by what each row's raw price must be divided to be on the scale of the decisions in its history."""
    scale = np.ones(histories.version.size)
    if not splits:
        return scale
    ends = np.append(histories.start[1:], histories.version.size)
    first_decided = histories.decided[np.searchsorted(histories.decided, histories.start)]
    for start, end, decision in zip(histories.start, ends, first_decided, strict=True):
        version = histories.version[decision]
        ratios = {
            split.event: split.ratio
            for split in splits.get(int(codes[version]), ())
            if split.known <= arrival[version] and split.event <= event[version]
        }
        for split_event, split_ratio in sorted(ratios.items()):
            scale[start:end][event[histories.version[start:end]] < split_event] *= split_ratio
    return scale
