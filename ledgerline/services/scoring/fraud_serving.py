"""Fraud: a deployment whose features change with every payment that is decided on."""

import json
import secrets
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, ClassVar

import polars as pl

from feature_store.stores import EventStore, OnlineStore, StateName, open_store
from feature_store.view import FeatureView
from feature_store.views import View
from ledgerline.audit import Ledger
from ledgerline.core.clock import parse_instant
from ledgerline.core.contracts import TRANSACTIONS
from ledgerline.decisions.admission import Admitted, admit
from ledgerline.decisions.bundle import BundleRefused, RefusalReason
from ledgerline.decisions.deployment import Deployment
from ledgerline.decisions.fraud import FAMILY, FraudModel
from ledgerline.decisions.fraud_answer import judge_payment
from ledgerline.decisions.record import decisions_after
from ledgerline.services.scoring.concealing import Concealing
from ledgerline.services.scoring.live_features import LiveFeatures
from ledgerline.services.scoring.schema import ScoreRequest
from ledgerline.services.scoring.serving import Judgement, Serving, concealing_of

_OWNER = "scoring"

FirstStore = Callable[[FeatureView], EventStore]
"""What opens an empty store for a view."""


class FraudServing(Serving):
    """A fraud deployment: its model, and the features that it sees.

    Args:
        deployment: As recorded.
        admitted: Its bundle.
        features: Online features; they change with every decision.
        observed: Sequence of the last recorded decision that the features hold.
        concealing: How who a payment is about is kept from the record.
        state: What the features are remembered under, where that is not this process's memory.
    """

    family: ClassVar[str] = FAMILY
    dataset: ClassVar[str] = TRANSACTIONS.name
    remembers: ClassVar[bool] = True

    def __init__(
        self,
        deployment: Deployment,
        admitted: Admitted,
        features: LiveFeatures,
        observed: int,
        concealing: Concealing | None = None,
        state: StateName | None = None,
    ) -> None:
        super().__init__(deployment, admitted, concealing)
        self.feature_version = admitted.feature_version
        self.features = features
        self.observed = observed
        self.state = state
        self._model = FraudModel.load(admitted.bundle)

    def judge(self, question: ScoreRequest, now: datetime) -> Judgement:
        """Score a payment; see :class:`Serving`.

        Raises:
            OutOfSpan: Its features cannot be told exactly any more, or not yet.
            StoreUnavailable: What remembers them does not answer.
            StateLost: What remembers them lost them; they are made anew.
        """
        event = question.event_values()
        vector = self.features.vector(event)
        judged = judge_payment(self._model, vector)
        return Judgement(event, vector, judged, judged["verdict"])

    def remember(self, event: Mapping[str, Any]) -> None:
        """Let later payments see this one."""
        self.features.observe(event)

    def is_outdated(self, ledger: Ledger) -> bool:
        """Return whether the bundle must be looked at again, or its features be made anew."""
        return self.features.lost or super().is_outdated(ledger)

    def catch_up(self, ledger: Ledger, present: Serving | None) -> None:
        """Observe what was decided since, in the order in which it was decided."""
        if isinstance(present, FraudServing) and present.features is self.features:
            return
        for decision in decisions_after(ledger, FAMILY, sequence=self.observed):
            self.features.observe(decision.event)
            self.observed = decision.sequence


def load_fraud(ledger: Ledger, deployment: Deployment, *, beside: Serving | None = None) -> FraudServing:
    """Verify a deployment's bundle and approvals, load the model and bring its features up to now.

    Args:
        ledger: The installation.
        deployment: What is to be served.
        beside: What is served now; a model trained on the same feature version goes on with its features.

    Raises:
        BundleRefused: The bundle's bytes, format or features are not right.
        ApprovalRefused: Its approvals do not hold here and now.
        StoreUnavailable: What is to remember its features does not answer.
    """
    environment = ledger.settings.profile.value
    admitted = admit(ledger, deployment.bundle, environment=environment, at=ledger.clock.now())
    present = beside if isinstance(beside, FraudServing) and not beside.features.lost else None
    if present is not None and present.feature_version == admitted.feature_version:
        shared = present.features, present.observed, present.concealing, present.state
        return FraudServing(deployment, admitted, *shared)
    concealing = concealing_of(ledger, FraudServing.dataset, admitted.feature_version)
    # A name of its own for every loading: what another deployment, or a decision that was not recorded, left behind is
    # no part of it.
    state = StateName(_OWNER, secrets.token_hex(8))
    store = _online_store(ledger)
    features, oldest = first_features(
        ledger, admitted.view, admitted.feature_version, store=lambda view: store.events(view, state)
    )
    observed = 0
    for decision in decisions_after(ledger, FAMILY, event_time=oldest):
        features.observe(decision.event)
        observed = decision.sequence
    store.drop_others(_OWNER, [state, *([present.state] if present and present.state else [])])
    return FraudServing(deployment, admitted, features, observed, concealing, state)


def first_features(
    ledger: Ledger, view: View, feature_version: str, *, store: FirstStore | None = None
) -> tuple[LiveFeatures, datetime]:
    """Return the features as a feature version left them, and from when on recorded decisions can still matter.

    Args:
        ledger: The installation.
        view: The view.
        feature_version: Which version of it.
        store: Opens what is to remember them, empty; None for this process's memory.

    Raises:
        BundleRefused: The feature version is not of such a view, or of another definition of it.
        StoreUnavailable: The store does not answer.
    """
    version = ledger.log.get(feature_version)
    manifest = json.loads(ledger.objects.get(version.identity["manifest"]))
    if not isinstance(view, FeatureView):
        raise BundleRefused(RefusalReason.FEATURES_DIFFER, f"{view.name} is no view over payments")
    _require_same_features(view, manifest["fingerprint"])
    as_of = parse_instant(manifest["as_of"])
    with ledger.objects.local(manifest["online_state"]) as path:
        features = LiveFeatures(view, pl.read_parquet(path), store(view) if store else None, as_of=as_of)
    return features, as_of - view.horizon - timedelta(days=1)


def _online_store(ledger: Ledger) -> OnlineStore:
    password = ledger.settings.online_store_password
    return open_store(ledger.settings.online_store_url, password=password.get_secret_value() if password else None)


def _require_same_features(view: FeatureView, fingerprint: str) -> None:
    if fingerprint != view.fingerprint:
        raise BundleRefused(
            RefusalReason.FEATURES_DIFFER,
            f"the online state was made by {view.name} {fingerprint[:12]}, this code computes {view.fingerprint[:12]}",
        )
