"""Gather rows of texts into runs, leaving out those whose texts are no text."""

from collections.abc import Sequence

import polars as pl

from pipelines.ingestion.reasons import UnreadableReason
from pipelines.ingestion.typed_rows import ROW_NUMBER, RawRows, unreadable_rows

RUN_ROWS = 131_072

Text = str | None
UnreadableRow = tuple[int, str | None, str | None, UnreadableReason]


class TextRows:
    """Collects one row after the other and gives them back in runs of bounded size.

    Args:
        columns: The source columns to keep, in the order in which each row's values come.
    """

    def __init__(self, columns: Sequence[str]) -> None:
        self._columns = list(columns)
        self._count = 0
        self._numbers: list[int] = []
        self._rows: list[Sequence[Text]] = []
        self._unreadable: list[UnreadableRow] = []

    @property
    def count(self) -> int:
        """Rows seen so far, readable or not."""
        return self._count

    @property
    def is_full(self) -> bool:
        """Whether the run should be taken."""
        return len(self._rows) + len(self._unreadable) >= RUN_ROWS

    def add(self, values: Sequence[Text]) -> None:
        """Add the next row."""
        self._count += 1
        self._numbers.append(self._count)
        self._rows.append(values)

    def add_unreadable(self, column: str | None, value: str | None, reason: UnreadableReason) -> None:
        """Add the next row, which could not be split into columns."""
        self._count += 1
        self._unreadable.append((self._count, column, value, reason))

    def take(self) -> RawRows:
        """Return what was added since the last time, and begin the next run."""
        try:
            frame = self._frame()
        except UnicodeEncodeError:
            self._set_aside_undecodable()
            frame = self._frame()
        numbers = pl.Series(ROW_NUMBER, self._numbers, dtype=pl.Int64)
        unreadable = unreadable_rows(sorted(self._unreadable, key=lambda row: row[0]))
        self._numbers, self._rows, self._unreadable = [], [], []
        return RawRows(numbers, frame, unreadable)

    def _frame(self) -> pl.DataFrame:
        by_column = zip(*self._rows, strict=True) if self._rows else ([] for _ in self._columns)
        named = zip(self._columns, by_column, strict=True)
        return pl.DataFrame([pl.Series(name, values, dtype=pl.String) for name, values in named])

    def _set_aside_undecodable(self) -> None:
        """Move rows that hold lone surrogates, the trace of bytes that are no UTF-8, to the unreadable ones."""
        decodable = []
        for number, values in zip(self._numbers, self._rows, strict=True):
            wrong = next((i for i, value in enumerate(values) if value is not None and not _is_text(value)), None)
            if wrong is None:
                decodable.append((number, values))
            else:
                self._unreadable.append((number, self._columns[wrong], values[wrong], UnreadableReason.NOT_UTF8))
        self._numbers = [number for number, _ in decodable]
        self._rows = [values for _, values in decodable]


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
