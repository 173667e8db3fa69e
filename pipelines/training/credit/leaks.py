"""Checks that neither the future nor a protected attribute entered the training: facts for the report and its gate."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from feature_store.lookahead import Future
from pipelines.features.outcomes import OUTCOMES
from pipelines.training.credit.dataset import PROTECTED, protected_names
from pipelines.training.credit.evaluate import Evaluation
from pipelines.training.credit.samples import Fold, outcomes
from pipelines.training.leaks import LeakCheck, LeakCheckName, Recompute, none_later, same_features

_TOO_GOOD = OUTCOMES["credit_application"].too_good
"""A single feature that ranks defaults this well is not a feature but the outcome under another name."""
_RECOMPUTED = timedelta(days=92)
_MOST_VALUES = 200  # of a feature that could be a protected attribute under another name


def check_leaks(
    frame: pl.DataFrame, *, as_of: datetime, evaluation: Evaluation, names: Sequence[str], recompute: Recompute
) -> list[LeakCheck]:
    """Run every check; that training was known before testing is asked of applications with dates only.

    Args:
        frame: The training set.
        as_of: Its moment.
        evaluation: The folds that were fitted.
        names: The features.
        recompute: Computes the features again with another future.
    """
    last = evaluation.last.fold
    newest = frame["available_at"].max()
    at = last.start or (newest if isinstance(newest, datetime) else as_of)
    return [
        none_later(LeakCheckName.LABELS_KNOWN, frame["label_available_at"], as_of),
        none_later(LeakCheckName.FEATURES_KNOWN, frame["available_at"], as_of),
        *([_training_known([result.fold for result in evaluation.results])] if evaluation.out_of_time else []),
        no_telltale(last, names),
        no_protected_input(frame, names),
        *(
            history_reproduced(frame, at=at, names=names, recompute=recompute, future=future)
            for future in (Future.WITHHELD, Future.SCRAMBLED)
        ),
    ]


def no_telltale(fold: Fold, names: Sequence[str]) -> LeakCheck:
    """Check that no feature alone ranks the defaults of a fold's test as only the outcome itself could.

    That a value is missing may tell as well, so missing ones are ranked below and above all others. Categories are
    ranked by their default rates in what was learnt from.
    """
    from sklearn.metrics import roc_auc_score

    defaulted = outcomes(fold.test)
    told = {
        name: max(abs(float(roc_auc_score(defaulted, ranks)) - 0.5) + 0.5 for ranks in _rankings(fold, name))
        for name in names
    }
    strongest = max(told, key=lambda name: told[name])
    return LeakCheck(
        LeakCheckName.NO_TELLTALE,
        told[strongest] < _TOO_GOOD,
        f"alone, {strongest} reaches AUC {told[strongest]:.3f} on {fold.name}; {_TOO_GOOD} would be a leak",
    )


def no_protected_input(frame: pl.DataFrame, names: Sequence[str]) -> LeakCheck:
    """Check that no protected attribute is a feature, by its name or as the same groups under other names."""
    protected = protected_names(frame)
    found = [name for name in names if f"{PROTECTED}{name}" in protected]
    found += [
        f"{name} (is {column.removeprefix(PROTECTED)})"
        for column in protected
        for name in names
        if name not in found and _same_groups(frame[name], frame[column])
    ]
    said = ", ".join(column.removeprefix(PROTECTED) for column in protected) or "none is known"
    result = f"among the inputs: {', '.join(found)}" if found else f"none is among the {len(names)} inputs"
    return LeakCheck(LeakCheckName.NO_PROTECTED, not found, f"protected: {said}; {result}")


def history_reproduced(
    frame: pl.DataFrame,
    *,
    at: datetime,
    names: Sequence[str],
    recompute: Recompute,
    future: Future = Future.WITHHELD,
) -> LeakCheck:
    """Check that features computed when nothing after ``at`` existed, or was other, are the sealed ones, bit for bit.

    The rows of the quarter before ``at`` are compared; a feature that looks ahead differs there first.
    """
    quarter = (pl.col("available_at") > at - _RECOMPUTED) & (pl.col("available_at") <= at)
    computed = recompute(at, future).filter(quarter & (pl.col("portfolio") == frame["portfolio"][0]))
    # An attribute that no application had given by then is no column yet.
    absent = [pl.lit(None, frame.schema[name]).alias(name) for name in names if name not in computed.columns]
    return same_features(
        frame.filter(quarter),
        computed.with_columns(absent),
        keys=["application_id"],
        names=names,
        compared=f"applications of the quarter before {at:%Y-%m-%d}",
        future=future,
    )


def _rankings(fold: Fold, name: str) -> Iterator[NDArray[np.float64]]:
    if fold.test.schema[name] == pl.String:
        rates = fold.development.fit.group_by(name).agg(rate=pl.col("defaulted").mean())
        ranked = fold.test.select(name).join(rates, on=name, how="left", nulls_equal=True, maintain_order="left")
        yield ranked["rate"].fill_null(0.5).to_numpy()
        return
    values = fold.test[name].to_numpy()
    for filled in (-np.inf, np.inf):
        known = np.where(np.isnan(values), filled, values)
        yield np.nan_to_num(known, neginf=np.finfo(np.float64).min, posinf=np.finfo(np.float64).max)


def _same_groups(feature: pl.Series, protected: pl.Series) -> bool:
    """Whether a feature tells exactly what a protected attribute does, in the same or in other words."""
    pairs = pl.DataFrame({"feature": feature, "protected": protected}).drop_nulls().unique()
    values, groups = pairs["feature"].n_unique(), pairs["protected"].n_unique()
    return 1 < groups == values == pairs.height and values <= _MOST_VALUES


def _training_known(folds: Sequence[Fold]) -> LeakCheck:
    late = [
        fold.name
        for fold in folds
        if (newest := fold.development.newest_knowledge) is None or fold.start is None or newest > fold.start
    ]
    found = (
        f"known too late: {', '.join(late)}" if late else "every application and outcome was known when testing began"
    )
    return LeakCheck(LeakCheckName.TRAINING_KNOWN, not late, f"{len(folds)} folds; {found}")
