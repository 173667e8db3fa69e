"""How far what a deployed model sees now lies from what it was trained on, feature by feature and in its scores."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
import polars as pl

from ledgerline.audit import Ledger, RecordedLeaf
from ledgerline.decisions.bundle import Bundle, load_bundle
from ledgerline.decisions.credit import portfolio_of
from ledgerline.decisions.deployment import Deployment
from pipelines.features import read_features, versions
from pipelines.monitoring.policy import DriftLimits
from pipelines.monitoring.scores import scores
from pipelines.monitoring.stability import stability_index
from pipelines.training.inputs import feature_manifest

_MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class Drift:
    """One deployed model's drift.

    Attributes:
        family: Whose model.
        bundle: Its digest.
        feature_version: Leaf id of the feature version that now's rows are from.
        rows: How many of them were compared.
        features: Population stability index by feature; empty where there were too few rows.
        score: That of the scores; None where there were too few rows, or the model has no score a row.
    """

    family: str
    bundle: str
    feature_version: str
    rows: int
    features: Mapping[str, float]
    score: float | None

    def exceeded(self, limits: DriftLimits) -> list[str]:
        """Return the sentences of the alert."""
        over = sorted((name for name, index in self.features.items() if index > limits.feature_psi), key=self._worst)
        sentences = []
        if over:
            named = ", ".join(f"{name} {self.features[name]:.3f}" for name in over[:_MOST_NAMED])
            more = f" and {len(over) - _MOST_NAMED} more" if len(over) > _MOST_NAMED else ""
            limit = f"{limits.feature_psi:g} is allowed"
            sentences.append(f"{self.family}: {len(over)} features have drifted ({limit}): {named}{more}")
        if self.score is not None and self.score > limits.score_psi:
            sentences.append(
                f"{self.family}: the scores have drifted, {self.score:.3f}; {limits.score_psi:g} is allowed"
            )
        return sentences

    def values(self) -> dict[str, Any]:
        """Return JSON values."""
        return {
            "bundle": self.bundle,
            "feature_version": self.feature_version,
            "rows": self.rows,
            "features": {name: round(index, 6) for name, index in self.features.items()},
            "score": None if self.score is None else round(self.score, 6),
        }

    def _worst(self, name: str) -> tuple[float, str]:
        return -self.features[name], name


def drift(ledger: Ledger, deployment: Deployment, limits: DriftLimits) -> Drift | None:
    """Return a deployed model's drift against its training set; None where its rows are no features of a row.

    Raises:
        BundleRefused: The bundle's bytes are not what was recorded.
    """
    bundle = load_bundle(ledger.objects, deployment.bundle)
    newest = versions(ledger, bundle.fields.feature_view)[-1]
    then = trained_rows(ledger, bundle)
    names = [name for name in bundle.fields.features if name in then.columns]
    if not names:
        return None
    now = _seen_now(ledger, newest, bundle, limits)
    if now.height < limits.least_rows or then.height < limits.least_rows:
        return Drift(deployment.family, bundle.digest, newest.id, now.height, {}, None)
    then, now = (spaced(frame, limits.most_rows) for frame in (then, now))
    names = [name for name in names if name in now.columns]
    indexes = {name: stability_index(then[name], now[name], bins=limits.bins) for name in names}
    return Drift(
        deployment.family, bundle.digest, newest.id, now.height, indexes, _of_scores(bundle, then, now, limits)
    )


def spaced(frame: pl.DataFrame, most: int) -> pl.DataFrame:
    """Return at most ``most`` rows of a frame, evenly spaced: always the same ones."""
    if frame.height <= most:
        return frame
    places = np.linspace(0, frame.height - 1, most).round().astype(np.int64)
    return frame[places]


def _of_scores(bundle: Bundle, then: pl.DataFrame, now: pl.DataFrame, limits: DriftLimits) -> float | None:
    scored: Sequence[Any] = [scores(bundle, frame) for frame in (then, now)]
    if any(found is None for found in scored):
        return None
    return stability_index(pl.Series(scored[0]), pl.Series(scored[1]), bins=limits.bins)


def trained_rows(ledger: Ledger, bundle: Bundle) -> pl.DataFrame:
    """Return the rows of the training set that a bundle was trained on."""
    training_set = ledger.log.get(bundle.fields.training_set)
    with ledger.objects.local(training_set.identity["sha256"]) as path:
        return pl.read_parquet(path)


def _seen_now(ledger: Ledger, version: RecordedLeaf, bundle: Bundle, limits: DriftLimits) -> pl.DataFrame:
    """Return the newest feature version's rows of the last days, of what the model is asked about only."""
    since = feature_manifest(ledger, version).as_of - timedelta(days=limits.recent_days[bundle.fields.family])
    recent = read_features(ledger, version.id).filter(pl.col("available_at") > since)
    if bundle.fields.family == "credit":
        recent = recent.filter(pl.col("portfolio") == portfolio_of(bundle))
    return recent.collect()
