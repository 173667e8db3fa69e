"""Who is approved how often: adverse impact ratios of protected groups, which no model has seen.

The ratio is a group's approval rate over the reference group's; below four fifths it is commonly taken as a sign of
adverse impact (29 CFR 1607.4(D)). It moves with the cut-off more than with the model, so the cut-off stands beside it.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pipelines.training.credit.dataset import PROTECTED
from pipelines.training.credit.parameters import FairnessParameters

_MOST_GROUPS = 12  # a protected attribute of more different numbers, an age above all, is compared by bands
_CONFIDENCE_Z = 1.959964


@dataclass(frozen=True, slots=True)
class GroupFigures:
    """One protected group beside the reference group of its attribute.

    Attributes:
        attribute: The protected attribute.
        group: The group.
        reference: The largest group of the attribute.
        air: Approval rate over the reference's.
        air_ci: 95 % interval of the ratio (delta method on its logarithm); None where a rate is 0.
        approval_rate: Of the group.
        default_rate: Share of the group that defaulted.
        n: How many applications.
    """

    attribute: str
    group: str
    reference: str
    air: float
    air_ci: tuple[float, float] | None
    approval_rate: float
    default_rate: float
    n: int


def compare_groups(
    tested: pl.DataFrame, approved: NDArray[np.bool_], parameters: FairnessParameters
) -> tuple[list[GroupFigures], list[str]]:
    """Return every group's figures beside its attribute's largest group, and why others have none.

    Args:
        tested: Tested applications with their ``protected.`` columns and ``defaulted``.
        approved: Whether each was approved, shape (n,).
        parameters: Bands of age, and the smallest group.
    """
    figures: list[GroupFigures] = []
    left_out: list[str] = []
    for column in (name for name in tested.columns if name.startswith(PROTECTED)):
        attribute = column.removeprefix(PROTECTED)
        groups = groups_of(tested[column], parameters.age_bands)
        table = _table(groups, approved, tested["defaulted"])
        large = [name for name in table if table[name][0] >= parameters.least_group]
        left_out += [f"{attribute} {name}: {table[name][0]} applications" for name in table if name not in large]
        if not large:
            continue
        reference = max(large, key=lambda name: (table[name][0], name))
        if table[reference][1] == 0:
            left_out.append(f"{attribute}: nobody of the reference group {reference} is approved at this cut-off")
            continue
        figures += [_figures(attribute, name, reference, table) for name in large if name != reference]
    return figures, left_out


def groups_of(values: pl.Series, bands: Sequence[int]) -> pl.Series:
    """Return each application's group: the attribute's value, or the band of a number of many; null where unknown."""
    numbers = values.cast(pl.Float64, strict=False)
    is_number = numbers.null_count() == values.null_count()
    if not is_number or values.n_unique() <= _MOST_GROUPS:
        return values
    between = [f"{low} to {high - 1}" for low, high in pairwise(bands)]
    names = [f"under {bands[0]}", *between, f"{bands[-1]} and over"]
    return numbers.bin_intervals(list(bands), labels=names).cast(pl.String)


def _table(
    groups: pl.Series, approved: NDArray[np.bool_], defaulted: pl.Series
) -> Mapping[str, tuple[int, int, float]]:
    """Return by group, in the order of their names: how many, how many approved, share that defaulted."""
    counted = (
        pl.DataFrame({"group": groups, "approved": approved, "defaulted": defaulted})
        .filter(pl.col("group").is_not_null())
        .group_by("group")
        .agg(pl.len(), pl.col("approved").sum(), pl.col("defaulted").mean())
        .sort("group")
    )
    return {name: (count, passed, float(rate)) for name, count, passed, rate in counted.iter_rows()}


def _figures(attribute: str, name: str, reference: str, table: Mapping[str, tuple[int, int, float]]) -> GroupFigures:
    count, passed, defaults = table[name]
    of_reference, passed_reference, _ = table[reference]
    rate, reference_rate = passed / count, passed_reference / of_reference
    air = rate / reference_rate
    interval = None
    if passed:
        spread = math.sqrt((1 - rate) / passed + (1 - reference_rate) / passed_reference)
        interval = (air * math.exp(-_CONFIDENCE_Z * spread), air * math.exp(_CONFIDENCE_Z * spread))
    return GroupFigures(attribute, name, reference, air, interval, rate, defaults, count)
