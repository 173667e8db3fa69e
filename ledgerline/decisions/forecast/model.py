"""Forecast a series with a bundle's model: a weighted mean of its members, and intervals around it."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ledgerline.core.errors import LedgerlineError
from ledgerline.core.identity import canonical_json
from ledgerline.decisions.bundle import Bundle, BundleRefused, RefusalReason
from ledgerline.decisions.forecast.lag_features import SEASON, Floats, level
from ledgerline.decisions.forecast.members import MemberKind, TreeMember, theta

FAMILY = "forecast"
MODEL_FORMAT = "ledgerline-forecast/1"


class SeriesRefused(LedgerlineError):
    """A series cannot be forecast: it is empty, or holds what is no finite number."""


@dataclass(frozen=True, slots=True)
class MemberSpec:
    """One way of forecasting within a model.

    Attributes:
        kind: Which.
        weight: Its part in the mean, above 0.
        text: The global model as LightGBM's text; None for a way that is fit to each series alone.
    """

    kind: MemberKind
    weight: float
    text: str | None = None


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """What the model file says.

    Attributes:
        horizon: Months ahead, at most.
        members: Their weights add up to 1.
        half_widths: For each level of coverage (as text, e.g. ``"0.8"``) how far the interval reaches to either side, a
            value a month ahead, in units of the series' :func:`seasonal_change`.
    """

    horizon: int
    members: tuple[MemberSpec, ...]
    half_widths: Mapping[str, tuple[float, ...]]

    def to_bytes(self) -> bytes:
        """Encode as the bundle's ``model.json``."""
        members = [
            {"kind": member.kind.value, "weight": member.weight}
            | ({} if member.text is None else {"model": member.text})
            for member in self.members
        ]
        widths = {name: list(values) for name, values in self.half_widths.items()}
        return canonical_json(
            {"format": MODEL_FORMAT, "season": SEASON, "horizon": self.horizon, "members": members, "intervals": widths}
        )

    @classmethod
    def from_bytes(cls, content: bytes) -> "ModelSpec":
        """Decode a model file.

        Raises:
            ValueError: It is no such file, or says what cannot be.
        """
        try:
            body = json.loads(content)
            if (body["format"], body["season"]) != (MODEL_FORMAT, SEASON):
                raise ValueError(f"format {body['format']!r} with season {body['season']!r} is not read by this code")
            spec = cls(
                horizon=int(body["horizon"]),
                members=tuple(
                    MemberSpec(MemberKind(member["kind"]), float(member["weight"]), member.get("model"))
                    for member in body["members"]
                ),
                half_widths={name: tuple(map(float, values)) for name, values in body["intervals"].items()},
            )
        except (KeyError, TypeError, AttributeError) as malformed:
            raise ValueError(f"this is no forecasting model: {malformed!r}") from malformed
        spec._check()
        return spec

    def _check(self) -> None:
        if self.horizon < 1 or not self.members:
            raise ValueError("a forecasting model has a horizon and members")
        if not math.isclose(math.fsum(member.weight for member in self.members), 1.0, abs_tol=1e-9):
            raise ValueError("the members' weights do not add up to 1")
        if any((member.kind is MemberKind.TREES) is (member.text is None) for member in self.members):
            raise ValueError("the global member, and no other, carries a model")
        for name, widths in self.half_widths.items():
            if not 0 < float(name) < 1 or len(widths) != self.horizon or min(widths) < 0:
                raise ValueError(f"the interval of coverage {name} does not fit {self.horizon} months")


@dataclass(frozen=True, slots=True)
class Forecast:
    """What is expected of one series.

    Attributes:
        point: Shape (horizon,): the expected values, one a month ahead.
        bounds: For each level of coverage the lower and the upper bound, shape (horizon,) each.
    """

    point: Floats
    bounds: Mapping[str, tuple[Floats, Floats]]


class ForecastModel:
    """A bundle's forecasting model. Immutable, and safe to share between threads.

    Args:
        spec: What its file says.
        digest: The bundle's digest: which model answers.

    Raises:
        ValueError: A member cannot be read.
    """

    def __init__(self, spec: ModelSpec, *, digest: str = "") -> None:
        self.digest = digest
        self.horizon = spec.horizon
        self.levels = tuple(spec.half_widths)
        self._spec = spec
        self._trees = {
            position: TreeMember(member.text) for position, member in enumerate(spec.members) if member.text is not None
        }

    @classmethod
    def load(cls, bundle: Bundle) -> "ForecastModel":
        """Make a model of a loaded bundle.

        Raises:
            BundleRefused: Another family's bundle, or a model that cannot be read.
        """
        if bundle.fields.family != FAMILY:
            raise BundleRefused(
                RefusalReason.FAMILY_DIFFERS, f"bundle {bundle.digest} is a {bundle.fields.family} model, not {FAMILY}"
            )
        try:
            return cls(ModelSpec.from_bytes(bundle.model_bytes), digest=bundle.digest)
        except ValueError as unreadable:
            raise BundleRefused(
                RefusalReason.CONTENT_UNREADABLE, f"the model of bundle {bundle.digest} cannot be read: {unreadable}"
            ) from unreadable

    def forecast(self, series: Floats) -> Forecast:
        """Forecast a series to the model's horizon.

        Args:
            series: Monthly values without gaps, oldest first, Float64 (n,). A short one is forecast by its last year
                or its last value.

        Raises:
            SeriesRefused: It is empty, or holds what is no finite number.
        """
        if series.ndim != 1 or series.size == 0 or not np.isfinite(series).all():
            raise SeriesRefused("a series is forecast from at least one value, all of them finite numbers")
        parts = [
            member.weight
            * (
                self._trees[position].forecast(series, self.horizon)
                if position in self._trees
                else theta(series, self.horizon)
            )
            for position, member in enumerate(self._spec.members)
        ]
        point: Floats = np.sum(parts, axis=0)
        unit = seasonal_change(series)
        reach = {name: np.asarray(widths) * unit for name, widths in self._spec.half_widths.items()}
        return Forecast(point, {name: (point - width, point + width) for name, width in reach.items()})


def seasonal_change(series: Floats) -> float:
    """Return the mean absolute change from year to year: the unit of forecast errors (the scale of MASE).

    A series without a whole year, or one that never changed, is measured by a hundredth of its level.
    """
    change = float(np.mean(np.abs(series[SEASON:] - series[:-SEASON]))) if series.size > SEASON else 0.0
    return change if change > 0 else level(series) / 100


def describe(spec: ModelSpec) -> dict[str, Any]:
    """Return the members and their weights, for reports."""
    return {member.kind.value: member.weight for member in spec.members}
