"""Which bundle serves which job from which moment: a row and a leaf in one transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from ledgerline.audit import Kind, Leaf, Ledger, Parent, RecordedLeaf
from ledgerline.core.clock import instant_text, parse_instant
from ledgerline.core.errors import LedgerlineError
from ledgerline.decisions.approval import Approval, approved, bundle_leaf
from ledgerline.decisions.schema import DEPLOYMENT, ensure_tables

_FIRST = ""  # what the first deployment of a job supersedes, as the table's unique index needs it


class DeploymentChanged(LedgerlineError):
    """A deployment's row or entry in the log is no longer what was recorded.

    Attributes:
        deployment: Its leaf id.
    """

    def __init__(self, deployment: str) -> None:
        super().__init__(
            f"deployment {deployment} was changed in the database after it was recorded; deploy an approved model anew"
        )
        self.deployment = deployment


class Job(StrEnum):
    """What a deployed model does."""

    SCORING = "scoring"
    TRADING = "trading"
    FORECASTING = "forecasting"


_JOBS = {"fraud": Job.SCORING, "credit": Job.SCORING, "price": Job.TRADING, "forecast": Job.FORECASTING}


def job_of(family: str) -> Job:
    """Return what a family's deployed model does."""
    return _JOBS[family]


@dataclass(frozen=True, slots=True)
class Deployment:
    """One deployment as it stands in the log.

    Attributes:
        id: Its leaf id.
        family: Model family.
        job: What the model does.
        environment: The profile it was deployed in.
        bundle: Digest of the bundle.
        approvals: Leaf ids of the approvals it was deployed by.
        supersedes: Leaf id of the deployment before it, or None.
        deployed_by: Who deployed it.
        deployed_at: When, UTC.
    """

    id: str
    family: str
    job: Job
    environment: str
    bundle: str
    approvals: tuple[str, ...]
    supersedes: str | None
    deployed_by: str
    deployed_at: datetime


def current(ledger: Ledger, family: str) -> Deployment | None:
    """Return the deployment that is in force in this installation's environment, or None before the first.

    Raises:
        DeploymentChanged: Its row and its entry in the log no longer say the same.
    """
    ensure_tables(ledger)
    environment = ledger.settings.profile.value
    with ledger.log.reading() as connection:
        row = _newest(connection, family, environment)
    deployment = find_deployment(ledger, row.leaf) if row else None
    if row and deployment and (row.bundle, environment) != (deployment.bundle, deployment.environment):
        raise DeploymentChanged(row.leaf)
    return deployment


def find_deployment(ledger: Ledger, leaf_id: str) -> Deployment | None:
    """Return the deployment with this leaf id, or None.

    Raises:
        DeploymentChanged: What it says is no longer what its id stands for.
    """
    leaf = ledger.log.find(leaf_id)
    if leaf is None or leaf.kind is not Kind.DEPLOYMENT:
        return None
    if not leaf.is_intact:
        raise DeploymentChanged(leaf_id)
    return _deployment(leaf)


def record_deployment(ledger: Ledger, digest: str, *, reason: str | None = None) -> RecordedLeaf:
    """Put a bundle in force for its family's job in this environment; nothing changes when it is in force already.

    The approvals are verified here too, so that no caller can leave it out.

    Args:
        ledger: The installation.
        digest: The bundle.
        reason: Why, where somebody said so; kept beside the deployment.

    Returns:
        The deployment's leaf.

    Raises:
        ApprovalRefused: The bundle's approvals do not hold here and now.
    """
    ensure_tables(ledger)
    environment = ledger.settings.profile.value
    approvals = approved(ledger, digest, environment, ledger.clock.now())
    bundle = bundle_leaf(ledger, digest)
    family = bundle.detail["family"]
    with ledger.log.transaction() as transaction:
        before = _newest(transaction, family, environment)
        if before is None or not _puts_in_force(ledger, before, digest):
            place = {"family": family, "job": job_of(family).value, "environment": environment, "bundle": digest}
            leaf_id = _append(ledger, transaction, place, bundle, approvals, before.leaf if before else None, reason)
        else:
            leaf_id = before.leaf
    return ledger.log.get(leaf_id)


def _append(
    ledger: Ledger,
    transaction: Connection,
    place: Mapping[str, str],
    bundle: RecordedLeaf,
    approvals: Sequence[Approval],
    supersedes: str | None,
    reason: str | None,
) -> str:
    ids = [approval.id for approval in approvals]
    leaf = Leaf(
        Kind.DEPLOYMENT,
        {**place, "approvals": ids, "supersedes": supersedes},
        {
            "deployed_by": ledger.settings.actor,
            "deployed_at": instant_text(ledger.clock.now()),
            **({"reason": reason} if reason else {}),
        },
    )
    parents = [
        Parent(bundle.id, "bundle"),
        *(Parent(approval, "approval") for approval in ids),
        Parent(bundle.detail["feature_version"], "online_state"),
    ]
    leaf_id = ledger.log.record(transaction, leaf, parents)
    transaction.execute(sa.insert(DEPLOYMENT), {**place, "leaf": leaf_id, "supersedes": supersedes or _FIRST})
    return leaf_id


def _puts_in_force(ledger: Ledger, row: sa.Row[*tuple[Any, ...]], digest: str) -> bool:
    """Whether row and log agree that it is this bundle; what was changed since is superseded, not trusted."""
    leaf = ledger.log.find(row.leaf)
    return leaf is not None and leaf.is_intact and row.bundle == leaf.identity.get("bundle") == digest


def _newest(connection: Connection, family: str, environment: str) -> sa.Row[*tuple[Any, ...]] | None:
    statement = (
        sa.select(DEPLOYMENT.c.leaf, DEPLOYMENT.c.bundle)
        .where(
            DEPLOYMENT.c.family == family,
            DEPLOYMENT.c.job == job_of(family).value,
            DEPLOYMENT.c.environment == environment,
        )
        .order_by(DEPLOYMENT.c.sequence.desc())
        .limit(1)
    )
    return connection.execute(statement).first()


def _deployment(leaf: RecordedLeaf) -> Deployment:
    return Deployment(
        id=leaf.id,
        family=leaf.identity["family"],
        job=Job(leaf.identity["job"]),
        environment=leaf.identity["environment"],
        bundle=leaf.identity["bundle"],
        approvals=tuple(leaf.identity["approvals"]),
        supersedes=leaf.identity["supersedes"],
        deployed_by=leaf.detail["deployed_by"],
        deployed_at=parse_instant(leaf.detail["deployed_at"]),
    )
