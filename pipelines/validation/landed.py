"""Read a landed batch: the typed rows of one source file, and the rows of it that could not be typed."""

from dataclasses import dataclass
from datetime import UTC, datetime

import polars as pl

from ledgerline.audit import Kind, Ledger, RecordedLeaf
from ledgerline.core.contracts import DatasetContract
from ledgerline.core.errors import LedgerlineError
from pipelines.ingestion import contract_with
from pipelines.ingestion.typed_rows import ROW_NUMBER, UNREADABLE_SCHEMA, rows_schema

_FIRST_INSTANT = datetime(1, 1, 1, tzinfo=UTC)
_LAST_INSTANT = datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)


class NotALandedBatch(LedgerlineError):
    """The name stands for something else, or the landed rows are not what their contract says."""


@dataclass(frozen=True, slots=True)
class Line:
    """Batches that belong together: one dataset, read by one feed into one contract.

    A changed feed lands every file anew, as a new line; the old one stays for what was made from it.

    Attributes:
        dataset: The dataset.
        contract: The contract's fingerprint, the provider's own columns included.
        mapping: The feed's fingerprint.
    """

    dataset: str
    contract: str
    mapping: str


@dataclass(frozen=True, slots=True)
class LandedRows:
    """What one landed batch holds.

    Attributes:
        leaf: The batch in the evidence log.
        contract: Its contract.
        rows: ``row_number`` and the contract's columns.
        unreadable: ``row_number``, ``column``, ``value``, ``reason`` of the source rows that could not be typed.
        starts: The feed's first instant, nothing earlier is expected in it; None if its mapping does not say.
    """

    leaf: RecordedLeaf
    contract: DatasetContract
    rows: pl.DataFrame
    unreadable: pl.DataFrame
    starts: datetime | None = None

    @property
    def count(self) -> int:
        """How many rows landed, readable or not."""
        return self.rows.height + self.unreadable.height


def within_calendar(instants: pl.Expr) -> pl.Expr:
    """Return instants moved into the years 1 to 9999, which is what Python and GX can tell and compare.

    A count read in the wrong unit lies outside easily. Moved to the border it is judged the same; the row itself is
    kept as it is.
    """
    return instants.clip(_FIRST_INSTANT, _LAST_INSTANT)


def line_of(batch: RecordedLeaf) -> Line:
    """Return the line that a landed batch belongs to."""
    return Line(batch.identity["dataset"], batch.identity["contract"], batch.identity["mapping"])


def contract_of(batch: RecordedLeaf) -> DatasetContract:
    """Return the contract that a landed batch's rows keep: its dataset's and, of an open one, its provider's columns.

    Raises:
        UnknownContract: No dataset of that name exists any more.
    """
    return contract_with(batch.identity["dataset"], batch.identity.get("roles", {}))


def read_landed(ledger: Ledger, batch: RecordedLeaf, *, starts: datetime | None = None) -> LandedRows:
    """Read a landed batch's rows from the object store, checking every byte and the schema.

    Args:
        ledger: The installation.
        batch: The landed batch.
        starts: The first instant that its feed's mapping expects now, if it says so.

    Raises:
        NotALandedBatch: The leaf is no landed batch, or its rows are not what the contract and the leaf say.
        ObjectCorrupt: A stored object's bytes were changed.
        ObjectMissing: A stored object is gone.
    """
    if batch.kind is not Kind.LANDED_BATCH:
        raise NotALandedBatch(f"{batch.id} is a {batch.kind}, not a landed batch; `ledgerline ingest` lands files")
    contract = contract_of(batch)
    rows = _read_object(ledger, batch, "rows", rows_schema(contract))
    unreadable = _read_object(ledger, batch, "unreadable", UNREADABLE_SCHEMA)
    numbers = pl.concat([rows[ROW_NUMBER], unreadable[ROW_NUMBER]])
    if numbers.has_nulls() or numbers.n_unique() != len(numbers):
        raise NotALandedBatch(f"landed batch {batch.id} does not number its rows once each; land its file again")
    return LandedRows(batch, contract, rows, unreadable, starts)


def _read_object(ledger: Ledger, batch: RecordedLeaf, name: str, schema: pl.Schema) -> pl.DataFrame:
    sha256 = batch.identity[f"{name}_object"]
    if sha256 is None:
        frame = schema.to_frame()
    else:
        with ledger.objects.local(sha256) as path:
            frame = pl.read_parquet(path, memory_map=False)
    if frame.schema != schema or frame.height != batch.identity[name]:
        raise NotALandedBatch(
            f"landed batch {batch.id} ({batch.detail.get('path')}) names {name} object {sha256} with "
            f"{batch.identity[name]} rows of {dict(schema)}, which holds {frame.height} rows of {dict(frame.schema)}; "
            "land its file again"
        )
    return frame
