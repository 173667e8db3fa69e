import json
from pathlib import Path

import polars as pl
import pytest

from ledgerline.core.identity import sha256_file
from ledgerline.sandbox import FolderTaken, WorldReport, write_world

SIZE = {"customers": 200, "terminals": 400, "days": 60, "seed": 7}
DAY = 86_400
WEEK = 7 * DAY


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> WorldReport:
    return write_world(tmp_path_factory.mktemp("world"), **SIZE)


@pytest.fixture(scope="module")
def rows(world: WorldReport) -> pl.DataFrame:
    files = [
        pl.read_parquet(world.folder / path).with_columns(file=pl.lit(number))
        for number, path in enumerate(world.files)
    ]
    return pl.concat(files)


def _hashes(folder: Path) -> dict[str, str]:
    return {path.relative_to(folder).as_posix(): sha256_file(path) for path in folder.rglob("*") if path.is_file()}


def test_files_are_named_by_the_first_day_of_their_week(world: WorldReport) -> None:
    assert list(world.files)[:2] == [
        "transactions/card_transactions_2018-04-01.parquet",
        "transactions/card_transactions_2018-04-08.parquet",
    ]
    assert len(world.files) == 9


def test_files_hold_the_published_columns_and_what_we_add(rows: pl.DataFrame) -> None:
    assert rows.columns == [
        "TRANSACTION_ID",
        "CUSTOMER_ID",
        "TERMINAL_ID",
        "AMOUNT_CENTS",
        "TX_TIME_SECONDS",
        "TX_FRAUD_SCENARIO",
        "RECEIVED_TIME_SECONDS",
        "LABEL_TIME_SECONDS",
        "file",
    ]


def test_row_is_in_the_file_of_the_week_in_which_it_was_received(rows: pl.DataFrame) -> None:
    assert (rows["RECEIVED_TIME_SECONDS"] // WEEK == rows["file"]).all()
    assert rows["RECEIVED_TIME_SECONDS"].is_sorted()


def test_report_counts_the_rows_that_the_files_hold(world: WorldReport, rows: pl.DataFrame) -> None:
    assert world.rows == rows.height
    assert world.payments == rows["TRANSACTION_ID"].n_unique()
    assert rows.height - world.payments == world.dirt.duplicates_same_file + world.dirt.duplicates_later_file


def test_report_counts_each_kind_of_dirt_as_it_is_in_the_files(world: WorldReport, rows: pl.DataFrame) -> None:
    dirt = world.dirt
    first = rows.unique("TRANSACTION_ID", keep="first", maintain_order=True)
    copies = rows.filter(~pl.col("TRANSACTION_ID").is_first_distinct())
    originals = copies.join(first, on="TRANSACTION_ID", how="left", suffix="_first", maintain_order="left")
    in_same_file = originals["file"] == originals["file_first"]
    assert dirt.duplicates_same_file == in_same_file.sum() > 0
    assert dirt.duplicates_later_file == (~in_same_file).sum() > 0
    delay = first["RECEIVED_TIME_SECONDS"] - first["TX_TIME_SECONDS"]
    assert dirt.late == (delay > 0).sum() > 0
    assert dirt.future_dates == (delay < 0).sum() > 0
    assert dirt.nulls == sum(first.null_count().row(0)) > 0
    assert dirt.negative_amounts == (first["AMOUNT_CENTS"] < 0).sum() > 0
    assert dirt.labels_before_payment == (first["LABEL_TIME_SECONDS"] < first["TX_TIME_SECONDS"]).sum() > 0
    assert dirt.total / world.rows < 0.01


def test_late_rows_are_in_a_later_file_than_their_week(rows: pl.DataFrame) -> None:
    late = rows.filter(pl.col("RECEIVED_TIME_SECONDS") > pl.col("TX_TIME_SECONDS"))
    assert (late["file"] > late["TX_TIME_SECONDS"] // WEEK).all()


def test_labels_are_known_seven_days_after_the_payment(rows: pl.DataFrame) -> None:
    delay = set(rows["LABEL_TIME_SECONDS"] - rows["TX_TIME_SECONDS"])
    assert delay == {7 * DAY, -DAY}


def test_second_call_finds_the_world_and_writes_nothing(world: WorldReport) -> None:
    before = {path: path.stat().st_mtime_ns for path in world.folder.rglob("*")}
    again = write_world(world.folder, **SIZE)
    assert again.written == 0
    assert (again.files, again.rows, again.frauds, again.dirt) == (world.files, world.rows, world.frauds, world.dirt)
    assert {path: path.stat().st_mtime_ns for path in world.folder.rglob("*")} == before


def test_equal_arguments_give_equal_bytes_and_another_seed_gives_others(world: WorldReport, tmp_path: Path) -> None:
    twin = write_world(tmp_path / "twin", **SIZE)
    assert twin.files == world.files
    other = write_world(tmp_path / "other", **SIZE | {"seed": 8})
    assert not set(other.files.values()) & set(world.files.values())


def test_changed_and_missing_files_are_written_again_and_no_others(tmp_path: Path) -> None:
    world = write_world(tmp_path, **SIZE)
    whole = _hashes(tmp_path)
    first, second, *_ = world.files
    (tmp_path / first).write_bytes(b"changed")
    (tmp_path / second).unlink()
    assert write_world(tmp_path, **SIZE).written == 2
    assert _hashes(tmp_path) == whole


def test_folder_of_another_world_is_refused_and_left_alone(tmp_path: Path) -> None:
    write_world(tmp_path, **SIZE)
    before = _hashes(tmp_path)
    with pytest.raises(FolderTaken, match="another simulated world"):
        write_world(tmp_path, **SIZE | {"days": 61})
    assert _hashes(tmp_path) == before


def test_folder_of_somebody_elses_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "transactions").mkdir()
    (tmp_path / "transactions" / "card_transactions_2018.parquet").write_bytes(b"theirs")
    with pytest.raises(FolderTaken, match="did not write"):
        write_world(tmp_path, **SIZE)
    assert list(_hashes(tmp_path)) == ["transactions/card_transactions_2018.parquet"]


def test_world_of_one_day_has_neither_late_rows_nor_later_duplicates(tmp_path: Path) -> None:
    world = write_world(tmp_path, customers=300, terminals=300, days=1, seed=1)
    assert len(world.files) == 1
    assert world.dirt.late == world.dirt.duplicates_later_file == 0


def test_sizes_that_are_not_positive_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="positive"):
        write_world(tmp_path, **SIZE | {"customers": 0})


def test_published_size_has_the_published_share_of_fraud_in_each_scenario(tmp_path: Path) -> None:
    world = write_world(tmp_path, customers=5_000, terminals=10_000, days=183, seed=20180401)
    assert 1_720_000 < world.payments < 1_790_000  # published: 1,754,155
    assert 0.0075 < world.fraud_rate < 0.0092  # published: 0.837 %
    assert 850 < world.frauds[1] < 1_100  # published: 973
    assert 8_200 < world.frauds[2] < 9_900  # published: 9,077
    assert 4_400 < world.frauds[3] < 4_900  # published: 4,631


def test_record_beside_the_files_names_the_arguments(world: WorldReport) -> None:
    record = json.loads((world.folder / ".world.json").read_bytes())
    assert record["asked"] == {"simulator": 1, **SIZE}
