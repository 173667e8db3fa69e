"""Read one file's bytes as a feed says: a stream of typed rows and unreadable ones, in bounded memory."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from ledgerline.core.contracts import DatasetContract
from pipelines.ingestion.column_mapping import ROW_NUMBER_PLACE, ColumnMapping
from pipelines.ingestion.file_pattern import FileFormat, format_of
from pipelines.ingestion.formats.comma_separated import read_csv
from pipelines.ingestion.formats.json_lines import read_json_lines
from pipelines.ingestion.formats.parquet_rows import read_parquet
from pipelines.ingestion.mapping import Feed
from pipelines.ingestion.reasons import FileRefused, RefusalReason
from pipelines.ingestion.typed_rows import RawRows, TypedRows, type_rows
from pipelines.ingestion.unpivot import unpivoted


def read_rows(
    path: Path, *, name: str, contract: DatasetContract, feed: Feed, parts: Mapping[str, str] | None = None
) -> Iterator[TypedRows]:
    """Yield the rows of a file, typed.

    Args:
        path: Where the bytes lie; they must not change meanwhile.
        name: What the source called the file.
        contract: What the rows become, the provider's own columns included.
        feed: From which columns.
        parts: The named parts of the file's name that the feed needs.

    Raises:
        FileRefused: The file cannot be read as a whole; what was yielded before must not be used.
    """
    if path.stat().st_size == 0:
        raise FileRefused("the file is empty: it has no bytes", reason=RefusalReason.EMPTY_FILE)
    for raw in _raw_rows(path, name=name, contract=contract, feed=feed):
        named = replace(raw, parts=parts or {})
        yield type_rows(unpivoted(named, feed.unpivot) if feed.unpivot else named, contract, feed)


def _raw_rows(path: Path, *, name: str, contract: DatasetContract, feed: Feed) -> Iterator[RawRows]:
    columns = _columns_of_the_file(feed)
    match feed.format or format_of(name):
        case FileFormat.PARQUET:
            return read_parquet(path, columns=columns)
        case FileFormat.JSONL:
            return read_json_lines(path, name=name, columns=columns, required=_required(contract, feed))
        case _:
            delimiter = feed.delimiter or ("\t" if ".tsv" in name.lower() else ",")
            return read_csv(path, name=name, columns=columns, delimiter=delimiter)


def _columns_of_the_file(feed: Feed) -> list[str]:
    """Return the columns to be read, each once: those that are named, and those to be unpivoted."""
    named = dict.fromkeys(column for mapped in feed.all_columns.values() for column in source_columns(mapped, feed))
    return [*(column for column in named if column not in _made(feed)), *(feed.unpivot.columns if feed.unpivot else ())]


def _made(feed: Feed) -> set[str]:
    """Return the columns that the file does not have, as unpivoting makes them."""
    return {feed.unpivot.name, feed.unpivot.value} if feed.unpivot else set()


def source_columns(mapped: ColumnMapping, feed: Feed) -> list[str]:
    """Return the source columns that a contract column is filled from."""
    if mapped.column is not None:
        return [mapped.column]
    parts = {ROW_NUMBER_PLACE, *feed.pattern.parts}
    return [place for place in mapped.places if place not in parts]


def _required(contract: DatasetContract, feed: Feed) -> set[str]:
    filled = [feed.columns[c.name] for c in contract.columns if not c.nullable and c.name in feed.columns]
    return {name for mapped in filled for name in source_columns(mapped, feed)} - _made(feed)
