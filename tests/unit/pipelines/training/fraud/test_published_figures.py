"""The pipeline's own regression test: published figures on the published data, from our features and our protocol."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from feature_store.offline import compute
from feature_store.views import view_named
from ledgerline.core.settings import PROJECT_ROOT
from pipelines.training.fraud.dataset import join_labels
from pipelines.training.fraud.evaluate import Evaluation, evaluate
from pipelines.training.fraud.fit import ModelName
from pipelines.training.fraud.metrics import Metric
from pipelines.training.fraud.parameters import FraudParameters
from pipelines.training.fraud.published import published_figures
from pipelines.training.parameters import family_parameters
from pipelines.training.splits import FoldRole
from pipelines.training.statistics import spread

pytestmark = pytest.mark.real_data
AS_OF = datetime(2018, 10, 1, tzinfo=UTC)
_TOLERANCE = 0.002


@pytest.fixture(scope="module")
def training_set(published_data: Path) -> pl.DataFrame:
    view = view_named("card_spending")
    payments = pl.read_parquet(published_data / "transactions" / "card_transactions_2018.parquet")
    event_time = pl.lit(datetime(2018, 4, 1, tzinfo=UTC), pl.Datetime("us", "UTC")) + pl.duration(
        seconds="TX_TIME_SECONDS"
    )
    transactions = payments.select(
        transaction_id=pl.int_range(pl.len()).cast(pl.String),
        customer_id=pl.col("CUSTOMER_ID").cast(pl.String),
        terminal_id=pl.col("TERMINAL_ID").cast(pl.String),
        amount_minor=pl.col("AMOUNT_CENTS").cast(pl.Int64),
        event_time=event_time,
        available_at=event_time,
    )
    labels = transactions.select(
        "transaction_id",
        "event_time",
        is_fraud=payments["TX_FRAUD_SCENARIO"] > 0,
        available_at=pl.col("event_time") + timedelta(days=7),
    )
    known = pl.col("available_at") <= AS_OF
    features = compute(view, transactions.filter(known), labels.filter(known))
    return join_labels(features, labels, as_of=AS_OF, names=view.feature_names)


def _evaluate(training_set: pl.DataFrame, role: FoldRole) -> Evaluation:
    return evaluate(
        training_set,
        as_of=AS_OF,
        parameters=FraudParameters.checked(family_parameters(PROJECT_ROOT, "fraud")),
        names=view_named("card_spending").feature_names,
        roles=(role,),
    )


@pytest.fixture(scope="module")
def baseline(training_set: pl.DataFrame) -> Evaluation:
    return _evaluate(training_set, FoldRole.BASELINE)


@pytest.fixture(scope="module")
def prequential(training_set: pl.DataFrame) -> Evaluation:
    return _evaluate(training_set, FoldRole.TEST)


def _close(figures: dict[Metric, float], auc: float, average_precision: float, card_precision: float) -> None:
    assert figures[Metric.AUC] == pytest.approx(auc, abs=_TOLERANCE)
    assert figures[Metric.AVERAGE_PRECISION] == pytest.approx(average_precision, abs=_TOLERANCE)
    assert figures[Metric.CARD_PRECISION] == pytest.approx(card_precision, abs=_TOLERANCE)


def _means(evaluation: Evaluation, model: ModelName) -> dict[Metric, float]:
    results = evaluation.results[FoldRole.TEST]
    return {metric: spread([result.metrics[model][metric] for result in results]).mean for metric in Metric}


def test_baseline_split_has_the_published_rows_and_ceiling(baseline: Evaluation):
    [result] = baseline.results[FoldRole.BASELINE]
    assert (len(result.samples.train), result.samples.train.frauds) == (67_240, 598)
    assert (len(result.test), result.test.frauds) == (58_264, 385)
    assert result.ceiling == pytest.approx(0.397, abs=0.0005)


def test_logistic_regression_on_the_baseline_split_is_the_published_one(baseline: Evaluation):
    [result] = baseline.results[FoldRole.BASELINE]
    _close(dict(result.metrics[ModelName.LOGISTIC_REGRESSION]), 0.870, 0.605, 0.291)


def test_published_data_are_recognised_by_their_counts(baseline: Evaluation):
    found = published_figures(baseline)
    assert found is not None
    assert found["prequential_test"]["xgboost_100_rate_0.1_depth_3"]["average_precision"] == 0.694


@pytest.mark.slow
def test_prequential_logistic_regression_is_the_published_one(prequential: Evaluation):
    _close(_means(prequential, ModelName.LOGISTIC_REGRESSION), 0.868, 0.622, 0.297)


@pytest.mark.slow
def test_prequential_trees_are_the_published_ones(prequential: Evaluation):
    _close(_means(prequential, ModelName.XGBOOST), 0.871, 0.694, 0.304)


@pytest.mark.slow
def test_perfect_scorer_reaches_the_published_prequential_ceiling(prequential: Evaluation):
    ceilings = [result.ceiling for result in prequential.results[FoldRole.TEST]]
    assert spread(ceilings).mean == pytest.approx(0.419, abs=0.0005)
