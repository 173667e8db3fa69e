"""A simulated world whose writer was killed is finished with the same bytes."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ledgerline.core.identity import sha256_file
from ledgerline.sandbox import write_world

SIZE = {"customers": 300, "terminals": 300, "days": 120, "seed": 9}
WRITE = f"""
import sys
from pathlib import Path
from ledgerline.sandbox import write_world
def tell(said):
    print(said, flush=True)
    sys.stdin.readline()
write_world(Path(sys.argv[1]), **{SIZE!r}, progress=tell)
"""


def hashes(folder: Path) -> dict[str, str]:
    return {path.relative_to(folder).as_posix(): sha256_file(path) for path in folder.rglob("*") if path.is_file()}


def files(folder: Path) -> int:
    return sum(1 for _ in folder.glob("transactions/card_transactions_*.parquet"))


@pytest.mark.parametrize("written", [0, 1, 7])
def test_world_killed_while_it_was_written_is_finished_with_equal_bytes(tmp_path: Path, written: int) -> None:
    whole = tmp_path / "whole"
    write_world(whole, **SIZE)
    killed = tmp_path / "killed"
    process = subprocess.Popen(
        [sys.executable, "-c", WRITE, str(killed)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stdout.readline().startswith("simulating")
    for _ in range(written):
        process.stdin.write("go on\n")
        assert process.stdout.readline().startswith("wrote")
    os.kill(process.pid, signal.SIGKILL)  # it waits to be told to go on
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert files(killed) == written
    (killed / "transactions").mkdir(exist_ok=True)
    (killed / "transactions" / ".card_transactions_2018-04-08.parquet.half").write_bytes(b"half")

    report = write_world(killed, **SIZE)
    assert hashes(killed) == hashes(whole)
    assert report.written == files(whole) - written
