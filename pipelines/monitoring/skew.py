"""What the live jobs have served lately, beside what their models were trained on and what was computed offline since.

Two things go wrong between training and serving: another population asks, which the stability index shows, and the two
executors disagree, which shows once a decision's row has come in by the ordinary way and was computed offline.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from ledgerline.audit import Ledger
from ledgerline.decisions.bundle import Bundle, load_bundle
from ledgerline.decisions.deployment import Deployment
from ledgerline.decisions.record import RecordedDecision, newest_decisions
from pipelines.features import read_features, versions
from pipelines.features.outcomes import outcome_of
from pipelines.monitoring.drift import spaced, trained_rows
from pipelines.monitoring.policy import DriftLimits, SkewLimits
from pipelines.monitoring.stability import stability_index

_MOST_NAMED = 5
_ALIKE = 1e-9  # relative; to which the two executors must agree
_SUBJECT = "subject of the decision"  # no feature is called so


@dataclass(frozen=True, slots=True)
class Skew:
    """How what one deployed model has served lies apart.

    Attributes:
        family: Whose model.
        view: Whose features it is served.
        bundle: Its digest.
        decisions: How many of its newest decisions were looked at.
        features: Population stability index of what was served against the training set, by feature; empty where there
            were too few decisions.
        compared: How many of them have a row in the view's newest version by now.
        differing: How many of those were served other features than the row has.
        example: The subject of the first that was.
    """

    family: str
    view: str
    bundle: str
    decisions: int
    features: Mapping[str, float]
    compared: int
    differing: int
    example: str | None

    @property
    def differing_share(self) -> float | None:
        """Share of the compared decisions that were served other features; None where none could be compared."""
        return self.differing / self.compared if self.compared else None

    def exceeded(self, drift: DriftLimits, limits: SkewLimits) -> list[str]:
        """Return the sentences of the alert."""
        over = [name for name, index in self.features.items() if index > drift.feature_psi]
        over.sort(key=lambda name: (-self.features[name], name))
        sentences = []
        if over:
            named = ", ".join(f"{name} {self.features[name]:.3f}" for name in over[:_MOST_NAMED])
            more = f" and {len(over) - _MOST_NAMED} more" if len(over) > _MOST_NAMED else ""
            sentences.append(
                f"{self.family}: {len(over)} features are served otherwise than trained on "
                f"({drift.feature_psi:g} is allowed): {named}{more}"
            )
        share = self.differing_share
        if share is not None and self.compared >= limits.least_rows and share > limits.differing_share:
            sentences.append(
                f"{self.family}: {self.differing:,} of {self.compared:,} live decisions were served other features "
                f"than {self.view} has for them ({limits.differing_share:.1%} is allowed), {self.example} among them"
            )
        return sentences

    def values(self) -> dict[str, Any]:
        """Return JSON values."""
        share = self.differing_share
        return {
            "view": self.view,
            "bundle": self.bundle,
            "decisions": self.decisions,
            "features": {name: round(index, 6) for name, index in self.features.items()},
            "compared": self.compared,
            "differing": self.differing,
            "differing_share": None if share is None else round(share, 6),
            "example": self.example,
        }


def skew(ledger: Ledger, deployment: Deployment, limits: DriftLimits) -> Skew | None:
    """Compare what a deployed model has served with its training set and with what was computed offline.

    Args:
        ledger: The installation.
        deployment: Which model.
        limits: How many decisions are looked at, and how an index is computed.

    Returns:
        None where the model has decided on nothing.

    Raises:
        BundleRefused: The bundle's bytes are not what was recorded.
        DecisionChanged: A decision's row cannot be read any more.
    """
    recorded = newest_decisions(ledger, deployment.family, bundle=deployment.bundle, count=limits.most_rows)
    if not recorded:
        return None
    bundle = load_bundle(ledger.objects, deployment.bundle)
    served = _served(recorded, bundle.fields.features)
    compared, differing = _against_offline(ledger, bundle, served)
    return Skew(
        family=deployment.family,
        view=bundle.fields.feature_view,
        bundle=bundle.digest,
        decisions=served.height,
        features=_indexes(ledger, bundle, served, limits),
        compared=compared,
        differing=len(differing),
        example=differing[0] if differing else None,
    )


def differing_subjects(served: pl.DataFrame, offline: pl.DataFrame, features: Sequence[str]) -> list[str]:
    """Return the subjects whose served features are not those computed offline, to one part in 10^9.

    Args:
        served: ``subject of the decision`` and features, one row a decision.
        offline: The same columns, one row a subject.
        features: The numbers that are compared.
    """
    both = served.join(offline, on=_SUBJECT, how="inner", suffix=" offline", maintain_order="left")
    apart = np.zeros(both.height, dtype=bool)
    for name in features:
        one, other = (both[column].cast(pl.Float64).fill_nan(None) for column in (name, f"{name} offline"))
        near = (one - other).abs() <= _ALIKE * pl.Series(np.fmax(one.abs().to_numpy(), other.abs().to_numpy()))
        apart |= ~(near.fill_null(False) | (one.is_null() & other.is_null())).to_numpy()
    return both[_SUBJECT].filter(pl.Series(apart, dtype=pl.Boolean)).to_list()


def _served(recorded: Sequence[RecordedDecision], features: Sequence[str]) -> pl.DataFrame:
    columns = {name: [each.vector.get(name) for each in recorded] for name in features}
    return pl.DataFrame(
        {_SUBJECT: [each.subject for each in recorded], **columns},
        schema={_SUBJECT: pl.String, **dict.fromkeys(features, pl.Float64)},
    )


def _indexes(ledger: Ledger, bundle: Bundle, served: pl.DataFrame, limits: DriftLimits) -> dict[str, float]:
    then = trained_rows(ledger, bundle)
    if min(served.height, then.height) < limits.least_rows:
        return {}
    then = spaced(then, limits.most_rows)
    numbers = [name for name in bundle.fields.features if name in then.columns and then.schema[name] != pl.String]
    return {name: stability_index(then[name], served[name], bins=limits.bins) for name in numbers}


def _against_offline(ledger: Ledger, bundle: Bundle, served: pl.DataFrame) -> tuple[int, list[str]]:
    """Return how many decisions have a row offline by now, and the subjects of those served other features than it."""
    outcome = outcome_of(bundle.fields.feature_view)
    if outcome is None:  # nothing else says by which column of the view its rows are decided on
        return 0, []
    rows = read_features(ledger, versions(ledger, bundle.fields.feature_view)[-1].id)
    schema = rows.collect_schema()
    features = [name for name in bundle.fields.features if name in schema and schema[name].is_numeric()]
    wanted = served.select(pl.col(_SUBJECT).alias(outcome.subject)).lazy()
    offline = rows.select(outcome.subject, *features).join(wanted, on=outcome.subject, how="semi").collect()
    named = offline.rename({outcome.subject: _SUBJECT}).unique(_SUBJECT, keep="first", maintain_order=True)
    return named.height, differing_subjects(served.select(_SUBJECT, *features), named, features)
