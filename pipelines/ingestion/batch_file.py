"""Write a stream of typed rows as the two Parquet objects of a landed batch: the rows, and the unreadable ones."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq

from ledgerline.core.contracts import DatasetContract
from pipelines.ingestion.typed_rows import UNREADABLE_SCHEMA, TypedRows, rows_schema


@dataclass(frozen=True, slots=True)
class BatchFiles:
    """A batch on disk; equal inputs give equal bytes.

    Attributes:
        rows_path: Parquet of ``row_number`` and the contract's columns.
        rows: How many.
        unreadable_path: Parquet of the rows that could not be typed, or None if all could.
        unreadable: How many.
    """

    rows_path: Path
    rows: int
    unreadable_path: Path | None
    unreadable: int


def write_batch(folder: Path, contract: DatasetContract, runs: Iterable[TypedRows]) -> BatchFiles:
    """Write the ``runs`` below ``folder``, one at a time."""
    rows_path, unreadable_path = folder / "rows.parquet", folder / "unreadable.parquet"
    rows = unreadable = 0
    with _writer(rows_path, rows_schema(contract)) as good, _writer(unreadable_path, UNREADABLE_SCHEMA) as bad:
        for run in runs:
            _append(good, run.rows)
            _append(bad, run.unreadable)
            rows += run.rows.height
            unreadable += run.unreadable.height
    return BatchFiles(rows_path, rows, unreadable_path if unreadable else None, unreadable)


def _writer(path: Path, schema: pl.Schema) -> pq.ParquetWriter:
    return pq.ParquetWriter(path, schema.to_frame().to_arrow().schema, compression="zstd")


def _append(writer: pq.ParquetWriter, rows: pl.DataFrame) -> None:
    if rows.height:
        writer.write_table(rows.to_arrow())
