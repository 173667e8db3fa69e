"""What an online executor needs of the past to go on from a given moment."""

from datetime import datetime, timedelta

import polars as pl

from feature_store.sources import events_in_arrival_order, labels_of
from feature_store.view import FeatureView

DISORDER = timedelta(days=1)
"""How far out of arrival order events may reach an online executor and still be answered exactly."""

LABEL_AVAILABLE_AT = "label_available_at"


def recent_events(view: FeatureView, transactions: pl.DataFrame, labels: pl.DataFrame, as_of: datetime) -> pl.DataFrame:
    """Return the events and labels, known at ``as_of``, that can still matter to a decision after it.

    Args:
        view: The declaration.
        transactions: Accepted rows of the view's events.
        labels: Accepted rows of the view's labels.
        as_of: The moment, timezone-aware; what became available later is left out.

    Returns:
        The view's event columns, its label measures and ``label_available_at``: one row an event in arrival order, with
        its newest label or nulls; then, the event's columns being null, the labels that came before their event, and
        those that a later one replaced within :data:`DISORDER`, for decisions that came before it.

    Raises:
        SourceInvalid: A column is absent, of another type or holds a null.
    """
    known = pl.col("available_at") <= as_of
    oldest = as_of - view.horizon - DISORDER
    events = events_in_arrival_order(view, transactions).filter(known)
    said = (
        labels_of(view, labels)
        .filter(known)
        .sort("available_at", *view.label_measures)
        .rename({"available_at": LABEL_AVAILABLE_AT})
        .with_columns(replaced_at=pl.col(LABEL_AVAILABLE_AT).shift(-1).over(view.event_id))
    )
    newest = said.filter(pl.col("replaced_at").is_null()).drop("replaced_at")
    recent = events.filter(pl.col("event_time") >= oldest)
    labelled = recent.join(newest.drop("event_time"), on=view.event_id, how="left", maintain_order="left")
    early = (
        newest.join(events, on=view.event_id, how="anti", maintain_order="left")
        .filter(pl.max_horizontal("event_time", LABEL_AVAILABLE_AT) >= oldest)
        .sort(LABEL_AVAILABLE_AT, view.event_id)
    )
    remembered = pl.concat([recent.select(view.event_id), early.select(view.event_id)])
    replaced = (
        said.filter(pl.col("replaced_at") > as_of - DISORDER)
        .drop("replaced_at")
        .join(remembered, on=view.event_id, how="semi", maintain_order="left")
        .sort(LABEL_AVAILABLE_AT, view.event_id, *view.label_measures)
    )
    return pl.concat([labelled, early, replaced], how="diagonal").select(
        *view.event_columns, *view.label_measures, LABEL_AVAILABLE_AT
    )
