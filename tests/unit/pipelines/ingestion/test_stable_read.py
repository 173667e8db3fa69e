"""Reading files that others write, and cleaning up after processes that died."""

import fcntl
import hashlib
import os
from pathlib import Path

import pytest

from pipelines.ingestion import stable_read
from pipelines.ingestion.scratch import scratch_folder
from pipelines.ingestion.stable_read import FileLeft, read_stable


def test_file_at_rest_is_hashed_and_copied(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * 3_000_000)
    found = read_stable(tmp_path / "a", copy_to=tmp_path / "b")
    assert found.sha256 == hashlib.sha256(b"x" * 3_000_000).hexdigest()
    assert found.size == 3_000_000
    assert (tmp_path / "b").read_bytes() == (tmp_path / "a").read_bytes()


def test_file_that_vanished_or_may_not_be_read_is_left(tmp_path: Path) -> None:
    with pytest.raises(FileLeft, match="No such file"):
        read_stable(tmp_path / "none")
    with pytest.raises(FileLeft, match="left for the next run"):
        read_stable(tmp_path)


def test_file_replaced_between_two_readings_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"old")
    before = path.stat()
    real = stable_read._digest
    readings = []

    def digest_then_replaced(source: Path, copy_to: Path | None) -> object:
        found = real(source, copy_to)
        readings.append(found)
        if len(readings) == 1:
            # As the worst writer would: the same size, and the old times put back.
            path.write_bytes(b"new")
            os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        return found

    monkeypatch.setattr(stable_read, "_digest", digest_then_replaced)
    monkeypatch.setattr(stable_read, "_PAUSE_SECONDS", 0)
    assert read_stable(path, copy_to=tmp_path / "b").sha256 == hashlib.sha256(b"new").hexdigest()
    assert (tmp_path / "b").read_bytes() == b"new"
    assert len(readings) == 4


def test_scratch_folder_is_removed_afterwards_even_on_error(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), scratch_folder(tmp_path) as folder:
        (folder / "half").write_bytes(b"x")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_scratch_folder_of_a_dead_process_is_removed_and_of_a_living_one_kept(tmp_path: Path) -> None:
    dead, living = tmp_path / "dead", tmp_path / "living"
    dead.mkdir()
    living.mkdir()
    (dead / "half").write_bytes(b"x")
    owner = os.open(living, os.O_RDONLY)
    fcntl.flock(owner, fcntl.LOCK_EX)
    with scratch_folder(tmp_path) as folder:
        assert sorted(tmp_path.iterdir()) == sorted([folder, living])
    os.close(owner)
