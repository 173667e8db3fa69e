"""What a mapping must say about each contract column, beyond having the right shape."""

from collections.abc import Iterator
from zoneinfo import ZoneInfo

import polars as pl

from ledgerline.core.contracts import CONTRACTS, Column, ColumnType, DatasetContract
from pipelines.ingestion.file_pattern import FileFormat, FilePattern, format_of
from pipelines.ingestion.mapping import ColumnMapping, DatasetMapping, Mapping, Unit
from pipelines.ingestion.reasons import FileRefused
from pipelines.ingestion.typed_rows import constant_text, convert

_SOURCES = ("column", "constant", "row_number", "after")
_CONDITIONS = ("equals", "one_of", "greater_than", "less_than")
_INSTANT_OPTIONS = ("since", "timezone", "format", "after", "delay")


def problems_with(mapping: Mapping) -> list[str]:
    """Return what keeps ``mapping`` from being used, each as ``key: what is wrong``; none if it is sound."""
    return [problem for name, dataset in mapping.datasets.items() for problem in _dataset_problems(name, dataset)]


def _dataset_problems(name: str, dataset: DatasetMapping) -> Iterator[str]:
    place = f"datasets.{name}"
    contract = CONTRACTS.get(name)
    if contract is None:
        yield f"{place}: no dataset contract is called {name!r}; there are: {', '.join(CONTRACTS)}"
        return
    yield from (f"{place}.{problem}" for problem in _file_problems(dataset))
    if all(mapped.column is None for mapped in dataset.columns.values()):
        yield f"{place}.columns: nothing comes out of the files; name at least one source column"
    for unknown in dataset.columns.keys() - set(contract.column_names):
        yield f"{place}.columns.{unknown}: {name} has no such column; it has: {', '.join(contract.column_names)}"
    for column in contract.columns:
        column_place = f"{place}.columns.{column.name}"
        mapped = dataset.columns.get(column.name)
        if mapped is not None:
            yield from (f"{column_place}: {problem}" for problem in _column_problems(column, mapped))
            yield from (f"{column_place}.after: {problem}" for problem in _after_problems(mapped, contract, dataset))
        elif not column.nullable:
            yield f"{column_place}: missing; every row needs {column.name} ({column.description})"


def _file_problems(dataset: DatasetMapping) -> Iterator[str]:
    try:
        FilePattern.parse(dataset.files)
    except ValueError as problem:
        yield f"files: {dataset.files!r} {problem}"
    file_format = dataset.format or format_of(dataset.files)
    if file_format is None:
        yield f"format: {dataset.files!r} tells no format; say csv, jsonl or parquet"
    if dataset.delimiter is not None and file_format is not FileFormat.CSV:
        yield "delimiter: only CSV has one"


def _column_problems(column: Column, mapped: ColumnMapping) -> Iterator[str]:
    given = mapped.model_fields_set
    sources = [source for source in _SOURCES if source in given]
    if len(sources) != 1:
        yield f"say exactly one of {', '.join(_SOURCES)}" + (f", not {' and '.join(sources)}" if sources else "")
    yield from _constant_problems(column, mapped)
    yield from _money_problems(column, mapped)
    yield from _instant_problems(column, mapped)
    conditions = [condition for condition in _CONDITIONS if condition in given]
    if conditions and column.type is not ColumnType.BOOLEAN:
        yield f"{conditions[0]} makes a boolean, but {column.name} is {column.type}"
    if len(conditions) > 1 or (conditions and "column" not in given):
        yield f"say one condition about one column, not {', '.join(conditions)}"
    if "row_number" in given and column.type not in (ColumnType.STRING, ColumnType.INTEGER):
        yield f"row_number makes an id, but {column.name} is {column.type}"


def _constant_problems(column: Column, mapped: ColumnMapping) -> Iterator[str]:
    if mapped.constant is None:
        return
    try:
        failures = convert(pl.Series(column.name, [constant_text(mapped.constant)]), column, mapped).failures
    except FileRefused as refused:
        yield f"constant: {refused}"
        return
    yield from (f"constant: {mapped.constant!r} is no {column.type}: {failure.reason}" for failure in failures)


def _money_problems(column: Column, mapped: ColumnMapping) -> Iterator[str]:
    is_money_unit = mapped.unit is not None and mapped.unit.is_money
    if column.type is ColumnType.MINOR_UNITS:
        if not is_money_unit:
            yield "money needs `unit: minor` (cents) or `unit: major` (dollars)"
        if mapped.decimals is not None and mapped.unit is not Unit.MAJOR:
            yield "decimals: only `unit: major` has them"
    elif is_money_unit or mapped.decimals is not None:
        yield f"unit and decimals of money do not fit {column.name}, which is {column.type}"


def _instant_problems(column: Column, mapped: ColumnMapping) -> Iterator[str]:
    given = mapped.model_fields_set
    is_count = mapped.unit is not None and not mapped.unit.is_money
    if column.type is not ColumnType.INSTANT:
        misplaced = [option for option in _INSTANT_OPTIONS if option in given] + (["unit"] if is_count else [])
        if misplaced:
            yield f"{', '.join(misplaced)} describes an instant, but {column.name} is {column.type}"
        return
    if is_count != ("since" in given):
        yield "a counted instant needs both unit and since, e.g. {unit: seconds, since: 1970-01-01T00:00:00Z}"
    if is_count and given & {"timezone", "format"}:
        yield "a counted instant has neither timezone nor format"
    if ("after" in given) != ("delay" in given):
        yield "after and delay come together, e.g. {after: event_time, delay: 7d}"
    if mapped.timezone is not None and not _is_zone(mapped.timezone):
        yield f"timezone: {mapped.timezone!r} is no IANA time zone, e.g. Europe/Paris"


def _after_problems(mapped: ColumnMapping, contract: DatasetContract, dataset: DatasetMapping) -> Iterator[str]:
    if mapped.after is None:
        return
    instants = [column.name for column in contract.columns if column.type is ColumnType.INSTANT]
    other = dataset.columns.get(mapped.after)
    if mapped.after not in instants or other is None:
        yield f"{mapped.after!r} is no mapped instant of {contract.name}"
    elif other.after is not None:
        yield f"{mapped.after!r} is itself given as after {other.after!r}; count from that"


def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (KeyError, OSError, ValueError):  # ZoneInfoNotFoundError is a KeyError
        return False
    return True
