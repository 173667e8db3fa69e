"""Under which code a live job counts and shows a deployment that it does not take up."""

from feature_store.errors import FeatureStoreError
from ledgerline.core.storage import ObjectCorrupt, ObjectMissing
from ledgerline.decisions.approval import ApprovalRefused
from ledgerline.decisions.approval_policy import PolicyInvalid
from ledgerline.decisions.bundle import BundleRefused
from ledgerline.decisions.deployment import DeploymentChanged


def refusal_code(error: Exception) -> str:
    """Return the code of a failed load."""
    match error:
        case BundleRefused() | ApprovalRefused():
            return error.reason.value
        case ObjectCorrupt():
            return "object_corrupt"
        case ObjectMissing():
            return "object_missing"
        case DeploymentChanged():
            return "deployment_changed"
        case PolicyInvalid():
            return "policy_invalid"
        case FeatureStoreError():
            return "features_unusable"
        case _:
            return "load_failed"
