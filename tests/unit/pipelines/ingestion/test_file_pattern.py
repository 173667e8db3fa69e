"""Which files a pattern finds, in which order, and what their names tell."""

from datetime import date
from pathlib import Path

import pytest

from pipelines.ingestion.file_pattern import FileFormat, FilePattern, SourceFile, format_of


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def test_date_in_the_name_orders_the_files(tmp_path: Path) -> None:
    touch(tmp_path, "b_2024-01-02.csv", "a_20240103.csv", "z_2024-01-01.csv", "a_2024.csv", "other.csv")
    assert FilePattern.parse("*_{date}.csv").files(tmp_path) == [
        SourceFile("z_2024-01-01.csv", date(2024, 1, 1)),
        SourceFile("b_2024-01-02.csv", date(2024, 1, 2)),
        SourceFile("a_20240103.csv", date(2024, 1, 3)),
    ]


def test_impossible_date_makes_an_undated_file(tmp_path: Path) -> None:
    touch(tmp_path, "a_2024-13-45.csv")
    assert FilePattern.parse("a_{date}.csv").files(tmp_path) == [SourceFile("a_2024-13-45.csv", None)]


def test_hidden_files_and_folders_do_not_match(tmp_path: Path) -> None:
    touch(tmp_path, ".a.csv", ".part/b.csv", "c.csv")
    (tmp_path / "d.csv").mkdir()
    assert [file.path for file in FilePattern.parse("**/*.csv").files(tmp_path)] == ["c.csv"]


def test_star_stays_in_its_folder_and_two_stars_descend(tmp_path: Path) -> None:
    touch(tmp_path, "a.csv", "x/b.csv", "x/y/c.csv")
    assert [file.path for file in FilePattern.parse("*.csv").files(tmp_path)] == ["a.csv"]
    assert [file.path for file in FilePattern.parse("x/**/?.csv").files(tmp_path)] == ["x/b.csv", "x/y/c.csv"]


def test_dots_in_a_pattern_are_dots(tmp_path: Path) -> None:
    touch(tmp_path, "axcsv")
    assert FilePattern.parse("a.csv").files(tmp_path) == []


@pytest.mark.parametrize(
    "text", ["/etc/*.csv", "a/../../b.csv", "{date}_{date}.csv", "{a}_{a}.csv", "{Day}.csv", "{}.csv", "[ab].csv"]
)
def test_pattern_that_leaves_the_folder_or_has_strange_braces_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"must|may"):
        FilePattern.parse(text)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.csv", FileFormat.CSV),
        ("a.TSV.gz", FileFormat.CSV),
        ("a.jsonl.gz", FileFormat.JSONL),
        ("a.ndjson", FileFormat.JSONL),
        ("a.parquet", FileFormat.PARQUET),
        ("a.parquet.gz", None),
        ("a.xlsx", None),
    ],
)
def test_name_tells_the_format(name: str, expected: FileFormat | None) -> None:
    assert format_of(name) is expected
