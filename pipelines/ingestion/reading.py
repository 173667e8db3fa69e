"""Read one file's bytes as a mapping says: a stream of typed rows and unreadable ones, in bounded memory."""

from collections.abc import Iterator
from pathlib import Path

from ledgerline.core.contracts import DatasetContract
from pipelines.ingestion.file_pattern import FileFormat, format_of
from pipelines.ingestion.formats.comma_separated import read_csv
from pipelines.ingestion.formats.json_lines import read_json_lines
from pipelines.ingestion.formats.parquet_rows import read_parquet
from pipelines.ingestion.mapping import DatasetMapping
from pipelines.ingestion.reasons import FileRefused, RefusalReason
from pipelines.ingestion.typed_rows import RawRows, TypedRows, type_rows


def read_rows(path: Path, *, name: str, contract: DatasetContract, mapping: DatasetMapping) -> Iterator[TypedRows]:
    """Yield the rows of a file, typed.

    Args:
        path: Where the bytes lie; they must not change meanwhile.
        name: What the source called the file.
        contract: What the rows become.
        mapping: From which columns.

    Raises:
        FileRefused: The file cannot be read as a whole; what was yielded before must not be used.
    """
    if path.stat().st_size == 0:
        raise FileRefused("the file is empty: it has no bytes", reason=RefusalReason.EMPTY_FILE)
    for raw in _raw_rows(path, name=name, contract=contract, mapping=mapping):
        yield type_rows(raw, contract, mapping)


def _raw_rows(path: Path, *, name: str, contract: DatasetContract, mapping: DatasetMapping) -> Iterator[RawRows]:
    columns = list(dict.fromkeys(mapped.column for mapped in mapping.columns.values() if mapped.column is not None))
    match mapping.format or format_of(name):
        case FileFormat.PARQUET:
            return read_parquet(path, columns=columns)
        case FileFormat.JSONL:
            return read_json_lines(path, name=name, columns=columns, required=_required(contract, mapping))
        case _:
            delimiter = mapping.delimiter or ("\t" if ".tsv" in name.lower() else ",")
            return read_csv(path, name=name, columns=columns, delimiter=delimiter)


def _required(contract: DatasetContract, mapping: DatasetMapping) -> set[str]:
    return {
        mapped.column
        for column in contract.columns
        if not column.nullable
        and (mapped := mapping.columns.get(column.name)) is not None
        and mapped.column is not None
    }
