"""What runs now, on disk: for `status`, for `down`, and for whoever finds the stack of a killed launcher."""

import fcntl
import json
import os
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ledgerline.launch.airflow_secrets import write_private
from ledgerline.launch.child import Child
from ledgerline.launch.errors import AlreadyRunning
from ledgerline.launch.program import Part
from ledgerline.launch.programs import Launch

_LOCK_TRIES = 5
_LOCK_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class StackState:
    """One launch as ``run/stack.json`` holds it.

    Attributes:
        token: The launch's mark.
        launcher: Process id and creation time of the launcher.
        processes: For each part: process id, creation time, port (or None), log.
        urls: Where ``airflow``, ``mlflow``, ``scoring``, ``trading`` and ``exchange`` are.
    """

    token: str
    launcher: Mapping[str, Any]
    processes: Mapping[str, Mapping[str, Any]]
    urls: Mapping[str, str]

    @classmethod
    def of(cls, launch: Launch, launcher: Mapping[str, Any], children: Sequence[Child]) -> "StackState":
        """Describe a launch as it is now."""
        processes = {
            child.program.part.value: {**child.identity, "port": child.program.port, "log": str(child.program.log)}
            for child in children
            if child.identity is not None and not child.program.runs_once
        }
        parts = {child.program.part for child in children}
        return cls(launch.token, launcher, processes, urls_of(launch, parts))

    def write(self, path: Path) -> None:
        """Write it whole or not at all."""
        write_private(path, json.dumps(asdict(self), indent=1))

    @classmethod
    def read(cls, path: Path) -> "StackState | None":
        """Return what was written, or None when nothing (or nothing readable) is there."""
        try:
            return cls(**json.loads(path.read_text(encoding="utf-8")))
        except (FileNotFoundError, ValueError, TypeError):
            return None


def urls_of(launch: Launch, parts: Collection[Part]) -> dict[str, str]:
    """Return where a launch's servers are; the live jobs only where they are part of it."""
    urls = {"airflow": launch.airflow_url, "mlflow": launch.mlflow_url, "scoring": launch.scoring_url}
    if Part.TRADING in parts:
        urls["trading"] = launch.trading_url
    if Part.EXCHANGE in parts:
        urls["exchange"] = launch.exchange_url
    return urls


@contextmanager
def only_launcher(path: Path) -> Iterator[None]:
    """Hold the lock that only one launcher of a home can hold; the system frees it when its holder dies.

    Raises:
        AlreadyRunning: Somebody holds it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        if not _locked(descriptor):
            holder = os.pread(descriptor, 32, 0).decode("ascii", errors="replace").strip() or "?"
            raise AlreadyRunning(
                f"a stack of {path.parent.parent} runs already (launcher process {holder}): `ledgerline status` shows "
                "it, `ledgerline down` stops it; another LEDGERLINE_HOME gets a stack of its own"
            )
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode("ascii"), 0)
        yield
    finally:
        os.close(descriptor)


def _locked(descriptor: int) -> bool:
    """Take the lock; whoever only looks whether it is held has it for an instant, so try more than once."""
    for _ in range(_LOCK_TRIES):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(_LOCK_SECONDS)
        else:
            return True
    return False


def launcher_pid(path: Path) -> int | None:
    """Return the process id of the launcher that holds the lock, or None when nobody does."""
    try:
        descriptor = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(descriptor, 32, 0).split()
        return int(holder[0]) if holder else None
    else:
        return None
    finally:
        os.close(descriptor)
