"""Checks that nothing from the future entered the training: facts for the report, and for the gate that reads it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

import numpy as np
import polars as pl

from pipelines.training.fraud.evaluate import Evaluation, FoldResult
from pipelines.training.splits import FoldRole

_TOO_GOOD = 0.995
"""A single feature that ranks frauds this well is not a feature but the label under another name."""
_RECOMPUTED = timedelta(days=7)

Recompute = Callable[[datetime], pl.DataFrame]
"""Features of every event known at an instant, computed from nothing that became known later."""


class LeakCheckName(StrEnum):
    """What is checked."""

    LABELS_KNOWN = "labels_known_at_as_of"
    FEATURES_KNOWN = "features_known_at_as_of"
    TRAINING_KNOWN = "training_rows_known_at_test_start"
    NO_TELLTALE = "no_single_feature_tells"
    HISTORY_REPRODUCED = "truncated_history_reproduces_features"


@dataclass(frozen=True, slots=True)
class LeakCheck:
    """One check's answer.

    Attributes:
        check: Which.
        passed: Whether nothing was found.
        detail: What was looked at and what was found, for the reader.
    """

    check: LeakCheckName
    passed: bool
    detail: str


def check_leaks(
    frame: pl.DataFrame, *, as_of: datetime, evaluation: Evaluation, names: Sequence[str], recompute: Recompute
) -> list[LeakCheck]:
    """Run every check.

    Args:
        frame: The training set.
        as_of: Its moment.
        evaluation: The folds that were fitted.
        names: The features.
        recompute: Computes the features again from truncated history.
    """
    results = [result for role in FoldRole for result in evaluation.results.get(role, ())]
    return [
        _none_later(LeakCheckName.LABELS_KNOWN, frame["label_available_at"], as_of),
        _none_later(LeakCheckName.FEATURES_KNOWN, frame["available_at"], as_of),
        _training_known(results),
        _no_telltale(evaluation.last_test, names),
        history_reproduced(frame, at=evaluation.last_test.fold.test_start, names=names, recompute=recompute),
    ]


def history_reproduced(frame: pl.DataFrame, *, at: datetime, names: Sequence[str], recompute: Recompute) -> LeakCheck:
    """Check that features computed when nothing after ``at`` existed are the sealed ones, bit for bit.

    The rows of the week before ``at`` are compared; a feature that looks ahead differs there first.
    """
    week = (pl.col("available_at") > at - _RECOMPUTED) & (pl.col("available_at") <= at)
    columns = ["transaction_id", *names]
    sealed = frame.filter(week).select(columns).sort("transaction_id")
    again = recompute(at).filter(week).select(columns).sort("transaction_id")
    if not sealed["transaction_id"].equals(again["transaction_id"]):
        differing = ["transaction_id"]
    else:
        differing = [name for name in names if not sealed[name].equals(again[name])]
    found = f"differ in {', '.join(differing)}" if differing else f"{len(names)} features equal to the last bit"
    return LeakCheck(
        LeakCheckName.HISTORY_REPRODUCED,
        not differing,
        f"{sealed.height} rows of the week before {at:%Y-%m-%d}, computed without anything later: {found}",
    )


def _none_later(check: LeakCheckName, instants: pl.Series, as_of: datetime) -> LeakCheck:
    later = int((instants > as_of).sum())
    return LeakCheck(check, later == 0, f"{later} of {instants.len()} rows became known after {as_of:%Y-%m-%d %H:%M}")


def _training_known(results: Sequence[FoldResult]) -> LeakCheck:
    late = [
        result.fold.name
        for result in results
        if result.samples.newest_knowledge is None or result.samples.newest_knowledge > result.fold.test_start
    ]
    found = (
        f"known too late: {', '.join(late)}" if late else "every training row and label was known when testing began"
    )
    return LeakCheck(LeakCheckName.TRAINING_KNOWN, not late, f"{len(results)} folds; {found}")


def _no_telltale(result: FoldResult, names: Sequence[str]) -> LeakCheck:
    from sklearn.metrics import roc_auc_score

    aucs = np.array([roc_auc_score(result.test.is_fraud, column) for column in result.test.features.T])
    telling = np.maximum(aucs, 1 - aucs)
    strongest = int(np.argmax(telling))
    return LeakCheck(
        LeakCheckName.NO_TELLTALE,
        bool(telling[strongest] < _TOO_GOOD),
        f"alone, {names[strongest]} reaches AUC {telling[strongest]:.3f} on fold {result.fold.name}; "
        f"{_TOO_GOOD} would be a leak",
    )
