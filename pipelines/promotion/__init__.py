"""From a trained model to a deployed one: gates, signing keys, approvals, deployment, rollback."""

from pipelines.promotion.approvals import Pending, SigningRefused, approve, find_bundle, missing_approvals, pending
from pipelines.promotion.deploy import DeploymentRefused, deploy, rollback
from pipelines.promotion.evaluation import evaluate_gates
from pipelines.promotion.keys import KeyRefused, create_key, revoke_key

__all__ = [
    "DeploymentRefused",
    "KeyRefused",
    "Pending",
    "SigningRefused",
    "approve",
    "create_key",
    "deploy",
    "evaluate_gates",
    "find_bundle",
    "missing_approvals",
    "pending",
    "revoke_key",
    "rollback",
]
