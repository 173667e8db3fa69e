"""CSV, JSON Lines and Parquet, sound and broken."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ledgerline.core.contracts import FRAUD_LABELS
from pipelines.ingestion.column_mapping import ColumnMapping
from pipelines.ingestion.formats.text_rows import RUN_ROWS
from pipelines.ingestion.mapping import Feed
from pipelines.ingestion.reading import read_rows
from pipelines.ingestion.reasons import FileRefused, RefusalReason

MAPPING = Feed(
    files="*",
    columns={
        "transaction_id": ColumnMapping(column="id"),
        "is_fraud": ColumnMapping(column="fraud"),
        "scenario": ColumnMapping(column="kind"),
        "event_time": ColumnMapping(constant="2024-01-01T00:00:00Z"),
        "available_at": ColumnMapping(after="event_time", delay="7d"),
    },
)
Read = Callable[[str, bytes], tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Read bytes under a file name; return ``(row_number, id, fraud, kind)`` rows and the unreadable ones."""

    def of(name: str, content: bytes) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
        path = tmp_path / "raw"
        path.write_bytes(content)
        runs = list(read_rows(path, name=name, contract=FRAUD_LABELS, feed=MAPPING))
        rows = pl.concat([run.rows for run in runs]).select("row_number", "transaction_id", "is_fraud", "scenario")
        return rows.rows(), pl.concat([run.unreadable for run in runs]).rows()

    return of


def refusal(read: Read, name: str, content: bytes) -> FileRefused:
    with pytest.raises(FileRefused) as refused:
        read(name, content)
    return refused.value


def parquet(table: pa.Table, tmp_path: Path) -> bytes:
    pq.write_table(table, tmp_path / "made.parquet")
    return (tmp_path / "made.parquet").read_bytes()


def test_csv_with_quotes_newlines_bom_and_other_columns(read: Read) -> None:
    content = '\ufeffkind,note,id,fraud\r\n1,"a, ""b""\nc",x,true\r\n\r\n,,"y\n2",false\r\n'.encode()
    assert read("a.csv", content) == ([(1, "x", True, 1), (2, "y\n2", False, None)], [])


def test_csv_bytes_that_are_no_text_matter_only_where_they_are_read(read: Read) -> None:
    content = b"id,fraud,kind,note\nx,true,1,\xff\ny\xff,true,1,ok\n"
    assert read("a.csv", content) == ([(1, "x", True, 1)], [(2, "id", "y\\xff", "not_utf8")])


def test_csv_quote_that_is_never_closed_costs_its_own_line_only(read: Read) -> None:
    content = b'id,fraud,kind\n"a,true,1\nb,true,1\n"c,true,1\n"d",false,\n"e'
    rows, unreadable = read("a.csv", content)
    assert rows == [(2, "b", True, 1), (4, "d", False, None)]
    assert unreadable == [
        (1, None, '"a,true,1', "not_csv"),
        (3, None, '"c,true,1', "not_csv"),
        (5, None, '"e', "not_csv"),
    ]


def test_csv_row_of_too_many_or_too_few_fields_is_unreadable(read: Read) -> None:
    rows, unreadable = read("a.csv", b"id,fraud,kind\na,true,1,2\nb,true\nc,true,1\n")
    assert rows == [(3, "c", True, 1)]
    assert unreadable == [(1, None, "a,true,1,2", "wrong_field_count"), (2, None, "b,true", "wrong_field_count")]


def test_csv_header_that_names_a_column_twice_is_refused(read: Read) -> None:
    twice = refusal(read, "a.csv", b"id,fraud,kind,id\na,true,1,b\n")
    assert (twice.reason, twice.column) == (RefusalReason.DUPLICATE_COLUMN, "id")


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.parquet", "a.csv.gz"])
def test_file_without_bytes_is_empty(read: Read, name: str) -> None:
    assert refusal(read, name, b"").reason is RefusalReason.EMPTY_FILE


