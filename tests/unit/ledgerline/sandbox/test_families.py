import json
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from ledgerline.audit import Ledger
from ledgerline.core.identity import sha256_file
from ledgerline.core.settings import Settings
from ledgerline.sandbox import FolderTaken, WorldReport, write_world, write_world_of
from pipelines.ingestion import land, mapped_datasets
from pipelines.validation.landed import read_landed

CARDS = {"customers": 60, "terminals": 80, "days": 20, "seed": 7}
OTHERS = {
    "symbols": 24,
    "sessions": 120,
    "future_sessions": 8,
    "signal": 1.0,
    "applications": 600,
    "entities": 8,
}
FOLDERS = {"transactions", "market", "economic", "alternative", "exchange", "applications", "ledger"}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> WorldReport:
    return write_world(tmp_path_factory.mktemp("world"), **CARDS, **OTHERS)


def _hashes(folder: Path, *, below: str = "") -> dict[str, str]:
    paths = (path for path in folder.rglob("*") if path.is_file())
    found = {path.relative_to(folder).as_posix(): sha256_file(path) for path in paths}
    return {path: sha256 for path, sha256 in found.items() if path.startswith(below)}


def test_every_family_is_written_where_its_mapping_looks(world: WorldReport) -> None:
    assert {path.split("/")[0] for path in world.files} == FOLDERS
    assert set(world.files) | {".world.json"} == set(_hashes(world.folder))
    assert set(world.planted) == {"transactions", "prices_daily", "macro_series", "posts", "applications", "ledger"}
    assert all(sum(kinds.values()) > 0 for kinds in world.planted.values())


def test_every_delivered_row_can_be_read_by_the_sandbox_s_mapping(world: WorldReport, tmp_path: Path) -> None:
    ledger = Ledger.open(Settings(home=tmp_path, data=world.folder))
    rows = {}
    for dataset in mapped_datasets(ledger.settings):
        landed = land(ledger, dataset)
        read = [read_landed(ledger, ledger.log.get(batch)) for batch in landed.batches]
        assert not landed.refused
        assert [batch.unreadable.height for batch in read] == [0] * len(read)
        rows[dataset] = sum(batch.rows.height for batch in read)
    assert len(rows) == 9
    assert sum(rows.values()) - rows["fraud_labels"] == world.rows


def test_exchange_knows_the_sessions_after_the_present_and_nobody_else_does(world: WorldReport) -> None:
    bars = pl.read_parquet(world.folder / "exchange/bars.parquet")
    assert bars["session"].n_unique() == OTHERS["future_sessions"]
    assert bars["session"].min() == datetime(2018, 10, 1, tzinfo=UTC).date()
    last = pl.read_csv(world.folder / "market/prices_daily_2018-09-28.csv").select(
        "symbol", pl.col("close").alias("last")
    )
    first = bars.filter(pl.col("session") == pl.col("session").min()).join(last.drop_nulls(), on="symbol")
    assert first.height > 15
    assert ((first["open"] / first["last"]).log().abs() < 0.05).all()  # the same path goes on


def test_more_of_one_family_changes_nothing_in_another(world: WorldReport, tmp_path: Path) -> None:
    other = write_world(tmp_path, **CARDS, **OTHERS | {"applications": 900, "entities": 9, "future_sessions": 3})
    for folder in ("transactions", "market/prices", "economic", "alternative"):
        assert _hashes(other.folder, below=folder) == _hashes(world.folder, below=folder)
    assert _hashes(other.folder, below="ledger") != _hashes(world.folder, below="ledger")


def test_signal_is_part_of_the_world(world: WorldReport, tmp_path: Path) -> None:
    without = write_world(tmp_path, **CARDS, **OTHERS | {"signal": 0.0})
    assert _hashes(without.folder, below="market/prices") != _hashes(world.folder, below="market/prices")
    assert _hashes(without.folder, below="applications") == _hashes(world.folder, below="applications")


def test_world_of_cards_alone_gets_the_families_that_it_lacks(world: WorldReport, tmp_path: Path) -> None:
    cards = write_world(tmp_path, **CARDS)
    assert {path.split("/")[0] for path in cards.files} == {"transactions"}
    whole = write_world(tmp_path, **CARDS, **OTHERS)
    assert whole.written == len(whole.files) - len(cards.files)
    assert _hashes(tmp_path) == _hashes(world.folder)


def test_record_of_an_earlier_kind_is_taken_up(tmp_path: Path) -> None:
    cards = write_world(tmp_path, **CARDS)
    record = {"asked": {"simulator": 1, **CARDS}, "files": dict(cards.files), "facts": {}}
    (tmp_path / ".world.json").write_text(json.dumps(record))
    assert write_world(tmp_path, **CARDS).written == 0
    assert write_world(tmp_path, **CARDS).files == cards.files


def test_smaller_world_is_another_world(world: WorldReport) -> None:
    with pytest.raises(FolderTaken, match="another simulated world"):
        write_world(world.folder, **CARDS)


def test_somebody_s_files_in_a_family_s_folder_are_left_alone(tmp_path: Path) -> None:
    write_world(tmp_path, **CARDS)
    (tmp_path / "ledger").mkdir()
    (tmp_path / "ledger" / "ledger_2018.csv").write_text("theirs")
    with pytest.raises(FolderTaken, match="did not write"):
        write_world(tmp_path, **CARDS, entities=8)
    assert (tmp_path / "ledger" / "ledger_2018.csv").read_text() == "theirs"


@pytest.mark.parametrize("wrong", [{"symbols": -1}, {"symbols": 5, "sessions": 0}, {"applications": -1}])
def test_impossible_sizes_are_refused(tmp_path: Path, wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="negative"):
        write_world(tmp_path, **CARDS, **wrong)


def test_smallest_families_are_worlds_too(tmp_path: Path) -> None:
    world = write_world(tmp_path, **CARDS, symbols=1, sessions=5, future_sessions=0, applications=1, entities=1)
    assert not (tmp_path / "exchange").exists()
    assert set(world.planted) == {"transactions", "macro_series"}  # few rows are delivered clean


def test_settings_say_what_is_written_and_where(tmp_path: Path) -> None:
    sizes = {f"sandbox_{name}": value for name, value in (CARDS | OTHERS).items()}
    report = write_world_of(Settings(home=tmp_path, **sizes))
    assert report.folder == tmp_path / "sandbox" / "data"
    assert {path.split("/")[0] for path in report.files} == FOLDERS
