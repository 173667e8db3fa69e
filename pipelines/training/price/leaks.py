"""Checks that nothing from the future entered the training: facts for the report, and for the gate that reads it."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np
import polars as pl

from feature_store.lookahead import Future
from pipelines.training.leaks import LeakCheck, LeakCheckName, Recompute, none_later, same_features
from pipelines.training.price.evaluate import Evaluation
from pipelines.training.price.metrics import daily_coefficients
from pipelines.training.price.samples import Part

_TOO_GOOD = 0.5
"""No single daily indicator is correlated like this with the return after the next close, unless it contains it."""
_RECOMPUTED = timedelta(days=7)


def check_leaks(
    frame: pl.DataFrame, *, as_of: datetime, evaluation: Evaluation, names: Sequence[str], recompute: Recompute
) -> list[LeakCheck]:
    """Run every check.

    Args:
        frame: The training set.
        as_of: Its moment.
        evaluation: What was fitted and tested.
        names: The features.
        recompute: Computes the features again with another future.
    """
    return [
        none_later(LeakCheckName.LABELS_KNOWN, frame["label_available_at"], as_of),
        none_later(LeakCheckName.FEATURES_KNOWN, frame["available_at"], as_of),
        training_known(evaluation),
        no_telltale(evaluation, names),
        *(
            history_reproduced(
                frame, at=evaluation.parts.starts[Part.TEST], names=names, recompute=recompute, future=future
            )
            for future in (Future.WITHHELD, Future.SCRAMBLED)
        ),
    ]


def training_known(evaluation: Evaluation) -> LeakCheck:
    """Check that every label that trained or validated was known before the next part began."""
    parts = evaluation.parts
    late = [
        part.value
        for part, following in ((Part.TRAIN, Part.VALIDATION), (Part.VALIDATION, Part.TEST))
        if (newest := parts.samples[part].newest_label) is None or newest >= parts.starts[following]
    ]
    found = f"known too late: {', '.join(late)}" if late else "every label was known before the next part began"
    return LeakCheck(LeakCheckName.TRAINING_KNOWN, not late, f"{parts.purged} rows purged between the parts; {found}")


def no_telltale(evaluation: Evaluation, names: Sequence[str]) -> LeakCheck:
    """Check that no feature alone is correlated with the label as only the label's own prices could be."""
    test = evaluation.test
    told = [abs(float(daily_coefficients(test, np.nan_to_num(column)).ic.mean())) for column in test.features.T]
    strongest = int(np.argmax(told))
    return LeakCheck(
        LeakCheckName.NO_TELLTALE,
        told[strongest] < _TOO_GOOD,
        f"alone, {names[strongest]} reaches an IC of {told[strongest]:.3f} on the test; {_TOO_GOOD} would be a leak",
    )


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
    again = recompute(at, future).filter(week).sort("available_at", maintain_order=True)
    return same_features(
        frame.filter(week),
        again.unique(["symbol", "event_time"], keep="first", maintain_order=True),
        keys=["event_time", "symbol", "available_at"],
        names=names,
        compared=f"rows of the week before {at:%Y-%m-%d}",
        future=future,
    )
