"""The look-ahead test: whatever becomes of what came after an instant, every value before it must come out the same."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

import numpy as np
import polars as pl

from feature_store.scrambling import Outcome, with_future_scrambled, with_outcomes_scrambled
from feature_store.table_view import TableView
from feature_store.view import FeatureView

Computation = Callable[[Mapping[str, pl.DataFrame]], pl.DataFrame]
"""Accepted rows by contract in; a view's key columns and features out."""

_INSTANT = timedelta(microseconds=1)


class Future(StrEnum):
    """What is done to the rows that became available after a cut."""

    WITHHELD = "withheld"  # the history stops there
    SCRAMBLED = "scrambled"  # their values are others, and so is every outcome that was not known yet
    OUTCOMES_SCRAMBLED = "outcomes_scrambled"  # only outcomes that were not known yet are others


class Found(StrEnum):
    """How a leak showed: by what was done to the future, or by something else that was looked at."""

    WITHHELD = Future.WITHHELD.value
    SCRAMBLED = Future.SCRAMBLED.value
    OUTCOMES_SCRAMBLED = Future.OUTCOMES_SCRAMBLED.value
    SEALED = "sealed"  # the sealed value is not what its rows give
    TELLTALE = "telltale"  # the column alone ranks the outcome as only the outcome could


@dataclass(frozen=True, slots=True)
class Leak:
    """A column whose past depends on what came after.

    Attributes:
        column: Which.
        cut: Where the history was stopped.
        rows: How many values before the stop came out differently.
        example: The name of the first such row.
        found: How it showed.
    """

    column: str
    cut: datetime
    rows: int
    example: str
    found: Found = Found.WITHHELD


def leaks(
    view: FeatureView | TableView,
    computation: Computation,
    sources: Mapping[str, pl.DataFrame],
    *,
    cuts: Sequence[datetime],
    futures: Sequence[Future] = (Future.WITHHELD,),
    outcome: Outcome | None = None,
    since: datetime | None = None,
    whole: pl.DataFrame | None = None,
    progress: Callable[[str], None] | None = None,
) -> list[Leak]:
    """Change the future of each cut, recompute, and return every column that did not reproduce its past bit for bit.

    Args:
        view: What is computed.
        computation: What computes it: the view's own ``compute``, or what is suspected.
        sources: Rows of the whole history, by contract.
        cuts: Instants, UTC; a row with a later ``available_at`` is that cut's future.
        futures: What is done to it, one recomputation each.
        outcome: Where the outcomes are said that :attr:`Future.SCRAMBLED` and :attr:`Future.OUTCOMES_SCRAMBLED` change.
        since: Only rows that became available later are compared; None for all.
        whole: What ``computation`` gives for ``sources``, if the caller has it; None computes it.
        progress: Told about each recomputation.
    """
    say = progress or (lambda _: None)
    whole = computation(sources) if whole is None else whole
    looked_at = pl.lit(True) if since is None else pl.col("available_at") > since
    found = []
    for number, cut in enumerate(cuts, 1):
        past = whole.filter((pl.col("available_at") <= cut) & looked_at)
        for future in futures:
            say(f"cut {number} of {len(cuts)}, {cut:%Y-%m-%d %H:%M:%S} UTC: future {future.replace('_', ' ')}")
            again = computation(with_future(view, sources, cut=cut, future=future, outcome=outcome))
            again = again.filter((pl.col("available_at") <= cut) & looked_at)
            found += differences(view, past, again, cut, Found(future.value))
    return found


def with_future(
    view: FeatureView | TableView,
    sources: Mapping[str, pl.DataFrame],
    *,
    cut: datetime,
    future: Future,
    outcome: Outcome | None = None,
) -> dict[str, pl.DataFrame]:
    """Return the rows with the future of ``cut`` withheld or scrambled; see :mod:`feature_store.scrambling`.

    Args:
        view: Says which columns name a row: those stay.
        sources: Rows by contract.
        cut: The instant, UTC.
        future: What is done to it.
        outcome: Where outcomes are said; None where the view's sources hold none apart.
    """
    if future is Future.WITHHELD:
        return {name: rows.filter(pl.col("available_at") <= cut) for name, rows in sources.items()}
    changed = with_outcomes_scrambled(view, sources, cut, outcome) if outcome else dict(sources)
    return with_future_scrambled(view, changed, cut) if future is Future.SCRAMBLED else changed


