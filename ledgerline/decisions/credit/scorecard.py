"""From a probability of default to points, as scorecards scale it.

Source: Siddiqi, "Credit Risk Scorecards" (2006), chapter 6: points = offset + factor x ln(odds of good to bad).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Scorecard:
    """A scale: 600 points at 30 good to 1 bad and 20 points to double the odds give factor 28.8539, offset 501.86.

    Attributes:
        base_score: Points at ``base_odds``.
        base_odds: Good to bad.
        points_to_double_odds: How many more points double the odds.
        lowest, highest: What scores are clipped to.
    """

    base_score: float
    base_odds: float
    points_to_double_odds: float
    lowest: int
    highest: int

    @property
    def factor(self) -> float:
        """Points for each unit of log-odds."""
        return self.points_to_double_odds / math.log(2)

    @property
    def offset(self) -> float:
        """Points at even odds."""
        return self.base_score - self.factor * math.log(self.base_odds)

    def score(self, probability: float) -> int:
        """Return the points of a probability of default, rounded half up and clipped."""
        if probability <= 0:
            return self.highest
        if probability >= 1:
            return self.lowest
        points = self.offset + self.factor * (math.log1p(-probability) - math.log(probability))
        return min(max(math.floor(points + 0.5), self.lowest), self.highest)

    def probability_at(self, score: float) -> float:
        """Return the probability of default that a score stands for."""
        return 1 / (1 + math.exp((score - self.offset) / self.factor))

    def values(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "base_score": self.base_score,
            "base_odds": self.base_odds,
            "points_to_double_odds": self.points_to_double_odds,
            "lowest": self.lowest,
            "highest": self.highest,
        }

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> "Scorecard":
        """Read it back.

        Raises:
            ValueError: A scale that is none.
        """
        read = cls(
            base_score=float(values["base_score"]),
            base_odds=float(values["base_odds"]),
            points_to_double_odds=float(values["points_to_double_odds"]),
            lowest=int(values["lowest"]),
            highest=int(values["highest"]),
        )
        if read.base_odds <= 0 or read.points_to_double_odds <= 0 or read.lowest >= read.highest:
            raise ValueError("a scale needs odds and points above zero, and a lowest score below the highest")
        return read
