"""CSV as RFC 4180 has it, with a header row; a broken row costs itself and no other."""

import csv
import io
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path

from pipelines.ingestion.formats.byte_streams import opened
from pipelines.ingestion.formats.text_rows import TextRows
from pipelines.ingestion.reasons import FileRefused, RefusalReason, UnreadableReason, printable
from pipelines.ingestion.typed_rows import RawRows


class _Lines:
    """Physical lines, remembering those of the record being read so that a broken one can be read again."""

    def __init__(self, stream: io.TextIOWrapper) -> None:
        self._stream = stream
        self._ahead: deque[str] = deque()
        self.record: list[str] = []

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        line = self._ahead.popleft() if self._ahead else next(self._stream)
        self.record.append(line)
        return line

    def only_first_was_the_record(self) -> str:
        """Give back all lines of the record but its first, which is returned."""
        first, *rest = self.record
        self._ahead.extendleft(reversed(rest))
        return first


def read_csv(path: Path, *, name: str, columns: Sequence[str], delimiter: str) -> Iterator[RawRows]:
    """Yield the rows of a CSV file as texts.

    Blank lines are no rows. A row with bytes that are no UTF-8 in a wanted column, with a quote that is never closed,
    or with too few or too many fields is unreadable; reading goes on with the next line.

    Args:
        path: Where the bytes lie.
        name: What the source called the file; ``.gz`` at its end means gzip.
        columns: The columns wanted.
        delimiter: Between fields.

    Raises:
        FileRefused: The file is empty, damaged, or lacks a column.
    """
    with opened(path, name=name) as stream:
        lines = _Lines(io.TextIOWrapper(stream, encoding="utf-8-sig", errors="surrogateescape", newline=""))
        reader = csv.reader(lines, delimiter=delimiter, strict=True)
        header = _header(reader)
        positions = [_position(header, column) for column in columns]
        rows = TextRows(columns)
        while (fields := _next_fields(reader, lines)) is not None:
            _add(rows, fields, positions, width=len(header), lines=lines)
            if rows.is_full:
                yield rows.take()
        yield rows.take()


def _header(reader: Iterator[list[str]]) -> list[str]:
    try:
        header = next((fields for fields in reader if fields), None)
    except csv.Error as error:
        raise FileRefused(f"the header row is no CSV: {error}", reason=RefusalReason.MISSING_COLUMN) from error
    if header is None:
        raise FileRefused("the file is empty: not even a header row", reason=RefusalReason.EMPTY_FILE)
    return header


def _position(header: list[str], column: str) -> int:
    if (times := header.count(column)) == 1:
        return header.index(column)
    if times == 0:
        raise FileRefused(
            f"column {column!r} is missing",
            reason=RefusalReason.MISSING_COLUMN,
            column=column,
            quoting=f"; the header has: {', '.join(header)}",
        )
    raise FileRefused(
        f"column {column!r} stands {times} times in the header", reason=RefusalReason.DUPLICATE_COLUMN, column=column
    )


def _next_fields(reader: Iterator[list[str]], lines: _Lines) -> list[str] | csv.Error | None:
    """Return the next record, why it is none, or None at the end; blank lines are passed over."""
    while True:
        lines.record = []
        try:
            if fields := next(reader):
                return fields
        except StopIteration:
            return None
        except csv.Error as error:
            return error


def _add(rows: TextRows, fields: list[str] | csv.Error, positions: list[int], *, width: int, lines: _Lines) -> None:
    if isinstance(fields, list) and len(fields) == width:
        rows.add([fields[position] for position in positions])
        return
    # A stray quote swallows the lines after it: only the line it stands in is broken.
    several = len(lines.record) > 1
    reason = (
        UnreadableReason.NOT_CSV if isinstance(fields, csv.Error) or several else UnreadableReason.WRONG_FIELD_COUNT
    )
    rows.add_unreadable(None, printable(lines.only_first_was_the_record().rstrip("\r\n")), reason)
