"""Landing survives SIGKILL at any point, and being run twice at once."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ledgerline.audit import Kind, Ledger
from ledgerline.audit.verify import entries_holding
from ledgerline.core.settings import Settings
from ledgerline.sandbox import write_world
from pipelines.ingestion import land

DEADLINE_SECONDS = 60
LAND = """
import sys
from pathlib import Path
from ledgerline.audit import Ledger
from ledgerline.core.settings import Settings
from pipelines.ingestion import land
from ledgerline.audit.verify import entries_holding
home, data = map(Path, sys.argv[1:])
report = land(Ledger.open(Settings(home=home, data=data)), "transactions")
print(" ".join(report.batches))
"""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four weekly files of about 38,000 rows: each takes long enough to be caught at work."""
    folder = tmp_path_factory.mktemp("world")
    write_world(folder, customers=2_800, terminals=5_000, days=28, seed=4)
    return folder


@pytest.fixture(scope="module")
def undisturbed(world: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    """The batches of a landing that nothing befell."""
    return land(Ledger.open(Settings(home=tmp_path_factory.mktemp("clean"), data=world)), "transactions").batches


def start_landing(home: Path, world: Path) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", LAND, str(home), str(world)], stdout=subprocess.PIPE, text=True)


def scratch_holds(name: str) -> Callable[[Path], bool]:
    return lambda home: any((home / "incoming").glob(f"*/{name}"))


def stored_objects(count: int) -> Callable[[Path], bool]:
    return lambda home: sum(1 for _ in (home / "objects").glob("??/*")) >= count


def kill_when(reached: Callable[[Path], bool], home: Path, world: Path) -> None:
    process = start_landing(home, world)
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not reached(home):
        assert process.poll() is None, "the landing ended before it could be killed"
        assert time.monotonic() < deadline
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL


@pytest.mark.parametrize(
    "reached",
    [
        pytest.param(scratch_holds("raw"), id="while the raw bytes are copied"),
        pytest.param(scratch_holds("rows.parquet"), id="while rows are typed"),
        pytest.param(stored_objects(1), id="with raw bytes that no leaf names"),
        pytest.param(stored_objects(2), id="with rows that no leaf names"),
        pytest.param(stored_objects(5), id="in the middle of the third file"),
    ],
)
def test_landing_killed_at_any_point_ends_as_if_it_had_not_been(
    reached: Callable[[Path], bool], world: Path, undisturbed: tuple[str, ...], tmp_path: Path
) -> None:
    kill_when(reached, tmp_path, world)
    ledger = Ledger.open(Settings(home=tmp_path, data=world))
    entries_holding(ledger.log)
    for leaf in ledger.log.leaves(Kind.LANDED_BATCH):
        ledger.objects.get(leaf.identity["raw"])
        ledger.objects.get(leaf.identity["rows_object"])

    assert land(ledger, "transactions").batches == undisturbed
    entries_holding(ledger.log)
    assert len(ledger.log.leaves(Kind.LANDED_BATCH)) == len(undisturbed)
    assert list((tmp_path / "incoming").iterdir()) == []


def test_landing_killed_again_and_again_still_ends_the_same(
    world: Path, undisturbed: tuple[str, ...], tmp_path: Path
) -> None:
    for count in (1, 3, 5):
        kill_when(stored_objects(count), tmp_path, world)
    ledger = Ledger.open(Settings(home=tmp_path, data=world))
    assert land(ledger, "transactions").batches == undisturbed
    entries_holding(ledger.log)


def test_three_landings_at_once_record_each_file_once(
    world: Path, undisturbed: tuple[str, ...], tmp_path: Path
) -> None:
    processes = [start_landing(tmp_path, world) for _ in range(3)]
    outputs = [process.communicate(timeout=DEADLINE_SECONDS)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert [output.splitlines()[-1].split() for output in outputs] == [list(undisturbed)] * 3
    ledger = Ledger.open(Settings(home=tmp_path, data=world))
    entries_holding(ledger.log)
    assert len(ledger.log.leaves(Kind.LANDED_BATCH)) == len(ledger.log.leaves(Kind.RAW_FILE)) == len(undisturbed)
