"""How sure a mean daily return is, when neighbouring days are not independent."""

import math

import numpy as np
from numpy.typing import NDArray

from pipelines.training.price.parameters import BootstrapParameters
from pipelines.training.statistics import Interval, percentile_interval


def block_bootstrap(
    daily: NDArray[np.float64], parameters: BootstrapParameters, *, scale: float
) -> tuple[Interval, NDArray[np.float64]]:
    """Return the interval of a mean by resampling whole blocks of days, and the resampled means.

    Blocks start anywhere and wrap around the end. Source: Politis and Romano, "A circular block-resampling procedure
    for stationary data" (1992).

    Args:
        daily: One figure a day, in order.
        parameters: Replicates, length of a block, seed.
        scale: What a mean is multiplied with, e.g. the sessions of a year.
    """
    days = len(daily)
    if days < 2:
        mean = float(daily.mean()) * scale if days else 0.0
        return Interval(mean, None, None, days), np.empty(0)
    generator = np.random.Generator(np.random.PCG64(parameters.seed))
    block = min(parameters.block_days, days)
    starts = generator.integers(0, days, size=(parameters.replicates, math.ceil(days / block)))
    places = (starts[:, :, None] + np.arange(block)).reshape(parameters.replicates, -1)[:, :days] % days
    means = daily[places].mean(axis=1) * scale
    return percentile_interval(float(daily.mean()) * scale, means), means
