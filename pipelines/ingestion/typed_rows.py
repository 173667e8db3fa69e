"""From rows as the file holds them to rows as the contract wants them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import polars as pl

from ledgerline.core.contracts import Column, ColumnType, DatasetContract
from ledgerline.core.frames import POLARS_TYPES
from pipelines.ingestion.column_mapping import ROW_NUMBER_PLACE, ColumnMapping, Unit
from pipelines.ingestion.columns.booleans import to_booleans
from pipelines.ingestion.columns.converted import Converted
from pipelines.ingestion.columns.instants import to_instants, to_instants_after
from pipelines.ingestion.columns.money import to_minor_units
from pipelines.ingestion.columns.numbers import to_numbers
from pipelines.ingestion.columns.period_instants import names_dates, to_instants_of_dates
from pipelines.ingestion.columns.texts import to_texts
from pipelines.ingestion.columns.whole_numbers import to_whole_numbers
from pipelines.ingestion.mapping import Feed
from pipelines.ingestion.reasons import UnreadableReason, shown_value

ROW_NUMBER = "row_number"

UNREADABLE_SCHEMA = pl.Schema({ROW_NUMBER: pl.Int64, "column": pl.String, "value": pl.String, "reason": pl.String})


@dataclass(frozen=True, slots=True)
class RawRows:
    """A run of a file's rows.

    Attributes:
        numbers: Each row's number in the file, Int64; the first data row is 1.
        columns: The source's columns that the mapping names; texts, or the file's own types.
        unreadable: Rows of this run that are not among them because they could not even be split into columns.
        parts: Named parts of the file's name.
    """

    numbers: pl.Series
    columns: pl.DataFrame
    unreadable: pl.DataFrame
    parts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TypedRows:
    """The same run, typed.

    Attributes:
        rows: ``row_number`` and the contract's columns.
        unreadable: :data:`UNREADABLE_SCHEMA`, by row number; together with ``rows`` every row of the run, once.
    """

    rows: pl.DataFrame
    unreadable: pl.DataFrame


def rows_schema(contract: DatasetContract) -> pl.Schema:
    """Return the columns and types of a landed batch of ``contract``."""
    return pl.Schema({ROW_NUMBER: pl.Int64()} | {column.name: POLARS_TYPES[column.type] for column in contract.columns})


def unreadable_rows(rows: list[tuple[int, str | None, str | None, UnreadableReason]]) -> pl.DataFrame:
    """Return a frame of ``(row number, column, value, reason)``."""
    shown = [
        (number, column, None if value is None else shown_value(value), reason.value)
        for number, column, value, reason in rows
    ]
    return pl.DataFrame(shown, schema=UNREADABLE_SCHEMA, orient="row")


def type_rows(raw: RawRows, contract: DatasetContract, feed: Feed) -> TypedRows:
    """Convert every column; a row with any value that cannot be converted becomes an unreadable row.

    Raises:
        FileRefused: A column's declared type can never be what the contract wants.
    """
    mapping = feed.all_columns
    columns = _converted_columns(raw, contract, mapping, feed.missing)
    failed = pl.repeat(value=False, n=len(raw.numbers), dtype=pl.Boolean, eager=True)
    unreadable = [raw.unreadable]
    for name, column in columns.items():
        source = mapping[name].column if name in mapping else None
        for failure in column.failures:
            unreadable.append(_failed_rows(raw, source or name, source, failure.reason, failure.rows & ~failed))
            failed |= failure.rows
    rows = pl.DataFrame([raw.numbers.alias(ROW_NUMBER), *(c.values.alias(name) for name, c in columns.items())])
    return TypedRows(rows.filter(~failed).cast(rows_schema(contract)), pl.concat(unreadable).sort(ROW_NUMBER))


def convert(raw: pl.Series, column: Column, mapped: ColumnMapping) -> Converted:
    """Convert one source column to what ``column`` holds.

    Raises:
        FileRefused: Its declared type can never be that.
    """
    if raw.dtype == pl.Null:  # a column of nothing, whose writer could not know its type
        return Converted(raw.cast(POLARS_TYPES[column.type]))
    match column.type:
        case ColumnType.STRING:
            return _without_prefix(to_texts(raw), mapped.remove_prefix)
        case ColumnType.INTEGER:
            return to_whole_numbers(raw)
        case ColumnType.MINOR_UNITS:
            return to_minor_units(raw, unit=mapped.unit or Unit.MINOR, decimals=mapped.decimals)
        case ColumnType.NUMBER:
            return to_numbers(raw)
        case ColumnType.BOOLEAN:
            return to_booleans(raw, mapped)
        case ColumnType.INSTANT:
            return to_instants_of_dates(raw, mapped) if names_dates(mapped) else to_instants(raw, mapped)


def constant_text(constant: str | int | float | bool) -> str:
    """Return a constant as the text that a file would hold for it."""
    return str(constant).lower() if isinstance(constant, bool) else str(constant)


def _converted_columns(
    raw: RawRows, contract: DatasetContract, mapping: Mapping[str, ColumnMapping], missing: tuple[str, ...]
) -> dict[str, Converted]:
    """Return every contract column, in order; instants that follow others are converted after those."""
    found: dict[str, Converted] = {}
    for column in sorted(contract.columns, key=lambda column: _follows(column, mapping)):
        mapped = mapping.get(column.name)
        if mapped is None:
            found[column.name] = Converted(_repeated(raw, pl.Series([None], dtype=POLARS_TYPES[column.type])))
        elif mapped.after is not None:
            found[column.name] = to_instants_after(found[mapped.after].values, mapped.delay_span)
        else:
            values = _source_values(raw, column, mapped)
            if values.dtype == pl.String and missing and mapped.constant is None:
                values = values.set(values.is_in(list(missing)), None)
            found[column.name] = convert(values, column, mapped)
    return {column.name: found[column.name] for column in contract.columns}


def _follows(column: Column, mapping: Mapping[str, ColumnMapping]) -> bool:
    return column.name in mapping and mapping[column.name].after is not None


def _source_values(raw: RawRows, column: Column, mapped: ColumnMapping) -> pl.Series:
    if mapped.row_number is not None:
        return raw.numbers + (mapped.row_number - 1)
    if mapped.constant is not None:
        return _repeated(raw, pl.Series(column.name, [constant_text(mapped.constant)]))
    if mapped.name_part is not None:
        return _repeated(raw, pl.Series(column.name, [raw.parts.get(mapped.name_part)], dtype=pl.String))
    if mapped.template is not None:
        return _from_template(raw, mapped)
    return raw.columns[mapped.column or ""]


def _from_template(raw: RawRows, mapped: ColumnMapping) -> pl.Series:
    """Fill a template's places, row by row; a row that lacks one of them lacks the whole text."""
    pieces = mapped.template_pieces
    texts = _repeated(raw, pl.Series([pieces[0]]))
    for place, literal in zip(pieces[1::2], pieces[2::2], strict=True):
        texts = texts + _place(raw, place) + literal
    return texts


def _place(raw: RawRows, place: str) -> pl.Series:
    if place == ROW_NUMBER_PLACE:
        return raw.numbers.cast(pl.String)
    if place in raw.parts:
        return _repeated(raw, pl.Series([raw.parts[place]]))
    return to_texts(raw.columns[place]).values


def _repeated(raw: RawRows, value: pl.Series) -> pl.Series:
    return value.new_from_index(0, len(raw.numbers))


def _without_prefix(texts: Converted, prefix: str | None) -> Converted:
    return texts if prefix is None else Converted(texts.values.str.strip_prefix(prefix), texts.failures)


def _failed_rows(
    raw: RawRows, column: str, source: str | None, reason: UnreadableReason, rows: pl.Series
) -> pl.DataFrame:
    numbers = raw.numbers.filter(rows)
    values = [None] * len(numbers) if source is None else raw.columns[source].filter(rows).to_list()
    return unreadable_rows(
        [
            (number, column, None if value is None else str(value), reason)
            for number, value in zip(numbers, values, strict=True)
        ]
    )
