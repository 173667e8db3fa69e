"""From a fold to arrays: which rows train, which rows are tested, and why the others are left out."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pipelines.training.splits import Fold


@dataclass(frozen=True, slots=True)
class Sample:
    """Rows as arrays, all of length n, in arrival order.

    Attributes:
        features: Float64, shape (n, features).
        is_fraud: Boolean.
        card: Int64 code of the card; the codes order cards by (length of id, id).
        day: Int64, days since 1970-01-01 UTC of the event.
    """

    features: NDArray[np.float64]
    is_fraud: NDArray[np.bool_]
    card: NDArray[np.int64]
    day: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.is_fraud)

    @property
    def frauds(self) -> int:
        """How many rows are frauds."""
        return int(self.is_fraud.sum())


@dataclass(frozen=True, slots=True)
class FoldSamples:
    """A fold's two samples and what was left out of them.

    Attributes:
        fold: Which.
        train: Rows whose label was known when testing began.
        test: Rows of cards not known to be compromised.
        newest_knowledge: When the last of the training rows and their labels became known; None without rows.
        train_labels_unknown: Training-week rows whose label was not known yet at ``test_start``.
        test_labels_unknown: Test-week rows whose label is not known at the set's ``as_of``.
        test_rows_of_known_cards: Test-week rows of cards that were known to be compromised by then.
    """

    fold: Fold
    train: Sample
    test: Sample
    newest_knowledge: datetime | None
    train_labels_unknown: int
    test_labels_unknown: int
    test_rows_of_known_cards: int


def fold_samples(frame: pl.DataFrame, fold: Fold, names: Sequence[str]) -> FoldSamples:
    """Cut a fold out of a training set.

    Cards known to be compromised leave the test: the bank has blocked them. A card is known on a test day when one of
    its frauds since ``train_start`` had its label by that day's midnight, which on labels seven days late is the
    published rule (frauds of the training week, then one more day of the delay with every test day).

    Args:
        frame: A training set.
        fold: Which weeks.
        names: The features, in the model's order.
    """
    train_week = _between(frame, fold.train_start, fold.train_end)
    train = train_week.filter(pl.col("is_fraud").is_not_null() & _known_by(fold.test_start))
    test_week = _between(frame, fold.test_start, fold.test_end)
    labelled = test_week.filter(pl.col("is_fraud").is_not_null())
    unblocked = _without_known_cards(labelled, _compromised_since(frame, fold))
    return FoldSamples(
        fold=fold,
        train=to_sample(train, names),
        test=to_sample(unblocked, names),
        newest_knowledge=train.select(_known_at().max()).item(),
        train_labels_unknown=train_week.height - train.height,
        test_labels_unknown=test_week.height - labelled.height,
        test_rows_of_known_cards=labelled.height - unblocked.height,
    )


def deployment_sample(frame: pl.DataFrame, week: tuple[datetime, datetime], names: Sequence[str]) -> Sample:
    """Return the labelled rows of the week that the deployed model is fit on."""
    return to_sample(_between(frame, *week).filter(pl.col("is_fraud").is_not_null()), names)


def to_sample(rows: pl.DataFrame, names: Sequence[str]) -> Sample:
    """Turn rows of a training set into arrays."""
    cards = rows["customer_id"].unique()
    codes = pl.DataFrame({"customer_id": cards}).sort(pl.col("customer_id").str.len_chars(), "customer_id")
    coded = rows.select("customer_id").join(codes.with_row_index("card"), on="customer_id", maintain_order="left")
    return Sample(
        features=np.ascontiguousarray(rows.select(pl.col(names).cast(pl.Float64)).to_numpy()),
        is_fraud=rows["is_fraud"].to_numpy().astype(bool),
        card=coded["card"].cast(pl.Int64).to_numpy(),
        day=rows["event_time"].dt.epoch("d").cast(pl.Int64).to_numpy(),
    )


def _known_at() -> pl.Expr:
    """Return from when both the payment and its label were known."""
    return pl.max_horizontal("available_at", "label_available_at")


def _known_by(instant: datetime) -> pl.Expr:
    return _known_at() <= instant


def _between(frame: pl.DataFrame, start: datetime, end: datetime) -> pl.DataFrame:
    return frame.filter((pl.col("event_time") >= start) & (pl.col("event_time") < end))


def _compromised_since(frame: pl.DataFrame, fold: Fold) -> pl.DataFrame:
    frauds = _between(frame, fold.train_start, fold.test_end).filter(pl.col("is_fraud"))
    return frauds.group_by("customer_id").agg(compromised_known_at=_known_at().min())


def _without_known_cards(rows: pl.DataFrame, compromised: pl.DataFrame) -> pl.DataFrame:
    known = pl.col("compromised_known_at") <= pl.col("event_time").dt.truncate("1d")
    joined = rows.join(compromised, on="customer_id", how="left", maintain_order="left")
    return joined.filter(~known.fill_null(value=False)).drop("compromised_known_at")
