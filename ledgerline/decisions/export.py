"""What the entries of the line name by their SHA-256: the bytes that belong into an export of evidence."""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import sqlalchemy as sa

from ledgerline.audit import Kind, Ledger, RecordedLeaf
from ledgerline.audit.export import ExportRefused, Part, Parts, raw_file_parts
from ledgerline.decisions.bundle import Manifest
from ledgerline.decisions.schema import DECISION, REQUEST_BODY, ensure_tables

# (field, folder, whether they are rows that may be left out) of what lies in the object store.
_OBJECTS: Mapping[Kind, tuple[str, str, bool]] = {
    Kind.VALIDATION_RECEIPT: ("result_object", "documents", False),
    Kind.FEATURE_VERSION: ("manifest", "documents", False),
    Kind.TRAINING_SET: ("sha256", "data", True),
    Kind.SCORED_BATCH: ("sha256", "data", True),
    Kind.FORECAST: ("csv", "data", True),
    Kind.MONITORING: ("report", "documents", False),
    Kind.VENUE_EVENT: ("answer", "documents", False),
}


def evidence_parts(ledger: Ledger) -> Parts:
    """Return what says which bytes an entry names: for :func:`ledgerline.audit.export.export_evidence`."""
    ensure_tables(ledger)
    return partial(_parts, ledger)


def _parts(ledger: Ledger, leaf: RecordedLeaf) -> Iterator[Part]:
    """Yield the bytes that an entry names.

    Raises:
        ExportRefused: A decision's row or a request's bytes are gone.
        ObjectMissing, ObjectCorrupt, BundleRefused: A bundle's manifest is gone or changed.
    """
    match leaf.kind:
        case Kind.RAW_FILE:
            yield from raw_file_parts(leaf)
        case Kind.MODEL_BUNDLE:
            yield from _bundle_parts(ledger, leaf.identity["digest"])
        case Kind.REQUEST:
            yield _request_part(ledger, leaf.identity["sha256"])
        case Kind.DECISION:
            yield from _decision_parts(ledger, leaf)
        case Kind.ORDER_INTENT:
            yield from _order_parts(ledger, leaf)
        case kind if kind in _OBJECTS:
            name, folder, is_data = _OBJECTS[kind]
            if sha256 := {**leaf.detail, **leaf.identity}.get(name):
                yield Part(f"{folder}/{sha256}", sha256, is_data=is_data)


def _bundle_parts(ledger: Ledger, digest: str) -> Iterator[Part]:
    content = ledger.objects.get(digest)
    yield Part(f"bundles/{digest}/manifest.json", digest, content)
    for name, record in Manifest.from_bytes(content).files.items():
        yield Part(f"bundles/{digest}/{name}", record.sha256)


def _request_part(ledger: Ledger, sha256: str) -> Part:
    """Return the bytes of a request: a decision's are in its table, a venue's answers are objects."""
    body = _value(ledger, sa.select(REQUEST_BODY.c.body).where(REQUEST_BODY.c.sha256 == sha256))
    return Part(f"requests/{sha256}", sha256, None if body is None else bytes(body))


def _decision_parts(ledger: Ledger, leaf: RecordedLeaf) -> Iterator[Part]:
    statement = sa.select(DECISION.c.event, DECISION.c.vector, DECISION.c.answer).where(DECISION.c.leaf == leaf.id)
    with ledger.log.reading() as connection:
        row = connection.execute(statement).first()
    decision = leaf.identity["decision_id"]
    if row is None:
        raise ExportRefused(f"decision {decision} has an entry in the log and no row beside it; restore the database")
    sha256_of = {"event": leaf.detail["event"], "vector": leaf.detail["vector"], "answer": leaf.identity["answer"]}
    for name, sha256 in sha256_of.items():
        yield Part(f"decisions/{decision}/{name}.json", sha256, bytes(getattr(row, name)))


def _order_parts(ledger: Ledger, leaf: RecordedLeaf) -> Iterator[Part]:
    """Yield what was to be sent to the venue; a denied order has nothing to be sent."""
    from ledgerline.decisions.trading.schema import OUTBOX, ensure_trading_tables  # only where there are orders

    ensure_trading_tables(ledger)
    order = leaf.identity["client_order_id"]
    body = _value(ledger, sa.select(OUTBOX.c.body).where(OUTBOX.c.client_order_id == order))
    if body is not None:
        yield Part(f"orders/{order}/body", leaf.identity["body"], bytes(body))


def _value(ledger: Ledger, statement: sa.Select[Any]) -> Any:
    with ledger.log.reading() as connection:
        return connection.execute(statement).scalar()
