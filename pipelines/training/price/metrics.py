"""Is there a signal: the information coefficient, day by day, and how sure it is.

Source: Grinold and Kahn, "Active Portfolio Management" (2000), chapter 6: the correlation of forecasts with what came.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pipelines.training.price.fit import Scores
from pipelines.training.price.samples import Sample

_FEWEST_SHARES = 5


class Metric(StrEnum):
    """What is measured on test sessions; higher is better for each."""

    IC = "ic"
    RANK_IC = "rank_ic"
    AUC = "auc"
    NET_RETURN = "net_return"


@dataclass(frozen=True, slots=True)
class DailyCoefficients:
    """Information coefficients of some sessions.

    Attributes:
        session: Numbers, ascending; sessions with fewer than five shares are left out.
        ic: Pearson correlation across shares of score and return.
        rank_ic: Spearman correlation. Both are 0 where a model gives every share the same score.
    """

    session: NDArray[np.int64]
    ic: NDArray[np.float64]
    rank_ic: NDArray[np.float64]


def daily_coefficients(sample: Sample, scores: Scores) -> DailyCoefficients:
    """Return the information coefficient of every session."""
    frame = pl.DataFrame({"session": sample.session, "score": scores, "realised": sample.forward_return})
    by_session = (
        frame.group_by("session")
        .agg(
            pl.len().alias("shares"),
            pl.corr("score", "realised").alias("ic"),
            pl.corr(pl.col("score").rank(), pl.col("realised").rank()).alias("rank_ic"),
        )
        .filter(pl.col("shares") >= _FEWEST_SHARES)
        .sort("session")
        .with_columns(pl.col("ic", "rank_ic").fill_nan(0.0).fill_null(0.0))
    )
    return DailyCoefficients(
        by_session["session"].to_numpy(), by_session["ic"].to_numpy(), by_session["rank_ic"].to_numpy()
    )


def t_statistic(values: Sequence[float] | NDArray[np.float64]) -> float:
    """Return how many standard errors a mean lies above zero; 0 where that says nothing."""
    found = np.asarray(values, dtype=np.float64)
    if len(found) < 2 or not (spread := float(np.std(found, ddof=1))) > 0:
        return 0.0
    return float(np.mean(found)) / spread * math.sqrt(len(found))


def auc(sample: Sample, scores: Scores) -> float:
    """Return the area under the ROC curve of rises, or 0.5 where all prices went one way."""
    from sklearn.metrics import roc_auc_score

    rises = sample.rises
    return float(roc_auc_score(rises, scores)) if 0 < int(rises.sum()) < len(rises) else 0.5
