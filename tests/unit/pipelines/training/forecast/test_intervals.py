"""Conformal intervals cover what they claim where the future is like the past."""

import numpy as np
import pytest

from pipelines.training.forecast.intervals import coverage, half_widths

HISTORIES = [np.concatenate([np.full(12, 10.0), np.full(12, 12.0)])] * 400  # a yearly change of 2


@pytest.mark.parametrize("level", [0.5, 0.8, 0.95])
def test_coverage_of_new_errors_of_the_same_kind_is_the_level(level: float):
    generator = np.random.default_rng(1)
    past, new = generator.standard_t(3, (2, 400, 6))
    widths = half_widths(past, HISTORIES, [level])
    [share] = coverage(widths, HISTORIES, list(new), [np.zeros(6)] * 400).values()
    assert share == pytest.approx(level, abs=0.03)


def test_width_is_the_order_statistic_with_the_finite_sample_correction():
    residuals = 2.0 * np.arange(1, 10)[:, None]  # 1 to 9 in units of the yearly change
    widths = half_widths(residuals, HISTORIES[:9], [0.8, 0.95])
    assert widths == {"0.8": (8.0,), "0.95": (9.0,)}


def test_month_further_ahead_is_never_surer():
    residuals = np.column_stack([np.full(20, 4.0), np.full(20, 1.0), np.full(20, 8.0)])
    assert half_widths(residuals, HISTORIES[:20], [0.8])["0.8"] == (2.0, 2.0, 4.0)
