"""What came of live decisions, as the log tells it."""

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from ledgerline.audit.leaf import Kind, RecordedLeaf
from ledgerline.audit.log import EvidenceLog
from ledgerline.audit.schema import EDGE

LIVE_KINDS = (Kind.DECISION, Kind.ORDER_INTENT, Kind.VENUE_EVENT)
"""The kinds that something comes of, in order."""

_ASKED_AT_ONCE = 500


def life_of(log: EvidenceLog, start: RecordedLeaf) -> list[RecordedLeaf]:
    """Return a decision, or an order or what a venue said of it, and everything that came of it, oldest first.

    Of any other kind of entry that is the entry alone.
    """
    found = {start.sequence: start}
    waiting = [start] if start.kind in LIVE_KINDS else []
    while waiting:
        new = [leaf for _, leaf in log.children(waiting.pop().id) if leaf.sequence not in found]
        found |= {leaf.sequence: leaf for leaf in new}
        waiting += [leaf for leaf in new if leaf.kind in LIVE_KINDS]
    return [found[sequence] for sequence in sorted(found)]


def outcomes_of(log: EvidenceLog, start: RecordedLeaf) -> list[RecordedLeaf]:
    """Return the outcomes of a decision, an order or a venue event, in the order in which they could be known."""
    found = [leaf for leaf in life_of(log, start) if leaf.kind is Kind.OUTCOME and leaf.id != start.id]
    return sorted(found, key=lambda leaf: (str(leaf.identity.get("known_at")), leaf.sequence))


def labelled_decisions(connection: Connection, receipts: Sequence[int]) -> Sequence[int]:
    """Return the decisions whose outcome is said by a label that some receipts or releases let in.

    Args:
        connection: From :meth:`EvidenceLog.reading`.
        receipts: Their sequences.

    Returns:
        Sequences, ascending.
    """
    label, decision = EDGE.alias(), EDGE.alias()
    statement = (
        sa.select(decision.c.parent)
        .join(label, label.c.child == decision.c.child)
        .where(label.c.role == "label", decision.c.role == "decision")
        .distinct()
    )
    found: set[int] = set()
    for begin in range(0, len(receipts), _ASKED_AT_ONCE):
        let_in_by = label.c.parent.in_(receipts[begin : begin + _ASKED_AT_ONCE])
        found |= set(connection.execute(statement.where(let_in_by)).scalars())
    return sorted(found)
