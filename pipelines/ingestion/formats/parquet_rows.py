"""Parquet, run by run, in the file's own types."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.ingestion.formats.text_rows import RUN_ROWS
from pipelines.ingestion.reasons import FileRefused, RefusalReason, UnreadableReason
from pipelines.ingestion.typed_rows import ROW_NUMBER, RawRows, unreadable_rows


def read_parquet(path: Path, *, columns: Sequence[str]) -> Iterator[RawRows]:
    """Yield the rows of a Parquet file; only the wanted ``columns`` are read.

    Raises:
        FileRefused: The file is no Parquet file, is damaged, lacks a column or has it twice, or a column is nested.
    """
    try:
        file = pq.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        raise FileRefused(
            "not a Parquet file", reason=RefusalReason.NOT_PARQUET, quoting=f": {_first_line(error)}"
        ) from error
    with file:
        for column in columns:
            _check(file.schema_arrow, column)
        row = 0
        batches = file.iter_batches(batch_size=RUN_ROWS, columns=list(columns))
        while (batch := _next(batches, row)) is not None:
            numbers = pl.Series(ROW_NUMBER, range(row + 1, row + 1 + batch.num_rows), dtype=pl.Int64)
            yield _raw_rows(numbers, batch, columns)
            row += batch.num_rows


def _check(schema: pa.Schema, column: str) -> None:
    positions = schema.get_all_field_indices(column)
    if not positions:
        raise FileRefused(
            f"column {column!r} is missing",
            reason=RefusalReason.MISSING_COLUMN,
            column=column,
            quoting=f"; the file has: {', '.join(schema.names)}",
        )
    if len(positions) > 1:
        raise FileRefused(
            f"column {column!r} stands {len(positions)} times in the file",
            reason=RefusalReason.DUPLICATE_COLUMN,
            column=column,
        )
    if pa.types.is_nested(schema.field(column).type):
        raise FileRefused(
            f"column {column!r} is nested, where one value is due",
            reason=RefusalReason.WRONG_TYPE,
            column=column,
            quoting=f": {schema.field(column).type}",
        )


def _next(batches: Iterator[pa.RecordBatch], row: int) -> pa.RecordBatch | None:
    try:
        return next(batches, None)
    except (pa.ArrowException, OSError) as error:
        raise FileRefused(
            f"the Parquet file is damaged after row {row}",
            reason=RefusalReason.CORRUPT_PARQUET,
            row=row + 1,
            quoting=f": {_first_line(error)}",
        ) from error


def _first_line(error: Exception) -> str:
    return str(error).split("\n", maxsplit=1)[0]


def _raw_rows(numbers: pl.Series, batch: pa.RecordBatch, columns: Sequence[str]) -> RawRows:
    undecodable = pl.repeat(value=False, n=len(numbers), dtype=pl.Boolean, eager=True)
    unreadable = []
    series = []
    for name in columns:
        values = _plain(batch.column(name))
        if pa.types.is_large_binary(values.type):
            texts, wrong = _texts(pl.Series(name, values))
            unreadable += [
                (numbers[row], name, value, UnreadableReason.NOT_UTF8)
                for row, value in wrong.items()
                if not undecodable[row]
            ]
            if wrong:
                undecodable[list(wrong)] = True
            series.append(texts)
        else:
            series.append(pl.Series(name, values))
    kept = ~undecodable
    return RawRows(
        numbers.filter(kept),
        pl.DataFrame(series).filter(kept),
        unreadable_rows(sorted(unreadable, key=lambda row: row[0])),
    )


def _plain(values: pa.Array) -> pa.Array:
    """Undo dictionaries, and turn every kind of text into bytes: writers do not check that it is UTF-8."""
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    kind = values.type
    if pa.types.is_string_view(kind) or pa.types.is_binary_view(kind):
        values = values.cast(pa.large_binary())
    is_text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
    if is_text or pa.types.is_binary(kind) or pa.types.is_fixed_size_binary(kind):
        values = values.cast(pa.large_binary())
    return values


def _texts(values: pl.Series) -> tuple[pl.Series, dict[int, str]]:
    """Return the texts, null where the bytes are none, and those bytes by position, spelt out."""
    try:
        return values.cast(pl.String), {}
    except pl.exceptions.ComputeError:
        texts: list[str | None] = []
        wrong: dict[int, str] = {}
        for row, value in enumerate(values):
            try:
                texts.append(None if value is None else value.decode())
            except UnicodeDecodeError:
                texts.append(None)
                wrong[row] = value.decode("utf-8", "surrogateescape")
        return pl.Series(values.name, texts, dtype=pl.String), wrong
