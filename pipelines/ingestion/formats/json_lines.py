"""JSON Lines: one object a line; a broken line costs itself and no other."""

import json
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

from pipelines.ingestion.formats.byte_streams import opened
from pipelines.ingestion.formats.text_rows import TextRows
from pipelines.ingestion.reasons import FileRefused, RefusalReason, UnreadableReason
from pipelines.ingestion.typed_rows import RawRows

_BOM = b"\xef\xbb\xbf"
# Numbers stay the texts that they are: 0.1 as written, not the binary fraction near it.
_DECODER = json.JSONDecoder(parse_float=str, parse_int=str, parse_constant=str)


def read_json_lines(path: Path, *, name: str, columns: Sequence[str], required: Collection[str]) -> Iterator[RawRows]:
    """Yield the rows of a JSON Lines file as texts.

    A key that a line lacks, or whose value is null, is missing there. Blank lines are no rows.

    Args:
        path: Where the bytes lie.
        name: What the source called the file; ``.gz`` at its end means gzip.
        columns: The keys wanted.
        required: Those of them that must occur at all.

    Raises:
        FileRefused: The file is empty or damaged, or no line has a required key.
    """
    rows = TextRows(columns)
    seen: set[str] = set()
    with opened(path, name=name) as stream:
        for position, line in enumerate(stream):
            content = (line.removeprefix(_BOM) if position == 0 else line).strip()
            if content:
                _add(rows, content, columns, seen)
            if rows.is_full:
                yield rows.take()
    if rows.count == 0:
        raise FileRefused("the file is empty: not one JSON line", reason=RefusalReason.EMPTY_FILE)
    for column in columns:
        if column in required and column not in seen:
            raise FileRefused(
                f"key {column!r} is missing from every line", reason=RefusalReason.MISSING_COLUMN, column=column
            )
    yield rows.take()


def _add(rows: TextRows, content: bytes, columns: Sequence[str], seen: set[str]) -> None:
    try:
        text = content.decode()
    except UnicodeDecodeError:
        rows.add_unreadable(None, content.decode("utf-8", "surrogateescape"), UnreadableReason.NOT_UTF8)
        return
    try:
        value = _DECODER.decode(text)
    except (ValueError, RecursionError):
        rows.add_unreadable(None, text, UnreadableReason.NOT_JSON)
        return
    if not isinstance(value, dict):
        rows.add_unreadable(None, text, UnreadableReason.NOT_AN_OBJECT)
        return
    nested = next((column for column in columns if isinstance(value.get(column), dict | list)), None)
    if nested is not None:
        rows.add_unreadable(nested, text, UnreadableReason.NOT_A_SCALAR)
        return
    seen.update(column for column in columns if column in value)
    rows.add([_text(value.get(column)) for column in columns])


def _text(value: Any) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    return None if value is None else str(value)
