"""One application's features, computed by the same view as those of history: one row of a table that holds no other."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import polars as pl

from feature_store.table_view import TableView
from ledgerline.core.frames import POLARS_TYPES
from ledgerline.decisions.credit.encoding import ApplicationRefused
from ledgerline.decisions.credit.inputs import Attribute, AttributeKind

Said = Mapping[str, float | str]
"""What an application says, by attribute; one that is not given is left out."""

_LARGEST = 1e15
_LONGEST = 200
_TYPES: Mapping[AttributeKind, Any] = {AttributeKind.NUMERIC: pl.Float64, AttributeKind.CATEGORICAL: pl.String}


def checked(attributes: Mapping[str, Attribute], said: Mapping[str, Any]) -> dict[str, float | str]:
    """Return what an application says: numbers as floats, texts as they are, and nothing for null.

    Args:
        attributes: What it may say.
        said: What it says.

    Raises:
        ApplicationRefused: An attribute that the model does not take, one of another kind, or none at all.
    """
    problems = {name: "is no attribute that the model takes" for name in said if name not in attributes}
    found: dict[str, float | str] = {}
    for name, value in said.items():
        if value is None or name in problems:
            continue
        if problem := _problem(attributes[name].kind, value):
            problems[name] = problem
        else:
            found[name] = value if isinstance(value, str) else float(value)
    if problems:
        raise ApplicationRefused(problems)
    if not found:
        raise ApplicationRefused({"": f"none of the model's attributes is given; it takes {', '.join(attributes)}"})
    return found


def features_of(
    view: TableView,
    attributes: Mapping[str, Attribute],
    said: Said,
    *,
    application_id: str,
    portfolio: str,
    event_time: datetime,
) -> dict[str, Any]:
    """Return the view's features of one application.

    Args:
        view: The view that the model was trained on.
        attributes: What an application may say; what it does not say is null.
        said: From :func:`checked`.
        application_id: Its id.
        portfolio: Whose application.
        event_time: When it was made; it is decided then.
    """
    common = {
        "application_id": application_id,
        "portfolio": portfolio,
        "defaulted": None,
        "outcome_at": None,
        "dated": True,
        "event_time": event_time,
        "available_at": event_time,
    }
    columns = {column.name: POLARS_TYPES[column.type] for column in view.primary.columns}
    own = {name: _TYPES[each.kind] for name, each in attributes.items()}
    rows = [[common[name] for name in columns] + [said.get(name) for name in own]]
    table = pl.DataFrame(rows, schema=columns | own, orient="row")
    computed = view.compute({view.primary.name: table})
    return computed.row(0, named=True)


def _problem(kind: AttributeKind, value: Any) -> str | None:
    if kind is AttributeKind.CATEGORICAL:
        if not isinstance(value, str):
            return "must be text"
        return None if 0 < len(value) <= _LONGEST else f"must be of 1 to {_LONGEST} characters"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "must be a number"
    return None if abs(value) <= _LARGEST else f"must lie within {_LARGEST:g} of zero"  # NaN does not
