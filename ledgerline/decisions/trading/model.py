"""From a session's features to the probability that the price rises."""

import math
from collections.abc import Mapping

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ledgerline.core.errors import LedgerlineError
from ledgerline.decisions.bundle import Bundle, BundleRefused, RefusalReason
from ledgerline.decisions.bundle.booster import BoosterModel

FAMILY = "price"
INDICATORS = frozenset({"rsi_14", "macd", "macd_signal", "volatility_20d"})  # what the other vote and the size need


class PriceVectorRefused(LedgerlineError):
    """A feature vector is not the one that the model takes."""


class PriceModel:
    """A bundle's price model. Immutable, and safe to share between threads.

    A feature that is not known yet (no macro series, too short a history) is a missing value to the trees, as it was in
    training; it is None in a vector and null in a frame.

    Attributes:
        digest: The bundle's digest: which model answered.
        features: Names of the inputs, in the model's order.
    """

    def __init__(self, *, digest: str, booster: BoosterModel) -> None:
        self.digest = digest
        self.features = booster.features
        self._booster = booster
        self._expected = frozenset(self.features)

    @classmethod
    def load(cls, bundle: Bundle) -> "PriceModel":
        """Make a model of a loaded bundle.

        Raises:
            BundleRefused: Another family's bundle, or a model that cannot be read.
        """
        if bundle.fields.family != FAMILY:
            raise BundleRefused(
                RefusalReason.FAMILY_DIFFERS,
                f"bundle {bundle.digest} is a {bundle.fields.family} model, not {FAMILY}",
            )
        if missing := sorted(INDICATORS - set(bundle.fields.features)):
            raise BundleRefused(
                RefusalReason.FEATURES_DIFFER, f"bundle {bundle.digest} lacks the indicators {', '.join(missing)}"
            )
        return cls(digest=bundle.digest, booster=BoosterModel(bundle))

    def score(self, vector: Mapping[str, float | None]) -> float:
        """Return the probability that the price rises from the next close to the one after.

        Args:
            vector: Exactly the model's features by name; None where unknown.

        Raises:
            PriceVectorRefused: A feature is missing or unknown, or infinite.
        """
        if vector.keys() != self._expected:
            missing, unknown = sorted(self._expected - vector.keys()), sorted(vector.keys() - self._expected)
            raise PriceVectorRefused(f"the vector lacks {missing} and has the unknown {unknown}")
        values = [vector[name] for name in self.features]
        row = np.array([[math.nan if value is None else float(value) for value in values]])
        return float(self._predict(row)[0])

    def probabilities(self, frame: pl.DataFrame) -> NDArray[np.float64]:
        """Return what :meth:`score` gives for every row of a frame, shape (n,).

        Raises:
            PriceVectorRefused: A feature is missing, or infinite.
        """
        if missing := self._expected - set(frame.columns):
            raise PriceVectorRefused(f"the frame lacks the features {', '.join(sorted(missing))}")
        rows = frame.select(pl.col(self.features).cast(pl.Float64)).fill_null(math.nan).to_numpy()
        return self._predict(np.ascontiguousarray(rows)) if len(rows) else np.empty(0)

    def _predict(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        if np.isinf(rows).any():
            raise PriceVectorRefused("a feature is infinite")
        return self._booster.predict(rows).astype(np.float64)
