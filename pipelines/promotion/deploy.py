"""Put an approved model in force, or an earlier one back, and tell MLflow afterwards."""

import logging
from pathlib import Path

from sqlalchemy.engine import make_url

from ledgerline.audit import Ledger, RecordedLeaf
from ledgerline.core.errors import LedgerlineError
from ledgerline.decisions.admission import admit
from ledgerline.decisions.deployment import current, find_deployment, record_deployment
from pipelines.promotion.approvals import find_bundle, latest_evaluation

CHAMPION_ALIAS = "champion"

_log = logging.getLogger(__name__)


class DeploymentRefused(LedgerlineError):
    """A model is not deployable."""


def deploy(ledger: Ledger, model: str, *, reason: str | None = None) -> RecordedLeaf:
    """Put a model in force for its family's live job in this environment; no change if it is in force already.

    Args:
        ledger: The installation.
        model: A bundle's digest or its start, or a version such as ``fraud@3``.
        reason: Why, where somebody said so.

    Returns:
        The deployment's leaf.

    Raises:
        DeploymentRefused: The gates refused it, or people signed for an older verdict than the newest.
        ApprovalRefused: Its approvals do not hold here and now.
        BundleRefused: Its bytes are not what was signed, or it needs other features than this code computes.
    """
    bundle = find_bundle(ledger, model)
    digest = bundle.identity["digest"]
    evaluation = latest_evaluation(ledger, digest)
    if evaluation is None or not evaluation.identity["passed"]:
        raise DeploymentRefused(f"the gates have not passed bundle {digest[:12]}; see its evaluation")
    admitted = admit(ledger, digest, environment=ledger.settings.profile.value, at=ledger.clock.now())
    if admitted.approvals[0].evaluation != evaluation.id:
        raise DeploymentRefused(f"bundle {digest[:12]} was evaluated anew after it was signed for; sign again")
    leaf = record_deployment(ledger, digest, reason=reason)
    if problem := export_champion(ledger, bundle):
        _log.warning("deployed %s, but MLflow's alias does not say so: %s", digest[:12], problem)
    return leaf


def rollback(ledger: Ledger, family: str, *, reason: str | None = None) -> RecordedLeaf:
    """Put the model back in force that the present one replaced, by the same checks as any deployment.

    Raises:
        DeploymentRefused: There is none.
    """
    present = current(ledger, family)
    before = find_deployment(ledger, present.supersedes) if present and present.supersedes else None
    if before is None:
        raise DeploymentRefused(f"{family} has no earlier deployment in {ledger.settings.profile} to go back to")
    return deploy(ledger, before.bundle, reason=reason)


def export_champion(ledger: Ledger, bundle: RecordedLeaf) -> str | None:
    """Point MLflow's ``champion`` alias at a deployed bundle's version, for people who look there.

    An alias has no history and is no evidence; nothing reads it back.

    Returns:
        None, or why it could not be done.
    """
    version = bundle.detail.get("model_version")
    if version is None:
        return "the bundle was never registered in MLflow"
    store = make_url(ledger.settings.mlflow_uri) if ledger.settings.mlflow_uri.startswith("sqlite:") else None
    if store and not Path(store.database or "").exists():  # asking MLflow would create one
        return f"there is no MLflow store at {store.database}"
    try:
        from mlflow.tracking import MlflowClient

        client = MlflowClient(tracking_uri=ledger.settings.mlflow_uri, registry_uri=ledger.settings.mlflow_uri)
        client.set_registered_model_alias(bundle.detail["family"], CHAMPION_ALIAS, str(version))
    except Exception as error:  # an export must not undo or fail what it reports on, whatever MLflow raises
        return f"{type(error).__name__}: {error}"
    return None
