"""The kinds of feature that a view over events may declare, each as data that both executors read.

===================  =========================================================================================
:class:`RowExpression`    what one column of the event itself says
:class:`WindowAggregate`  count, sum, mean, min, max, std, last or exponentially weighted mean of an entity's events
:class:`EventSequence`    the newest events of an entity as a list, what a recurrent network reads
:class:`Derived`          arithmetic between other features of the row: ratios, differences, flags
===================  =========================================================================================
"""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any

from feature_store.expressions import Expression
from feature_store.transforms import RowTransform, parameters

_MICROSECOND = timedelta(microseconds=1)


class Source(StrEnum):
    """Where a measure is read."""

    EVENTS = "events"
    LABELS = "labels"


class Aggregation(StrEnum):
    """What is done with the events of a window."""

    COUNT = "count"
    SUM = "sum"
    MEAN = "mean"
    MIN = "min"
    MAX = "max"
    STD = "std"  # of the population: divided by how many there are
    LAST = "last"  # of the newest event, or of the one so many events before it (`lag`)
    EW_MEAN = "ew_mean"  # each event weighs half as much as one that is a half-life younger

    @property
    def additive(self) -> bool:
        """Whether it follows from sums and counts alone."""
        return self in (Aggregation.COUNT, Aggregation.SUM, Aggregation.MEAN)


@dataclass(frozen=True, slots=True)
class Measure:
    """A number that every event carries, held as a whole number of steps and divided only at the end.

    Whole numbers add up exactly whatever the order, which is why history at once and one event at a time agree to the
    last bit (where sums stay below 2**53 steps; beyond, the last bit of the quotient may differ). Sums that might not
    fit into 64 bits are refused. A column of whole numbers (cents, flags) is its own steps; a number column is rounded
    to ``divide_by`` steps a unit, half to even: ``Measure(Source.EVENTS, "rate", divide_by=1_000_000)`` keeps six
    decimals.

    An event whose label has not arrived by the decision contributes zero to a measure of the labels: until a dispute
    says otherwise, a payment counts as genuine. A later label for the same event replaces the earlier one from its own
    ``available_at`` on; of two that arrive at the same instant the greater value holds.

    Attributes:
        source: The events themselves, or their labels.
        column: An integer, minor-unit, boolean (0 or 1) or number column of that source's contract.
        divide_by: Steps a unit, e.g. 100 for cents to major units.
    """

    source: Source
    column: str
    divide_by: int = 1

    def meaning(self) -> dict[str, Any]:
        """Return everything that changes the measure's value, as JSON values."""
        return {"source": self.source, "column": self.column, "divide_by": self.divide_by}


@dataclass(frozen=True, slots=True)
class RowExpression:
    """A feature of the row itself.

    Attributes:
        name: The feature's name.
        column: The column of the events' contract that it is made from.
        transform: What is done to it.
        description: For the reader.
        unit: What the number counts, e.g. ``"major units"``.
    """

    name: str
    column: str
    transform: RowTransform
    description: str
    unit: str

    @property
    def integral(self) -> bool:
        """Whether the feature is stored as Int64; otherwise Float64."""
        return self.transform.integral

    def meaning(self) -> dict[str, Any]:
        """Return everything that changes the feature's value, as JSON values."""
        return {"name": self.name, "column": self.column, "transform": parameters(self.transform)}


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowAggregate:
    """A feature over the events of one entity in a sliding window.

    A row decided at ``t`` counts the events that arrived no later than itself, in arrival order and itself included,
    and whose ``event_time`` lies in ``(t - delay - over, t - delay]``; with ``rows``, only the newest so many of them,
    newest by (``event_time``, arrival order).

    Attributes:
        name: The feature's name.
        by: The entity column whose events are counted together.
        how: What is done with them.
        of: What is summed, compared or averaged; None for a count. Of labels there are counts, sums and means alone.
            A mean divides by all events of the window, with or without a label, so that it shares its denominator with
            the count over the same window.
        over: Length of the window in event time; it also bounds how long anything must be remembered.
        rows: At most so many events; None for all of the window.
        lag: For ``LAST``: how many of the newest events are passed over first. 0 is the newest, the row itself if
            ``delay`` is 0; 1 the one before.
        half_life: For ``EW_MEAN``: by how much older an event weighs half.
        delay: How long before the decision the window ends.
        empty: The value where the window holds no event; None for null.
        description: For the reader.
        unit: What the number counts.
    """

    name: str
    by: str
    how: Aggregation
    of: Measure | None = None
    over: timedelta
    rows: int | None = None
    lag: int = 0
    half_life: timedelta | None = None
    delay: timedelta = timedelta(0)
    empty: float | None = None
    description: str
    unit: str

    @property
    def integral(self) -> bool:
        """Whether the feature is stored as Int64; otherwise Float64."""
        return self.how is Aggregation.COUNT

    @property
    def by_sums(self) -> bool:
        """Whether the whole window counts and sums suffice, so that it can be computed by differences."""
        return self.how.additive and self.rows is None

    @property
    def reach(self) -> timedelta:
        """How long after its ``event_time`` an event can still count."""
        return self.delay + self.over

    def meaning(self) -> dict[str, Any]:
        """Return everything that changes the feature's value, as JSON values."""
        return {
            "name": self.name,
            "by": self.by,
            "how": self.how,
            "of": self.of and self.of.meaning(),
            "over_us": microseconds(self.over),
            "rows": self.rows,
            "lag": self.lag,
            "half_life_us": microseconds(self.half_life) if self.half_life else None,
            "delay_us": microseconds(self.delay),
            "empty": self.empty,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class EventSequence:
    """The newest events of one entity as a list of fixed length, oldest first; nulls stand where there are fewer.

    Which events a decision sees is as for :class:`WindowAggregate`.

    Attributes:
        name: The feature's name.
        by: The entity column whose events are listed.
        of: Which number of each.
        rows: Length of the list.
        over: How far back it reaches in event time.
        delay: How long before the decision it ends.
        description: For the reader.
        unit: What the numbers count.
    """

    name: str
    by: str
    of: Measure
    rows: int
    over: timedelta
    delay: timedelta = timedelta(0)
    description: str
    unit: str

    @property
    def reach(self) -> timedelta:
        """How long after its ``event_time`` an event can still be listed."""
        return self.delay + self.over

    def meaning(self) -> dict[str, Any]:
        """Return everything that changes the feature's value, as JSON values."""
        return {
            "name": self.name,
            "by": self.by,
            "sequence_of": self.of.meaning(),
            "rows": self.rows,
            "over_us": microseconds(self.over),
            "delay_us": microseconds(self.delay),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Derived:
    """Arithmetic between features that the view declares before this one; null where one of them is.

    Attributes:
        name: The feature's name.
        expression: What is computed, e.g. ``feature("amount") / feature("customer_mean_amount_30d")``.
        description: For the reader.
        unit: What the number counts.
    """

    name: str
    expression: Expression
    description: str
    unit: str

    def meaning(self) -> dict[str, Any]:
        """Return everything that changes the feature's value, as JSON values."""
        return {"name": self.name, "derived": self.expression.meaning()}


Feature = RowExpression | WindowAggregate | EventSequence | Derived


def microseconds(duration: timedelta) -> int:
    """Return a duration as a whole number of microseconds, exactly."""
    return duration // _MICROSECOND
