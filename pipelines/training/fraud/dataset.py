"""The training set: every sealed feature row, beside the label that was known at the set's ``as_of``."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import polars as pl

from ledgerline.core.identity import content_id, source_fingerprint
from pipelines.training.errors import TrainingRefused

ROW_COLUMNS = ("transaction_id", "customer_id", "terminal_id", "event_time", "available_at")
LABEL_COLUMNS = ("is_fraud", "label_available_at")


def training_set_spec() -> str:
    """Return the fingerprint of how a training set is made: the code of this file."""
    return content_id({"family": "fraud", "code": source_fingerprint([Path(__file__)])})


def join_labels(features: pl.DataFrame, labels: pl.DataFrame, *, as_of: datetime, names: Sequence[str]) -> pl.DataFrame:
    """Put beside every feature row the newest label of its transaction that was available at ``as_of``.

    Every feature row stays, in its order: a row whose label is not known yet has nulls, and whoever trains or tests
    leaves it out knowingly.

    Args:
        features: ``ROW_COLUMNS`` and the features, one row a transaction.
        labels: ``transaction_id``, ``is_fraud``, ``available_at``; a restated label is a second row. As in the
            features, the id alone says which payment is meant, and of two that became available at one instant the one
            that says fraud holds.
        as_of: Nothing that became available later is used. Aware.
        names: The features, in the model's order.

    Returns:
        ``ROW_COLUMNS``, the features, ``is_fraud`` (Boolean) and ``label_available_at`` (UTC).

    Raises:
        TrainingRefused: A transaction has two feature rows.
    """
    known = (
        labels.filter(pl.col("available_at") <= as_of)
        .sort("available_at", "is_fraud", maintain_order=True)
        .unique("transaction_id", keep="last", maintain_order=True)
        .select("transaction_id", "is_fraud", pl.col("available_at").alias("label_available_at"))
    )
    rows = features.filter(pl.col("available_at") <= as_of).select(*ROW_COLUMNS, *names)
    if (twice := rows["transaction_id"].len() - rows["transaction_id"].n_unique()) > 0:
        raise TrainingRefused(f"{twice} transactions have two feature rows; the feature version is not sound")
    return rows.join(known, on="transaction_id", how="left", maintain_order="left").select(
        *ROW_COLUMNS, *names, *LABEL_COLUMNS
    )


def feature_names(frame: pl.DataFrame) -> list[str]:
    """Return the features of a training set, in the model's order."""
    return [name for name in frame.columns if name not in (*ROW_COLUMNS, *LABEL_COLUMNS)]
