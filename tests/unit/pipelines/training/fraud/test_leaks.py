from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from pipelines.training.fraud.leaks import history_reproduced

AT = datetime(2018, 8, 29, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
def payments(training_rows: Callable[..., pl.DataFrame]) -> pl.DataFrame:
    return training_rows(*({"event_time": AT + (number - 40) * DAY / 4, "amount": number} for number in range(80)))


def _so_far(rows: pl.DataFrame) -> pl.DataFrame:
    """An honest feature: the mean amount until this payment."""
    return rows.with_columns(mean=pl.col("amount").cum_sum() / pl.int_range(1, pl.len() + 1))


def _of_everything(rows: pl.DataFrame) -> pl.DataFrame:
    """A leak: the mean amount of all payments, later ones too."""
    return rows.with_columns(mean=pl.col("amount").mean())


def test_feature_that_looks_back_only_is_reproduced(payments: pl.DataFrame):
    check = history_reproduced(
        _so_far(payments),
        at=AT,
        names=["mean"],
        recompute=lambda at, _: _so_far(payments.filter(pl.col("available_at") <= at)),
    )
    assert check.passed
    assert check.detail.startswith("28 rows")


def test_planted_leak_is_caught_and_named(payments: pl.DataFrame):
    check = history_reproduced(
        _of_everything(payments),
        at=AT,
        names=["amount", "mean"],
        recompute=lambda at, _: _of_everything(payments.filter(pl.col("available_at") <= at)),
    )
    assert not check.passed
    assert "differ in mean" in check.detail


def test_features_whose_last_bit_differs_are_not_reproduced(payments: pl.DataFrame):
    nudged = payments.with_columns(amount=pl.col("amount") * (1 + 2.3e-16))
    check = history_reproduced(payments, at=AT, names=["amount"], recompute=lambda *_: nudged)
    assert not check.passed


def test_rows_that_came_from_nowhere_are_noticed(payments: pl.DataFrame):
    check = history_reproduced(payments, at=AT, names=["amount"], recompute=lambda *_: payments.head(30))
    assert not check.passed
