"""Put a model before the gates and record what they say."""

from typing import Any

from ledgerline.audit import Kind, Leaf, Ledger, Parent, RecordedLeaf
from ledgerline.core.clock import instant_text
from ledgerline.decisions.approval import bundle_leaf
from ledgerline.decisions.bundle import EVALUATION_FILE
from pipelines.promotion.candidate import candidate
from pipelines.promotion.gate_policy import gate_policy
from pipelines.promotion.gates import judge


def evaluate_gates(ledger: Ledger, digest: str) -> RecordedLeaf:
    """Judge a bundle and return the evaluation leaf; a refused model is on record as refused and never deployable.

    Judging again under the same policy, champion and verdicts records nothing new.

    Raises:
        ApprovalRefused: No such bundle is on record.
        GatePolicyInvalid: The policy cannot be read.
    """
    leaf = bundle_leaf(ledger, digest)
    before_the_gates = candidate(ledger, leaf, gate_policy(ledger.settings.project, leaf.detail["family"]))
    verdicts = judge(before_the_gates)
    bundle = before_the_gates.bundle
    identity = {
        "bundle": digest,
        "report": bundle.manifest.files[EVALUATION_FILE].sha256 if bundle else None,
        "gates": [{"gate": verdict.gate, "passed": verdict.passed, "detail": verdict.detail} for verdict in verdicts],
        "passed": all(verdict.passed for verdict in verdicts),
    }
    detail = {
        "measured": {verdict.gate.value: dict(verdict.measured) for verdict in verdicts if verdict.measured},
        "evaluated_at": instant_text(ledger.clock.now()),
    }
    evaluation = Leaf(Kind.EVALUATION, _after(ledger.log.latest(Kind.EVALUATION, bundle=digest), identity), detail)
    return ledger.log.get(ledger.log.append(evaluation, [Parent(leaf.id, "bundle")]))


def _after(latest: RecordedLeaf | None, identity: dict[str, Any]) -> dict[str, Any]:
    """Return the identity of a verdict that follows ``latest``.

    The newest evaluation counts, and a leaf is never recorded twice: verdicts that go from A to B and back to A (a
    champion that was rolled back) must make a third leaf, so every one after the first names the one that it replaces.
    """
    if latest is None:
        return identity
    if identity == {name: value for name, value in latest.identity.items() if name != "supersedes"}:
        return dict(latest.identity)
    return {**identity, "supersedes": latest.id}
