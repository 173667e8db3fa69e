"""What was in force at an instant, and how a family's models came and went: read from the log alone."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from ledgerline.audit.leaf import Kind, RecordedLeaf
from ledgerline.audit.ledger import Ledger
from ledgerline.audit.log import EvidenceLog
from ledgerline.core.clock import parse_instant


@dataclass(frozen=True, slots=True)
class Signature:
    """One person's approval of a model.

    Attributes:
        id: The approval's leaf id.
        person: Who signed.
        role: In which capacity.
        environment: For which profile.
        signed_at: When, UTC.
        expires_at: Until when it holds, UTC.
    """

    id: str
    person: str
    role: str
    environment: str
    signed_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class TrainedModel:
    """A model version and what it was trained on.

    Attributes:
        bundle: Its digest.
        name: What people call it, e.g. ``fraud@3``.
        trained_by: Who trained it.
        trained_at: When it was recorded, UTC.
        as_of: What was known then is what it was trained on, UTC; None where the log does not say.
        training_set: The training set's leaf id.
        feature_version: The feature version's leaf id.
        feature_tag: The feature version's tag; empty where the log does not say.
    """

    bundle: str
    name: str
    trained_by: str
    trained_at: datetime
    as_of: datetime | None
    training_set: str
    feature_version: str
    feature_tag: str


@dataclass(frozen=True, slots=True)
class InForce:
    """A deployment: one model in force for one job, from one instant until another.

    Attributes:
        deployment: The deployment's leaf id.
        family: Model family.
        job: What the model does.
        environment: The profile that it serves in.
        model: Which model; None where the log lacks its bundle.
        bundle: The model's digest.
        approvals: By whose signatures.
        deployed_by: Who deployed it.
        since: When it was recorded, UTC.
        until: When the next one was, UTC; None while there is none.
        reason: Why, where somebody said so.
        is_return: Whether a model came back that had been in force in this place before: a rollback.
    """

    deployment: str
    family: str
    job: str
    environment: str
    model: TrainedModel | None
    bundle: str
    approvals: tuple[Signature, ...]
    deployed_by: str
    since: datetime
    until: datetime | None
    reason: str | None
    is_return: bool


@dataclass(frozen=True, slots=True)
class GateVerdict:
    """What the gates said of a model.

    Attributes:
        id: The evaluation's leaf id.
        passed: Whether all of them let it pass.
        gates: How many there were.
        refused: ``(gate, why)`` of those that did not.
        at: When, UTC.
    """

    id: str
    passed: bool
    gates: int
    refused: tuple[tuple[str, str], ...]
    at: datetime


@dataclass(frozen=True, slots=True)
class ModelHistory:
    """What became of one model version; every part oldest first.

    Attributes:
        model: Which.
        verdicts: What the gates said.
        approvals: Who signed for it.
        deployments: When it was in force.
    """

    model: TrainedModel
    verdicts: tuple[GateVerdict, ...]
    approvals: tuple[Signature, ...]
    deployments: tuple[InForce, ...]


def live_at(ledger: Ledger, at: datetime) -> list[InForce]:
    """Return what was in force at an instant: at most one deployment for each environment, family and job.

    Args:
        ledger: The installation.
        at: The instant, aware. What was recorded at it is in force at it.
    """
    return [each for each in _deployments(ledger.log) if each.since <= at and (each.until is None or at < each.until)]


def history(ledger: Ledger, family: str) -> list[ModelHistory]:
    """Return every version of a family that was ever trained, and what became of it, oldest first."""
    log = ledger.log
    verdicts, approvals, deployments = (
        _by_bundle(log.leaves(Kind.EVALUATION)),
        _by_bundle(log.leaves(Kind.APPROVAL, family=family)),
        [each for each in _deployments(log) if each.family == family],
    )
    return [
        ModelHistory(
            model,
            tuple(map(_verdict, verdicts.get(model.bundle, ()))),
            tuple(map(_signature, approvals.get(model.bundle, ()))),
            tuple(each for each in deployments if each.bundle == model.bundle),
        )
        for leaf in log.leaves(Kind.MODEL_BUNDLE)
        if leaf.detail.get("family") == family
        for model in (_model(log, leaf),)
    ]


def _deployments(log: EvidenceLog) -> list[InForce]:
    """Return every deployment, in the order of the log."""
    leaves = log.leaves(Kind.DEPLOYMENT)
    models = {leaf.identity["digest"]: _model(log, leaf) for leaf in _bundles_of(log, leaves)}
    signatures = {leaf.id: _signature(leaf) for leaf in log.leaves(Kind.APPROVAL)}
    ends: dict[str, datetime] = {}
    returns: set[str] = set()
    newest: dict[tuple[str, str, str], RecordedLeaf] = {}
    served: set[tuple[tuple[str, str, str], str]] = set()
    for leaf in leaves:
        place, bundle = _place(leaf), leaf.identity["bundle"]
        if before := newest.get(place):
            ends[before.id] = leaf.recorded_at
        if (place, bundle) in served:
            returns.add(leaf.id)
        newest[place] = leaf
        served.add((place, bundle))
    return [
        InForce(
            deployment=leaf.id,
            family=leaf.identity["family"],
            job=leaf.identity["job"],
            environment=leaf.identity["environment"],
            model=models.get(leaf.identity["bundle"]),
            bundle=leaf.identity["bundle"],
            approvals=tuple(signatures[each] for each in leaf.identity["approvals"] if each in signatures),
            deployed_by=leaf.detail["deployed_by"],
            since=leaf.recorded_at,
            until=ends.get(leaf.id),
            reason=leaf.detail.get("reason"),
            is_return=leaf.id in returns,
        )
        for leaf in leaves
    ]


def _place(deployment: RecordedLeaf) -> tuple[str, str, str]:
    """Return where a deployment puts its model; there is one in force in each place."""
    return deployment.identity["environment"], deployment.identity["family"], deployment.identity["job"]


def _bundles_of(log: EvidenceLog, deployments: list[RecordedLeaf]) -> Iterator[RecordedLeaf]:
    wanted = {leaf.identity["bundle"] for leaf in deployments}
    return (leaf for leaf in log.leaves(Kind.MODEL_BUNDLE) if leaf.identity["digest"] in wanted)


def _by_bundle(leaves: list[RecordedLeaf]) -> dict[str, list[RecordedLeaf]]:
    found: dict[str, list[RecordedLeaf]] = {}
    for leaf in leaves:
        found.setdefault(leaf.identity["bundle"], []).append(leaf)
    return found


def _model(log: EvidenceLog, bundle: RecordedLeaf) -> TrainedModel:
    training_set = log.find(bundle.detail["training_set"])
    features = log.find(bundle.detail["feature_version"])
    return TrainedModel(
        bundle=bundle.identity["digest"],
        name=f"{bundle.detail['family']}@{bundle.detail['model_version']}",
        trained_by=bundle.detail["trained_by"],
        trained_at=bundle.recorded_at,
        as_of=parse_instant(training_set.identity["as_of"]) if training_set else None,
        training_set=bundle.detail["training_set"],
        feature_version=bundle.detail["feature_version"],
        feature_tag=str(features.detail.get("tag", "")) if features else "",
    )


def _signature(approval: RecordedLeaf) -> Signature:
    said = approval.identity
    return Signature(
        id=approval.id,
        person=said["approver"],
        role=said["role"],
        environment=said["environment"],
        signed_at=parse_instant(said["signed_at"]),
        expires_at=parse_instant(said["expires_at"]),
    )


def _verdict(evaluation: RecordedLeaf) -> GateVerdict:
    gates = evaluation.identity["gates"]
    return GateVerdict(
        id=evaluation.id,
        passed=evaluation.identity["passed"],
        gates=len(gates),
        refused=tuple((gate["gate"], gate["detail"]) for gate in gates if not gate["passed"]),
        at=evaluation.recorded_at,
    )
