from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from pipelines.training.errors import TrainingRefused
from pipelines.training.fraud.evaluate import evaluate
from pipelines.training.fraud.parameters import FraudParameters
from pipelines.training.splits import FoldRole

AS_OF = datetime(2018, 10, 1, tzinfo=UTC)
FIRST_FOLD = datetime(2018, 6, 20, tzinfo=UTC)  # training week of the earliest validation fold


def _weeks(first: datetime, *, fraud_every: int) -> list[dict[str, Any]]:
    moments = [first + timedelta(hours=6 * step) for step in range(4 * 21)]
    return [
        {"card": step, "event_time": moment, "amount": step % 7, "is_fraud": step % fraud_every == 0}
        for step, moment in enumerate(moments)
    ]


def test_fold_whose_week_starts_on_the_first_day_of_the_data_counts_whatever_second_they_begin_at(
    training_rows: Callable[..., pl.DataFrame], parameters: FraudParameters
):
    frame = training_rows(*_weeks(FIRST_FOLD + timedelta(microseconds=1), fraud_every=5))
    evaluation = evaluate(frame, as_of=AS_OF, parameters=parameters, names=["amount"], roles=(FoldRole.VALIDATION,))
    assert [result.fold.train_start for result in evaluation.results[FoldRole.VALIDATION]] == [FIRST_FOLD]
    assert set(evaluation.left_out) == {"validation 2", "validation 3", "validation 4"}


def test_weeks_without_any_fraud_are_refused_with_the_reason_of_every_fold(
    training_rows: Callable[..., pl.DataFrame], parameters: FraudParameters
):
    frame = training_rows(*({**row, "is_fraud": False} for row in _weeks(FIRST_FOLD, fraud_every=5)))
    with pytest.raises(TrainingRefused, match=r"validation 1: its training week has 28 labelled rows and 0 frauds"):
        evaluate(frame, as_of=AS_OF, parameters=parameters, names=["amount"], roles=(FoldRole.VALIDATION,))
