"""The choice of a method and its measurement."""

from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest

from ledgerline.decisions.forecast.series import series_of
from pipelines.training import TrainingRefused
from pipelines.training.forecast.evaluate import Baseline, Method, allowed_by, evaluate
from pipelines.training.forecast.fit import LinearModel, examples, fit_trees
from pipelines.training.forecast.leaks import features_known, history_reproduced, months_unseen
from pipelines.training.forecast.parameters import ForecastParameters
from pipelines.training.forecast.procedure import train_forecast


def said(_: str) -> None:
    """Nobody listens."""


def test_method_with_the_smallest_error_before_the_test_is_chosen(
    twelve_books: pl.DataFrame, parameters: ForecastParameters, as_of: datetime
):
    found = evaluate(twelve_books, as_of=as_of, parameters=parameters, progress=said)
    assert found.validation[found.chosen] == min(found.validation[method] for method in Method)
    assert set(found.errors) == {*Method, *Baseline}
    assert found.parts[Baseline.NAIVE2].mean() == pytest.approx(1.0)
    assert found.residuals.shape == (12, parameters.horizon)


def test_report_counts_series_that_are_too_short_to_measure(
    twelve_books: pl.DataFrame, parameters: ForecastParameters, as_of: datetime
):
    short = twelve_books.filter((pl.col("entity_id") != "book-03") | (pl.col("event_time").dt.year() >= 2019))
    trained = train_forecast(short, as_of=as_of, parameters=parameters, leak_checks=lambda _: [], progress=said)
    assert trained.report["data"]["too_short_to_measure"] == 1
    assert trained.report["data"]["series"] == 12
    assert len(trained.series) == 12


@pytest.mark.parametrize(("months", "horizon"), [(60, 6), (42, 6), (41, 5), (33, 3), (27, 1)])
def test_horizon_is_what_half_of_the_series_are_long_enough_for(
    twelve_books: pl.DataFrame, parameters: ForecastParameters, as_of: datetime, months: int, horizon: int
):
    newest = twelve_books.sort("event_time").group_by("entity_id").tail(months)
    series = series_of(newest, as_of=as_of)
    assert allowed_by(series, parameters).horizon == horizon
    one_long = [*series[:5], *series_of(twelve_books, as_of=as_of)[:4]]
    assert allowed_by(one_long, parameters).horizon == horizon


def test_shortened_horizon_is_measured_deployed_and_reported(
    twelve_books: pl.DataFrame, parameters: ForecastParameters, as_of: datetime
):
    short = twelve_books.sort("event_time").group_by("entity_id").tail(36)
    trained = train_forecast(short, as_of=as_of, parameters=parameters, leak_checks=lambda _: [], progress=said)
    assert trained.spec.horizon == trained.report["protocol"]["horizon"] == 4


def test_books_that_are_all_too_short_are_refused(
    twelve_books: pl.DataFrame, parameters: ForecastParameters, as_of: datetime
):
    short = twelve_books.sort("event_time").group_by("entity_id").tail(26)
    with pytest.raises(TrainingRefused, match="half of 12 series have fewer than 27 months"):
        evaluate(short, as_of=as_of, parameters=parameters, progress=said)


def test_report_speaks_of_series_that_end_in_different_months(
    twelve_books: pl.DataFrame, parameters: ForecastParameters, as_of: datetime
):
    ends = (pl.col("entity_id") != "book-03") | (pl.col("event_time") < datetime(2019, 6, 1, tzinfo=as_of.tzinfo))
    for rows, says in ((twelve_books, False), (twelve_books.filter(ends), True)):
        trained = train_forecast(rows, as_of=as_of, parameters=parameters, leak_checks=lambda _: [], progress=said)
        assert any("different months" in limit for limit in trained.report["limits"]) is says


def test_examples_hold_the_change_that_came(twelve_books: pl.DataFrame, as_of: datetime):
    values = series_of(twelve_books, as_of=as_of)[0].values
    learn = examples([values], horizon=6, origins=3)
    assert learn.change.size == 3 * 6
    newest = values[: values.size - 6]
    unit = np.abs(newest[-12:]).mean()
    np.testing.assert_allclose(learn.change[-6:], (values[-6:] - newest[-1]) / unit)


def test_linear_model_learns_a_linear_future():
    """Every month ahead adds 2: straight lines are continued to within the ridge's shrinkage."""
    lines = [start + 2.0 * np.arange(48) for start in (10.0, 40.0, 90.0)]
    model = LinearModel(examples(lines, horizon=3, origins=12), 3)
    expected = lines[0][-1] + np.array([2.0, 4.0, 6.0])
    np.testing.assert_allclose(model.forecast(lines[0], 3), expected, rtol=0.02)


def test_trees_fit_twice_are_the_same_text_and_another_seed_is_another(
    twelve_books: pl.DataFrame, parameters: ForecastParameters, as_of: datetime
):
    learn = examples([each.values for each in series_of(twelve_books, as_of=as_of)], horizon=6, origins=12)
    first, again, other = (fit_trees(learn, parameters.model, seed=seed) for seed in (1, 1, 2))
    assert first == again != other


class TestLeakChecks:
    """Each check finds what it is there to find."""

    def test_test_months_do_not_change_choice_or_forecasts(
        self, twelve_books: pl.DataFrame, parameters: ForecastParameters, as_of: datetime
    ):
        names = [series.name for series in series_of(twelve_books, as_of=as_of)]
        assert months_unseen(twelve_books, as_of=as_of, parameters=parameters, measured=names).passed

    def test_procedure_that_looks_at_the_test_months_is_found(
        self,
        twelve_books: pl.DataFrame,
        parameters: ForecastParameters,
        as_of: datetime,
        monkeypatch: pytest.MonkeyPatch,
    ):
        from pipelines.training.forecast import evaluate as module

        honest = module.origins

        def peeking(*args: object, **kwargs: object) -> object:
            choice, test = honest(*args, **kwargs)
            histories = tuple(np.append(h, a[0]) for h, a in zip(test.histories, test.actuals, strict=True))
            return choice, module.Origin(histories, test.actuals)

        monkeypatch.setattr(module, "origins", peeking)
        names = [series.name for series in series_of(twelve_books, as_of=as_of)]
        check = months_unseen(twelve_books, as_of=as_of, parameters=parameters, measured=names)
        assert not check.passed
        assert "naive2" in check.detail

    def test_row_from_the_future_is_found(self, twelve_books: pl.DataFrame):
        newest = twelve_books["available_at"].max()
        assert features_known(twelve_books, newest).passed
        assert not features_known(twelve_books, newest - timedelta(microseconds=1)).passed

    def test_feature_that_looks_ahead_is_found(self, twelve_books: pl.DataFrame):
        def honest(rows: pl.DataFrame) -> pl.DataFrame:
            return rows.with_columns(lag=pl.col("amount").shift(1).over("entity_id"))

        def ahead(rows: pl.DataFrame) -> pl.DataFrame:
            return rows.with_columns(lag=pl.col("amount").mean().over("entity_id"))

        for compute, passes in ((honest, True), (ahead, False)):
            check = history_reproduced(
                compute(twelve_books),
                lambda at, _, compute=compute: compute(twelve_books.filter(pl.col("available_at") <= at)),
            )
            assert check.passed is passes
