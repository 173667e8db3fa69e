"""Signed approvals: the statement that people sign for a model, and the check that comes before every load."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from ledgerline.audit import Kind, Ledger, RecordedLeaf
from ledgerline.core.clock import parse_instant
from ledgerline.core.errors import LedgerlineError
from ledgerline.core.identity import canonical_json
from ledgerline.decisions.approval_policy import ApprovalPolicy, Role, approval_policy, person
from ledgerline.decisions.separation import Involvement, involvement
from ledgerline.decisions.signing_keys import newest_key, revocation

_PURPOSE = "ledgerline model approval, version 1"  # a signature made for anything else never verifies as an approval
_CLOCK_SKEW = timedelta(minutes=5)


class ApprovalRefusal(StrEnum):
    """Why an approval does not count, or a bundle may not serve for want of approvals."""

    UNKNOWN_BUNDLE = "unknown_bundle"
    UNSIGNED = "unsigned"
    WRONG_ENVIRONMENT = "wrong_environment"
    EXPIRED = "expired"
    NOT_YET_VALID = "not_yet_valid"
    TOO_LONG = "valid_for_too_long"
    TAMPERED = "tampered"
    UNKNOWN_KEY = "unknown_key"
    REVOKED_KEY = "revoked_key"
    TRAINED_IT = Involvement.TRAINED.value
    AUTHORED_IT = Involvement.AUTHORED.value
    COMMITTED_IT = Involvement.COMMITTED.value
    AUTHORS_UNKNOWN = Involvement.UNKNOWN.value
    NOT_A_SIGNER = "not_a_signer"
    EVALUATION_REFUSED = "evaluation_refused"


class ApprovalRefused(LedgerlineError):
    """A bundle may not serve, because the approvals for it do not hold.

    Attributes:
        reason: The coded reason.
    """

    def __init__(self, reason: ApprovalRefusal, message: str) -> None:
        super().__init__(f"{message} [{reason}]")
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Statement:
    """What an approver signs; nothing outside it is approved.

    Attributes:
        family: Model family, e.g. ``fraud``.
        bundle: Digest of the model bundle.
        training_set: Leaf id of what it was trained on.
        evaluation: Leaf id of the gates' verdict that the approver saw.
        environment: The profile it may serve in.
        approver: Who signs.
        role: In which capacity.
        signed_at: ISO 8601, UTC.
        expires_at: ISO 8601, UTC.
    """

    family: str
    bundle: str
    training_set: str
    evaluation: str
    environment: str
    approver: str
    role: str
    signed_at: str
    expires_at: str

    @property
    def content(self) -> bytes:
        """The exact bytes that are signed: canonical JSON of every field and of what the signature is for."""
        return canonical_json({"purpose": _PURPOSE, **asdict(self)})

    @classmethod
    def of(cls, identity: Mapping[str, Any]) -> "Statement":
        """Read the statement back from an approval leaf's identity."""
        return cls(**{name: identity[name] for name in cls.__dataclass_fields__})


