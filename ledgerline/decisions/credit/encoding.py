"""How an application's features become the numbers that the trees take.

A number is itself, and NaN where it is not known: the trees have learnt a way for missing ones. A category becomes one
column for each value that was known at training, 1 for its own and 0 for the others. A category that was not known
then, or is not given, is 0 in all of them: none of those that the model knows, which is how missing ones were trained.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ledgerline.core.errors import LedgerlineError

_QUOTED = str.maketrans({"%": "%25", "[": "%5B", "]": "%5D", "<": "%3C"})  # what XGBoost allows in no name


class ApplicationRefused(LedgerlineError):
    """What was said about an application cannot be read.

    Attributes:
        problems: What is wrong, by the attribute that is wrong.
    """

    def __init__(self, problems: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{name}: {problem}" for name, problem in problems.items()))
        self.problems = dict(problems)


class Lack(StrEnum):
    """Why an input was decided on as missing."""

    MISSING = "missing"
    UNSEEN_CATEGORY = "unseen_category"


@dataclass(frozen=True, slots=True)
class Encoding:
    """The features that a model takes, and their columns.

    Attributes:
        numeric: Features that are numbers, in order.
        categorical: Known values by feature, in order; none contains another feature's columns.
    """

    numeric: tuple[str, ...]
    categorical: Mapping[str, tuple[str, ...]]
    columns: tuple[str, ...] = field(init=False)
    owners: tuple[str, ...] = field(init=False)
    """The feature behind each column."""

    def __post_init__(self) -> None:
        pairs = [(name.translate(_QUOTED), name) for name in self.numeric]
        pairs += [
            (f"{name}={value}".translate(_QUOTED), name)
            for name, values in self.categorical.items()
            for value in values
        ]
        columns = tuple(column for column, _ in pairs)
        if len(set(columns)) != len(columns):
            raise ValueError("two columns share a name")
        object.__setattr__(self, "columns", columns)
        object.__setattr__(self, "owners", tuple(owner for _, owner in pairs))

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the features, numbers first."""
        return (*self.numeric, *self.categorical)

    def vector(self, row: Mapping[str, Any]) -> dict[str, float | None]:
        """Return one application's columns by name; None where a number is not known.

        Args:
            row: At least :attr:`inputs`; numbers or None, texts or None. Others are ignored.

        Raises:
            ApplicationRefused: A feature is absent, or not of its kind.
        """
        problems = dict(self._problems(row))
        if problems:
            raise ApplicationRefused(problems)
        values = [None if row[name] is None or math.isnan(row[name]) else float(row[name]) for name in self.numeric]
        ones = [float(row[name] == value) for name, known in self.categorical.items() for value in known]
        return dict(zip(self.columns, [*values, *ones], strict=True))

    def row(self, vector: Mapping[str, float | None]) -> NDArray[np.float64]:
        """Return a vector as an array of shape (1, columns), NaN for None.

        Raises:
            ApplicationRefused: A column is missing or unknown.
        """
        if vector.keys() != set(self.columns):
            missing, unknown = set(self.columns) - vector.keys(), vector.keys() - set(self.columns)
            problems = dict.fromkeys(sorted(missing), "the vector lacks it")
            raise ApplicationRefused(problems | dict.fromkeys(sorted(unknown), "is no column of the model"))
        values = [vector[name] for name in self.columns]
        return np.array([[math.nan if value is None else value for value in values]])

    def matrix(self, frame: pl.DataFrame) -> NDArray[np.float64]:
        """Return many applications' columns, shape (n, columns), equal to :meth:`vector` row by row.

        Raises:
            ApplicationRefused: A feature is absent.
        """
        if absent := [name for name in self.inputs if name not in frame.columns]:
            raise ApplicationRefused(dict.fromkeys(absent, "is absent"))
        parts: list[NDArray[np.float64]] = []
        if self.numeric:
            numbers = frame.select(pl.col(self.numeric).cast(pl.Float64).fill_null(math.nan)).to_numpy()
            if np.isinf(numbers).any():
                infinite = [name for name, held in zip(self.numeric, numbers.T, strict=True) if np.isinf(held).any()]
                raise ApplicationRefused(dict.fromkeys(infinite, "is infinite"))
            parts.append(numbers)
        for name, values in self.categorical.items():
            given = frame[name].cast(pl.String)
            parts += [(given == value).fill_null(value=False).cast(pl.Float64).to_numpy()[:, None] for value in values]
        empty = np.empty((frame.height, 0))
        return np.ascontiguousarray(np.hstack([empty, *parts]))

    def lacks(self, row: Mapping[str, Any], names: Sequence[str]) -> dict[str, Lack]:
        """Return which of some features of an application are decided on as missing, and why."""
        found = {}
        for name in names:
            value = row.get(name)
            if value is None:
                found[name] = Lack.MISSING
            elif name in self.categorical and value not in self.categorical[name]:
                found[name] = Lack.UNSEEN_CATEGORY
        return found

    def known(self, name: str, value: float | str | None) -> float | str | None:
        """Return a feature's value as the model sees it: None for a missing one and for a category it does not know."""
        if value is None or (isinstance(value, float) and math.isnan(value)):
            return None
        return value if name not in self.categorical or value in self.categorical[name] else None

    def value_of(self, vector: Mapping[str, float | None], name: str) -> float | str | None:
        """Return what a vector says about a feature: a number, a known category, or None."""
        if name not in self.categorical:
            return vector[name.translate(_QUOTED)]
        known = self.categorical[name]
        return next((value for value in known if vector[f"{name}={value}".translate(_QUOTED)]), None)

    def _problems(self, row: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        for name in self.numeric:
            value = row.get(name, "")
            if value is not None and (not isinstance(value, int | float) or isinstance(value, bool)):
                yield name, "is absent" if name not in row else "is no number"
            elif value is not None and math.isinf(value):
                yield name, "is infinite"
        for name in self.categorical:
            if name not in row:
                yield name, "is absent"
            elif row[name] is not None and not isinstance(row[name], str):
                yield name, "is no text"
