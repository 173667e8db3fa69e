"""Moments before the end of every series from which it is forecast: what was known then, and what came."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import polars as pl

from ledgerline.decisions.forecast.lag_features import Floats
from ledgerline.decisions.forecast.series import Series, month_versions

_NAME = ("entity_id", "account")


@dataclass(frozen=True, slots=True)
class Origin:
    """One moment from which every series is forecast.

    Attributes:
        histories: What was known, a series each.
        actuals: The ``horizon`` months that came.
    """

    histories: tuple[Floats, ...]
    actuals: tuple[Floats, ...]


def origins(rows: pl.DataFrame, series: Sequence[Series], *, as_of: datetime, horizon: int) -> tuple[Origin, Origin]:
    """Return the origin for choosing a method and the origin of the test: two horizons and one before the ends.

    What came after the first is taken as it was known at the second, so that no later correction helps the choice.

    Args:
        rows: What the series were made of.
        series: With more than two horizons of months each.
        as_of: When the test's actual values are looked up; corrections known by then count.
        horizon: Months.
    """
    at_test, at_choice = (
        known_before_the_last(rows, series, months=held_out * horizon, as_of=as_of) for held_out in (1, 2)
    )
    choice = Origin(at_choice, tuple(history[-horizon:] for history in at_test))
    return choice, Origin(at_test, tuple(each.values[-horizon:] for each in series))


def known_before_the_last(
    rows: pl.DataFrame, series: Sequence[Series], *, months: int, as_of: datetime
) -> tuple[Floats, ...]:
    """Return every series without its last months, each value as it was known when the rest of them had closed.

    A month that was corrected later has its earlier value.
    """
    wanted = pl.LazyFrame(
        {
            "entity_id": [each.entity_id for each in series],
            "account": [each.account for each in series],
            "place": range(len(series)),
            "last": [each.last_month.year * 12 + each.last_month.month - 1 - months for each in series],
            "length": [each.values.size - months for each in series],
        }
    )
    number, first_known = pl.col("number"), pl.col("available_at").min().over("place", "number")
    known = (
        month_versions(rows, as_of=as_of)
        .join(wanted, on=_NAME)
        .filter((number <= pl.col("last")) & (number > pl.col("last") - pl.col("length")))
        .filter(pl.col("available_at") <= first_known.max().over("place"))
        .sort("place", "number", "available_at")
        .unique(["place", "number"], keep="last", maintain_order=True)
        .group_by("place", maintain_order=True)
        .agg("amount")
        .collect()
    )
    return tuple(np.asarray(amounts, dtype=np.float64) for amounts in known["amount"].to_list())
