import math
import random

import polars as pl
import pytest

from pipelines.monitoring.drift import spaced
from pipelines.monitoring.stability import stability_index


def normal(mean: float, count: int = 5_000, seed: int = 1) -> pl.Series:
    drawn = random.Random(seed)  # noqa: S311
    return pl.Series([drawn.gauss(mean, 1) for _ in range(count)])


def test_the_same_column_has_not_drifted_at_all():
    assert stability_index(normal(0), normal(0)) == 0


def test_another_sample_of_the_same_population_stays_far_below_the_rule_of_thumb():
    assert 0 < stability_index(normal(0, seed=1), normal(0, seed=2)) < 0.02


def test_a_shift_by_one_standard_deviation_is_near_what_the_formula_gives_for_deciles():
    # The symmetrised divergence of two unit normals one apart is 1; cutting into ten bins loses some of it.
    assert 0.8 < stability_index(normal(0, 50_000, 1), normal(1, 50_000, 2)) < 1.0


def test_shares_are_weighed_as_the_formula_says():
    then, now = pl.Series(["a"] * 50 + ["b"] * 50), pl.Series(["a"] * 80 + ["b"] * 20)
    expected = (0.8 - 0.5) * math.log(0.8 / 0.5) + (0.2 - 0.5) * math.log(0.2 / 0.5)
    assert stability_index(then, now) == pytest.approx(expected, abs=1e-12)


def test_a_value_that_training_never_saw_counts_as_drift():
    then = pl.Series(["car"] * 100)
    assert stability_index(then, pl.Series(["car"] * 90 + ["boat"] * 10)) > 0.5


def test_missing_values_are_a_population_of_their_own():
    then = normal(0)
    half_missing = pl.concat([then.head(2_500), pl.Series([None] * 2_500, dtype=pl.Float64)])
    assert stability_index(then, half_missing) > 1
    assert stability_index(half_missing, half_missing) == 0


def test_a_column_that_is_missing_altogether_in_training_is_compared_all_the_same():
    then = pl.Series([None] * 100, dtype=pl.Float64)
    assert stability_index(then, then) == 0
    assert stability_index(then, pl.Series([1.0] * 100)) > 5


def test_a_constant_that_stays_constant_has_not_drifted():
    assert stability_index(pl.Series([3] * 100), pl.Series([3] * 40)) == 0


def test_an_index_of_nothing_is_refused():
    with pytest.raises(ValueError, match="rows on both sides"):
        stability_index(pl.Series([], dtype=pl.Float64), normal(0))


def test_rows_that_are_spaced_are_the_same_ones_every_time_and_span_the_frame():
    frame = pl.DataFrame({"row": range(10_001)})
    taken = spaced(frame, 101)
    assert taken["row"].to_list() == list(range(0, 10_001, 100))
    assert spaced(frame, 20_000).height == 10_001