@dataclass(frozen=True, slots=True)
class Approval:
    """An approval that holds.

    Attributes:
        id: Its leaf id.
        approver: Who signed.
        role: In which capacity.
        evaluation: Leaf id of the evaluation that was signed for.
        expires_at: Until when it holds, UTC.
    """

    id: str
    approver: str
    role: Role
    evaluation: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a bundle stands with its approvals.

    Attributes:
        approvals: Those that hold, for one evaluation, oldest first.
        missing: The roles still unsigned; empty when the bundle may serve.
        refused: ``(leaf id, reason)`` of the approvals that do not hold, oldest first.
    """

    approvals: tuple[Approval, ...]
    missing: tuple[Role, ...]
    refused: tuple[tuple[str, ApprovalRefusal], ...]


def approved(ledger: Ledger, digest: str, environment: str, at: datetime) -> tuple[Approval, ...]:
    """Return the approvals by which a bundle may serve in ``environment`` at ``at``; every one is verified anew.

    Args:
        ledger: The installation.
        digest: The bundle.
        environment: The profile it is to serve in.
        at: The moment it is to be loaded, UTC.

    Raises:
        ApprovalRefused: With the coded reason: nobody signed, too few did, or what they signed does not hold.
    """
    bundle = bundle_leaf(ledger, digest)
    evaluations = reversed(ledger.log.leaves(Kind.EVALUATION, bundle=digest))
    standings = [standing(ledger, bundle, environment, at, evaluation=evaluation.id) for evaluation in evaluations]
    for found in standings:
        if not found.missing:
            return found.approvals
    raise _refusal(bundle, environment, standings)


def standing(ledger: Ledger, bundle: RecordedLeaf, environment: str, at: datetime, *, evaluation: str) -> Standing:
    """Verify every approval of one evaluation of a bundle and say who has still to sign.

    Args:
        ledger: The installation.
        bundle: The bundle's leaf.
        environment: The profile it is to serve in.
        at: The moment of asking, UTC.
        evaluation: Leaf id of the evaluation.
    """
    policy = approval_policy(ledger.settings, bundle.detail["family"], environment)
    holding: list[Approval] = []
    refused: list[tuple[str, ApprovalRefusal]] = []
    for leaf in ledger.log.leaves(Kind.APPROVAL, bundle=bundle.identity["digest"], evaluation=evaluation):
        try:
            reason = _why_not(ledger, leaf, bundle, environment, at, policy)
            approval = _approval(leaf)
        except (KeyError, AttributeError, TypeError, ValueError):  # an entry changed in the database
            reason = ApprovalRefusal.TAMPERED
        if reason:
            refused.append((leaf.id, reason))
        else:
            holding.append(approval)
    missing = policy.unfilled((approval.approver, approval.role) for approval in holding)
    return Standing(tuple(holding), missing, tuple(refused))


def signature_holds(ledger: Ledger, approval: RecordedLeaf) -> bool:
    """Whether an approval was signed with the key that it names, which was its approver's when it was recorded.

    Whether it still counts, for what and where, is another question: see :func:`standing`.
    """
    try:
        key = _key_of(ledger, approval)
        statement = Statement.of(approval.identity)
        return key is not None and _is_signed(statement, key.identity["public_key"], approval.identity["signature"])
    except (KeyError, TypeError, ValueError):  # only an entry changed in the database lacks or garbles a field
        return False


def bundle_leaf(ledger: Ledger, digest: str) -> RecordedLeaf:
    """Return the leaf of a bundle.

    Raises:
        ApprovalRefused: No such bundle was recorded.
    """
    leaf = ledger.log.latest(Kind.MODEL_BUNDLE, digest=digest)
    if leaf is None:
        raise ApprovalRefused(
            ApprovalRefusal.UNKNOWN_BUNDLE, f"no bundle {digest} is in the evidence log; train a model first"
        )
    return leaf


def may_sign(approver: str, role: str, public_key: str, policy: ApprovalPolicy) -> bool:
    """Whether a policy that names its signers names this person, in this role, with this key."""
    if policy.signers is None:
        return True
    signer = policy.signers.get(person(approver))
    return signer is not None and role in signer.roles and public_key.lower() == signer.public_key


def _why_not(
    ledger: Ledger,
    leaf: RecordedLeaf,
    bundle: RecordedLeaf,
    environment: str,
    at: datetime,
    policy: ApprovalPolicy,
) -> ApprovalRefusal | None:
    """Return why an approval does not count, or None; what was forged is said before what has merely lapsed."""
    statement = Statement.of(leaf.identity)
    key = _key_of(ledger, leaf)
    if key is None:
        return ApprovalRefusal.UNKNOWN_KEY
    if not _is_signed(statement, key.identity["public_key"], leaf.identity["signature"]) or not _fits(
        statement, bundle
    ):
        return ApprovalRefusal.TAMPERED
    if reason := _why_not_by_key(ledger, leaf, key):
        return reason
    if statement.environment != environment:
        return ApprovalRefusal.WRONG_ENVIRONMENT
    if involved := involvement(ledger, bundle, statement.approver, environment, policy):
        return ApprovalRefusal(involved.value)
    if not may_sign(statement.approver, statement.role, key.identity["public_key"], policy):
        return ApprovalRefusal.NOT_A_SIGNER
    if not _evaluation_passed(ledger, statement):
        return ApprovalRefusal.EVALUATION_REFUSED
    return _why_not_now(statement, at, policy)


def _why_not_now(statement: Statement, at: datetime, policy: ApprovalPolicy) -> ApprovalRefusal | None:
    signed_at, expires_at = parse_instant(statement.signed_at), parse_instant(statement.expires_at)
    if expires_at - signed_at > policy.validity:
        return ApprovalRefusal.TOO_LONG
    if signed_at > at + _CLOCK_SKEW:
        return ApprovalRefusal.NOT_YET_VALID
    if at >= expires_at:
        return ApprovalRefusal.EXPIRED
    return None


def _key_of(ledger: Ledger, approval: RecordedLeaf) -> RecordedLeaf | None:
    """Return the key leaf an approval names, if it was its approver's and on record when the approval was recorded.

    A key that came into the log later proves nothing.
    """
    key = ledger.log.find(approval.identity["key"])
    if key is None or key.kind is not Kind.SIGNING_KEY or not key.is_intact or key.sequence > approval.sequence:
        return None
    return key if person(key.identity["name"]) == person(approval.identity["approver"]) else None


def _why_not_by_key(ledger: Ledger, approval: RecordedLeaf, key: RecordedLeaf) -> ApprovalRefusal | None:
    """Return why a key could not sign any more when the approval was recorded, or None; it may be in wrong hands."""
    if revocation(ledger, key.identity["public_key"], before=approval.sequence):
        return ApprovalRefusal.REVOKED_KEY
    newest = newest_key(ledger, approval.identity["approver"], before=approval.sequence)
    return None if newest and newest.id == key.id else ApprovalRefusal.UNKNOWN_KEY


def _is_signed(statement: Statement, public_key: str, signature: str) -> bool:
    try:
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(public_key))
        key.verify(bytes.fromhex(signature), statement.content)
    except (InvalidSignature, ValueError):
        return False
    return True


def _fits(statement: Statement, bundle: RecordedLeaf) -> bool:
    return (statement.family, statement.bundle, statement.training_set) == (
        bundle.detail["family"],
        bundle.identity["digest"],
        bundle.detail["training_set"],
    )


def _evaluation_passed(ledger: Ledger, statement: Statement) -> bool:
    evaluation = ledger.log.find(statement.evaluation)
    return (
        evaluation is not None
        and evaluation.kind is Kind.EVALUATION
        and evaluation.is_intact
        and evaluation.identity["bundle"] == statement.bundle
        and evaluation.identity["passed"] is True
    )


def _approval(leaf: RecordedLeaf) -> Approval:
    return Approval(
        id=leaf.id,
        approver=leaf.identity["approver"],
        role=Role(leaf.identity["role"]),
        evaluation=leaf.identity["evaluation"],
        expires_at=parse_instant(leaf.identity["expires_at"]),
    )


def _refusal(bundle: RecordedLeaf, environment: str, standings: Iterable[Standing]) -> ApprovalRefused:
    name = f"{bundle.detail['family']}@{bundle.detail.get('model_version')} ({bundle.identity['digest'][:12]})"
    for found in standings:
        if found.refused:
            leaf_id, reason = found.refused[-1]
            return ApprovalRefused(reason, f"approval {leaf_id[:12]} of {name} does not hold in {environment}")
        if found.approvals:
            missing = ", ".join(found.missing)
            return ApprovalRefused(ApprovalRefusal.UNSIGNED, f"{name} lacks signatures in {environment}: {missing}")
    return ApprovalRefused(ApprovalRefusal.UNSIGNED, f"nobody has signed for {name} in {environment}")
