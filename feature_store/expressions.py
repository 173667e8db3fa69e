"""Arithmetic between the features of one row: ratios, differences, flags, logarithms.

An expression is a small tree that both executors evaluate by the same numpy functions, over whole columns or over one
row, so that they agree; and that is written down as JSON for the view's fingerprint. Null is NaN inside: whatever is
made from a null is null, and so is a division by zero or the logarithm of what has none.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from feature_store.errors import ViewInvalid

Values = NDArray[np.float64]

_BINARY: dict[str, np.ufunc] = {
    "add": np.add,
    "subtract": np.subtract,
    "multiply": np.multiply,
    "divide": np.divide,
    "minimum": np.minimum,
    "maximum": np.maximum,
}
_UNARY: dict[str, np.ufunc] = {"absolute": np.absolute, "log1p": np.log1p, "negative": np.negative, "sqrt": np.sqrt}
_COMPARISONS: dict[str, np.ufunc] = {
    "greater": np.greater,
    "less": np.less,
    "greater_equal": np.greater_equal,
    "less_equal": np.less_equal,
}


class Expression:
    """Something computed from features of the same row; combine with ``+ - * /``, comparisons and the methods below."""

    __slots__ = ()

    @property
    def names(self) -> frozenset[str]:
        """The features that it reads."""
        raise NotImplementedError

    def meaning(self) -> Any:
        """Return the expression as JSON values."""
        raise NotImplementedError

    def evaluate(self, values: Mapping[str, Values]) -> Values:
        """Return its value in every row; NaN for null.

        Args:
            values: The columns that it reads, Float64 arrays of one length with NaN for null.
        """
        with np.errstate(all="ignore"):
            found = self._evaluate(values)
        return np.where(np.isfinite(found), found, np.nan)

    def value(self, values: Mapping[str, float | None]) -> float | None:
        """Return its value in one row, None for null."""
        row = {name: np.array([np.nan if values[name] is None else values[name]], np.float64) for name in self.names}
        found = float(self.evaluate(row)[0])
        return None if np.isnan(found) else found

    def _evaluate(self, values: Mapping[str, Values]) -> Values:
        raise NotImplementedError

    def __add__(self, other: "Expression | float") -> "Expression":
        return _Applied("add", (self, _lifted(other)))

    def __radd__(self, other: float) -> "Expression":
        return _Applied("add", (_lifted(other), self))

    def __sub__(self, other: "Expression | float") -> "Expression":
        return _Applied("subtract", (self, _lifted(other)))

    def __rsub__(self, other: float) -> "Expression":
        return _Applied("subtract", (_lifted(other), self))

    def __mul__(self, other: "Expression | float") -> "Expression":
        return _Applied("multiply", (self, _lifted(other)))

    def __rmul__(self, other: float) -> "Expression":
        return _Applied("multiply", (_lifted(other), self))

    def __truediv__(self, other: "Expression | float") -> "Expression":
        return _Applied("divide", (self, _lifted(other)))

    def __rtruediv__(self, other: float) -> "Expression":
        return _Applied("divide", (_lifted(other), self))

    def __neg__(self) -> "Expression":
        return _Applied("negative", (self,))

    def __bool__(self) -> bool:
        raise TypeError(
            "an expression has no truth of its own, so `and`, `or`, `max` and `0 < a < 1` would drop a part of it; "
            "multiply comparisons for `and`, and see at_least and at_most"
        )

    def __gt__(self, other: "Expression | float") -> "Expression":
        return _Applied("greater", (self, _lifted(other)))

    def __lt__(self, other: "Expression | float") -> "Expression":
        return _Applied("less", (self, _lifted(other)))

    def __ge__(self, other: "Expression | float") -> "Expression":
        return _Applied("greater_equal", (self, _lifted(other)))

    def __le__(self, other: "Expression | float") -> "Expression":
        return _Applied("less_equal", (self, _lifted(other)))

    def abs(self) -> "Expression":
        """Return the absolute value."""
        return _Applied("absolute", (self,))

    def sqrt(self) -> "Expression":
        """Return the square root; null of a negative number."""
        return _Applied("sqrt", (self,))

    def log1p(self) -> "Expression":
        """Return the natural logarithm of one more; null of -1 and less."""
        return _Applied("log1p", (self,))

    def at_least(self, other: "Expression | float") -> "Expression":
        """Return the greater of the two."""
        return _Applied("maximum", (self, _lifted(other)))

    def at_most(self, other: "Expression | float") -> "Expression":
        """Return the smaller of the two."""
        return _Applied("minimum", (self, _lifted(other)))

    def or_else(self, other: "Expression | float") -> "Expression":
        """Return this where it is known, and otherwise the other."""
        return _Applied("or_else", (self, _lifted(other)))


@dataclass(frozen=True, slots=True)
class _Feature(Expression):
    name: str

    @property
    def names(self) -> frozenset[str]:
        return frozenset({self.name})

    def meaning(self) -> Any:
        return {"feature": self.name}

    def _evaluate(self, values: Mapping[str, Values]) -> Values:
        return values[self.name]


@dataclass(frozen=True, slots=True)
class _Constant(Expression):
    number: float

    @property
    def names(self) -> frozenset[str]:
        return frozenset()

    def meaning(self) -> Any:
        return {"constant": self.number}

    def _evaluate(self, values: Mapping[str, Values]) -> Values:
        return np.float64(self.number)  # type: ignore[return-value]  # numpy broadcasts it


@dataclass(frozen=True, slots=True)
class _Applied(Expression):
    operation: str
    operands: tuple[Expression, ...]

    @property
    def names(self) -> frozenset[str]:
        return frozenset().union(*(operand.names for operand in self.operands))

    def meaning(self) -> Any:
        return {self.operation: [operand.meaning() for operand in self.operands]}

    def _evaluate(self, values: Mapping[str, Values]) -> Values:
        of = [operand._evaluate(values) for operand in self.operands]
        if self.operation in _UNARY:
            return _finite(_UNARY[self.operation](*of))
        if self.operation in _BINARY:
            return _finite(_BINARY[self.operation](*of))
        if self.operation in _COMPARISONS:
            unknown = np.isnan(of[0]) | np.isnan(of[1])
            return np.where(unknown, np.nan, _COMPARISONS[self.operation](*of).astype(np.float64))
        return np.where(np.isnan(of[0]), of[1], of[0])


def feature(name: str) -> Expression:
    """Return the value of another feature of the view, to be computed with.

    Example:
        >>> feature("amount") / feature("customer_mean_amount_30d") - 1
    """
    return _Feature(name)


def _lifted(operand: Expression | float) -> Expression:
    if isinstance(operand, Expression):
        return operand
    if not isfinite(operand):
        raise ViewInvalid(f"{operand} is no number to compute with")
    return _Constant(float(operand))


def _finite(found: Values) -> Values:
    return np.where(np.isfinite(found), found, np.nan)
