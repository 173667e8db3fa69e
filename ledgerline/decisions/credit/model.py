"""Score an application: from its features to a probability of default, points, and what moved them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ledgerline.decisions.bundle import INPUTS_FILE, REASON_CODES_FILE, Bundle, BundleRefused, RefusalReason
from ledgerline.decisions.bundle.booster import BoosterModel
from ledgerline.decisions.credit.encoding import ApplicationRefused
from ledgerline.decisions.credit.inputs import CreditInputs
from ledgerline.decisions.credit.reasons import Factor, ReasonCode, decode_reason_codes

FAMILY = "credit"

Vector = Mapping[str, float | None]


@dataclass(frozen=True, slots=True)
class CreditScore:
    """The answer about one application.

    Attributes:
        probability: Of default, calibrated, in (0, 1).
        score: Points of the scorecard; more is better.
    """

    probability: float
    score: int


class CreditModel:
    """A bundle's credit model. Immutable, and safe to share between threads.

    Attributes:
        digest: The bundle's digest: which model answered.
        view_fingerprint: The definition of the features that it was trained on.
        features: Names of the trees' columns, in the model's order.
        takes: What it takes: portfolio, attributes, encoding, calibration, scorecard.
    """

    def __init__(
        self,
        *,
        digest: str,
        view_fingerprint: str,
        booster: BoosterModel,
        takes: CreditInputs,
        reason_codes: Mapping[str, ReasonCode],
    ) -> None:
        self.digest = digest
        self.view_fingerprint = view_fingerprint
        self.features = booster.features
        self.takes = takes
        self._booster = booster
        self._reason_codes = reason_codes

    @classmethod
    def load(cls, bundle: Bundle) -> "CreditModel":
        """Make a model of a loaded bundle.

        Raises:
            BundleRefused: Another family's bundle, a model that cannot be read, or columns that do not follow from its
                inputs.
        """
        fields = bundle.fields
        if fields.family != FAMILY:
            raise BundleRefused(
                RefusalReason.FAMILY_DIFFERS, f"bundle {bundle.digest} is a {fields.family} model, not {FAMILY}"
            )
        takes = CreditInputs.from_bytes(bundle.files[INPUTS_FILE])
        if takes.encoding.columns != fields.features:
            raise BundleRefused(
                RefusalReason.FEATURES_DIFFER,
                f"inputs.json of bundle {bundle.digest} gives other columns than its manifest says",
            )
        return cls(
            digest=bundle.digest,
            view_fingerprint=fields.feature_fingerprint,
            booster=BoosterModel(bundle),
            takes=takes,
            reason_codes=decode_reason_codes(bundle.files[REASON_CODES_FILE], takes.encoding.inputs),
        )

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the view's features that an application is scored by."""
        return self.takes.encoding.inputs

    @property
    def portfolio(self) -> str:
        """Whose applications the model knows."""
        return self.takes.portfolio

    def vector(self, row: Mapping[str, Any]) -> dict[str, float | None]:
        """Return the trees' columns of one application.

        Args:
            row: At least :attr:`inputs`: numbers and texts, None where not known.

        Raises:
            ApplicationRefused: A feature is absent or not of its kind.
        """
        return self.takes.encoding.vector(row)

    def score(self, row: Mapping[str, Any]) -> CreditScore:
        """Score one application by its features.

        Raises:
            ApplicationRefused: A feature is absent or not of its kind.
        """
        return self.score_vector(self.vector(row))

    def score_vector(self, vector: Vector) -> CreditScore:
        """Score one application by its columns.

        Raises:
            ApplicationRefused: A column is missing or unknown.
        """
        raw = self._booster.predict(self.takes.encoding.row(vector))
        return self._score(float(raw[0]))

    def probabilities(self, frame: pl.DataFrame) -> NDArray[np.float64]:
        """Return the calibrated probability of default of many applications, shape (n,), equal to :meth:`score`.

        Args:
            frame: One row an application, holding at least :attr:`inputs`.

        Raises:
            ApplicationRefused: A feature is absent.
        """
        raw = self._booster.predict(self.takes.encoding.matrix(frame)) if frame.height else np.empty(0)
        # One by one by the C library's functions: numpy's vectors may round the last bit differently.
        return np.array([self.takes.calibration.probability(value) for value in raw.tolist()], dtype=np.float64)

    def score_frame(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Return ``probability`` (Float64) and ``score`` (Int64) of many applications, equal to :meth:`score`."""
        found = self.probabilities(frame)
        points = [self.takes.scorecard.score(value) for value in found.tolist()]
        return pl.DataFrame({"probability": found, "score": pl.Series(points, dtype=pl.Int64)})

    def factors(self, vector: Vector) -> tuple[Factor, ...]:
        """Return what each input added to the log-odds of default, the most adverse first.

        The trees' own exact contributions, the columns of one input together, stretched as the calibration stretches
        the log-odds they are part of.

        Raises:
            ApplicationRefused: A column is missing or unknown.
        """
        encoding = self.takes.encoding
        pushes = self._booster.contributions(encoding.row(vector))[0, :-1]
        return self._factors(pushes.tolist(), {name: encoding.value_of(vector, name) for name in encoding.inputs})

    def factors_frame(self, frame: pl.DataFrame) -> Iterator[tuple[Factor, ...]]:
        """Yield :meth:`factors` of many applications, row by row.

        Args:
            frame: One row an application, holding at least :attr:`inputs`.

        Raises:
            ApplicationRefused: A feature is absent.
        """
        if frame.height == 0:
            return
        encoding = self.takes.encoding
        pushes = self._booster.contributions(encoding.matrix(frame))[:, :-1]
        for place, row in enumerate(frame.select(encoding.inputs).iter_rows(named=True)):
            yield self._factors(pushes[place].tolist(), {name: encoding.known(name, row[name]) for name in row})

    def _factors(self, pushes: Sequence[float], values: Mapping[str, float | str | None]) -> tuple[Factor, ...]:
        encoding = self.takes.encoding
        sums = dict.fromkeys(encoding.inputs, 0.0)
        for name, push in zip(encoding.owners, pushes, strict=True):
            sums[name] += push * self.takes.calibration.slope
        ordered = sorted(sums, key=lambda name: -sums[name])
        codes = self._reason_codes
        return tuple(Factor(codes[name].code, codes[name].text, name, values[name], sums[name]) for name in ordered)

    def _score(self, raw: float) -> CreditScore:
        probability = self.takes.calibration.probability(raw)
        return CreditScore(probability, self.takes.scorecard.score(probability))


__all__ = ["FAMILY", "ApplicationRefused", "CreditModel", "CreditScore", "Vector"]
