"""Another future: the same rows, with other values where nobody could have known them yet.

What names a row, and when it came, stays. So a computation that looks only back gives the same past, and one that peeks
at what is there later, be it the next row or the mean of all, does not.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import polars as pl

from feature_store.table_view import TableView
from feature_store.view import FeatureView

_SEED = 1
_PLACE = "place in the frame"  # no contract's column is called so
_INSTANTS = ("event_time", "available_at")


@dataclass(frozen=True, slots=True)
class Outcome:
    """Where what became of a view's rows is said: what a model over the view is to foretell.

    Attributes:
        contract: Name of the contract that says it.
        subject: The column, of its rows and of the view's, that names what it is about.
        value: Its boolean column; null while nothing is known.
        known: Its instants by the latest of which it is known; one that is null counts for nothing.
        too_good: From which AUC on a feature alone is not a feature but the outcome under another name.
    """

    contract: str
    subject: str
    value: str
    known: tuple[str, ...] = ("available_at",)
    too_good: float = 0.995

    @property
    def known_at(self) -> pl.Expr:
        """When a row's outcome is known."""
        return pl.max_horizontal(*self.known)


def with_future_scrambled(
    view: FeatureView | TableView, sources: Mapping[str, pl.DataFrame], cut: datetime
) -> dict[str, pl.DataFrame]:
    """Return the rows with other values in those that became available after ``cut``.

    Args:
        view: Its row names and its contracts' keys stay, and so do the instants of every row.
        sources: Rows by contract.
        cut: The instant, UTC.
    """
    later = pl.col("available_at") > cut
    return {name: scrambled(rows, later, keep=_kept(view, name)) for name, rows in sources.items()}


def with_outcomes_scrambled(
    view: FeatureView | TableView, sources: Mapping[str, pl.DataFrame], cut: datetime, outcome: Outcome
) -> dict[str, pl.DataFrame]:
    """Return the rows with other outcomes where they were not known at ``cut``, and nothing else changed.

    Rows that say outcomes and nothing else have other values altogether; in rows of the view's first source only the
    outcome is turned round.
    """
    if outcome.contract not in sources:
        return dict(sources)
    rows, unknown = sources[outcome.contract], outcome.known_at > cut
    if outcome.contract == view.sources[0].name:
        turned = pl.col(outcome.value).fill_null(False).not_()
        changed = rows.with_columns(pl.when(unknown).then(turned).otherwise(outcome.value).alias(outcome.value))
    else:
        changed = scrambled(rows, unknown, keep=_kept(view, outcome.contract))
    return {**sources, outcome.contract: changed}


def scrambled(rows: pl.DataFrame, where: pl.Expr, *, keep: Collection[str]) -> pl.DataFrame:
    """Return rows whose values, where a condition holds, have changed places and are others.

    Numbers, texts and further instants change places, those of one row together, so that what holds between its columns
    goes on to hold; then numbers are moved by an increasing function. A flag stays in its place and is turned round:
    moved and turned it might be what it was. The same rows are scrambled the same way.

    Args:
        rows: The rows; their order and number stay.
        where: The condition.
        keep: Columns that stay.
    """
    places = rows.with_row_index(_PLACE).filter(where)[_PLACE]
    columns = [name for name in rows.columns if name not in keep]
    if places.is_empty() or not columns:
        return rows
    order = np.random.default_rng(_SEED).permutation(places.len())
    picked = rows.select(columns)[places]
    moved = picked[order].with_columns(_other(picked[name], rows.schema[name]) for name in columns)
    source = np.arange(rows.height)
    source[places.to_numpy()] = rows.height + np.arange(places.len())
    return rows.with_columns(pl.concat([rows.select(columns), moved])[source].get_columns())


def _other(own: pl.Series, kind: pl.DataType) -> pl.Series | pl.Expr:
    """Return what replaces a column: ``own`` is it before its values changed places."""
    if kind == pl.Boolean:
        return own.not_()
    moved = pl.col(own.name)
    return (moved * 3 + 1).cast(kind) if kind.is_numeric() else moved


def _kept(view: FeatureView | TableView, contract: str) -> frozenset[str]:
    keys = {source.name: source.key for source in view.sources}
    return frozenset((*_INSTANTS, *keys.get(contract, ()), *view.row_name))
