"""Write a stream of typed rows as the two Parquet objects of a landed batch: the rows, and the unreadable ones."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq

from ledgerline.core.contracts import DatasetContract
from ledgerline.core.frames import INSTANT
from pipelines.ingestion.typed_rows import ROW_NUMBER, UNREADABLE_SCHEMA, TypedRows, rows_schema


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
    with (
        _writer(rows_path, rows_schema(contract), ids=contract.key) as good,
        _writer(unreadable_path, UNREADABLE_SCHEMA) as bad,
    ):
        for run in runs:
            _append(good, run.rows)
            _append(bad, run.unreadable)
            rows += run.rows.height
            unreadable += run.unreadable.height
    return BatchFiles(rows_path, rows, unreadable_path if unreadable else None, unreadable)


def _writer(path: Path, schema: pl.Schema, *, ids: Sequence[str] = ()) -> pq.ParquetWriter:
    """Open a writer that stores what mostly ascends, numbers, instants and ids, as differences.

    On the published 1.75M card payments that makes a file of 16 MB instead of 45, in half the time.
    """
    arrow = schema.to_frame().to_arrow().schema
    encoding = {name: "DELTA_BINARY_PACKED" for name, kind in schema.items() if kind == INSTANT or name == ROW_NUMBER}
    encoding |= {name: "DELTA_BYTE_ARRAY" for name in ids if schema[name] == pl.String}
    repeating = [name for name in schema if name not in encoding]
    return pq.ParquetWriter(path, arrow, compression="zstd", use_dictionary=repeating, column_encoding=encoding)


def _append(writer: pq.ParquetWriter, rows: pl.DataFrame) -> None:
    if rows.height:
        writer.write_table(rows.to_arrow())
