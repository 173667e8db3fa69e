"""Checks that nothing from the future entered the training: facts for the report, and for the gate that reads it."""

from collections.abc import Sequence
from datetime import datetime

import numpy as np
import polars as pl

from feature_store.lookahead import Future
from ledgerline.decisions.forecast.series import Series, series_of
from pipelines.training.forecast.evaluate import Evaluation, evaluate
from pipelines.training.forecast.parameters import ForecastParameters
from pipelines.training.leaks import LeakCheck, LeakCheckName, Recompute, none_later, same_features

_KEY = ("entity_id", "account", "event_time", "available_at")
_SERIES_TRIED = 40
_TREES_TRIED = 20


def check_leaks(
    rows: pl.DataFrame,
    *,
    as_of: datetime,
    evaluation: Evaluation,
    features: pl.DataFrame,
    recompute: Recompute,
) -> list[LeakCheck]:
    """Run every check.

    Args:
        rows: The training set.
        as_of: Its moment.
        evaluation: What was measured.
        features: The sealed features of the version that the training set belongs to.
        recompute: Computes the features again with another future.
    """
    return [
        features_known(rows, as_of),
        months_unseen(rows, as_of=as_of, parameters=evaluation.parameters, measured=evaluation.names),
        *(history_reproduced(features, recompute, future) for future in (Future.WITHHELD, Future.SCRAMBLED)),
    ]


def features_known(rows: pl.DataFrame, as_of: datetime) -> LeakCheck:
    """Check that no row became known after ``as_of``."""
    return none_later(LeakCheckName.FEATURES_KNOWN, rows["available_at"], as_of)


def months_unseen(
    rows: pl.DataFrame, *, as_of: datetime, parameters: ForecastParameters, measured: Sequence[str]
) -> LeakCheck:
    """Check that other values in the test months change neither the choice nor any forecast.

    The procedure itself runs twice on some series, the second time with the test months turned upside down.
    """
    longest_first = sorted(series_of(rows, as_of=as_of), key=lambda each: -each.values.size)
    some = [each for each in longest_first if each.name in set(measured)][:_SERIES_TRIED]
    tried = rows.join(_names(some), on=["entity_id", "account"], how="semi")
    small = parameters.model_copy(
        update={
            "model": parameters.model.model_copy(update={"trees": _TREES_TRIED, "seeds": parameters.model.seeds[:1]})
        }
    )
    first, second = (
        evaluate(each, as_of=as_of, parameters=small, progress=lambda _: None)
        for each in (tried, _with_other_endings(tried, some, small.horizon))
    )
    changed = [
        *(["the choice"] if first.validation != second.validation else []),
        *(
            str(name)
            for name, forecasts in first.forecasts.items()
            if not np.array_equal(np.array(forecasts), np.array(second.forecasts[name]))
        ),
    ]
    found = f"changed: {', '.join(changed)}" if changed else "neither the choice nor a forecast changed"
    return LeakCheck(
        LeakCheckName.TEST_UNSEEN,
        not changed,
        f"{len(some)} series with other values in their last {small.horizon} months: {found}",
    )


def history_reproduced(features: pl.DataFrame, recompute: Recompute, future: Future = Future.WITHHELD) -> LeakCheck:
    """Check that features computed when nothing after half of them existed, or was other, are the sealed ones.

    They must be, bit for bit.
    """
    at = features["available_at"].sort()[features.height // 2]
    return same_features(
        features.filter(pl.col("available_at") <= at),
        recompute(at, future).filter(pl.col("available_at") <= at),
        keys=_KEY,
        names=[name for name in features.columns if name not in _KEY],
        compared=f"rows known at {at:%Y-%m-%d}",
        future=future,
    )


def _names(series: Sequence[Series]) -> pl.DataFrame:
    return pl.DataFrame(
        {"entity_id": [each.entity_id for each in series], "account": [each.account for each in series]}
    )


def _with_other_endings(rows: pl.DataFrame, series: Sequence[Series], horizon: int) -> pl.DataFrame:
    """Return the rows with the last months of each series mirrored at zero and moved."""
    ends = _names(series).with_columns(
        pl.Series("test_begins", [each.last_month for each in series]).dt.offset_by(f"-{horizon - 1}mo")
    )
    in_test = pl.col("event_time").dt.offset_by("-1us").dt.truncate("1mo") >= pl.col("test_begins")
    return (
        rows.join(ends, on=["entity_id", "account"])
        .with_columns(pl.when(in_test).then(-2 * pl.col("amount") - 1).otherwise("amount").alias("amount"))
        .drop("test_begins")
    )
