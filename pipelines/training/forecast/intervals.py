"""Intervals around forecasts from how far earlier forecasts were off, and whether they cover what they claim.

Split conformal prediction: Vovk, Gammerman, Shafer, "Algorithmic Learning in a Random World" (2005); the residuals are
those of the months before the test, in units of each series' change from year to year.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from ledgerline.decisions.forecast.lag_features import Floats
from ledgerline.decisions.forecast.model import seasonal_change

_STEPS = 1_000_000


def half_widths(
    residuals: Floats, histories: Sequence[Floats], levels: Sequence[float]
) -> dict[str, tuple[float, ...]]:
    """Return, for each level, how far the interval reaches a month ahead, in units of a series' yearly change.

    Args:
        residuals: Shape (series, horizon).
        histories: What was known when they were made, a series each.
        levels: Coverages, in (0, 1).
    """
    scaled = np.abs(residuals) / np.array([seasonal_change(each) for each in histories])[:, None]
    count = len(scaled)
    widths = {}
    for level in levels:
        # The finite-sample correction: with n residuals the ceil((n + 1) * level)-th smallest covers.
        rank = min(count, int(np.ceil((count + 1) * level))) - 1
        widest = np.sort(scaled, axis=0)[rank]
        # A month further ahead is never surer than the one before.
        monotone = np.maximum.accumulate(widest)
        widths[f"{level:g}"] = tuple(float(np.ceil(value * _STEPS) / _STEPS) for value in monotone)
    return widths


def coverage(
    widths: Mapping[str, Sequence[float]],
    histories: Sequence[Floats],
    actuals: Sequence[Floats],
    forecasts: Sequence[Floats],
) -> dict[str, float]:
    """Return, for each level, the share of months whose value lay within the interval."""
    error = np.abs(np.array(actuals) - np.array(forecasts)) / np.array([seasonal_change(h) for h in histories])[:, None]
    return {name: float((error <= np.asarray(width)).mean()) for name, width in widths.items()}
