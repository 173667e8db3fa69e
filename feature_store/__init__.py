"""Features: declared once, computed the same over history and one event at a time.

What a quant needs is here: :class:`FeatureStore`, and what views are declared with. Nothing is loaded before it is
asked for, so that importing the package costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from feature_store.expressions import feature
    from feature_store.features import (
        Aggregation,
        Derived,
        EventSequence,
        Measure,
        RowExpression,
        Source,
        WindowAggregate,
    )
    from feature_store.lookahead import leaks
    from feature_store.point_in_time import FeatureSource, point_in_time_join
    from feature_store.store import FeatureStore
    from feature_store.table_view import TableFeature, TableView
    from feature_store.view import FeatureView

_HOMES = {
    "Aggregation": "feature_store.features",
    "Derived": "feature_store.features",
    "EventSequence": "feature_store.features",
    "FeatureSource": "feature_store.point_in_time",
    "FeatureStore": "feature_store.store",
    "FeatureView": "feature_store.view",
    "Measure": "feature_store.features",
    "RowExpression": "feature_store.features",
    "Source": "feature_store.features",
    "TableFeature": "feature_store.table_view",
    "TableView": "feature_store.table_view",
    "WindowAggregate": "feature_store.features",
    "feature": "feature_store.expressions",
    "leaks": "feature_store.lookahead",
    "point_in_time_join": "feature_store.point_in_time",
}

__all__ = [
    "Aggregation",
    "Derived",
    "EventSequence",
    "FeatureSource",
    "FeatureStore",
    "FeatureView",
    "Measure",
    "RowExpression",
    "Source",
    "TableFeature",
    "TableView",
    "WindowAggregate",
    "feature",
    "leaks",
    "point_in_time_join",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(_HOMES[name]), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