def differences(
    view: FeatureView | TableView, past: pl.DataFrame, again: pl.DataFrame, cut: datetime, found: Found
) -> list[Leak]:
    """Return a leak for every column, keys included, in which two computations of rows differ by as much as a bit.

    Args:
        view: Says which columns name a row.
        past: The rows as they were, in arrival order.
        again: The same rows computed again, in the same order.
        cut: Where the history was stopped; for the leaks' sake.
        found: How ``again`` was made; for the leaks' sake.
    """
    names = past.select(view.row_name)
    if not names.equals(again.select(view.row_name)):
        return [_other_rows(view, names, again.select(view.row_name), cut, found)]
    compared = [name for name in dict.fromkeys((*past.columns, *again.columns)) if name not in view.row_name]
    differs = {name: _differs(past, again, name) for name in compared}
    return [
        Leak(name, cut, int(mask.sum()), _named(names.filter(mask)), found)
        for name, mask in differs.items()
        if mask.any()
    ]


def choose_cuts(
    rows: Sequence[pl.DataFrame], *, count: int, since: datetime | None = None, until: datetime | None = None
) -> list[datetime]:
    """Return instants at which looking ahead would show, ascending.

    ``count`` of them part the arrivals of the first frame evenly, each at an arrival. Around the row of each frame that
    came latest after what it is about, one stands just before it came and one at that instant.

    Args:
        rows: ``event_time`` and ``available_at`` (UTC) of every source, the one that decides rows first.
        count: How many stand evenly.
        since: No cut stands at or before it.
        until: No cut stands after it.
    """
    first = since or datetime.min.replace(tzinfo=UTC)
    last = until or datetime.max.replace(tzinfo=UTC)
    inside = [frame.filter(pl.col("available_at").is_between(first, last, closed="right")) for frame in rows]
    arrivals = inside[0]["available_at"].sort() if inside else pl.Series([], dtype=pl.Datetime("us", "UTC"))
    if arrivals.is_empty():
        return []
    places = np.unique((np.arange(1, count + 1) * arrivals.len()) // (count + 1))
    cuts = {arrivals[int(place)] for place in places}
    for frame in inside:
        if (late := _latest(frame)) is not None:
            cuts |= {late - _INSTANT, late}
    return sorted(cut for cut in cuts if first < cut <= last)


def _latest(frame: pl.DataFrame) -> datetime | None:
    """Return when the row came that came latest after what it is about; None where all came at once.

    Where all came equally late, any of them will do, and the middle one has a past and a future.
    """
    lag = frame.select(lag=pl.col("available_at") - pl.col("event_time"))["lag"]
    longest = lag.max()
    if not isinstance(longest, timedelta) or longest <= timedelta(0):
        return None
    place = lag.len() // 2 if lag.min() == longest else lag.arg_max()
    found = None if place is None else frame["available_at"][place]
    return found if isinstance(found, datetime) else None


def _other_rows(
    view: FeatureView | TableView, names: pl.DataFrame, again: pl.DataFrame, cut: datetime, found: Found
) -> Leak:
    """Return the leak of rows that come, go or change their order with the future."""
    on = list(view.row_name)
    one_sided = pl.concat([names.join(again, on=on, how="anti"), again.join(names, on=on, how="anti")])
    return Leak(on[0], cut, one_sided.height, _named(one_sided), found)


def _named(rows: pl.DataFrame) -> str:
    """Return what the first row is called; instants to the second."""
    if rows.is_empty():
        return ""
    return " ".join(f"{each:%Y-%m-%d %H:%M:%S}" if isinstance(each, datetime) else str(each) for each in rows.row(0))


def _differs(past: pl.DataFrame, again: pl.DataFrame, name: str) -> pl.Series:
    """Return where two columns differ. One that an open view could not name yet must have been null all along."""
    held = [frame[name] for frame in (past, again) if name in frame.columns]
    if len(held) == 1:
        return held[0].is_not_null()
    if held[0].dtype != held[1].dtype:
        return pl.repeat(True, past.height, eager=True)
    one, other = (_bits(values) for values in held)
    return one.ne_missing(other)


def _bits(values: pl.Series) -> pl.Series:
    """Return floats as the integers that have their bits, so that equal means identical."""
    if values.dtype != pl.Float64:
        return values
    bits = pl.Series(values.fill_null(0.0).to_numpy().view("int64"))
    return bits.set(values.is_null(), None)
