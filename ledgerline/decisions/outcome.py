"""What came of live decisions, put on record when it becomes known: a label, a fill, a gain.

An outcome is never changed. A label that is corrected is a second outcome of the same decision, known later.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

from ledgerline.audit import Kind, Leaf, Ledger, Parent
from ledgerline.audit.log import NewLeaf
from ledgerline.audit.lookup import places
from ledgerline.core.clock import instant_text

# Live decisions wait for the same lock: none waits longer than it takes to write these.
_RECORDED_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Outcome:
    """Something that came of a live decision.

    Attributes:
        decision: The decision's leaf id.
        subject: What was decided on, for the reader: a payment's, an application's or an order's name.
        came: What came of it, as JSON values: ``{"is_fraud": true}``. Money and quantities are decimals, as text.
        known_at: From when it could be known, UTC.
        label: Leaf id of the receipt or release by which the label was let in; None where there is no label.
        intent: Leaf id of the order intent that it came of; None where there was no order.
        event: Leaf id of the venue event that says so; None likewise.
    """

    decision: str
    subject: str
    came: Mapping[str, Any]
    known_at: datetime
    label: str | None = None
    intent: str | None = None
    event: str | None = None

    def entry(self) -> NewLeaf:
        """Return the leaf and its parents.

        The label's receipt is no part of the identity: a batch that is judged anew says the same of the same payment.
        """
        order = {"intent": self.intent, "event": self.event} if self.intent else {}
        identity = {
            "decision": self.decision,
            "came": dict(self.came),
            "known_at": instant_text(self.known_at),
            **order,
        }
        detail = {"subject": self.subject, **({"label": self.label} if self.label else {})}
        parents = [Parent(self.decision, "decision")]
        parents += [Parent(self.label, "label")] if self.label else []
        parents += [Parent(self.intent, "intent")] if self.intent else []
        parents += [Parent(self.event, "event")] if self.event else []
        return NewLeaf(Leaf(Kind.OUTCOME, identity, detail), parents)


def record_outcomes(ledger: Ledger, outcomes: Iterable[Outcome]) -> int:
    """Put outcomes on record, many in one transaction; those that are there already are left as they are.

    Killed at any point, the next call records the rest.

    Args:
        ledger: The installation.
        outcomes: In any number; they are taken a few hundred at a time.

    Returns:
        How many are new.

    Raises:
        UnknownLeaf: One names a decision, label or event that is not in the log.
    """
    waiting = iter(outcomes)
    recorded = 0
    while part := list(islice(waiting, _RECORDED_AT_ONCE)):
        new = _not_there(ledger, {entry.leaf.id: entry for entry in (outcome.entry() for outcome in part)})
        if new:
            with ledger.log.transaction() as transaction:
                ledger.log.record_all(transaction, new)
            recorded += len(new)
    return recorded


def _not_there(ledger: Ledger, entries: Mapping[str, NewLeaf]) -> list[NewLeaf]:
    """Return those whose leaf is not in the log, found without the lock that writers wait for."""
    with ledger.log.reading() as connection:
        there = places(connection, list(entries))
    return [entry for leaf_id, entry in entries.items() if leaf_id not in there]
