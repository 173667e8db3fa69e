"""Look at, and stop, a stack that another process holds."""

import os
import signal
import time
from dataclasses import dataclass

import psutil

from ledgerline.core.settings import Settings
from ledgerline.launch.errors import AlreadyRunning, StopFailed
from ledgerline.launch.layout import Layout
from ledgerline.launch.processes import end_all, is_alive, of_earlier_launches
from ledgerline.launch.state import StackState, launcher_pid, only_launcher

_LAUNCHER_SECONDS = 40.0
_GRACE_SECONDS = 5.0
_LOOK_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class ProcessStatus:
    """One process of the stack.

    Attributes:
        name: Which part, e.g. ``airflow-scheduler``.
        pid: Its process id.
        alive: Whether it runs now; a dead one is started again by the launcher.
        port: Where it listens, if it does.
        log: Its log file.
    """

    name: str
    pid: int
    alive: bool
    port: int | None
    log: str


@dataclass(frozen=True, slots=True)
class StackStatus:
    """What runs for one installation.

    Attributes:
        launcher: The launcher's process id; None when no stack runs.
        processes: The stack's processes.
        airflow_url: None when no stack runs; so the others.
        mlflow_url: MLflow.
        scoring_url: The scoring job.
        trading_url: The trading job; None also where the stack has none.
        exchange_url: The sandbox's exchange; None also where the stack has none.
        left_behind: How many processes a killed launcher left; the next start, or `ledgerline down`, ends them.
    """

    launcher: int | None
    processes: tuple[ProcessStatus, ...]
    airflow_url: str | None
    mlflow_url: str | None
    scoring_url: str | None
    trading_url: str | None
    exchange_url: str | None
    left_behind: int

    @property
    def running(self) -> bool:
        """Whether a launcher holds the stack."""
        return self.launcher is not None


def status(settings: Settings) -> StackStatus:
    """Return what runs for an installation now."""
    layout = Layout.of(settings)
    launcher = launcher_pid(layout.lock_file)
    state = StackState.read(layout.state_file) if launcher is not None else None
    if state is None:
        left_behind = 0 if launcher is not None else len(of_earlier_launches(str(layout.home)))
        return StackStatus(launcher, (), None, None, None, None, None, left_behind)
    processes = tuple(
        ProcessStatus(name, int(known["pid"]), is_alive(known), known["port"], known["log"])
        for name, known in state.processes.items()
    )
    url = state.urls.get
    live = (url("scoring"), url("trading"), url("exchange"))
    return StackStatus(launcher, processes, url("airflow"), url("mlflow"), *live, 0)


def stop(settings: Settings) -> bool:
    """Stop an installation's stack, whoever started it, and whatever a killed launcher left of it.

    Returns:
        Whether anything ran.

    Raises:
        StopFailed: The launcher did not end in time.
    """
    layout = Layout.of(settings)
    launcher = launcher_pid(layout.lock_file)
    if launcher is not None:
        os.kill(launcher, signal.SIGTERM)
        deadline = time.monotonic() + _LAUNCHER_SECONDS
        while launcher_pid(layout.lock_file) == launcher:
            if time.monotonic() > deadline:
                raise StopFailed(f"the launcher (process {launcher}) did not stop within {_LAUNCHER_SECONDS:.0f} s")
            time.sleep(_LOOK_SECONDS)
    return _end_left_behind(layout) or launcher is not None


def _end_left_behind(layout: Layout) -> bool:
    if not layout.run.exists():
        return False
    try:
        with only_launcher(layout.lock_file):
            stale: list[psutil.Process] = of_earlier_launches(str(layout.home))
            end_all(stale, grace=_GRACE_SECONDS)
            layout.state_file.unlink(missing_ok=True)
    except AlreadyRunning:  # somebody started it again in the meantime
        return False
    return bool(stale)
