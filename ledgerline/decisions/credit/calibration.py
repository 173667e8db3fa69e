"""From what the trees say to a probability that means what it says.

Source: Platt, "Probabilistic outputs for support vector machines" (1999): a logistic curve over the model's log-odds,
fit on applications that the trees were not fit on. It keeps the order of all scores.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_LEAST = 1e-7
"""What trees give as a float32 probability is kept this far from 0 and 1, where log-odds end."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """A logistic curve over log-odds.

    Attributes:
        slope: Above zero: it must not turn the order round. 1 changes nothing.
        intercept: Added to the log-odds.
    """

    slope: float
    intercept: float

    def probability(self, raw: float) -> float:
        """Return the calibrated probability of default for the trees' own."""
        return sigmoid(self.intercept + self.slope * log_odds(raw))

    def values(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {"method": "platt", "slope": self.slope, "intercept": self.intercept}

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> "Calibration":
        """Read it back.

        Raises:
            ValueError: Another method, or a curve that falls.
        """
        slope, intercept = float(values["slope"]), float(values["intercept"])
        if values["method"] != "platt" or not slope > 0 or not math.isfinite(slope + intercept):
            raise ValueError("a calibration is a logistic curve that rises")
        return cls(slope, intercept)


def log_odds(probability: float) -> float:
    """Return the logarithm of the odds, for probabilities 0 and 1 too."""
    kept = min(max(probability, _LEAST), 1 - _LEAST)
    return math.log(kept) - math.log1p(-kept)


def sigmoid(value: float) -> float:
    """Return the probability of log-odds, without overflowing."""
    if value >= 0:
        return 1 / (1 + math.exp(-value))
    raised = math.exp(value)
    return raised / (1 + raised)
