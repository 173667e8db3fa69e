"""Where one column of a contract comes from: the part of a mapping that is about a single value."""

import re
from datetime import timedelta
from enum import StrEnum
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

Name = Annotated[str, StringConstraints(min_length=1)]
Scalar = str | int | float | bool

ROW_NUMBER_PLACE = "row_number"  # in a template, beside the names of columns and of parts of the file's name


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


class Period(StrEnum):
    """A stretch of the civil calendar that a date names."""

    DAY = "day"
    MONTH = "month"
    QUARTER = "quarter"
    YEAR = "year"


_SPAN = re.compile(r"(\d{1,6})(s|m|h|d)")
_SPAN_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
Span = Annotated[str, StringConstraints(pattern=f"^{_SPAN.pattern}$")]
_PLACE = re.compile(r"\{([^{}]+)\}")


class Strict(BaseModel):
    """A part of a mapping: frozen, and an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class ColumnMapping(Strict):
    """Where one contract column comes from. In YAML a bare text stands for ``column``.

    Attributes:
        column: The source column.
        constant: The same value in every row.
        row_number: The data row's number, the first row having this one.
        name_part: A named part of the file's name, e.g. ``symbol`` for files called ``prices/{symbol}.csv``.
        template: A text with places: ``{row_number}`` (from 1), ``{a named part}``, ``{a source column}``.
        after: Another instant of the same row, ``delay`` earlier.
        delay: How long after, e.g. ``7d``, ``36h``, ``90m``, ``0s``.
        remove_prefix: What to take off the beginning of a text that has it.
        unit: Money: ``minor`` or ``major``. Instants given as numbers: ``seconds``, ... ``since`` some instant.
        decimals: Decimal places of the major unit, 2 unless given (ISO 4217: 0 for JPY, 3 for KWD).
        since: Where counted instants start.
        timezone: IANA zone of texts and timestamps that carry none.
        format: strptime format of instants that are not ISO 8601.
        session_open, session_close: The value is a date; the instant at which that day's session of this exchange
            (a calendar of ``exchange_calendars``, e.g. ``XNYS``) opens or closes.
        start_of, end_of: The value is a date; the first or the last microsecond of its period in ``timezone``.
        equals, one_of, greater_than, less_than: Turn a value into a boolean.
    """

    column: Name | None = None
    constant: Scalar | None = None
    row_number: int | None = None
    name_part: Name | None = None
    template: Name | None = None
    after: Name | None = None
    delay: Span | None = None
    remove_prefix: Name | None = None
    unit: Unit | None = None
    decimals: Annotated[int, Field(ge=0, le=6)] | None = None
    since: AwareDatetime | None = None
    timezone: Name | None = None
    format: Name | None = None
    session_open: Name | None = None
    session_close: Name | None = None
    start_of: Period | None = None
    end_of: Period | None = None
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

    @property
    def template_pieces(self) -> tuple[str, ...]:
        """The template as literal texts and names of places, in turn, beginning and ending with a text."""
        return tuple(_PLACE.split(self.template or ""))

    @property
    def places(self) -> tuple[str, ...]:
        """The names in the template's places."""
        return self.template_pieces[1::2]

    @property
    def name_parts(self) -> tuple[str, ...]:
        """Names that may be parts of the file's name: the pattern says which are."""
        return (self.name_part,) if self.name_part is not None else self.places
