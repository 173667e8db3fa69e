"""Score a payment: from its features to a probability, a verdict and the reasons for it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ledgerline.core.errors import LedgerlineError
from ledgerline.decisions.bundle import REASON_CODES_FILE, Bundle, BundleRefused, RefusalReason
from ledgerline.decisions.bundle.booster import BoosterModel
from ledgerline.decisions.fraud.reasons import Reason, ReasonCode, decode_reason_codes

FAMILY = "fraud"


class FeatureVectorRefused(LedgerlineError):
    """A feature vector is not the one that the model takes."""


@dataclass(frozen=True, slots=True)
class FraudScore:
    """The answer about one payment.

    Attributes:
        probability: That it is fraudulent, in [0, 1].
        is_alert: Whether the probability reaches the threshold.
        threshold: The bundle's threshold, chosen on validation weeks from an alert budget.
    """

    probability: float
    is_alert: bool
    threshold: float


class FraudModel:
    """A bundle's fraud model, ready to score. Immutable, and safe to share between threads.

    Attributes:
        digest: The bundle's digest: which model answered.
        features: Names of the inputs, in the model's order.
        threshold: Probability from which the verdict is an alert.
    """

    def __init__(
        self, *, digest: str, threshold: float, booster: BoosterModel, reason_codes: Mapping[str, ReasonCode]
    ) -> None:
        self.digest = digest
        self.features = booster.features
        self.threshold = threshold
        self._booster = booster
        self._reason_codes = reason_codes
        self._expected = frozenset(self.features)

    @classmethod
    def load(cls, bundle: Bundle) -> "FraudModel":
        """Make a model of a loaded bundle.

        Raises:
            BundleRefused: Another family's bundle, or a model that cannot be read.
        """
        fields = bundle.fields
        if fields.family != FAMILY:
            raise BundleRefused(
                RefusalReason.FAMILY_DIFFERS, f"bundle {bundle.digest} is a {fields.family} model, not {FAMILY}"
            )
        if fields.threshold is None:
            raise BundleRefused(
                RefusalReason.MANIFEST_MALFORMED, f"the manifest of bundle {bundle.digest} does not say when to alert"
            )
        return cls(
            digest=bundle.digest,
            threshold=fields.threshold,
            booster=BoosterModel(bundle),
            reason_codes=decode_reason_codes(bundle.files[REASON_CODES_FILE], fields.features),
        )

    def score(self, vector: Mapping[str, float]) -> FraudScore:
        """Score one payment.

        Args:
            vector: Exactly the model's features by name, finite numbers in the view's units.

        Raises:
            FeatureVectorRefused: A feature is missing, unknown, or not a finite number.
        """
        probability = float(self._booster.predict(self._row(vector))[0])
        return FraudScore(probability, probability >= self.threshold, self.threshold)

    def score_frame(self, frame: pl.DataFrame) -> NDArray[np.float64]:
        """Score many payments: the probabilities, shape (n,), that :meth:`score` gives row by row.

        Args:
            frame: One row a payment, holding at least the model's features; other columns are ignored.

        Raises:
            FeatureVectorRefused: A feature is missing, or a value is not a finite number.
        """
        if missing := self._expected - set(frame.columns):
            raise FeatureVectorRefused(f"the frame lacks the features {', '.join(sorted(missing))}")
        rows = np.ascontiguousarray(frame.select(pl.col(self.features).cast(pl.Float64)).to_numpy())
        if not np.isfinite(rows).all():
            wrong = [name for name, column in zip(self.features, rows.T, strict=True) if not np.isfinite(column).all()]
            raise FeatureVectorRefused(f"features hold values that are no finite numbers: {', '.join(wrong)}")
        return self._booster.predict(rows).astype(np.float64) if len(rows) else np.empty(0)

    def reasons(self, vector: Mapping[str, float], *, limit: int = 4) -> tuple[Reason, ...]:
        """Return what pushed one payment's score towards fraud, strongest first, at most ``limit`` of them.

        Raises:
            FeatureVectorRefused: As :meth:`score`.
        """
        row = self._row(vector)
        pushes = self._booster.contributions(row)[0, :-1]
        strongest = [index for index in np.argsort(-pushes, kind="stable")[:limit] if pushes[index] > 0]
        return tuple(self._reason(index, float(row[0, index]), float(pushes[index])) for index in strongest)

    def _reason(self, index: int, value: float, contribution: float) -> Reason:
        feature = self.features[index]
        code = self._reason_codes[feature]
        return Reason(code.code, code.text, feature, value, contribution)

    def _row(self, vector: Mapping[str, float]) -> NDArray[np.float64]:
        if vector.keys() != self._expected:
            missing, unknown = sorted(self._expected - vector.keys()), sorted(vector.keys() - self._expected)
            raise FeatureVectorRefused(f"the vector lacks {missing} and has the unknown {unknown}")
        values = [float(vector[name]) for name in self.features]
        if not all(map(math.isfinite, values)):
            wrong = [name for name, value in zip(self.features, values, strict=True) if not math.isfinite(value)]
            raise FeatureVectorRefused(f"no finite number: {', '.join(wrong)}")
        return np.array([values])
