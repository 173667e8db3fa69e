"""Decide again from what was recorded, and compare: the proof that an answer came from its model and its features."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ledgerline.audit import Ledger
from ledgerline.audit.erasure import erasure_of
from ledgerline.core.identity import canonical_json, sha256_bytes
from ledgerline.decisions.bundle import Bundle, load_bundle
from ledgerline.decisions.record import RecordedDecision, UnknownDecision, get_decision, request_body


@dataclass(frozen=True, slots=True)
class Replay:
    """What came of deciding again.

    Attributes:
        decision_id: Which decision.
        identical: Whether the recorded bytes still hash to what the log holds, and the model decides the same.
        difference: What differs, for a person; None when nothing does.
        erased: When the person whom it was about was erased, ISO 8601 UTC; None if nobody was. The request can no
            longer be read then: the features and the answer, under a pseudonym, are what was compared.
    """

    decision_id: str
    identical: bool
    difference: str | None
    erased: str | None = None


def replay(ledger: Ledger, decision_id: str) -> Replay:
    """Load a decision's model by its digest, decide again from the recorded features, and compare.

    Args:
        ledger: The installation.
        decision_id: The decision's id or the start of it.

    Raises:
        UnknownDecision: No such decision.
        BundleRefused: The model's bytes are gone or changed.
    """
    recorded = get_decision(ledger, decision_id)
    difference = _changed_since(ledger, recorded)
    if difference is None:
        again = _decide_again(load_bundle(ledger.objects, recorded.bundle), recorded)
        difference = _first_difference(recorded.answer, again)
    return Replay(recorded.decision_id, difference is None, difference, _erased(ledger, recorded))


def _erased(ledger: Ledger, recorded: RecordedDecision) -> str | None:
    """Return when the person behind a decision was erased, or None."""
    leaf = ledger.log.find(recorded.leaf)
    person = leaf.detail.get("person") if leaf else None
    erasure = erasure_of(ledger.log, person) if person else None
    return str(erasure.detail["erased_at"]) if erasure else None


def _decide_again(bundle: Bundle, recorded: RecordedDecision) -> Mapping[str, Any]:
    """Return the part of the answer that the recorded inputs decide, by the family's own code."""
    match recorded.family:
        case "fraud":
            from ledgerline.decisions.fraud import FraudModel
            from ledgerline.decisions.fraud_answer import judge_payment

            return judge_payment(FraudModel.load(bundle), _complete(recorded))
        case "credit":
            from ledgerline.decisions.credit import CreditModel
            from ledgerline.decisions.credit import judge_again as credit_again

            return credit_again(CreditModel.load(bundle), recorded.event, recorded.vector, recorded.answer)
        case "price":
            from ledgerline.decisions.trading import PriceModel
            from ledgerline.decisions.trading import judge_again as price_again

            return price_again(PriceModel.load(bundle), recorded.vector, recorded.answer)
        case other:
            raise UnknownDecision(f"decisions of the family {other!r} cannot be replayed by this code")


def _complete(recorded: RecordedDecision) -> dict[str, float]:
    """Return a vector in which nothing may be missing."""
    return {name: value for name, value in recorded.vector.items() if value is not None}


def _changed_since(ledger: Ledger, recorded: RecordedDecision) -> str | None:
    """Say which of the recorded parts is no longer what the evidence log holds, or None."""
    leaf = ledger.log.find(recorded.leaf)
    if leaf is None:
        return f"the evidence log has no leaf {recorded.leaf}"
    if not leaf.is_intact:
        return f"the evidence log's entry {leaf.id} was changed: its content is not what its id stands for"
    expected = {
        "decision": (leaf.identity["decision_id"], recorded.decision_id),
        "model": (leaf.identity["bundle"], recorded.bundle),
        "deployment": (leaf.detail["deployment"], recorded.deployment),
        "answer": (leaf.identity["answer"], sha256_bytes(recorded.answer_bytes)),
        "features": (leaf.detail["vector"], sha256_bytes(canonical_json(dict(recorded.vector)))),
        "event": (leaf.detail["event"], sha256_bytes(canonical_json(dict(recorded.event)))),
        "request": (leaf.identity["request"], sha256_bytes(request_body(ledger, recorded.request))),
    }
    changed = [f"{part} (logged {logged}, now {now})" for part, (logged, now) in expected.items() if logged != now]
    return f"changed after it was recorded: {', '.join(changed)}" if changed else None


def _first_difference(answer: Mapping[str, Any], again: Mapping[str, Any]) -> str | None:
    for name, value in again.items():
        if canonical_json(answer[name]) != canonical_json(value):
            return f"{name} was {answer[name]} and is {value}"
    return None
