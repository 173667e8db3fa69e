"""Which columns of which contracts each feature of a view reads.

Of a view over events and labels that follows from its declaration. A view over tables is a function, of which it is
found out: its small tables (:attr:`~feature_store.table_view.TableView.probe`) are computed again with one column
shuffled at a time, and a feature reads the columns that change it. A test holds both to other data.
"""

from collections.abc import Sequence

import numpy as np
import polars as pl

from feature_store.errors import ViewInvalid
from feature_store.features import Derived, EventSequence, RowExpression, Source, WindowAggregate
from feature_store.table_view import TableView
from feature_store.view import FeatureView

_SEED = 1
_ALIKE = 1e-9  # of the value: what a column only rounds otherwise it does not decide


def columns_read(view: FeatureView | TableView, features: Sequence[str]) -> dict[str, list[str]]:
    """Return, for each feature, the columns that it reads as ``contract.column``, sorted.

    Those that say which rows there are, and which of two came first, are among them.

    Args:
        view: The declaration.
        features: The view's features; those of an open view are named by its data.

    Raises:
        ViewInvalid: The view has no small tables to find it out with.
    """
    reads = _declared(view) if isinstance(view, FeatureView) else _found_out(view, features)
    return {feature: sorted(reads[feature]) for feature in features}


def _declared(view: FeatureView) -> dict[str, set[str]]:
    reads: dict[str, set[str]] = {}
    for feature in view.features:
        if isinstance(feature, Derived):
            reads[feature.name] = set().union(*(reads[name] for name in feature.expression.names))
        else:
            reads[feature.name] = _row(view) | _of(view, feature)
    return reads


def _row(view: FeatureView) -> set[str]:
    """Return what says which event a row is about: of several rows with one id the first to arrive counts."""
    return {f"{view.events.name}.{column}" for column in (view.event_id, "available_at")}


def _of(view: FeatureView, feature: RowExpression | WindowAggregate | EventSequence) -> set[str]:
    events = view.events.name
    if isinstance(feature, RowExpression):
        return {f"{events}.{feature.column}"}
    reads = {f"{events}.{feature.by}", f"{events}.event_time"}
    if feature.of is None:
        return reads
    if feature.of.source is Source.EVENTS or view.labels is None:
        return reads | {f"{events}.{feature.of.column}"}
    # Of two labels that arrive at one instant the greater counts, by all that is measured of them.
    return reads | {f"{view.labels.name}.{column}" for column in (view.event_id, "available_at", *view.label_measures)}


def _found_out(view: TableView, features: Sequence[str]) -> dict[str, set[str]]:
    if view.probe is None:
        raise ViewInvalid(f"{view.name}: no small tables are declared, and so nobody can say what its features read")
    tables = view.probe(features)
    before = view.compute(tables)
    reads: dict[str, set[str]] = {feature: set() for feature in features}
    for contract, table in tables.items():
        for column in table.columns:
            shuffled = table.with_columns(table[column].shuffle(seed=_SEED))
            after = view.compute({**tables, contract: shuffled})
            for feature in changed(view, before, after, features, but=column):
                reads[feature].add(f"{contract}.{column}")
    # What moves a value need not move its rank on small tables, and may on others.
    return reads | {each.name: reads[each.name] | reads[each.ranks] for each in view.features if each.ranks}


def changed(
    view: FeatureView | TableView,
    before: pl.DataFrame,
    after: pl.DataFrame,
    features: Sequence[str],
    *,
    but: str,
) -> list[str]:
    """Return the features that two computations of a view do not have alike, row by row and to one part in 10^9.

    Args:
        view: The declaration.
        before: What it gave.
        after: What it gave after a column was changed.
        features: Which to compare.
        but: The column that was changed: rows are not told apart by it.
    """
    own = (view.events if isinstance(view, FeatureView) else view.primary).column_names
    names = [name for name in view.row_name if name in own and name != but]
    same_rows = before.select(names).equals(after.select(names))
    suspects = [name for name in features if not (same_rows and before[name].equals(after[name]))]
    return [name for name in suspects if _differ(_rows(before, names, name), _rows(after, names, name))]


def _rows(computed: pl.DataFrame, names: Sequence[str], feature: str) -> pl.DataFrame:
    return computed.select(*names, value=feature).sort(*names, "value")


def _differ(one: pl.DataFrame, other: pl.DataFrame) -> bool:
    values, others = one["value"], other["value"]
    if not one.drop("value").equals(other.drop("value")):
        return True
    if values.dtype != pl.Float64:
        return not values.equals(others)
    if not values.is_null().equals(others.is_null()):
        return True
    apart = (values - others).abs() > _ALIKE * pl.Series(np.fmax(values.abs().to_numpy(), others.abs().to_numpy()))
    return bool(apart.any())
