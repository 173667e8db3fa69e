"""SIGKILL while several processes read the log: never that a log holds which does not, and nobody left behind."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import sqlalchemy as sa

from ledgerline.audit import EvidenceLog, Kind, Leaf, pieces
from ledgerline.audit.log import NewLeaf
from ledgerline.audit.schema import LEAF
from ledgerline.audit.verify import check_log

SIZE = 1_500  # pieces of one entry each: many are still to be read when the first is
PATIENCE = 60


@pytest.fixture
def log(tmp_path: Path) -> EvidenceLog:
    log = EvidenceLog(f"sqlite:///{tmp_path / 'evidence.db'}")
    with log.transaction() as transaction:
        log.record_all(transaction, [NewLeaf(Leaf(Kind.REQUEST, {"sha256": str(n)})) for n in range(SIZE)])
    return log


def readers() -> Iterator[psutil.Process]:
    """Yield the processes that read pieces for this one."""
    for child in psutil.Process().children():
        if "multiprocessing.forkserver" in " ".join(child.cmdline()):
            yield from child.children()


@pytest.mark.parametrize("broken", [False, True])
def test_when_a_reader_is_killed_one_reader_reads_all_of_it(log: EvidenceLog, monkeypatch, broken: bool):
    monkeypatch.setattr(pieces, "LEAST_ENTRIES", 1)
    monkeypatch.setattr(pieces, "_MOST_IN_A_PIECE", 1)
    if broken:
        with log.transaction() as transaction:
            transaction.execute(sa.update(LEAF).where(LEAF.c.sequence == SIZE).values(entry=b"changed"))
    killed: list[int] = []
    told: list[int] = []

    def kill_once(done: int, of: int) -> None:
        told.append(done)
        for reader in () if killed else readers():
            reader.send_signal(signal.SIGKILL)
            killed.append(reader.pid)

    found = check_log(log, processes=2, progress=kill_once)
    assert killed
    assert told[-2] < SIZE == told[-1]  # it came no further in pieces, and was then read at once
    assert {finding.sequence for finding in found.findings} == ({SIZE} if broken else set())
    assert found == check_log(log)


def runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


READ = """
import sys
from ledgerline.audit import EvidenceLog, pieces
from ledgerline.audit.verify import check_log

def wait(done, of):
    print(done, flush=True)
    sys.stdin.read()

if __name__ == "__main__":
    pieces.LEAST_ENTRIES, pieces._MOST_IN_A_PIECE = 1, 1
    check_log(EvidenceLog(sys.argv[1]), processes=2, progress=wait)
"""


def test_readers_end_when_the_one_that_started_them_is_killed(log: EvidenceLog, tmp_path: Path):
    script = tmp_path / "read.py"
    script.write_text(READ)
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, str(script), log.url], stdin=pipe, stdout=pipe, cwd=Path.cwd()) as reading:
        assert reading.stdout is not None
        assert reading.stdout.readline().strip() == b"1"
        started = psutil.Process(reading.pid).children(recursive=True)
        os.kill(reading.pid, signal.SIGKILL)
    assert len(started) >= 3  # the server that starts processes, and two readers
    deadline = time.monotonic() + PATIENCE
    try:
        while any(runs(each) for each in started):
            assert time.monotonic() < deadline, started
            time.sleep(0.05)
    finally:
        for each in started:
            with contextlib.suppress(psutil.NoSuchProcess):
                each.kill()
