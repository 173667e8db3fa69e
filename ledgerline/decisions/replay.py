"""Decide again from what was known then, and compare: the proof that an answer came from its model and its inputs."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from ledgerline.audit import Ledger
from ledgerline.audit.erasure import erasure_of
from ledgerline.core.errors import LedgerlineError
from ledgerline.core.identity import canonical_json, sha256_bytes
from ledgerline.decisions.bundle import Bundle, BundleRefused, load_bundle
from ledgerline.decisions.record import RecordedDecision, UnknownDecision, get_decision, request_body

Vector = Mapping[str, float | None]
Rebuild = Callable[[RecordedDecision], Vector]
"""Makes a decision's features again from what was known when it was made, or raises :class:`InputsLost`."""
Decider = Callable[[RecordedDecision, Vector], Mapping[str, Any]]
"""Makes the part of an answer that its inputs decide."""


class InputsLost(LedgerlineError):
    """What a decision was made on cannot be made again: a part is gone, or this code computes other features."""


@dataclass(frozen=True, slots=True)
class Replay:
    """What came of deciding again.

    Attributes:
        decision_id: Which decision.
        identical: Whether the recorded bytes still hash to what the log holds, the features come out the same, and the
            model decides the same.
        difference: What differs, for a person; None when nothing does.
        rebuilt: Whether the features were made again from what was known then; otherwise the recorded ones were taken.
        not_rebuilt: Why they were not; None where they were, or nobody asked for it.
        erased: When the person whom it was about was erased, ISO 8601 UTC; None if nobody was. The request can no
            longer be read then: the features and the answer, under a pseudonym, are what was compared.
    """

    decision_id: str
    identical: bool
    difference: str | None
    rebuilt: bool = False
    not_rebuilt: str | None = None
    erased: str | None = None


def replay(ledger: Ledger, decision_id: str, rebuilds: Mapping[str, Rebuild] | None = None) -> Replay:
    """Load a decision's model by its digest, decide again, and compare.

    Args:
        ledger: The installation.
        decision_id: The decision's id or the start of it.
        rebuilds: How features are made again, by family; a family that is not there decides from the recorded ones.

    Raises:
        UnknownDecision: No such decision.
    """
    (found,) = replay_all(ledger, [get_decision(ledger, decision_id)], rebuilds)
    return found


def replay_all(
    ledger: Ledger, decisions: Iterable[RecordedDecision], rebuilds: Mapping[str, Rebuild] | None = None
) -> Iterator[Replay]:
    """Replay many, each model loaded once. In the order in which they were made, features are made again fastest.

    What can no longer be read, a model's bytes among it, is that decision's difference: the others are replayed.
    """
    load = cache(lambda family, digest: _decider(family, load_bundle(ledger.objects, digest)))
    for recorded in decisions:
        yield _replayed(ledger, recorded, (rebuilds or {}).get(recorded.family), load)


def _replayed(
    ledger: Ledger, recorded: RecordedDecision, rebuild: Rebuild | None, load: Callable[[str, str], Decider]
) -> Replay:
    vector, not_rebuilt, difference = recorded.vector, None, _changed_since(ledger, recorded)
    if difference is None and rebuild is not None:
        try:
            vector = rebuild(recorded)
        except InputsLost as lost:
            not_rebuilt = str(lost)
        difference = _first_difference(recorded.vector, vector, "feature ")
        if gone := sorted(recorded.vector.keys() - vector.keys()):
            difference = difference or f"feature {gone[0]} was {recorded.vector[gone[0]]} and is no longer made"
    if difference is None:
        try:
            difference = _first_difference(recorded.answer, load(recorded.family, recorded.bundle)(recorded, vector))
        except BundleRefused as refused:
            difference = f"model {recorded.bundle}: {refused}"
    return Replay(
        decision_id=recorded.decision_id,
        identical=difference is None,
        difference=difference,
        rebuilt=rebuild is not None and vector is not recorded.vector,
        not_rebuilt=not_rebuilt,
        erased=_erased(ledger, recorded),
    )


def _erased(ledger: Ledger, recorded: RecordedDecision) -> str | None:
    """Return when the person behind a decision was erased, or None."""
    leaf = ledger.log.find(recorded.leaf)
    person = leaf.detail.get("person") if leaf else None
    erasure = erasure_of(ledger.log, person) if person else None
    return str(erasure.detail["erased_at"]) if erasure else None


def _decider(family: str, bundle: Bundle) -> Decider:
    """Return what makes, by the family's own code, the part of an answer that the inputs decide."""
    match family:
        case "fraud":
            from ledgerline.decisions.fraud import FraudModel
            from ledgerline.decisions.fraud_answer import judge_payment

            fraud = FraudModel.load(bundle)
            return lambda _, vector: judge_payment(fraud, _complete(vector))
        case "credit":
            from ledgerline.decisions.credit import CreditModel
            from ledgerline.decisions.credit import judge_again as credit_again

            credit = CreditModel.load(bundle)
            return lambda recorded, vector: credit_again(credit, recorded.event, vector, recorded.answer)
        case "price":
            from ledgerline.decisions.trading import PriceModel
            from ledgerline.decisions.trading import judge_again as price_again

            price = PriceModel.load(bundle)
            return lambda recorded, vector: price_again(price, vector, recorded.answer)
        case other:
            raise UnknownDecision(f"decisions of the family {other!r} cannot be replayed by this code")


def _complete(vector: Vector) -> dict[str, float]:
    """Return a vector in which nothing may be missing."""
    return {name: value for name, value in vector.items() if value is not None}


def _changed_since(ledger: Ledger, recorded: RecordedDecision) -> str | None:
    """Say which of the recorded parts is no longer what the evidence log holds, or None."""
    leaf = ledger.log.find(recorded.leaf)
    if leaf is None:
        return f"the evidence log has no leaf {recorded.leaf}"
    if not leaf.is_intact:
        return f"the evidence log's entry {leaf.id} was changed: its content is not what its id stands for"
    try:
        body = request_body(ledger, recorded.request)
    except UnknownDecision as gone:
        return str(gone)
    expected = {
        "decision": (leaf.identity["decision_id"], recorded.decision_id),
        "model": (leaf.identity["bundle"], recorded.bundle),
        "deployment": (leaf.detail["deployment"], recorded.deployment),
        "answer": (leaf.identity["answer"], sha256_bytes(recorded.answer_bytes)),
        "features": (leaf.detail["vector"], sha256_bytes(canonical_json(dict(recorded.vector)))),
        "event": (leaf.detail["event"], sha256_bytes(canonical_json(dict(recorded.event)))),
        "request": (leaf.identity["request"], sha256_bytes(body)),
    }
    changed = [f"{part} (logged {logged}, now {now})" for part, (logged, now) in expected.items() if logged != now]
    return f"changed after it was recorded: {', '.join(changed)}" if changed else None


def _first_difference(recorded: Mapping[str, Any], again: Mapping[str, Any], what: str = "") -> str | None:
    for name, value in again.items():
        if name not in recorded:
            return f"{what}{name} was not there and is {value}"
        if canonical_json(recorded[name]) != canonical_json(value):
            return f"{what}{name} was {recorded[name]} and is {value}"
    return None
