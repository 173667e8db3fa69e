from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from pipelines.training.fraud.parameters import FraudParameters
from pipelines.training.fraud.samples import deployment_sample, fold_samples, to_sample
from pipelines.training.splits import Fold, baseline_fold

DAY = timedelta(days=1)
Rows = Callable[..., pl.DataFrame]


@pytest.fixture
def fold(parameters: FraudParameters) -> Fold:
    """Train 2018-07-25..31, test 2018-08-08..14."""
    return baseline_fold(parameters.splits, datetime(2018, 10, 1, tzinfo=UTC))


def test_weeks_are_cut_at_midnight(training_rows: Rows, fold: Fold):
    tick = timedelta(microseconds=1)
    rows = training_rows(
        {"amount": 1, "event_time": fold.train_start - tick},
        {"amount": 2, "event_time": fold.train_start},
        {"amount": 3, "event_time": fold.train_end - tick},
        {"amount": 4, "event_time": fold.train_end},
        {"amount": 5, "event_time": fold.test_start},
        {"amount": 6, "event_time": fold.test_end - tick},
        {"amount": 7, "event_time": fold.test_end},
    )
    samples = fold_samples(rows, fold, ["amount"])
    assert samples.train.features[:, 0].tolist() == [2, 3]
    assert samples.test.features[:, 0].tolist() == [5, 6]


def test_row_whose_label_came_after_testing_began_does_not_train(training_rows: Rows, fold: Fold):
    rows = training_rows(
        {"amount": 1, "event_time": fold.train_start, "label_available_at": fold.test_start},
        {"amount": 2, "event_time": fold.train_start, "label_available_at": fold.test_start + DAY},
        {"amount": 3, "event_time": fold.train_start, "is_fraud": None, "label_available_at": None},
        {"amount": 4, "event_time": fold.train_start, "available_at": fold.test_start + DAY},
    )
    samples = fold_samples(rows, fold, ["amount"])
    assert samples.train.features[:, 0].tolist() == [1]
    assert samples.train_labels_unknown == 3
    assert samples.newest_knowledge == fold.test_start


def test_test_row_without_a_label_is_left_out_and_counted(training_rows: Rows, fold: Fold):
    rows = training_rows(
        {"event_time": fold.test_start}, {"event_time": fold.test_start, "is_fraud": None, "label_available_at": None}
    )
    samples = fold_samples(rows, fold, ["amount"])
    assert (len(samples.test), samples.test_labels_unknown) == (1, 1)


def test_card_with_a_fraud_in_the_training_week_leaves_the_whole_test(training_rows: Rows, fold: Fold):
    rows = training_rows(
        {"card": "known", "event_time": fold.train_end - timedelta(hours=1), "is_fraud": True},
        {"card": "known", "event_time": fold.test_start + timedelta(hours=1)},
        {"card": "other", "event_time": fold.test_start + timedelta(hours=1)},
    )
    samples = fold_samples(rows, fold, ["amount"])
    assert len(samples.test) == 1
    assert samples.test_rows_of_known_cards == 1


def test_fraud_of_the_delay_week_removes_its_card_a_week_later_and_not_before(training_rows: Rows, fold: Fold):
    """A fraud on the delay's first day is known on the second test day, the published rule."""
    rows = training_rows(
        {"amount": 0, "event_time": fold.train_end + timedelta(hours=5), "is_fraud": True},
        {"amount": 1, "event_time": fold.test_start + timedelta(hours=1)},
        {"amount": 2, "event_time": fold.test_start + DAY + timedelta(hours=1)},
        {"amount": 3, "event_time": fold.test_start + 3 * DAY},
    )
    samples = fold_samples(rows, fold, ["amount"])
    assert samples.test.features[:, 0].tolist() == [1]


def test_fraud_before_the_training_week_removes_no_card(training_rows: Rows, fold: Fold):
    """The published protocol knows nothing older than the training week."""
    rows = training_rows(
        {"event_time": fold.train_start - DAY, "is_fraud": True}, {"event_time": fold.test_start + DAY}
    )
    assert len(fold_samples(rows, fold, ["amount"]).test) == 1


def test_card_codes_order_numeric_ids_as_numbers(training_rows: Rows):
    rows = training_rows({"card": "10"}, {"card": "9"}, {"card": "10"}, {"card": "100"})
    assert to_sample(rows, ["amount"]).card.tolist() == [1, 0, 1, 2]


def test_deployed_model_learns_from_labelled_rows_alone(training_rows: Rows):
    start = datetime(2018, 9, 17, tzinfo=UTC)
    rows = training_rows(
        {"amount": 1, "event_time": start},
        {"amount": 2, "event_time": start, "is_fraud": None, "label_available_at": None},
        {"amount": 3, "event_time": start + 7 * DAY},
    )
    assert deployment_sample(rows, (start, start + 7 * DAY), ["amount"]).features[:, 0].tolist() == [1]
