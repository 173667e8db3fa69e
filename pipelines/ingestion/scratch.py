"""Folders for bytes in the making, which a killed process leaves behind and the next one removes."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def scratch_folder(root: Path) -> Iterator[Path]:
    """Yield a new folder below ``root``, and remove it afterwards.

    Folders of processes that are gone are removed first. A folder belongs to the process that holds its lock, and the
    kernel lets go of a lock when its process dies, however it dies.
    """
    root.mkdir(parents=True, exist_ok=True)
    with _locked(root):
        _remove_abandoned(root)
        folder = Path(tempfile.mkdtemp(dir=root))
        owner = _lock(folder, wait=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(owner)


def remove_abandoned(root: Path) -> None:
    """Remove the folders below ``root`` of processes that are gone: what they were reading lies there as it came."""
    if root.is_dir():
        with _locked(root):
            _remove_abandoned(root)


def _remove_abandoned(root: Path) -> None:
    for folder in root.iterdir():
        _remove_if_abandoned(folder)


def _remove_if_abandoned(folder: Path) -> None:
    try:
        owner = _lock(folder, wait=False)
    except (BlockingIOError, FileNotFoundError):  # another process works in it, or has just finished
        return
    shutil.rmtree(folder, ignore_errors=True)
    os.close(owner)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    descriptor = _lock(folder, wait=True)
    try:
        yield
    finally:
        os.close(descriptor)


def _lock(folder: Path, *, wait: bool) -> int:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor
