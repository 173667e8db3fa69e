"""How the values of a version's features lie: exact counts and bounds, and the shape by an even sample of rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from itertools import pairwise

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pipelines.monitoring.stability import stability_index

QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
_BINS = 40
_MOST_VALUES = 24
_INNER = (0.005, 0.995)  # a histogram shows these quantiles; what lies beyond is in its first and last bar


class Shape(StrEnum):
    """What is shown of a feature."""

    NUMBER = "number"
    TEXT = "text"
    LENGTH = "length"  # of a sequence: how many of its elements are there


@dataclass(frozen=True, slots=True)
class Exact:
    """What every row was counted for.

    Attributes:
        rows: How many there are.
        nulls: Of them without a value.
        low: The least value; None for a text, and where there is none.
        high: The greatest.
        mean: The mean.
    """

    rows: int
    nulls: int
    low: float | None
    high: float | None
    mean: float | None


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar of a distribution.

    Attributes:
        label: A value, or the bounds of the bar.
        at: The value, or the middle of the bar; None for a text.
        share: Of the version's sampled values.
        newest: Of the newest rows'; None where there are too few.
        trained: Of the training version's; None where nothing was trained.
    """

    label: str
    at: float | None
    share: float
    newest: float | None
    trained: float | None


@dataclass(frozen=True, slots=True)
class Week:
    """One week of a feature, by ``available_at``.

    Attributes:
        begins: Its Monday, UTC.
        low: The 5 % quantile.
        median: The median.
        high: The 95 % quantile.
        nulls: Share of its rows without a value.
    """

    begins: date
    low: float | None
    median: float | None
    high: float | None
    nulls: float


@dataclass(frozen=True, slots=True)
class Profile:
    """How one feature's values lie.

    Attributes:
        shape: What is shown: the numbers, the texts, or the lengths of the sequences.
        exact: Over every row.
        quantiles: By :data:`QUANTILES`, of the sample; empty for texts, and where there is no value.
        bars: The distribution in the sample, a number's in ascending order, a text's by frequency.
        weeks: The distribution over time in the sample; empty for texts.
        psi: Population stability index of the newest rows against the training version; None where either has too few.
    """

    shape: Shape
    exact: Exact
    quantiles: Mapping[float, float]
    bars: tuple[Bar, ...]
    weeks: tuple[Week, ...]
    psi: float | None


def even_sample(rows: pl.LazyFrame, most: int) -> pl.DataFrame:
    """Return at most ``most`` rows in their order, evenly spread and always the same; only they are held in memory."""
    total = int(rows.select(pl.len()).collect().item())
    if total <= most:
        return rows.collect(engine="streaming")
    place = pl.int_range(pl.len(), dtype=pl.Int64)
    return rows.filter((place + 1) * most // total > place * most // total).collect(engine="streaming")


def exact_figures(rows: pl.LazyFrame, features: Sequence[str]) -> dict[str, Exact]:
    """Count every row, a file after the other."""
    shapes = {name: shape_of(kind) for name, kind in rows.collect_schema().items() if name in set(features)}
    asked = [pl.len().alias("rows")]
    for name in features:
        value = shown(name, shapes[name])
        asked.append(pl.col(name).null_count().alias(f"{name} nulls"))
        if shapes[name] is not Shape.TEXT:
            number = value.fill_nan(None)
            asked += [getattr(number, how)().alias(f"{name} {how}") for how in ("min", "max", "mean")]
    found = rows.select(asked).collect(engine="streaming").row(0, named=True)
    return {
        name: Exact(
            rows=found["rows"],
            nulls=found[f"{name} nulls"],
            low=found.get(f"{name} min"),
            high=found.get(f"{name} max"),
            mean=found.get(f"{name} mean"),
        )
        for name in features
    }


def profile(
    name: str,
    exact: Exact,
    sample: pl.DataFrame,
    then: pl.DataFrame | None,
    now: pl.DataFrame | None,
    *,
    bins: int,
) -> Profile:
    """Describe one feature.

    Args:
        name: The feature.
        exact: Its figures over every row.
        sample: Rows of the version, with ``available_at``.
        then: Rows of the version that the model was trained on; None where nothing was trained.
        now: The newest rows, which drift is measured of; None where there are too few.
        bins: Into how many parts the training version is cut for the index.
    """
    shape = shape_of(sample.schema[name])
    values = sample.select(shown(name, shape)).to_series()
    before = then.select(shown(name, shape)).to_series() if then is not None and name in then.columns else None
    newest = now.select(shown(name, shape)).to_series() if now is not None else None
    return Profile(
        shape=shape,
        exact=exact,
        quantiles={} if shape is Shape.TEXT else _quantiles(values),
        bars=tuple(_text_bars(values, newest, before) if shape is Shape.TEXT else _number_bars(values, newest, before)),
        weeks=() if shape is Shape.TEXT else tuple(_weeks(sample["available_at"], values)),
        psi=_index(before, newest, bins),
    )


def shape_of(kind: pl.DataType) -> Shape:
    """Return what is shown of a column."""
    if isinstance(kind, pl.List | pl.Array):
        return Shape.LENGTH
    return Shape.TEXT if kind == pl.String else Shape.NUMBER


def shown(name: str, shape: Shape) -> pl.Expr:
    """Return what is shown of a column: its texts, or Float64 numbers with nulls for what is missing."""
    column = pl.col(name)
    if shape is Shape.TEXT:
        return column
    if shape is Shape.LENGTH:  # sequences are sealed as arrays of one width, filled up with nulls
        column = column.cast(pl.List(pl.Float64)).list.drop_nulls().list.len()
    return column.cast(pl.Float64).fill_nan(None).alias(name)


def _index(before: pl.Series | None, newest: pl.Series | None, bins: int) -> float | None:
    if before is None or newest is None or before.is_empty() or newest.is_empty():
        return None
    return stability_index(before, newest, bins=bins)


def _quantiles(values: pl.Series) -> dict[float, float]:
    held = _finite(values)
    return dict(zip(QUANTILES, map(float, np.quantile(held, QUANTILES)), strict=True)) if held.size else {}


def _number_bars(values: pl.Series, *others: pl.Series | None) -> list[Bar]:
    held = _finite(values)
    if held.size == 0:
        return []
    edges, middles, labels = _edges(held)
    shares = [_shares(held, edges), *(None if other is None else _shares_of(other, edges) for other in others)]
    return [
        Bar(label, float(middles[place]), *(None if each is None else float(each[place]) for each in shares))
        for place, label in enumerate(labels)
    ]


def _edges(held: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64], list[str]]:
    """Return where bars begin and end, what stands in their middle, and what they are called."""
    distinct = np.unique(held)
    if distinct.size <= _MOST_VALUES:
        return np.concatenate([distinct, [np.inf]]), distinct, [f"{value:,g}" for value in distinct]
    low, high = np.quantile(held, _INNER)
    if low == high:
        low, high = held.min(), held.max()
    if (distinct == np.round(distinct)).all():  # bars of unequal numbers of whole numbers would look like a comb
        width = max(1.0, np.ceil((high - low) / _BINS))
        edges = np.arange(np.floor(low), high + width, width)
        named = [f"{begin:,g} to {end - 1:,g}" if width > 1 else f"{begin:,g}" for begin, end in pairwise(edges)]
        return edges, (edges[:-1] + edges[1:] - 1) / 2, named
    edges = np.linspace(low, high, _BINS + 1)
    return edges, (edges[:-1] + edges[1:]) / 2, [f"{begin:.4g} to {end:.4g}" for begin, end in pairwise(edges)]


def _shares_of(values: pl.Series, edges: NDArray[np.float64]) -> NDArray[np.float64] | None:
    held = _finite(values)
    return _shares(held, edges) if held.size else None


def _finite(values: pl.Series) -> NDArray[np.float64]:
    """Return the values that can be drawn."""
    held = values.drop_nulls().to_numpy()
    return held[np.isfinite(held)]


def _shares(held: NDArray[np.float64], edges: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the share of values in each bar; what lies beyond the first and the last counts with them."""
    places = np.clip(np.searchsorted(edges, held, side="right") - 1, 0, edges.size - 2)
    shares: NDArray[np.float64] = np.bincount(places, minlength=edges.size - 1) / held.size
    return shares


def _text_bars(values: pl.Series, *others: pl.Series | None) -> list[Bar]:
    def shares(of: pl.Series) -> dict[str, float]:
        return dict(of.drop_nulls().value_counts(sort=True, normalize=True).iter_rows())

    own = shares(values)
    every = [own, *(None if other is None else shares(other) for other in others)]
    most = list(own)[:_MOST_VALUES]
    bars = [Bar(value, None, *(None if each is None else each.get(value, 0.0) for each in every)) for value in most]
    if len(own) > len(most):
        rest = (None if each is None else 1.0 - sum(each.get(value, 0.0) for value in most) for each in every)
        bars.append(Bar(f"{len(own) - len(most)} others", None, *rest))
    return bars


def _weeks(arrivals: pl.Series, values: pl.Series) -> list[Week]:
    value = pl.col("value")
    by_week = (
        pl.DataFrame({"week": arrivals.dt.truncate("1w").dt.date(), "value": values})
        .group_by("week")
        .agg(
            low=value.quantile(0.05, "linear"),
            median=value.median(),
            high=value.quantile(0.95, "linear"),
            nulls=value.null_count() / pl.len(),
        )
        .sort("week")
    )
    return [Week(*row) for row in by_week.select("week", "low", "median", "high", "nulls").iter_rows()]
