"""Everything that must hold before a bundle may serve, checked in one place: by the deployment and at every load."""

from dataclasses import dataclass
from datetime import datetime

from feature_store.views import View, view_named
from ledgerline.audit import Ledger
from ledgerline.decisions.approval import Approval, approved, bundle_leaf
from ledgerline.decisions.bundle import Bundle, BundleRefused, RefusalReason, load_bundle


@dataclass(frozen=True, slots=True)
class Admitted:
    """A bundle that may serve.

    Attributes:
        bundle: Its checked bytes.
        view: The running code's view that feeds it.
        approvals: The approvals by which it may.
        feature_version: Leaf id of the feature version it was trained on, whose online state it starts from.
        name: Family and registry version, e.g. ``fraud@3``, for people.
    """

    bundle: Bundle
    view: View
    approvals: tuple[Approval, ...]
    feature_version: str
    name: str


def admit(ledger: Ledger, digest: str, *, environment: str, at: datetime) -> Admitted:
    """Check a bundle's bytes, what the log says of it, its approvals and its features, in this order.

    Args:
        ledger: The installation.
        digest: The bundle.
        environment: The profile it is to serve in.
        at: The moment it is to be loaded, UTC.

    Raises:
        BundleRefused: Its bytes changed or are not a bundle's, or it was trained on other features than this code's.
        ApprovalRefused: Nobody recorded it, or its approvals do not hold.
    """
    leaf = bundle_leaf(ledger, digest)
    bundle = load_bundle(ledger.objects, digest)
    fields = bundle.fields
    if (fields.family, fields.training_set) != (leaf.detail["family"], leaf.detail["training_set"]):
        raise BundleRefused(
            RefusalReason.MANIFEST_MALFORMED, f"the evidence log and the manifest of bundle {digest} disagree"
        )
    approvals = approved(ledger, digest, environment, at)
    view = view_of(bundle)
    name = f"{fields.family}@{leaf.detail.get('model_version') or digest[:12]}"
    return Admitted(bundle, view, approvals, feature_version_of(ledger, bundle), name)


def view_of(bundle: Bundle) -> View:
    """Return the running code's view that a bundle was trained on.

    Raises:
        BundleRefused: This code computes other features.
    """
    fields = bundle.fields
    view = view_named(fields.feature_view)
    if view.fingerprint != fields.feature_fingerprint:
        raise BundleRefused(
            RefusalReason.FEATURES_DIFFER,
            f"bundle {bundle.digest} was trained on {fields.feature_view} {fields.feature_fingerprint[:12]}, this code "
            f"computes {view.fingerprint[:12]}; train again on the present definition",
        )
    return view


def feature_version_of(ledger: Ledger, bundle: Bundle) -> str:
    """Return the feature version that a bundle was trained on.

    By the identity of its training set: the approvals sign that id, and no detail of a leaf.

    Raises:
        BundleRefused: The log no longer says.
    """
    training_set = bundle.fields.training_set
    trained_on = ledger.log.find(training_set)
    version = ledger.log.find(trained_on.identity["feature_version"]) if trained_on and trained_on.is_intact else None
    if version is None or not version.is_intact:
        raise BundleRefused(
            RefusalReason.EVIDENCE_CHANGED,
            f"training set {training_set} or its feature version is no longer in the evidence log as it was recorded; "
            "restore the evidence database from a backup",
        )
    return version.id
