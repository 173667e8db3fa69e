"""What stands beside the log, held against it: rows that commit with leaves, and the bytes that leaves name.

The log proves itself (:mod:`ledgerline.audit.verify`). This says whether decisions, deployments and orders are still
those that were recorded, whether none is without its leaf, and whether approvals, bundles and raw files hold.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import sqlalchemy as sa

from ledgerline.audit import Kind, Ledger, RecordedLeaf
from ledgerline.audit.entry import EntryMalformed, decode_entry
from ledgerline.audit.erasure import unfinished_erasures
from ledgerline.audit.leaf import Leaf
from ledgerline.audit.schema import LEAF
from ledgerline.audit.verify import Check, Finding, Problem
from ledgerline.core.identity import canonical_json, sha256_bytes
from ledgerline.core.storage import ObjectCorrupt, ObjectMissing
from ledgerline.decisions.approval import signature_holds
from ledgerline.decisions.bundle import BundleRefused, load_bundle
from ledgerline.decisions.schema import DECISION, DEPLOYMENT, REQUEST_BODY, ensure_tables
from ledgerline.decisions.trading.schema import HALT, ORDER, VENUE_EVENT, ensure_trading_tables

_READ_AT_ONCE = 2_000


def leaf_checks(ledger: Ledger) -> Mapping[Kind, Check]:
    """Return what is to be checked of single leaves: signatures, and the bytes of bundles and raw files."""

    def approval(leaf: RecordedLeaf) -> str | None:
        return None if signature_holds(ledger, leaf) else f"approval {leaf.id} is not what its key signed"

    def bundle(leaf: RecordedLeaf) -> str | None:
        try:
            load_bundle(ledger.objects, leaf.identity["digest"])
        except BundleRefused as refused:
            return str(refused)
        return None

    def raw_file(leaf: RecordedLeaf) -> str | None:
        try:
            with ledger.objects.local(leaf.identity["sha256"]):
                return None
        except (ObjectCorrupt, ObjectMissing) as error:
            return str(error)

    return {Kind.APPROVAL: approval, Kind.MODEL_BUNDLE: bundle, Kind.RAW_FILE: raw_file}


def check_effects(ledger: Ledger, progress: Callable[[int], None] | None = None) -> Iterator[Finding]:
    """Yield every row that is not what its leaf says or has none, and every leaf whose row is gone.

    Likewise erasures after which a key is there, and keys that no erasure destroyed.

    Args:
        ledger: The installation.
        progress: Called with the number of rows read so far.
    """
    ensure_tables(ledger)
    ensure_trading_tables(ledger)
    read = 0
    with ledger.log.reading() as connection:
        for kind, table, differs in _EFFECTS:
            statement = sa.select(table, LEAF.c.sequence.label("_sequence"), LEAF.c.entry.label("_entry"))
            statement = statement.outerjoin(LEAF, LEAF.c.id == table.c.leaf).order_by(table.c.sequence)
            for row in connection.execution_options(yield_per=_READ_AT_ONCE).execute(statement):
                read += 1
                if progress and read % _READ_AT_ONCE == 0:
                    progress(read)
                if problem := _differs(kind, row, differs):
                    yield Finding(row._sequence or 1, Problem.EFFECT, problem)
            beside = sa.exists().where(table.c.leaf == LEAF.c.id)
            lost = sa.select(LEAF.c.sequence, LEAF.c.id).where(LEAF.c.kind == kind.value, ~beside)
            for row in connection.execute(lost):
                yield Finding(row.sequence, Problem.EFFECT, f"the row of {kind} {row.id} is gone")
        for sequence, problem in unfinished_erasures(connection):
            yield Finding(sequence, Problem.EFFECT, problem)
        for row in connection.execute(sa.select(REQUEST_BODY.c.sha256, REQUEST_BODY.c.body)):
            if sha256_bytes(row.body) != row.sha256:
                name = Leaf(Kind.REQUEST, {"sha256": row.sha256}).id
                sequence = connection.execute(sa.select(LEAF.c.sequence).where(LEAF.c.id == name)).scalar()
                yield Finding(sequence or 1, Problem.EFFECT, f"the request {row.sha256} is not what was received")


def _differs(kind: Kind, row: Any, differs: "Callable[[Any, Leaf], list[str]]") -> str | None:
    if row._entry is None:
        return f"a {kind} stands without its leaf {row.leaf}"
    try:
        entry = decode_entry(row._entry)
    except EntryMalformed as garbled:
        return f"the leaf of {kind} {row.leaf} cannot be read: {garbled}"
    fields = ["leaf"] if entry.leaf.id != row.leaf else differs(row, entry.leaf)
    return f"{kind} {row.leaf} was changed after it was recorded: {', '.join(fields)}" if fields else None


def _decision_differs(row: Any, leaf: Leaf) -> list[str]:
    says = {
        "decision_id": leaf.identity["decision_id"],
        "family": leaf.identity["family"],
        "request": leaf.identity["request"],
        "bundle": leaf.identity["bundle"],
        "deployment": leaf.detail["deployment"],
        "subject": leaf.detail["subject"],
        "decided_at": leaf.detail["decided_at"],
    }
    hashes = {"answer": leaf.identity["answer"], "vector": leaf.detail["vector"], "event": leaf.detail["event"]}
    changed = [name for name, value in says.items() if getattr(row, name) != value]
    return changed + [name for name, value in hashes.items() if sha256_bytes(getattr(row, name)) != value]


def _deployment_differs(row: Any, leaf: Leaf) -> list[str]:
    fields = ("family", "job", "environment", "bundle")
    changed = [name for name in fields if getattr(row, name) != leaf.identity[name]]
    return changed + (["supersedes"] if row.supersedes != (leaf.identity["supersedes"] or "") else [])


def _order_differs(row: Any, leaf: Leaf) -> list[str]:
    names = ("client_order_id", "symbol", "session", "side", "quantity", "reference_price", "reason", "bundle")
    changed = _same_names(*names)(row, leaf)
    return changed + (["verdicts"] if row.verdicts != canonical_json(leaf.identity["verdicts"]) else [])


def _same_names(*names: str) -> Callable[[Any, Leaf], list[str]]:
    """Return a comparison of the columns that are called as the leaf's identity calls them."""
    return lambda row, leaf: [name for name in names if getattr(row, name) != leaf.identity[name]]


_EFFECTS: tuple[tuple[Kind, sa.Table, Callable[[Any, Leaf], list[str]]], ...] = (
    (Kind.DEPLOYMENT, DEPLOYMENT, _deployment_differs),
    (Kind.DECISION, DECISION, _decision_differs),
    (Kind.ORDER_INTENT, ORDER, _order_differs),
    (Kind.VENUE_EVENT, VENUE_EVENT, _same_names("client_order_id", "status")),
    (Kind.HALT, HALT, _same_names("person", "reason")),
)
