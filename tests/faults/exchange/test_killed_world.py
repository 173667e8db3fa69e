"""A simulated world of every family whose writer was killed is finished with the same bytes."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ledgerline.core.identity import sha256_file
from ledgerline.sandbox import write_world

SIZE = {
    "customers": 50,
    "terminals": 60,
    "days": 14,
    "seed": 9,
    "symbols": 21,
    "sessions": 60,
    "future_sessions": 3,
    "applications": 300,
    "entities": 8,
}
WRITE = f"""
import os, signal, sys
from pathlib import Path
from ledgerline.sandbox import write_world
def tell(said):
    if said == sys.argv[2]:
        os.kill(os.getpid(), signal.SIGKILL)
write_world(Path(sys.argv[1]), **{SIZE!r}, progress=tell)
"""


def hashes(folder: Path) -> dict[str, str]:
    return {path.relative_to(folder).as_posix(): sha256_file(path) for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("at", ["exchange/bars.parquet", "ledger/ledger_2010-12-31.csv"])
def test_world_killed_in_any_family_is_finished_with_equal_bytes(tmp_path: Path, at: str) -> None:
    whole = write_world(tmp_path / "whole", **SIZE)
    killed = tmp_path / "killed"
    ended = subprocess.run([sys.executable, "-c", WRITE, str(killed), f"wrote {at}"], check=False)
    assert ended.returncode == -signal.SIGKILL
    assert at in hashes(killed)
    report = write_world(killed, **SIZE)
    assert hashes(killed) == hashes(tmp_path / "whole")
    assert 0 < report.written < len(whole.files)
