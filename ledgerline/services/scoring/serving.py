"""Make a deployment ready to answer, aside from the one that answers now."""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from feature_store.view import FeatureView
from ledgerline.audit import Ledger
from ledgerline.core.clock import parse_instant
from ledgerline.decisions.admission import Admitted, admit
from ledgerline.decisions.bundle import BundleRefused, RefusalReason
from ledgerline.decisions.deployment import Deployment
from ledgerline.decisions.fraud import FAMILY, FraudModel
from ledgerline.decisions.record import decisions_after
from ledgerline.services.scoring.live_features import LiveFeatures


@dataclass(slots=True)
class Serving:
    """A deployment in force: its model, and the features that it sees.

    Attributes:
        deployment: As recorded.
        name: Family and version, for people.
        model: Ready to score.
        feature_version: Leaf id of the feature version whose state the features started from.
        features: Online features; they change with every decision.
        observed: Sequence of the last recorded decision that the features hold.
        approved_until: When the first of the approvals lapses, UTC.
    """

    deployment: Deployment
    name: str
    model: FraudModel
    feature_version: str
    features: LiveFeatures
    observed: int
    approved_until: datetime

    @property
    def digest(self) -> str:
        """The bundle's digest."""
        return self.deployment.bundle

    def catch_up(self, ledger: Ledger) -> None:
        """Observe what was decided since, in the order in which it was decided."""
        for decision in decisions_after(ledger, FAMILY, sequence=self.observed):
            self.features.observe(decision.event)
            self.observed = decision.sequence


def load_serving(ledger: Ledger, deployment: Deployment, *, beside: Serving | None = None) -> Serving:
    """Verify a deployment's bundle and approvals, load the model and bring its features up to now.

    Args:
        ledger: The installation.
        deployment: What is to be served.
        beside: What is served now; a model trained on the same feature version goes on with its features.

    Raises:
        BundleRefused: The bundle's bytes, format or features are not right.
        ApprovalRefused: Its approvals do not hold here and now.
    """
    environment = ledger.settings.profile.value
    admitted = admit(ledger, deployment.bundle, environment=environment, at=ledger.clock.now())
    model = FraudModel.load(admitted.bundle)
    if beside is not None and beside.feature_version == admitted.feature_version:
        features, observed = beside.features, beside.observed
    else:
        features, observed = _features(ledger, admitted)
    return Serving(
        deployment=deployment,
        name=admitted.name,
        model=model,
        feature_version=admitted.feature_version,
        features=features,
        observed=observed,
        approved_until=min(approval.expires_at for approval in admitted.approvals),
    )


def _features(ledger: Ledger, admitted: Admitted) -> tuple[LiveFeatures, int]:
    """Start from the feature version's state and observe every recorded decision that can still matter."""
    version = ledger.log.get(admitted.feature_version)
    manifest = json.loads(ledger.objects.get(version.identity["manifest"]))
    view = admitted.view
    if not isinstance(view, FeatureView):
        raise BundleRefused(RefusalReason.FEATURES_DIFFER, f"{view.name} is no view over payments")
    _require_same_features(view, manifest["fingerprint"])
    with ledger.objects.local(manifest["online_state"]) as path:
        features = LiveFeatures(view, pl.read_parquet(path))
    observed = 0
    oldest = parse_instant(manifest["as_of"]) - view.horizon - timedelta(days=1)
    for decision in decisions_after(ledger, FAMILY, event_time=oldest):
        features.observe(decision.event)
        observed = decision.sequence
    return features, observed


def _require_same_features(view: FeatureView, fingerprint: str) -> None:
    if fingerprint != view.fingerprint:
        raise BundleRefused(
            RefusalReason.FEATURES_DIFFER,
            f"the online state was made by {view.name} {fingerprint[:12]}, this code computes {view.fingerprint[:12]}",
        )
