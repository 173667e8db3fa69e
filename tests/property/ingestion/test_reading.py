"""Whatever is in a file, every source row is landed or unreadable, once, and sound rows come out as they went in."""

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import given, settings
from hypothesis import strategies as st

from ledgerline.core.contracts import FRAUD_LABELS
from pipelines.ingestion.column_mapping import ColumnMapping
from pipelines.ingestion.mapping import Feed
from pipelines.ingestion.reading import read_rows
from pipelines.ingestion.typed_rows import TypedRows

MAPPING = Feed(
    files="*",
    columns={
        "transaction_id": ColumnMapping(column="id"),
        "is_fraud": ColumnMapping(column="fraud"),
        "scenario": ColumnMapping(column="kind"),
        "event_time": ColumnMapping(column="time"),
        "available_at": ColumnMapping(after="event_time", delay="7d"),
    },
)
COLUMNS = ["id", "fraud", "kind", "time"]
TEXT = st.text(st.characters(codec="utf-8"), max_size=12)
SOUND_ROW = st.tuples(
    TEXT.filter(bool),
    st.booleans(),
    st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1)),
    st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 20), timezones=st.just(UTC)),  # noqa: DTZ001 (bounds are naive)
)


def read(name: str, content: bytes) -> TypedRows:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "raw"
        path.write_bytes(content)
        runs = list(read_rows(path, name=name, contract=FRAUD_LABELS, feed=MAPPING))
    return TypedRows(pl.concat([run.rows for run in runs]), pl.concat([run.unreadable for run in runs]))


def as_csv(rows: list[tuple[Any, ...]]) -> bytes:
    stream = io.StringIO()
    writer = csv.writer(stream)
    writer.writerow(COLUMNS)
    writer.writerows(rows)
    return stream.getvalue().encode("utf-8", "surrogateescape")


def numbers(result: TypedRows) -> list[int]:
    return sorted(result.rows["row_number"].to_list() + result.unreadable["row_number"].to_list())


@settings(deadline=None)
@given(st.lists(st.tuples(TEXT, TEXT, TEXT, TEXT), max_size=20))
def test_every_csv_row_is_landed_or_unreadable(rows: list[tuple[str, ...]]) -> None:
    assert numbers(read("a.csv", as_csv(rows))) == list(range(1, len(rows) + 1))


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_below_a_header_are_rows_or_unreadable_rows(body: bytes) -> None:
    found = numbers(read("a.csv", b"id,fraud,kind,time\n" + body))
    assert found == list(range(1, len(found) + 1))
    lines = [line for line in io.StringIO(body.decode("latin-1"), newline="") if line.strip("\r\n")]
    assert len(found) <= len(lines)
    if b'"' not in body:
        assert len(found) == len(lines)


@settings(deadline=None)
@given(st.lists(st.binary(max_size=40).filter(lambda line: b"\n" not in line), min_size=1, max_size=20))
def test_every_line_of_json_lines_is_landed_or_unreadable(lines: list[bytes]) -> None:
    sound = b'{"id": "x", "fraud": true, "kind": 1, "time": "2024-01-01T00:00Z"}'
    result = read("a.jsonl", b"\n".join([sound, *lines]))
    count = 1 + sum(bool(line.strip()) for line in lines)
    assert numbers(result) == list(range(1, count + 1))
    assert result.rows["row_number"][0] == 1


@settings(deadline=None)
@given(st.lists(SOUND_ROW, min_size=1, max_size=20))
def test_sound_rows_come_out_of_every_format_as_they_went_in(rows: list[tuple[Any, ...]]) -> None:
    texts = [(i, f, k, t.isoformat()) for i, f, k, t in rows]
    lines = "\n".join(json.dumps(dict(zip(COLUMNS, row, strict=True))) for row in texts).encode()
    stream = io.BytesIO()
    kinds = [pa.string(), pa.bool_(), pa.int64(), pa.timestamp("us", "UTC")]
    columns = [pa.array(values, kind) for values, kind in zip(zip(*rows, strict=True), kinds, strict=True)]
    pq.write_table(pa.table(dict(zip(COLUMNS, columns, strict=True))), stream)
    expected = [(n, i, f, k, t, t + timedelta(days=7)) for n, (i, f, k, t) in enumerate(rows, start=1)]
    for name, content in (("a.csv", as_csv(texts)), ("a.jsonl", lines), ("a.parquet", stream.getvalue())):
        result = read(name, content)
        assert result.unreadable.height == 0, name
        assert result.rows.rows() == expected, name


@settings(deadline=None)
@given(st.lists(st.one_of(st.none(), st.binary(max_size=6)), min_size=1, max_size=20))
def test_every_parquet_row_is_landed_or_unreadable(ids: list[bytes | None]) -> None:
    count = len(ids)
    table = pa.table({"id": pa.array(ids, pa.binary()), "fraud": ids, "kind": pa.nulls(count), "time": pa.nulls(count)})
    stream = io.BytesIO()
    pq.write_table(table, stream)
    assert numbers(read("a.parquet", stream.getvalue())) == list(range(1, count + 1))
