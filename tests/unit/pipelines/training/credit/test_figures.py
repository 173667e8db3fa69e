"""Figures worked out on paper."""

from typing import Any

import numpy as np
import polars as pl
import pytest

from pipelines.training.credit.fairness import compare_groups
from pipelines.training.credit.fit import calibrate
from pipelines.training.credit.metrics import calibration_error, fold_metrics, kolmogorov_smirnov, reliability
from pipelines.training.credit.parameters import CreditParameters, FairnessParameters
from pipelines.training.errors import TrainingRefused

NO, YES = False, True


def test_metrics_of_four_applications() -> None:
    found = fold_metrics(np.array([NO, NO, YES, YES]), np.array([0.1, 0.4, 0.35, 0.8]))
    # Of the four pairs of a bad and a good one is the wrong way; KS is widest past 0.1; Brier is the mean of squares.
    assert found == pytest.approx({"auc": 0.75, "ks": 0.5, "brier": (0.01 + 0.16 + 0.4225 + 0.04) / 4})


def test_one_probability_for_everyone_separates_nobody() -> None:
    assert kolmogorov_smirnov(np.array([NO, YES, NO, YES]), np.full(4, 0.3)) == 0


def test_reliability_counts_everyone_and_the_error_is_the_distance() -> None:
    scores = np.repeat([0.2, 0.6], 10)
    defaulted = np.array([YES] * 3 + [NO] * 7 + [YES] * 6 + [NO] * 4)
    bins = reliability(defaulted, scores, bins=2)
    assert sum(each.count for each in bins) == 20
    assert calibration_error(bins) == pytest.approx(0.05)


@pytest.mark.parametrize("slope", [0.5, 2.0])
def test_calibration_finds_the_curve_that_outcomes_were_drawn_by(slope: float) -> None:
    generator = np.random.default_rng(4)
    odds = generator.normal(-1, 1.2, 40_000)
    defaulted = generator.random(odds.size) < 1 / (1 + np.exp(-(0.4 + slope * odds)))
    found = calibrate(1 / (1 + np.exp(-odds)), defaulted)
    assert (found.slope, found.intercept) == pytest.approx((slope, 0.4), abs=0.06)


def test_scores_that_rank_the_wrong_way_are_levelled_and_not_turned_round() -> None:
    raw = np.linspace(0.05, 0.95, 2_000)
    found = calibrate(raw, raw < 0.3)
    assert found.slope == 1.0
    mean = np.mean([found.probability(value) for value in raw])
    assert mean == pytest.approx((raw < 0.3).mean(), abs=0.01)


def _tested(**columns: Any) -> pl.DataFrame:
    height = len(next(iter(columns.values())))
    return pl.DataFrame({f"protected.{name}": values for name, values in columns.items()}).with_columns(
        defaulted=pl.Series([NO] * height)
    )


def test_an_adverse_impact_ratio_is_a_groups_approval_rate_over_the_largest_groups() -> None:
    tested = _tested(GROUP=["A"] * 200 + ["B"] * 100 + ["C"] * 5 + [None] * 10)
    approved = np.array([YES] * 160 + [NO] * 40 + [YES] * 60 + [NO] * 40 + [YES] * 15)
    figures, left_out = compare_groups(tested, approved, FairnessParameters(age_bands=(62,), least_group=100))
    (found,) = figures
    assert (found.group, found.reference, found.n) == ("B", "A", 100)
    assert found.air == pytest.approx(0.6 / 0.8)
    assert found.air_ci is not None
    assert found.air_ci[0] < 0.75 < found.air_ci[1]
    assert left_out == ["GROUP C: 5 applications"]


def test_ages_are_compared_by_bands_each_from_its_first_year() -> None:
    ages = [24, 25, 61, 62, *range(30, 50)]
    figures, _ = compare_groups(
        _tested(age=ages), np.ones(len(ages), dtype=bool), FairnessParameters(age_bands=(25, 62), least_group=1)
    )
    assert {each.group: each.n for each in figures} == {"under 25": 1, "62 and over": 1}
    assert {each.reference for each in figures} == {"25 to 61"}


def test_a_wrong_parameter_is_refused_by_name(raw_parameters: dict[str, Any]) -> None:
    with pytest.raises(TrainingRefused, match=r"key credit: model\.learning_rate"):
        CreditParameters.checked(raw_parameters | {"model": raw_parameters["model"] | {"learning_rate": 0}})
    with pytest.raises(TrainingRefused, match="key credit: surprise"):
        CreditParameters.checked(raw_parameters | {"surprise": 1})
