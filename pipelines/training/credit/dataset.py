"""The training set: every application of one portfolio, its features, its outcome, and what only audits may see."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import polars as pl

from ledgerline.core.identity import content_id, source_fingerprint
from pipelines.training.errors import TrainingRefused

ROW_COLUMNS = ("application_id", "portfolio", "event_time", "available_at")
LABEL_COLUMNS = ("dated", "defaulted", "label_available_at")
PROTECTED = "protected."
"""How the columns begin that no model may see. They are in the training set for audits, by application."""


def training_set_spec(portfolio: str | None) -> str:
    """Return the fingerprint of how a training set is made: the code of this file, and whose applications."""
    code = source_fingerprint([Path(__file__)])
    return content_id({"family": "credit", "portfolio": portfolio, "code": code})


def join_outcomes(
    features: pl.DataFrame,
    applications: pl.DataFrame,
    *,
    portfolio: str,
    as_of: datetime,
    names: Sequence[str],
    protected: Sequence[str],
) -> pl.DataFrame:
    """Put beside every application the outcome that was known at ``as_of``, and its protected attributes.

    Every application stays: one whose outcome is not known yet has nulls. Features that this portfolio never has are
    left out: they are other lenders'.

    Args:
        features: ``ROW_COLUMNS`` and the features, one row an application, of all portfolios.
        applications: Accepted rows: ``application_id``, ``defaulted``, ``outcome_at``, ``dated``, ``available_at`` and
            the protected columns; a restated application is a second row.
        portfolio: Whose applications.
        as_of: Nothing that became available later is used. Aware.
        names: The features, in the view's order.
        protected: The protected columns.

    Returns:
        ``ROW_COLUMNS``, the features, ``LABEL_COLUMNS``, and the protected columns under ``protected.``, in the order
        in which the applications came in.

    Raises:
        TrainingRefused: There is no such application, or one has two rows of features.
    """
    rows = features.filter((pl.col("portfolio") == portfolio) & (pl.col("available_at") <= as_of))
    rows = rows.select(*ROW_COLUMNS, *names).sort("available_at", "application_id")
    if rows.height == 0:
        raise TrainingRefused(f"no application of portfolio {portfolio!r} is known at {as_of:%Y-%m-%d}")
    if (twice := rows.height - rows["application_id"].n_unique()) > 0:
        raise TrainingRefused(f"{twice} applications have two feature rows; the feature version is not sound")
    held = [name for name in names if rows[name].null_count() < rows.height]
    known = applications.filter(pl.col("available_at") <= as_of).sort("available_at", maintain_order=True)
    return (
        rows.join(_outcomes(known, as_of), on="application_id", how="left", maintain_order="left")
        .join(_audited(known, protected), on="application_id", how="left", maintain_order="left")
        .select(*ROW_COLUMNS, *held, *LABEL_COLUMNS, *(f"{PROTECTED}{name}" for name in protected))
    )


def feature_names(frame: pl.DataFrame) -> list[str]:
    """Return the features of a training set, in its order."""
    others = {*ROW_COLUMNS, *LABEL_COLUMNS}
    return [name for name in frame.columns if name not in others and not name.startswith(PROTECTED)]


def protected_names(frame: pl.DataFrame) -> list[str]:
    """Return the protected columns of a training set, as they are called there."""
    return [name for name in frame.columns if name.startswith(PROTECTED)]


def _outcomes(known: pl.DataFrame, as_of: datetime) -> pl.DataFrame:
    """Return each application's newest outcome that was known, and from when it was.

    An outcome without a date is not known: nobody could say whether it was by then.
    """
    return (
        known.with_columns(label_available_at=pl.max_horizontal("outcome_at", "available_at"))
        .filter(
            pl.col("defaulted").is_not_null()
            & pl.col("outcome_at").is_not_null()
            & (pl.col("label_available_at") <= as_of)
        )
        .sort("label_available_at", maintain_order=True)
        .unique("application_id", keep="last", maintain_order=True)
        .select("application_id", "defaulted", "label_available_at")
    )


def _audited(known: pl.DataFrame, protected: Sequence[str]) -> pl.DataFrame:
    first = known.unique("application_id", keep="first", maintain_order=True)
    return first.select("application_id", "dated", *(pl.col(name).alias(f"{PROTECTED}{name}") for name in protected))