@pytest.mark.parametrize(
    ("name", "content"), [("a.csv", b"\n\n"), ("a.jsonl", b"\n \n"), ("a.csv.gz", gzip.compress(b"", mtime=0))]
)
def test_file_of_blank_lines_is_empty(read: Read, name: str, content: bytes) -> None:
    assert refusal(read, name, content).reason is RefusalReason.EMPTY_FILE


def test_json_lines_keep_numbers_as_written(read: Read) -> None:
    lines = [{"id": 7, "fraud": True, "kind": None}, {"fraud": "no", "id": "x"}, {"id": 1.50, "fraud": 0, "kind": "2"}]
    content = "\n".join(json.dumps(line) for line in lines).encode()
    assert read("a.jsonl", content)[0] == [(1, "7", True, None), (2, "x", False, None), (3, "1.5", False, 2)]


def test_json_lines_that_are_broken_cost_themselves(read: Read) -> None:
    content = (
        b'{"id": "a", "fraud": true}\n{"id": \n["b"]\n{"id": {"x": 1}, "fraud": true}\n\xff\n'
        b'{"id": "\\ud800", "fraud": true}\n{"id": "c", "fraud": NaN}\n\n{"id": "d", "fraud": 1, "kind": 1}'
    )
    rows, unreadable = read("a.jsonl", content)
    assert rows == [(1, "a", True, None), (8, "d", True, 1)]
    assert unreadable == [
        (2, None, '{"id":', "not_json"),
        (3, None, '["b"]', "not_an_object"),
        (4, "id", '{"id": {"x": 1}, "fraud": true}', "not_a_scalar"),
        (5, None, "\\xff", "not_utf8"),
        (6, "id", "\\ud800", "not_utf8"),
        (7, "fraud", "NaN", "not_a_boolean"),
    ]


def test_json_line_nested_beyond_reason_is_unreadable(read: Read) -> None:
    deep = b'{"id": ' + b"[" * 100_000 + b"\n"
    rows, unreadable = read("a.jsonl", deep + b'{"id": "a", "fraud": true}\n')
    assert [row[0] for row in rows] == [2]
    assert [row[3] for row in unreadable] == ["not_json"]


def test_json_key_that_no_line_has_is_missing_unless_the_contract_can_do_without(read: Read) -> None:
    assert read("a.jsonl", b'{"id": "a", "fraud": true}')[0] == [(1, "a", True, None)]
    missing = refusal(read, "a.jsonl", b'{"id": "a"}')
    assert (missing.reason, missing.column) == (RefusalReason.MISSING_COLUMN, "fraud")


@pytest.mark.parametrize("name", ["a.csv.gz", "a.jsonl.gz"])
def test_gzip_that_was_cut_off_is_refused_whole(read: Read, name: str) -> None:
    packed = gzip.compress(b"id,fraud,kind\n" + b"a,true,1\n" * 1_000)
    assert refusal(read, name, packed[:-9]).reason is RefusalReason.TRUNCATED_GZIP
    assert refusal(read, name, packed[:20]).reason is RefusalReason.TRUNCATED_GZIP


def test_gzip_with_a_damaged_byte_or_that_is_none_is_refused(read: Read) -> None:
    packed = bytearray(gzip.compress(b"id,fraud,kind\n" + bytes(range(48, 58)) * 100))
    packed[-5] ^= 0xFF  # the checksum
    assert refusal(read, "a.csv.gz", bytes(packed)).reason is RefusalReason.CORRUPT_GZIP
    assert refusal(read, "a.csv.gz", b"id,fraud,kind\na,true,1\n").reason is RefusalReason.CORRUPT_GZIP


def test_parquet_of_every_kind_of_text_lands_the_same(read: Read, tmp_path: Path) -> None:
    for kind in (pa.string(), pa.large_string(), pa.binary(), pa.string_view(), pa.dictionary(pa.int8(), pa.string())):
        table = pa.table({"id": pa.array(["a", None]).cast(kind), "fraud": [True, None], "kind": pa.nulls(2)})
        rows = read("a.parquet", parquet(table, tmp_path))
        assert rows == ([(1, "a", True, None), (2, None, None, None)], []), kind


