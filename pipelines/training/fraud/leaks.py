"""Checks that nothing from the future entered the training: facts for the report, and for the gate that reads it."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np
import polars as pl

from feature_store.lookahead import Future
from pipelines.features.outcomes import OUTCOMES
from pipelines.training.fraud.evaluate import Evaluation, FoldResult
from pipelines.training.leaks import LeakCheck, LeakCheckName, Recompute, none_later, same_features
from pipelines.training.splits import FoldRole

_TOO_GOOD = OUTCOMES["card_spending"].too_good
"""A single feature that ranks frauds this well is not a feature but the label under another name."""
_RECOMPUTED = timedelta(days=7)


def check_leaks(
    frame: pl.DataFrame, *, as_of: datetime, evaluation: Evaluation, names: Sequence[str], recompute: Recompute
) -> list[LeakCheck]:
    """Run every check.

    Args:
        frame: The training set.
        as_of: Its moment.
        evaluation: The folds that were fitted.
        names: The features.
        recompute: Computes the features again with another future.
    """
    results = [result for role in FoldRole for result in evaluation.results.get(role, ())]
    return [
        none_later(LeakCheckName.LABELS_KNOWN, frame["label_available_at"], as_of),
        none_later(LeakCheckName.FEATURES_KNOWN, frame["available_at"], as_of),
        _training_known(results),
        _no_telltale(evaluation.last_test, names),
        *(
            history_reproduced(
                frame, at=evaluation.last_test.fold.test_start, names=names, recompute=recompute, future=future
            )
            for future in (Future.WITHHELD, Future.SCRAMBLED)
        ),
    ]


def history_reproduced(
    frame: pl.DataFrame,
    *,
    at: datetime,
    names: Sequence[str],
    recompute: Recompute,
    future: Future = Future.WITHHELD,
) -> LeakCheck:
    """Check that features computed when nothing after ``at`` existed, or was other, are the sealed ones, bit for bit.

    The rows of the week before ``at`` are compared; a feature that looks ahead differs there first.
    """
    week = (pl.col("available_at") > at - _RECOMPUTED) & (pl.col("available_at") <= at)
    return same_features(
        frame.filter(week),
        recompute(at, future).filter(week),
        keys=["transaction_id"],
        names=names,
        compared=f"rows of the week before {at:%Y-%m-%d}",
        future=future,
    )


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
