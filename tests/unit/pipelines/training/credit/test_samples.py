from collections.abc import Callable
from datetime import UTC, datetime

import polars as pl
import pytest

from pipelines.training.credit.parameters import CreditParameters
from pipelines.training.credit.samples import folds_of, hashed_share, is_dated, whole_development
from pipelines.training.errors import TrainingRefused


def test_newest_months_with_known_outcomes_are_tested_by_what_was_known_when_they_began(
    training_set: Callable[..., pl.DataFrame], parameters: CreditParameters
) -> None:
    frame = training_set()
    folds = folds_of(frame, parameters.splits)
    # Outcomes take a year and the set ends with 2018-09: 2017-09 is the newest month with all of them known.
    assert [fold.name for fold in folds] == ["2017-04", "2017-05", "2017-06", "2017-07", "2017-08", "2017-09"]
    for fold in folds:
        assert fold.start is not None
        assert fold.development.newest_knowledge is not None
        assert fold.development.newest_knowledge <= fold.start
        assert fold.test["event_time"].min() >= fold.start
        assert fold.development.fit["event_time"].max() <= fold.development.validation["event_time"].min()


def test_an_outcome_that_came_late_is_not_learnt_from_before_it_came(
    training_set: Callable[..., pl.DataFrame], parameters: CreditParameters
) -> None:
    """Its month counts as known by the other outcomes; this one was told only in July."""
    late = "A02000"
    told = datetime(2017, 7, 10, tzinfo=UTC)
    frame = training_set().with_columns(
        defaulted=pl.when(pl.col("application_id") == late).then(pl.lit(value=True)).otherwise(pl.col("defaulted")),
        label_available_at=pl.when(pl.col("application_id") == late)
        .then(pl.lit(told))
        .otherwise(pl.col("label_available_at")),
    )
    learnt_by = [
        fold.name
        for fold in folds_of(frame, parameters.splits)
        if late in fold.development.whole["application_id"].to_list()
    ]
    assert learnt_by == ["2017-08", "2017-09"]


def test_a_month_of_which_only_the_early_defaults_are_known_is_not_learnt_from(
    training_set: Callable[..., pl.DataFrame], parameters: CreditParameters
) -> None:
    young = pl.col("event_time") >= datetime(2017, 10, 1, tzinfo=UTC)
    told = young & (pl.col("application_id").str.slice(-1) == "0")
    frame = training_set().with_columns(
        defaulted=pl.when(told).then(pl.lit(value=True)).otherwise(pl.col("defaulted")),
        label_available_at=pl.when(told).then(pl.col("event_time")).otherwise(pl.col("label_available_at")),
    )
    assert frame.filter(young)["defaulted"].drop_nulls().len() > 50
    assert whole_development(frame, parameters.splits).whole.filter(young).height == 0
    assert folds_of(frame, parameters.splits)[-1].name == "2017-09"


def test_without_dates_every_application_is_tested_once_by_others(
    training_set: Callable[..., pl.DataFrame], parameters: CreditParameters
) -> None:
    frame = training_set(dated=False)
    folds = folds_of(frame, parameters.splits)
    assert not is_dated(frame)
    assert all(fold.start is None for fold in folds)
    tested = [name for fold in folds for name in fold.test["application_id"]]
    assert sorted(tested) == frame["application_id"].to_list()
    for fold in folds:
        used = [*fold.test["application_id"], *fold.development.whole["application_id"]]
        assert len(used) == len(set(used)) == frame.height


def test_parts_follow_from_ids_and_not_from_the_order_of_rows() -> None:
    ids = [f"A{number}" for number in range(5_000)]
    shares = hashed_share(ids, seed=3, purpose="fold")
    assert hashed_share(ids[::-1], seed=3, purpose="fold").tolist() == shares[::-1].tolist()
    assert abs(shares.mean() - 0.5) < 0.02
    assert hashed_share(ids, seed=3, purpose="validation").tolist() != shares.tolist()


def test_too_few_outcomes_are_refused(training_set: Callable[..., pl.DataFrame], parameters: CreditParameters) -> None:
    with pytest.raises(TrainingRefused, match="known outcomes fill 0 folds"):
        folds_of(training_set(60), parameters.splits)
    with pytest.raises(TrainingRefused, match="too few to learn from"):
        whole_development(training_set(60), parameters.splits)
