"""Mappings: which columns of whose files fill which dataset contract."""

import re
from datetime import timedelta
from enum import StrEnum
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from ledgerline.core.identity import content_id
from pipelines.ingestion.file_pattern import FileFormat, FilePattern

READER_VERSION = 1  # raised when the same bytes and mapping give other rows

Name = Annotated[str, StringConstraints(min_length=1)]
Scalar = str | int | float | bool


class Unit(StrEnum):
    """What a source's number counts."""

    MINOR = "minor"  # money in cents, pence, ...
    MAJOR = "major"  # money in dollars, pounds, ...
    SECONDS = "seconds"
    MILLISECONDS = "milliseconds"
    MICROSECONDS = "microseconds"

    @property
    def is_money(self) -> bool:
        """Whether it counts money; otherwise it counts time."""
        return self in (Unit.MINOR, Unit.MAJOR)


_SPAN = re.compile(r"(\d{1,6})(s|m|h|d)")
_SPAN_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
Span = Annotated[str, StringConstraints(pattern=f"^{_SPAN.pattern}$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class ColumnMapping(_Strict):
    """Where one contract column comes from. In YAML a bare text stands for ``column``.

    Attributes:
        column: The source column.
        constant: The same value in every row.
        row_number: The data row's number, the first row having this one.
        after: Another instant of the same row, ``delay`` earlier.
        delay: How long after, e.g. ``7d``, ``36h``, ``90m``, ``0s``.
        unit: Money: ``minor`` or ``major``. Instants given as numbers: ``seconds``, ... ``since`` some instant.
        decimals: Decimal places of the major unit, 2 unless given (ISO 4217: 0 for JPY, 3 for KWD).
        since: Where counted instants start.
        timezone: IANA zone of texts and timestamps that carry none.
        format: strptime format of instants that are not ISO 8601.
        equals, one_of, greater_than, less_than: Turn a value into a boolean.
    """

    column: Name | None = None
    constant: Scalar | None = None
    row_number: int | None = None
    after: Name | None = None
    delay: Span | None = None
    unit: Unit | None = None
    decimals: Annotated[int, Field(ge=0, le=6)] | None = None
    since: AwareDatetime | None = None
    timezone: Name | None = None
    format: Name | None = None
    equals: Scalar | None = None
    one_of: tuple[Scalar, ...] | None = None
    greater_than: int | float | None = None
    less_than: int | float | None = None

    @property
    def delay_span(self) -> timedelta:
        """``delay`` as a duration."""
        found = _SPAN.fullmatch(self.delay or "")
        if found is None:
            raise ValueError(f"{self.delay!r} is no delay")
        return timedelta(**{_SPAN_UNITS[found[2]]: int(found[1])})


class DatasetMapping(_Strict):
    """Which files fill one contract, and how.

    Attributes:
        files: Pattern below the data folder: ``*``, ``?``, ``**`` and at most one ``{date}``.
        format: How the files are written; unset: by their names.
        delimiter: Between CSV fields; unset: a comma, or a tab in ``.tsv`` files.
        missing: Texts that mean *nothing here*; unset: only the empty text.
        columns: Contract column to where it comes from.
    """

    files: Name
    format: FileFormat | None = None
    delimiter: Annotated[str, StringConstraints(min_length=1, max_length=1)] | None = None
    missing: tuple[str, ...] = ("",)
    columns: dict[str, ColumnMapping]

    @property
    def pattern(self) -> FilePattern:
        """``files``, ready to be matched."""
        return FilePattern.parse(self.files)

    @property
    def fingerprint(self) -> str:
        """SHA-256 over all that decides which rows a file's bytes become; where the files lie does not."""
        meaning = self.model_dump(mode="json", exclude_none=True, exclude={"files"})
        return content_id({"reader": READER_VERSION, "mapping": meaning})


class Mapping(_Strict):
    """One provider's files as a whole.

    Attributes:
        name: What evidence calls the source.
        as_of: The source's own present: nothing later is known from it.
        datasets: Contract name to the files that fill it.
    """

    name: Name
    as_of: AwareDatetime
    datasets: Annotated[dict[str, DatasetMapping], Field(min_length=1)]
