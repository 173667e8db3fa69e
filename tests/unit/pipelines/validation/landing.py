"""Land rows straight into an evidence log, in the landing's own format, so that validation is tested by itself."""

import io
from datetime import UTC, datetime, timedelta

import polars as pl

from ledgerline.audit import Kind, Leaf, Ledger, Parent, RecordedLeaf
from ledgerline.core.clock import instant_text
from ledgerline.core.contracts import contract_named
from pipelines.ingestion.typed_rows import rows_schema

AS_OF = datetime(2018, 10, 1, tzinfo=UTC)
FIRST = datetime(2018, 4, 2, 9, tzinfo=UTC)
UNREADABLE = {"row_number": pl.Int64, "column": pl.String, "value": pl.String, "reason": pl.String}


def payments(count: int, *, start: int = 0) -> list[dict[str, object]]:
    """Return ``count`` good rows of ``transactions``, a minute apart."""
    return [
        {
            "transaction_id": f"t{number}",
            "customer_id": f"c{number % 7}",
            "terminal_id": f"m{number % 5}",
            "amount_minor": 1_000 + number,
            "currency": "USD",
            "event_time": FIRST + timedelta(minutes=number),
            "available_at": FIRST + timedelta(minutes=number),
        }
        for number in range(start, start + count)
    ]


def labels(count: int) -> list[dict[str, object]]:
    """Return ``count`` good rows of ``fraud_labels``, known seven days after the payment."""
    return [
        {
            "transaction_id": f"t{number}",
            "is_fraud": number % 10 == 0,
            "scenario": None,
            "event_time": FIRST + timedelta(minutes=number),
            "available_at": FIRST + timedelta(days=7, minutes=number),
        }
        for number in range(count)
    ]


def land(
    ledger: Ledger,
    rows: list[dict[str, object]] | pl.DataFrame,
    *,
    dataset: str = "transactions",
    unreadable: list[dict[str, object]] | None = None,
    mapping: str = "a" * 64,
    path: str = "transactions/2018-04-02.csv",
) -> RecordedLeaf:
    """Record a landed batch of these rows (``row_number`` is added to plain rows) and return its leaf."""
    contract = contract_named(dataset)
    schema = rows_schema(contract)
    if not isinstance(rows, pl.DataFrame):
        numbered = [{"row_number": number, **row} for number, row in enumerate(rows, start=1)]
        rows = pl.DataFrame(numbered, schema=schema, orient="row")
    rows_object = _store(ledger, rows.select(schema.names()))
    unreadable_object = _store(ledger, pl.DataFrame(unreadable, schema=UNREADABLE)) if unreadable else None
    raw = ledger.objects.put(f"{path} {rows_object} {unreadable_object}".encode())
    raw_leaf = ledger.log.append(Leaf(Kind.RAW_FILE, {"sha256": raw}, {"path": path, "source": "made"}))
    identity = {
        "dataset": dataset,
        "contract": contract.fingerprint,
        "mapping": mapping,
        "raw": raw,
        "rows_object": rows_object,
        "unreadable_object": unreadable_object,
        "rows": rows.height,
        "unreadable": len(unreadable or ()),
    }
    detail = {"path": path, "source": "made", "file_date": None, "landed_at": instant_text(ledger.clock.now())}
    return ledger.log.get(ledger.log.append(Leaf(Kind.LANDED_BATCH, identity, detail), [Parent(raw_leaf, "raw")]))


def _store(ledger: Ledger, frame: pl.DataFrame) -> str:
    buffer = io.BytesIO()
    frame.write_parquet(buffer)
    return ledger.objects.put(buffer.getvalue())
