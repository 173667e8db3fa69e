"""The grammar of the log's edges: what each kind of entry is made from, and the check that an entry's edges fit it.

    raw file -> landed batch -> validation receipt -> feature version -> training set -> training run -> model bundle
    model bundle -> evaluation -> approval -> deployment -> decision -> order intent -> venue event -> outcome

What came of a decision on a payment or an application is said by a label, and the outcome names the receipt that let it
in. A request, a signing key and a raw file are where lines begin: they are made from nothing.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from ledgerline.audit.entry import Entry
from ledgerline.audit.leaf import Kind, Leaf
from ledgerline.audit.schema import EDGE, LEAF

ANY_NUMBER = None


@dataclass(frozen=True, slots=True)
class EdgeType:
    """What one kind of entry is made from, in one role.

    Attributes:
        child: The kind that is made.
        role: What the parent is to it.
        parents: The kinds that a parent in this role may be of.
        least: How many there are at least.
        most: How many at most; :data:`ANY_NUMBER` sets no limit.
        said: Where the child's own ``identity`` or ``detail`` says which parent it is (``"identity.raw"``): a list
            where there may be several. An identity is what the child's id stands for, so that an edge cannot be led
            elsewhere without the entry contradicting itself. Empty where the child does not say.
        by: The parent's only identity field, which ``said`` holds a value of; empty where it holds the parent's id.
        shares: A field of their identities in which parent and child are alike; empty for none.
    """

    child: Kind
    role: str
    parents: tuple[Kind, ...]
    least: int = 1
    most: int | None = 1
    said: str = ""
    by: str = ""
    shares: str = ""

    def says(self, entry: Entry) -> list[str] | None:
        """Return the ids of the parents that the child itself says it has in this role, or None if it does not say."""
        if not self.said:
            return None
        part, name = self.said.split(".")
        value = (entry.leaf.identity if part == "identity" else entry.leaf.detail).get(name)
        values = value if isinstance(value, list) else [] if value is None else [value]
        if not self.by:
            return [str(each) for each in values]
        (kind,) = self.parents
        return [Leaf(kind, {self.by: each}).id for each in values]


_LET_IN = (Kind.VALIDATION_RECEIPT, Kind.RELEASE)  # by which rows of a batch come in: when it is judged, or later

EDGES: tuple[EdgeType, ...] = (
    # Data.
    EdgeType(Kind.LANDED_BATCH, "raw", (Kind.RAW_FILE,), said="identity.raw", by="sha256"),
    EdgeType(Kind.REFUSED_FILE, "raw", (Kind.RAW_FILE,), said="identity.raw", by="sha256"),
    EdgeType(Kind.VALIDATION_RECEIPT, "batch", (Kind.LANDED_BATCH,), said="identity.batch"),
    EdgeType(Kind.RELEASE, "receipt", (Kind.VALIDATION_RECEIPT,), said="identity.receipt"),
    EdgeType(Kind.RELEASE, "batch", (Kind.LANDED_BATCH,), said="identity.batch"),
    EdgeType(Kind.ERASURE, "raw", (Kind.RAW_FILE,), least=0, most=ANY_NUMBER, said="identity.files"),
    EdgeType(Kind.FEATURE_VERSION, "accepted", _LET_IN, most=ANY_NUMBER),
    # Models.
    EdgeType(Kind.TRAINING_SET, "features", (Kind.FEATURE_VERSION,), said="identity.feature_version"),
    EdgeType(Kind.TRAINING_SET, "labels", _LET_IN, least=0, most=ANY_NUMBER, said="identity.labels"),
    EdgeType(Kind.TRAINING_RUN, "training_set", (Kind.TRAINING_SET,), said="identity.training_set"),
    EdgeType(Kind.MODEL_BUNDLE, "run", (Kind.TRAINING_RUN,), said="detail.training_run"),
    EdgeType(Kind.EVALUATION, "bundle", (Kind.MODEL_BUNDLE,), said="identity.bundle", by="digest"),
    EdgeType(Kind.KEY_REVOCATION, "key", (Kind.SIGNING_KEY,), said="identity.key"),
    EdgeType(Kind.APPROVAL, "evaluation", (Kind.EVALUATION,), said="identity.evaluation"),
    EdgeType(Kind.APPROVAL, "key", (Kind.SIGNING_KEY,), said="identity.key"),
    EdgeType(Kind.DEPLOYMENT, "bundle", (Kind.MODEL_BUNDLE,), said="identity.bundle", by="digest"),
    EdgeType(Kind.DEPLOYMENT, "approval", (Kind.APPROVAL,), most=ANY_NUMBER, said="identity.approvals"),
    EdgeType(Kind.DEPLOYMENT, "online_state", (Kind.FEATURE_VERSION,)),
    EdgeType(Kind.MONITORING, "bundle", (Kind.MODEL_BUNDLE,), least=0, most=ANY_NUMBER),
    EdgeType(Kind.MONITORING, "features", (Kind.FEATURE_VERSION,), least=0, most=ANY_NUMBER),
    # Live jobs.
    EdgeType(Kind.DECISION, "request", (Kind.REQUEST,), said="identity.request", by="sha256"),
    EdgeType(Kind.DECISION, "deployment", (Kind.DEPLOYMENT,), said="detail.deployment"),
    EdgeType(Kind.FORECAST, "deployment", (Kind.DEPLOYMENT,)),
    EdgeType(Kind.FORECAST, "features", (Kind.FEATURE_VERSION,), said="identity.feature_version"),
    EdgeType(Kind.SCORED_BATCH, "deployment", (Kind.DEPLOYMENT,)),
    EdgeType(Kind.SCORED_BATCH, "features", (Kind.FEATURE_VERSION,), said="identity.feature_version"),
    EdgeType(Kind.SCORED_BATCH, "batch", _LET_IN, said="identity.receipt"),
    EdgeType(Kind.ORDER_INTENT, "decision", (Kind.DECISION,), least=0, shares="bundle"),
    EdgeType(Kind.ORDER_INTENT, "account", (Kind.REQUEST,)),  # what the venue said of the account
    EdgeType(Kind.VENUE_EVENT, "intent", (Kind.ORDER_INTENT,), shares="client_order_id"),
    EdgeType(Kind.OUTCOME, "decision", (Kind.DECISION,), said="identity.decision"),
    EdgeType(Kind.OUTCOME, "label", _LET_IN, least=0, said="detail.label"),
    EdgeType(Kind.OUTCOME, "intent", (Kind.ORDER_INTENT,), least=0, said="identity.intent"),
    EdgeType(Kind.OUTCOME, "event", (Kind.VENUE_EVENT,), least=0, said="identity.event"),
    EdgeType(Kind.HALT, "follows", (Kind.HALT,), least=0, said="identity.follows"),
)

BULK = (Kind.REQUEST, Kind.DECISION, Kind.ORDER_INTENT, Kind.VENUE_EVENT, Kind.OUTCOME)
"""The kinds of which there are as many as live jobs are asked; of all others there are few."""


@dataclass(frozen=True, slots=True)
class SeenParent:
    """A parent as far as the grammar asks for it.

    Attributes:
        kind: What it is.
        identity: What makes it this one; None where no edge type asks.
    """

    kind: str
    identity: Mapping[str, Any] | None = None


def misfit(entry: Entry, parents: Mapping[str, SeenParent], grammar: Sequence[EdgeType] = EDGES) -> str | None:
    """Return how an entry's edges do not fit the grammar, for a person, or None.

    Args:
        entry: The entry.
        parents: Its parents, by id; what is not there is not judged.
        grammar: What may be made from what.
    """
    return _misfit(entry, parents, _by_role(grammar, entry.leaf.kind))


def _by_role(grammar: Sequence[EdgeType], kind: Kind) -> Mapping[str, EdgeType]:
    return {each.role: each for each in grammar if each.child is kind}


def _misfit(entry: Entry, parents: Mapping[str, SeenParent], types: Mapping[str, EdgeType]) -> str | None:
    found: dict[str, list[str]] = {role: [] for role in types}
    for parent in entry.parents:
        if parent.role not in types:
            return f"{entry.leaf.kind} has no parent as its {parent.role}"
        found[parent.role].append(parent.id)
    problems = (_misfit_of(types[role], entry, ids, parents) for role, ids in found.items())
    return next((problem for problem in problems if problem), None)


def misfits(
    connection: Connection, entries: Mapping[int, Entry], grammar: Sequence[EdgeType] = EDGES
) -> Iterator[tuple[int, str]]:
    """Yield sequence and problem of those entries whose edges do not fit the grammar.

    Args:
        connection: From :meth:`EvidenceLog.reading`.
        entries: Entries by sequence, lying near each other.
        grammar: What may be made from what.
    """
    if not entries:
        return
    parents = _parents(connection, min(entries), max(entries), grammar)
    types = {kind: _by_role(grammar, kind) for kind in Kind}
    for sequence, entry in entries.items():
        if problem := _misfit(entry, parents, types[entry.leaf.kind]):
            yield sequence, problem


def _misfit_of(kind: EdgeType, entry: Entry, ids: Sequence[str], parents: Mapping[str, SeenParent]) -> str | None:
    what = f"{kind.child} as its {kind.role}"
    if len(ids) < kind.least or (kind.most is not None and len(ids) > kind.most):
        wanted = f"{kind.least}" if kind.least == kind.most else f"{kind.least} to {kind.most or 'any number'}"
        return f"{what} has {len(ids)} parents, and must have {wanted}"
    for parent in (parents[each] for each in ids if each in parents):
        if parent.kind not in kind.parents:
            return f"{what} has a {parent.kind}, and must have a {' or '.join(kind.parents)}"
        if kind.shares and parent.identity and _differ(parent.identity, entry.leaf.identity, kind.shares):
            return f"{what} has a {parent.kind} whose {kind.shares} is another"
    said = kind.says(entry)
    if said is not None and sorted(said) != sorted(ids):
        return f"{what} has {', '.join(ids) or 'nothing'}, and says by its {kind.said} {', '.join(said) or 'nothing'}"
    return None


def _differ(one: Mapping[str, Any], other: Mapping[str, Any], name: str) -> bool:
    return bool(one.get(name) != other.get(name))


def _parents(connection: Connection, first: int, last: int, grammar: Sequence[EdgeType]) -> dict[str, SeenParent]:
    """Return the parents of the entries from ``first`` to ``last``, by id."""
    sharing = [kind.role for kind in grammar if kind.shares]
    entry = sa.case((EDGE.c.role.in_(sharing), LEAF.c.entry))  # the bytes of few
    statement = (
        sa.select(LEAF.c.id, LEAF.c.kind, entry)
        .join(EDGE, LEAF.c.sequence == EDGE.c.parent)
        .where(first <= EDGE.c.child, EDGE.c.child <= last)
    )
    found: dict[str, SeenParent] = {}
    for leaf_id, kind, content in connection.execute(statement):
        if content is not None or leaf_id not in found:
            found[leaf_id] = SeenParent(kind, _identity(content) if content is not None else None)
    return found


def _identity(content: bytes) -> Mapping[str, Any] | None:
    """Return an entry's identity; None where the bytes are no entry's, which is found when it is checked itself."""
    try:
        said = json.loads(content)
    except ValueError:
        return None
    identity = said.get("identity") if isinstance(said, dict) else None
    return identity if isinstance(identity, dict) else None