def test_parquet_text_that_is_no_utf8_costs_its_row(read: Read, tmp_path: Path) -> None:
    table = pa.table({"id": pa.array([b"a", b"b\xff", None]), "fraud": ["1", "0", "x"], "kind": [1.0, 2.0, None]})
    rows, unreadable = read("a.parquet", parquet(table, tmp_path))
    assert rows == [(1, "a", True, 1)]
    assert unreadable == [(2, "id", "b\\xff", "not_utf8"), (3, "fraud", "x", "not_a_boolean")]


def test_file_that_is_no_parquet_is_refused(read: Read) -> None:
    assert refusal(read, "a.parquet", b"id,fraud\n" * 10).reason is RefusalReason.NOT_PARQUET


def test_parquet_with_a_damaged_page_is_refused(read: Read, tmp_path: Path) -> None:
    table = pa.table({"id": [str(n) for n in range(5_000)], "fraud": [True] * 5_000, "kind": [1] * 5_000})
    content = bytearray(parquet(table, tmp_path))
    content[4:400] = b"\xaa" * 396
    assert refusal(read, "a.parquet", bytes(content)).reason is RefusalReason.CORRUPT_PARQUET


@pytest.mark.parametrize(
    ("columns", "reason", "column"),
    [
        ({"id": ["a"], "kind": [1]}, RefusalReason.MISSING_COLUMN, "fraud"),
        ({"id": [["a"]], "fraud": [True], "kind": [1]}, RefusalReason.WRONG_TYPE, "id"),
        ({"id": ["a"], "fraud": pa.array([1], pa.date32()), "kind": [1]}, RefusalReason.WRONG_TYPE, "fraud"),
    ],
)
def test_parquet_column_that_lacks_or_cannot_fit_is_named(
    read: Read, tmp_path: Path, columns: dict[str, Any], reason: RefusalReason, column: str
) -> None:
    refused = refusal(read, "a.parquet", parquet(pa.table(columns), tmp_path))
    assert (refused.reason, refused.column) == (reason, column)


def test_row_numbers_go_on_from_run_to_run(read: Read, tmp_path: Path) -> None:
    count = RUN_ROWS + 10
    text = b"id,fraud,kind\n" + b"".join(
        b"%d,%s,\n" % (n, b"x" if n == RUN_ROWS + 2 else b"1") for n in range(1, count + 1)
    )
    table = pa.table({"id": range(1, count + 1), "fraud": [True] * count, "kind": pa.nulls(count)})
    rows, unreadable = read("a.csv", text)
    assert [row[0] for row in unreadable] == [RUN_ROWS + 2]
    assert all(str(number) == identifier for number, identifier, *_ in rows)
    assert len(rows) == count - 1
    assert read("a.parquet", parquet(table, tmp_path))[0][-1] == (count, str(count), True, None)


def test_value_shown_of_an_unreadable_row_is_cut_at_200_characters(read: Read) -> None:
    _, unreadable = read("a.csv", b"id,fraud,kind\na," + b"y" * 500 + b",1\n")
    assert unreadable == [(1, "fraud", "y" * 200, "not_a_boolean")]


def test_other_texts_can_be_said_to_mean_nothing(tmp_path: Path) -> None:
    (tmp_path / "raw").write_bytes(b"id,fraud,kind\nNA,1,-\n,1,2\n")
    mapping = MAPPING.model_copy(update={"missing": ("NA", "-")})
    (run,) = read_rows(tmp_path / "raw", name="a.csv", contract=FRAUD_LABELS, feed=mapping)
    assert run.rows["transaction_id"].to_list() == [None, ""]
    assert run.rows["scenario"].to_list() == [None, 2]
