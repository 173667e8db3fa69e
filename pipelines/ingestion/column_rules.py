"""What a mapping must say about one contract column."""

from collections.abc import Collection, Iterator
from zoneinfo import ZoneInfo

import polars as pl

from ledgerline.core.contracts import Column, ColumnType, DatasetContract
from pipelines.ingestion.column_mapping import ColumnMapping, Unit
from pipelines.ingestion.columns.sessions import is_exchange
from pipelines.ingestion.mapping import Feed
from pipelines.ingestion.reasons import FileRefused
from pipelines.ingestion.typed_rows import constant_text, convert

_SOURCES = ("column", "constant", "row_number", "name_part", "template", "after")
_CONDITIONS = ("equals", "one_of", "greater_than", "less_than")
_OF_DATES = ("session_open", "session_close", "start_of", "end_of")
_INSTANT_OPTIONS = ("since", "timezone", "format", "after", "delay", *_OF_DATES)


def column_problems(column: Column, mapped: ColumnMapping, parts: Collection[str]) -> Iterator[str]:
    """Yield what is wrong about how a column is filled.

    Args:
        column: The contract's column.
        mapped: Where it comes from.
        parts: Names of the parts of the files' names.
    """
    given = mapped.model_fields_set
    sources = [source for source in _SOURCES if source in given]
    if len(sources) != 1:
        yield f"say exactly one of {', '.join(_SOURCES)}" + (f", not {' and '.join(sources)}" if sources else "")
    yield from _constant_problems(column, mapped)
    yield from _name_problems(column, mapped, parts)
    yield from _money_problems(column, mapped)
    yield from _instant_problems(column, mapped)
    conditions = [condition for condition in _CONDITIONS if condition in given]
    if conditions and column.type is not ColumnType.BOOLEAN:
        yield f"{conditions[0]} makes a boolean, but {column.name} is {column.type}"
    if len(conditions) > 1 or (conditions and not {"column", "name_part"} & given):
        yield f"say one condition about one column, not {', '.join(conditions)}"
    if "row_number" in given and column.type not in (ColumnType.STRING, ColumnType.INTEGER):
        yield f"row_number makes an id, but {column.name} is {column.type}"


def after_problems(mapped: ColumnMapping, contract: DatasetContract, feed: Feed) -> Iterator[str]:
    """Yield what is wrong about the instant that a column follows."""
    if mapped.after is None:
        return
    instants = [column.name for column in contract.columns if column.type is ColumnType.INSTANT]
    other = feed.columns.get(mapped.after)
    if mapped.after not in instants or other is None:
        yield f"{mapped.after!r} is no mapped instant of {contract.name}"
    elif other.after is not None:
        yield f"{mapped.after!r} is itself given as after {other.after!r}; count from that"


def _constant_problems(column: Column, mapped: ColumnMapping) -> Iterator[str]:
    if mapped.constant is None:
        return
    try:
        failures = convert(pl.Series(column.name, [constant_text(mapped.constant)]), column, mapped).failures
    except FileRefused as refused:
        yield f"constant: {refused}"
        return
    yield from (f"constant: {mapped.constant!r} is no {column.type}: {failure.reason}" for failure in failures)


def _name_problems(column: Column, mapped: ColumnMapping, parts: Collection[str]) -> Iterator[str]:
    if mapped.name_part is not None and mapped.name_part not in parts:
        known = ", ".join(parts) or "none"
        yield f"name_part: `files` has no part {{{mapped.name_part}}}; it has: {known}"
    if mapped.template is not None:
        if column.type is not ColumnType.STRING:
            yield f"template makes a text, but {column.name} is {column.type}"
        if not mapped.places or set("{}") & set("".join(mapped.template_pieces[::2])):
            yield "template: needs at least one place, e.g. {row_number}, and no other braces"
    if mapped.remove_prefix is not None and column.type is not ColumnType.STRING:
        yield f"remove_prefix shortens a text, but {column.name} is {column.type}"


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
    yield from _date_problems(mapped)


def _date_problems(mapped: ColumnMapping) -> Iterator[str]:
    given = mapped.model_fields_set
    of_dates = [option for option in _OF_DATES if option in given]
    if not of_dates:
        return
    if len(of_dates) > 1 or mapped.unit is not None or "after" in given:
        yield f"say one way from a date to an instant, not {' and '.join([*of_dates, *({'unit', 'after'} & given)])}"
    exchange = mapped.session_open or mapped.session_close
    if exchange is not None and not is_exchange(exchange):
        yield f"{of_dates[0]}: {exchange!r} is no exchange's calendar, e.g. XNYS"
    if exchange is not None and "timezone" in given:
        yield f"timezone: {of_dates[0]} needs none; the exchange has its own"
    if exchange is None and "timezone" not in given:
        yield f"{of_dates[0]} needs a timezone: a {mapped.start_of or mapped.end_of} begins at another instant in each"


def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (KeyError, OSError, ValueError):  # ZoneInfoNotFoundError is a KeyError
        return False
    return True
