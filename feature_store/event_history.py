"""The events and labels of a view as arrays: entities as numbers, measures in whole steps, when each label stood."""

from functools import cached_property

import numpy as np
import polars as pl

from feature_store.entity_rows import EntityRows, Integers
from feature_store.errors import SourceInvalid
from feature_store.sources import labels_of
from feature_store.view import FeatureView

NEVER = np.iinfo(np.int64).max
_LARGEST = 2**63  # a whole number of 64 bits is smaller


class EventHistory:
    """The events and labels as arrays.

    Args:
        view: The declaration.
        events: The view's event columns, in arrival order.
        labels: Rows of the view's labels, or None.
        beside: Decisions whose entities are numbered together with those of the events.
    """

    def __init__(
        self, view: FeatureView, events: pl.DataFrame, labels: pl.DataFrame | None, beside: pl.DataFrame | None = None
    ) -> None:
        self._view = view
        self._events = events
        self._labels = labels
        self._beside = beside
        self._codes: dict[str, Integers] = {}
        self._steps: dict[str, Integers] = {}
        self.happened = instants_of(events["event_time"])

    def codes(self, entity: str) -> Integers:
        """Return a number for each event's entity, equal where the entities are."""
        return self._numbered(entity)[: self._events.height]

    def codes_beside(self, entity: str) -> Integers:
        """Return the same of the decisions that were given beside."""
        return self._numbered(entity)[self._events.height :]

    def steps(self, column: str) -> Integers:
        """Return a measured column of the events in whole steps.

        Raises:
            SourceInvalid: A number is none, or so large that its steps do not fit into 64 bits.
        """
        if column not in self._steps:
            steps_a_unit = self._view.number_steps.get(column)
            self._steps[column] = (
                whole_numbers_of(self._events[column])
                if steps_a_unit is None
                else _in_steps(self._events[column], steps_a_unit, f"{self._view.events.name}.{column}")
            )
        return self._steps[column]

    def summable(self, column: str, rows: EntityRows) -> Integers:
        """Return the steps of a column of which as many as an entity has events add up within 64 bits.

        Raises:
            SourceInvalid: They might not.
        """
        steps = self.steps(column)
        require_summable(steps, rows.most_events, f"{self._view.events.name}.{column}")
        return steps

    @cached_property
    def spells(self) -> pl.DataFrame:
        """One row a label: the position of its event, and the instants between which it is the newest known."""
        view = self._view
        named = self._events.select(view.event_id).with_row_index("event")
        known = labels_of(view, self._labels).join(named, on=view.event_id, how="inner")
        ordered = known.sort("event", "available_at", *view.label_measures)
        known_from = pl.col("available_at").to_physical()
        replaced = pl.when(pl.col("event").shift(-1) == pl.col("event")).then(known_from.shift(-1))
        return ordered.select(
            pl.col("event").cast(pl.Int64),
            known_from.alias("known_from"),
            replaced.otherwise(NEVER).alias("known_until"),
            *(pl.col(measure).cast(pl.Int64) for measure in view.label_measures),
        )

    def _numbered(self, entity: str) -> Integers:
        if entity not in self._codes:
            names = self._events[entity]
            if self._beside is not None:
                names = pl.concat([names, self._beside[entity]])
            self._codes[entity] = _numbers(names)
        return self._codes[entity]


def require_summable(steps: Integers, events: int, column: str) -> None:
    """Refuse whole numbers of which so many might add up to more than 64 bits.

    Raises:
        SourceInvalid: They might; it names the column.
    """
    if steps.size and max(int(steps.max()), -int(steps.min())) * events >= _LARGEST:
        raise SourceInvalid(
            f"{column}: the values of {events:,} events may add up to more than 64 bits hold; measure the column in "
            "larger steps (divide_by)"
        )


def instants_of(column: pl.Series) -> Integers:
    """Return microseconds since 1970."""
    return column.to_physical().to_numpy()


def whole_numbers_of(column: pl.Series) -> Integers:
    """Return whole numbers or flags as they are summed."""
    return column.cast(pl.Int64).to_numpy()


def _numbers(names: pl.Series) -> Integers:
    """Return a number for each name, dense; nulls are alike and have no events, for events have no nulls."""
    codes = names.cast(pl.Categorical(pl.Categories.random())).to_physical().cast(pl.Int64)
    if codes.null_count():
        known = codes.max()
        codes = codes.fill_null((known if isinstance(known, int) else -1) + 1)
    return codes.to_numpy()


def _in_steps(numbers: pl.Series, steps_a_unit: int, column: str) -> Integers:
    steps = np.rint(numbers.to_numpy() * float(steps_a_unit))
    if not np.all(np.abs(steps) < _LARGEST):  # NaN is not smaller either
        raise SourceInvalid(
            f"{column} holds what is no number, or one so large that {steps_a_unit} steps a unit do not fit into 64 "
            "bits; measure it in larger steps (divide_by)"
        )
    return steps.astype(np.int64)
