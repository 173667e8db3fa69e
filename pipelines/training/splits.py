"""Splits that follow time: weeks to train on, a delay until their labels are known, weeks to test on.

Source of the protocol: Le Borgne, Siblini, Lebichot, Bontempi, "Reproducible Machine Learning for Credit Card Fraud
Detection: Practical Handbook" (2022), chapter 5, prequential validation.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field


class FoldRole(StrEnum):
    """What a fold may be used for."""

    BASELINE = "baseline"  # the single published split, a regression test of the pipeline
    VALIDATION = "validation"  # choosing: parameters, the alert threshold
    TEST = "test"  # reporting, and nothing else


class FoldSeries(BaseModel):
    """Equal folds, each a step earlier than the next.

    Attributes:
        latest_train_start: First training day of the last fold, in days before ``as_of``.
        folds: How many.
        step_days: Days between the starts of two folds.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    latest_train_start: int = Field(gt=0)
    folds: int = Field(gt=0)
    step_days: int = Field(gt=0)


class SplitPlan(BaseModel):
    """Every split of a family, in days before the feature version's ``as_of``.

    Attributes:
        train_days, delay_days, test_days: Lengths of a fold's three parts.
        baseline_train_start: First training day of the baseline split, in days before ``as_of``.
        test: The folds that are reported.
        validation: The folds that choices are made on.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    train_days: int = Field(gt=0)
    delay_days: int = Field(ge=0)
    test_days: int = Field(gt=0)
    baseline_train_start: int = Field(gt=0)
    test: FoldSeries
    validation: FoldSeries


@dataclass(frozen=True, slots=True)
class Fold:
    """One split. All instants are midnights in UTC; ends are exclusive.

    Attributes:
        role: What it may be used for.
        number: 1 for the earliest of its role.
        train_start, train_end: The training rows' event time.
        test_start, test_end: The test rows' event time. What is not known at ``test_start`` may not train.
    """

    role: FoldRole
    number: int
    train_start: datetime
    train_end: datetime
    test_start: datetime
    test_end: datetime

    @property
    def name(self) -> str:
        """E.g. ``"test 3"``."""
        return f"{self.role} {self.number}"


def baseline_fold(plan: SplitPlan, as_of: datetime) -> Fold:
    """Return the baseline split."""
    return _fold(plan, as_of, FoldRole.BASELINE, 1, plan.baseline_train_start)


def fold_series(plan: SplitPlan, as_of: datetime, role: FoldRole) -> tuple[Fold, ...]:
    """Return the folds of ``role``, earliest first."""
    if role is FoldRole.BASELINE:
        return (baseline_fold(plan, as_of),)
    series = plan.test if role is FoldRole.TEST else plan.validation
    return tuple(
        _fold(plan, as_of, role, number, series.latest_train_start + (series.folds - number) * series.step_days)
        for number in range(1, series.folds + 1)
    )


def deployment_week(plan: SplitPlan, as_of: datetime) -> tuple[datetime, datetime]:
    """Return start and exclusive end of the newest training week whose labels are all known at ``as_of``."""
    end = midnight(as_of) - timedelta(days=plan.delay_days)
    return end - timedelta(days=plan.train_days), end


def _fold(plan: SplitPlan, as_of: datetime, role: FoldRole, number: int, days_before: int) -> Fold:
    train_start = midnight(as_of) - timedelta(days=days_before)
    train_end = train_start + timedelta(days=plan.train_days)
    test_start = train_end + timedelta(days=plan.delay_days)
    return Fold(role, number, train_start, train_end, test_start, test_start + timedelta(days=plan.test_days))


def midnight(instant: datetime) -> datetime:
    """Return the first instant of an aware instant's day in UTC."""
    return instant.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
