"""Sign for a model, and say which models still wait for whose signature."""

from dataclasses import asdict, dataclass

from ledgerline.audit import Kind, Leaf, Ledger, Parent, RecordedLeaf
from ledgerline.audit.trace import resolve
from ledgerline.core.clock import instant_text
from ledgerline.core.errors import LedgerlineError
from ledgerline.decisions.approval import ApprovalRefusal, Statement, bundle_leaf, may_sign, standing
from ledgerline.decisions.approval_policy import Role, approval_policy
from ledgerline.decisions.separation import Involvement, involvement
from ledgerline.decisions.signing_keys import newest_key, revocation
from pipelines.promotion.keys import open_key, public_hex

_NEVER = "and may never sign for it; somebody else must"
_BARRED = {
    Involvement.TRAINED: f"{{approver}} trained {{model}} {_NEVER}",
    Involvement.AUTHORED: f"{{approver}} wrote the code that trained {{model}} {_NEVER}",
    Involvement.COMMITTED: f"{{approver}} committed the code that trained {{model}} {_NEVER}",
    Involvement.UNKNOWN: "nobody may sign for {model}: no commit of the code that trained it is on record, so its "
    "authors cannot be told from its approvers; train it from a git checkout",
}


class SigningRefused(LedgerlineError):
    """A signature would not count, so none is made.

    Attributes:
        reason: The code under which it would be refused, where there is one.
    """

    def __init__(self, message: str, reason: ApprovalRefusal | None = None) -> None:
        super().__init__(f"{message} [{reason}]" if reason else message)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Pending:
    """A bundle that passed the gates and waits for signatures in this environment.

    Attributes:
        digest: The bundle.
        family: Its family.
        model_version: Its number in the model registry, or None if it was never registered.
        evaluation: Leaf id of the evaluation to be signed for.
        missing: The roles still unsigned.
    """

    digest: str
    family: str
    model_version: int | None
    evaluation: str
    missing: tuple[Role, ...]


def find_bundle(ledger: Ledger, model: str) -> RecordedLeaf:
    """Return the leaf of the bundle called ``model``: a version such as ``fraud@3``, or a digest or its start.

    Raises:
        UnknownLeaf: Nothing, or more than one thing, is called so.
        SigningRefused: It is no bundle.
    """
    leaf = resolve(ledger.log, model)
    if leaf.kind is not Kind.MODEL_BUNDLE:
        raise SigningRefused(f"{model} is a {leaf.kind}, not a model; name one as fraud@1 or by its digest")
    return leaf


def latest_evaluation(ledger: Ledger, digest: str) -> RecordedLeaf | None:
    """Return the newest verdict of the gates on a bundle, or None."""
    return ledger.log.latest(Kind.EVALUATION, bundle=digest)


def approve(ledger: Ledger, model: str, *, approver: str, role: str, passphrase: str) -> str:
    """Sign for a model in this installation's environment and record the approval.

    Args:
        ledger: The installation.
        model: A version such as ``fraud@3``, or a digest or its start.
        approver: Who signs; their key must be on record.
        role: In which capacity, one that the policy asks for.
        passphrase: Opens their private key.

    Returns:
        Leaf id of the approval.

    Raises:
        SigningRefused: The gates refused the model, or this signature would not count.
        KeyRefused: The key does not open.
    """
    bundle = find_bundle(ledger, model)
    evaluation = _passed_evaluation(ledger, bundle)
    environment = ledger.settings.profile.value
    policy = approval_policy(ledger.settings, bundle.detail["family"], environment)
    if role not in policy.slots:
        raise SigningRefused(f"nobody has to sign as {role!r}; the policy asks for {', '.join(policy.slots)}")
    if involved := involvement(ledger, bundle, approver, environment, policy):
        message = _BARRED[involved].format(approver=approver, model=model)
        raise SigningRefused(message, ApprovalRefusal(involved.value))
    key = newest_key(ledger, approver)
    if key is not None and (revoked := revocation(ledger, key.identity["public_key"])):
        raise SigningRefused(
            f"the key of {approver} was revoked by {revoked.detail['revoked_by']}: {revoked.detail['reason']}; make a "
            f"new one: ledgerline keys create {approver}",
            ApprovalRefusal.REVOKED_KEY,
        )
    private_key = open_key(ledger, approver, passphrase=passphrase)
    if key is None or key.identity["public_key"] != public_hex(private_key):
        raise SigningRefused(
            f"the key of {approver} on this disk is not their newest one on record; make a new one",
            ApprovalRefusal.UNKNOWN_KEY,
        )
    if not may_sign(approver, role, key.identity["public_key"], policy):
        raise SigningRefused(
            f"policies/approvals.yaml does not name {approver} as {role} with this key", ApprovalRefusal.NOT_A_SIGNER
        )
    now = ledger.clock.now()
    statement = Statement(
        family=bundle.detail["family"],
        bundle=bundle.identity["digest"],
        training_set=bundle.detail["training_set"],
        evaluation=evaluation.id,
        environment=environment,
        approver=approver,
        role=role,
        signed_at=instant_text(now),
        expires_at=instant_text(now + policy.validity),
    )
    signature = private_key.sign(statement.content).hex()
    leaf = Leaf(Kind.APPROVAL, {**asdict(statement), "key": key.id, "signature": signature})
    return ledger.log.append(leaf, [Parent(evaluation.id, "evaluation"), Parent(key.id, "key")])


def missing_approvals(ledger: Ledger, digest: str) -> tuple[Role, ...]:
    """Return the roles that have still to sign for a bundle's newest evaluation here; empty when it is approved.

    Raises:
        ApprovalRefused: No such bundle.
        SigningRefused: The gates have not judged it, or refused it.
    """
    bundle = bundle_leaf(ledger, digest)
    return _missing(ledger, bundle, _passed_evaluation(ledger, bundle))


def pending(ledger: Ledger) -> list[Pending]:
    """Return the bundles that passed the gates and lack signatures in this environment, oldest first."""
    waiting = []
    for bundle in ledger.log.leaves(Kind.MODEL_BUNDLE):
        digest = bundle.identity["digest"]
        evaluation = latest_evaluation(ledger, digest)
        if evaluation is None or not evaluation.identity["passed"]:
            continue
        if missing := _missing(ledger, bundle, evaluation):
            version = bundle.detail.get("model_version")
            waiting.append(Pending(digest, bundle.detail["family"], version, evaluation.id, missing))
    return waiting


def _passed_evaluation(ledger: Ledger, bundle: RecordedLeaf) -> RecordedLeaf:
    digest = bundle.identity["digest"]
    evaluation = latest_evaluation(ledger, digest)
    if evaluation is None:
        raise SigningRefused(f"no gate has judged bundle {digest[:12]} yet; evaluate it first")
    if not evaluation.identity["passed"]:
        failed = [verdict["gate"] for verdict in evaluation.identity["gates"] if not verdict["passed"]]
        raise SigningRefused(f"the gates refused bundle {digest[:12]}: {', '.join(failed)}; train a better one")
    return evaluation


def _missing(ledger: Ledger, bundle: RecordedLeaf, evaluation: RecordedLeaf) -> tuple[Role, ...]:
    environment = ledger.settings.profile.value
    return standing(ledger, bundle, environment, ledger.clock.now(), evaluation=evaluation.id).missing
