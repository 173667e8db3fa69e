"""What a row feature does to one column: each transform once over a whole column and once for one value.

The two spellings stand side by side so that a reader can see that they agree; a property test holds them to it.
"""

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar, Protocol

import polars as pl

from feature_store.errors import ViewInvalid
from ledgerline.core.contracts import ColumnType


class RowTransform(Protocol):
    """A pure function of one column of the row itself."""

    accepts: ClassVar[frozenset[ColumnType]]
    integral: ClassVar[bool]

    def column(self, values: pl.Series) -> pl.Series:
        """Return the transform over a whole column, as Int64 or Float64."""
        ...

    def value(self, raw: Any) -> float:
        """Return the transform of one value."""
        ...


@dataclass(frozen=True, slots=True)
class Divided:
    """A whole number divided by a constant, e.g. minor units to major units.

    Attributes:
        by: The divisor.
    """

    accepts: ClassVar[frozenset[ColumnType]] = frozenset({ColumnType.INTEGER, ColumnType.MINOR_UNITS})
    integral: ClassVar[bool] = False

    by: int

    def __post_init__(self) -> None:
        if self.by == 0:
            raise ViewInvalid("nothing is divided by zero")

    def column(self, values: pl.Series) -> pl.Series:
        """Return the quotients as Float64.

        Divided by numpy: polars multiplies by the reciprocal of a constant, which is off by one bit in every tenth row.
        """
        return pl.Series(values.to_numpy() / self.by)

    def value(self, raw: int) -> float:
        """Return the quotient."""
        return raw / self.by


@dataclass(frozen=True, slots=True)
class WeekdayFrom:
    """1 on days of the week from ``first`` on (Monday is 0, UTC), otherwise 0.

    Attributes:
        first: The first day that counts; 5 is Saturday.
    """

    accepts: ClassVar[frozenset[ColumnType]] = frozenset({ColumnType.INSTANT})
    integral: ClassVar[bool] = True

    first: int

    def column(self, values: pl.Series) -> pl.Series:
        """Return the flags as Int64."""
        return (values.dt.weekday() > self.first).cast(pl.Int64)  # polars counts Monday as 1

    def value(self, raw: datetime) -> float:
        """Return the flag."""
        return float(raw.astimezone(UTC).weekday() >= self.first)


@dataclass(frozen=True, slots=True)
class HourUntil:
    """1 in the hours of the day up to and including ``last`` (UTC), otherwise 0.

    Attributes:
        last: The last hour that counts, 0 to 23.
    """

    accepts: ClassVar[frozenset[ColumnType]] = frozenset({ColumnType.INSTANT})
    integral: ClassVar[bool] = True

    last: int

    def column(self, values: pl.Series) -> pl.Series:
        """Return the flags as Int64."""
        return (values.dt.hour() <= self.last).cast(pl.Int64)

    def value(self, raw: datetime) -> float:
        """Return the flag."""
        return float(raw.astimezone(UTC).hour <= self.last)


def parameters(transform: RowTransform) -> dict[str, Any]:
    """Return what names the transform in a fingerprint: its kind and its constants, as JSON values."""
    return {"kind": type(transform).__name__, **asdict(transform)}  # type: ignore[call-overload]
