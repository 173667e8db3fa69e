"""How trading went: returns, risk and hits, from marks of the equity and from what sales brought."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ledgerline.decisions.trading.signals import SESSIONS_A_YEAR


@dataclass(frozen=True, slots=True)
class Performance:
    """The figures of a run of sessions.

    Attributes:
        total_return: Last equity over first, less one; None before there is a first.
        sharpe: Mean over standard deviation of the sessions' returns, annualised, without a riskless rate; None for
            fewer than two returns or where they do not vary.
        max_drawdown: Largest fall below the highest equity before, as a share.
        win_rate: Share of closing trades that brought a gain; None before the first.
        trades: How many closing trades.
    """

    total_return: float | None
    sharpe: float | None
    max_drawdown: float | None
    win_rate: float | None
    trades: int


def performance(equity: Sequence[float], gains: Sequence[float]) -> Performance:
    """Return the figures.

    Args:
        equity: One mark a session, oldest first, above zero.
        gains: What every closing trade brought against its cost.
    """
    marks = np.asarray(equity, dtype=np.float64)
    if not len(marks):
        return Performance(None, None, None, _win_rate(gains), len(gains))
    return Performance(
        total_return=float(marks[-1] / marks[0] - 1),
        sharpe=sharpe(marks[1:] / marks[:-1] - 1),
        max_drawdown=float(np.max(1 - marks / np.maximum.accumulate(marks))),
        win_rate=_win_rate(gains),
        trades=len(gains),
    )


def sharpe(returns: Sequence[float] | np.ndarray) -> float | None:
    """Return the annualised Sharpe ratio of daily returns; None where it says nothing.

    Source: Sharpe, "The Sharpe Ratio", Journal of Portfolio Management (1994), without a riskless rate.
    """
    values = np.asarray(returns, dtype=np.float64)
    if len(values) < 2 or not (spread := float(np.std(values, ddof=1))) > 0:
        return None
    return float(np.mean(values)) / spread * math.sqrt(SESSIONS_A_YEAR)


def _win_rate(gains: Sequence[float]) -> float | None:
    return sum(gain > 0 for gain in gains) / len(gains) if gains else None
