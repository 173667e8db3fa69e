from datetime import UTC, date, datetime

from pipelines.training.fraud.parameters import FraudParameters
from pipelines.training.splits import Fold, FoldRole, baseline_fold, deployment_week, fold_series

AS_OF = datetime(2018, 10, 1, tzinfo=UTC)


def _dates(fold: Fold) -> tuple[date, date, date, date]:
    return tuple(moment.date() for moment in (fold.train_start, fold.train_end, fold.test_start, fold.test_end))


def test_baseline_split_has_the_published_dates_for_the_published_data(parameters: FraudParameters):
    """Train 2018-07-25..31, test 2018-08-08..14; ends are exclusive."""
    assert _dates(baseline_fold(parameters.splits, AS_OF)) == (
        date(2018, 7, 25),
        date(2018, 8, 1),
        date(2018, 8, 8),
        date(2018, 8, 15),
    )


def test_prequential_folds_have_the_published_starts_earliest_first(parameters: FraudParameters):
    folds = fold_series(parameters.splits, AS_OF, FoldRole.TEST)
    assert [fold.train_start.date() for fold in folds] == [
        date(2018, 7, 25),
        date(2018, 8, 1),
        date(2018, 8, 8),
        date(2018, 8, 15),
    ]
    assert [fold.name for fold in folds] == ["test 1", "test 2", "test 3", "test 4"]


def test_validation_folds_end_before_the_first_test_day(parameters: FraudParameters):
    validation = fold_series(parameters.splits, AS_OF, FoldRole.VALIDATION)
    test = fold_series(parameters.splits, AS_OF, FoldRole.TEST)

    assert validation[-1].train_start.date() == date(2018, 7, 11)
    assert max(fold.test_end for fold in validation) <= min(fold.test_start for fold in test)


def test_deployed_model_learns_from_the_newest_week_whose_labels_are_known(parameters: FraudParameters):
    start, end = deployment_week(parameters.splits, AS_OF)
    assert (start.date(), end.date()) == (date(2018, 9, 17), date(2018, 9, 24))


def test_splits_follow_other_data_and_begin_at_midnight(parameters: FraudParameters):
    later = datetime(2026, 3, 10, 15, 30, tzinfo=UTC)
    fold = baseline_fold(parameters.splits, later)

    assert fold.train_start == datetime(2026, 1, 1, tzinfo=UTC)
    assert deployment_week(parameters.splits, later)[1] == datetime(2026, 3, 3, tzinfo=UTC)
