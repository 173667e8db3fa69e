"""Keys as whole numbers: those of the decisions are numbered once, and a history's rows are looked up among them."""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from feature_store.compiling import compiled

Integers = NDArray[np.int64]

UNKNOWN = -1


class KeyNumbers:
    """Distinct keys, numbered from 0.

    Args:
        keys: One row a key, of one or several columns (String, or integers of up to 64 bits); repeated keys share a
            number, and a key with a null has none.

    Attributes:
        numbers: Of the given rows, int64; ``UNKNOWN`` where a column is null.
        count: How many numbers there may be; each is less.
    """

    def __init__(self, keys: pl.DataFrame) -> None:
        self._columns: list[_Numbers | _Words] = []
        self._pairs: list[_Numbers] = []
        numbers: Integers | None = None
        width = 0
        for column in keys.get_columns():
            coder = _Words(column) if column.dtype == pl.String else _Numbers.of(column)
            self._columns.append(coder)
            own = coder.look_up(column)
            if numbers is None:
                numbers, width = own, coder.count
                continue
            # Two columns' numbers make one: a pair below width * count, which is numbered again and so stays small.
            pairs = _paired(numbers, own, coder.count)
            self._pairs.append(_Numbers(np.unique(pairs[pairs != UNKNOWN])))
            numbers, width = self._pairs[-1].numbers(pairs), self._pairs[-1].count
        if numbers is None:
            raise ValueError("a key has at least one column")
        self.numbers: Integers = numbers
        self.count: int = width

    def look_up(self, keys: pl.DataFrame) -> Integers:
        """Return each key's number, int64; ``UNKNOWN`` for keys that were not numbered or hold a null.

        Args:
            keys: The key's columns, of the types that were given before and in their order.
        """
        first, *others = keys.get_columns()
        numbers = self._columns[0].look_up(first)
        for coder, pair, column in zip(self._columns[1:], self._pairs, others, strict=True):
            numbers = pair.numbers(_paired(numbers, coder.look_up(column), coder.count))
        return numbers


class _Words:
    """Distinct strings, numbered."""

    def __init__(self, column: pl.Series) -> None:
        distinct = column.drop_nulls().unique()
        self._enum = pl.Enum(distinct)
        self.count = distinct.len()

    def look_up(self, column: pl.Series) -> Integers:
        numbers = column.cast(self._enum, strict=False).to_physical().cast(pl.Int64).fill_null(UNKNOWN)
        return numbers.to_numpy()


class _Numbers:
    """Distinct whole numbers, numbered, in a table that hashes them.

    Args:
        distinct: The numbers, each once.
    """

    def __init__(self, distinct: Integers) -> None:
        self.count = distinct.size
        self._table = np.full((1 << max(4, (2 * distinct.size).bit_length()), 2), UNKNOWN, dtype=np.int64)
        _fill(self._table, distinct)

    @classmethod
    def of(cls, column: pl.Series) -> "_Numbers":
        return cls(_whole(column.drop_nulls().unique()))

    def look_up(self, column: pl.Series) -> Integers:
        numbers = self.numbers(_whole(column))
        if column.null_count():
            numbers[column.is_null().to_numpy()] = UNKNOWN
        return numbers

    def numbers(self, values: Integers) -> Integers:
        found = np.empty(values.size, dtype=np.int64)
        _find(self._table, values, found)
        return found


def _whole(column: pl.Series) -> Integers:
    """Return the column as int64, one to one for every integer type; what stands at a null is arbitrary."""
    return column.fill_null(0).cast(pl.Int64, wrap_numerical=True).to_numpy()


def _paired(first: Integers, second: Integers, count: int) -> Integers:
    return np.where((first == UNKNOWN) | (second == UNKNOWN), UNKNOWN, first * count + second)


@compiled
def _slot(value: np.int64, mask: int) -> np.int64:
    """Return where to look for a value first, by the finaliser of MurmurHash3 (Appleby, public domain)."""
    mixed = np.uint64(value)
    mixed = (mixed ^ (mixed >> np.uint64(33))) * np.uint64(0xFF51AFD7ED558CCD)
    mixed = (mixed ^ (mixed >> np.uint64(33))) * np.uint64(0xC4CEB9FE1A85EC53)
    return np.int64((mixed ^ (mixed >> np.uint64(33))) & np.uint64(mask))


@compiled
def _fill(table: Integers, values: Integers) -> None:
    mask = table.shape[0] - 1
    for number in range(values.size):
        slot = _slot(values[number], mask)
        while table[slot, 1] != UNKNOWN:
            slot = (slot + 1) & mask
        table[slot, 0] = values[number]
        table[slot, 1] = number


@compiled
def _find(table: Integers, values: Integers, found: Integers) -> None:
    mask = table.shape[0] - 1
    for row in range(values.size):
        slot = _slot(values[row], mask)
        while table[slot, 1] != UNKNOWN and table[slot, 0] != values[row]:
            slot = (slot + 1) & mask
        found[row] = table[slot, 1]
