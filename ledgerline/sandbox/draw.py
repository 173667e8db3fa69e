"""Which rows of a delivery are spoilt, and how."""

import numpy as np
from numpy.typing import NDArray


class Draw:
    """Picks rows for one kind of dirt after the other, never the same row twice.

    Args:
        rows: How many rows there are.
        generator: Where all randomness comes from.
    """

    def __init__(self, rows: int, generator: np.random.Generator) -> None:
        self._free = np.ones(rows, dtype=np.bool_)
        self._generator = generator

    def rows(self, share: float, possible: NDArray[np.bool_] | None = None) -> NDArray[np.int64]:
        """Return about ``share`` of all rows, at least one where any is ``possible``, in ascending order."""
        return self.some(max(1, round(share * self._free.size)), possible)

    def some(self, count: int, possible: NDArray[np.bool_] | None = None) -> NDArray[np.int64]:
        """Return ``count`` rows, fewer where fewer are ``possible``, in ascending order."""
        candidates = np.flatnonzero(self._free if possible is None else self._free & possible)
        chosen = np.sort(self._generator.choice(candidates, min(candidates.size, count), replace=False))
        self._free[chosen] = False
        return chosen

    def take(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> None:
        """Keep rows from being picked any more."""
        self._free[rows] = False
