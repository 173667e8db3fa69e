"""Who uses a view, by the evidence log: the models trained on its versions, and the jobs in which they are in force."""

from collections.abc import Sequence
from dataclasses import dataclass

from ledgerline.audit import Kind, Ledger, RecordedLeaf
from ledgerline.decisions.deployment import current


@dataclass(frozen=True, slots=True)
class Use:
    """A model that reads the view.

    Attributes:
        family: Whose model.
        bundle: Its digest.
        model_version: Its version in MLflow's registry; None where it has none.
        training_run: Leaf id of the training run.
        feature_version: Leaf id of the version that it was trained on.
        deployments: Leaf ids of its deployments, oldest first.
        job: The job in which it is in force here now; None where it is in none.
    """

    family: str
    bundle: str
    model_version: int | None
    training_run: str
    feature_version: str
    deployments: tuple[str, ...]
    job: str | None


def uses(ledger: Ledger, versions: Sequence[RecordedLeaf]) -> list[Use]:
    """Return the models that were trained on any of a view's versions: those in force first, then the newest first.

    Raises:
        DeploymentChanged: A deployment's row or entry in the log is no longer what was recorded.
    """
    known = {version.id for version in versions}
    bundles = [leaf for leaf in ledger.log.leaves(Kind.MODEL_BUNDLE) if leaf.detail.get("feature_version") in known]
    in_force = {
        family: deployment
        for family in sorted({str(leaf.detail["family"]) for leaf in bundles})
        if (deployment := current(ledger, family)) is not None
    }
    found = []
    for leaf in reversed(bundles):
        family, digest = str(leaf.detail["family"]), str(leaf.identity["digest"])
        deployment = in_force.get(family)
        version = leaf.detail.get("model_version")
        found.append(
            Use(
                family=family,
                bundle=digest,
                model_version=None if version is None else int(version),
                training_run=str(leaf.detail["training_run"]),
                feature_version=str(leaf.detail["feature_version"]),
                deployments=_deployments(ledger, digest),
                job=deployment.job.value if deployment is not None and deployment.bundle == digest else None,
            )
        )
    return sorted(found, key=lambda use: use.job is None)


def trained_on(found: Sequence[Use]) -> Use | None:
    """Return the model whose training version others are compared with: the one in force, else the newest."""
    return found[0] if found else None


def _deployments(ledger: Ledger, digest: str) -> tuple[str, ...]:
    return tuple(leaf.id for leaf in ledger.log.leaves(Kind.DEPLOYMENT, bundle=digest))
