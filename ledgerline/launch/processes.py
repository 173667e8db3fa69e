"""Find and end every process of a stack, by marks in the environment that its processes inherit.

A process group or a parent chain is not enough: Airflow's tasks move into groups of their own, and a killed scheduler
leaves its workers to init. The environment a process was started with goes down to every descendant, and nothing
foreign carries a mark of ours.
"""

import os
import time
from collections.abc import Iterator, Mapping
from typing import Any

import psutil

from ledgerline.launch.errors import StopFailed

STACK_MARK = "LEDGERLINE_STACK"  # one launch of one home
PART_MARK = "LEDGERLINE_STACK_PART"  # which program of the stack
HOME_MARK = "LEDGERLINE_HOME"
_KILL_SECONDS = 10.0
_EXEC_SECONDS = 0.05


def marked(**marks: str) -> list[psutil.Process]:
    """Return the living processes whose environment has all of ``marks``; never this process or its ancestors."""
    spared = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    return [process for process, found in _environments() if process.pid not in spared and _has(found, marks)]


def _has(environment: dict[str, str], marks: dict[str, str]) -> bool:
    return all(environment.get(name) == value for name, value in marks.items())


def of_earlier_launches(home: str, token: str | None = None) -> list[psutil.Process]:
    """Return the living processes that some launch of ``home``, other than the one called ``token``, left behind."""
    spared = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    return [
        process
        for process, found in _environments()
        if process.pid not in spared and found.get(HOME_MARK) == home and found.get(STACK_MARK, token) != token
    ]


def _environments() -> Iterator[tuple[psutil.Process, dict[str, str]]]:
    for process in psutil.process_iter():
        try:
            if process.status() != psutil.STATUS_ZOMBIE:
                yield process, process.environ()
        except (psutil.Error, OSError):  # it ended meanwhile, or is somebody else's
            continue


def terminate(processes: list[psutil.Process]) -> None:
    """Ask each process to end."""
    for process in processes:
        try:
            process.terminate()
        except psutil.Error:
            continue


def kill_marked(**marks: str) -> int:
    """Kill every process with all of ``marks``, and those that they start meanwhile; return how many there were.

    Raises:
        StopFailed: Some outlived it.
    """
    killed: set[int] = set()
    deadline = time.monotonic() + _KILL_SECONDS
    while alive := marked(**marks) or _marked_after_a_moment(marks):
        if time.monotonic() > deadline:
            raise StopFailed(f"processes {sorted(process.pid for process in alive)} outlive SIGKILL; end them by hand")
        killed |= {process.pid for process in alive}
        for process in alive:
            try:
                process.kill()
            except psutil.Error:
                continue
        time.sleep(_EXEC_SECONDS)  # not psutil's wait: it would take the exit status from whoever started them
    return len(killed)


def _marked_after_a_moment(marks: dict[str, str]) -> list[psutil.Process]:
    """Look again: a process shows no environment for the instant in which it becomes another program."""
    time.sleep(_EXEC_SECONDS)
    return marked(**marks)


def end_all(processes: list[psutil.Process], *, grace: float) -> None:
    """Ask ``processes`` to end, and kill what has not after ``grace`` seconds."""
    terminate(processes)
    _, alive = psutil.wait_procs(processes, timeout=grace)
    for process in alive:
        try:
            process.kill()
        except psutil.Error:
            continue
    psutil.wait_procs(alive, timeout=_KILL_SECONDS)


def identity_of(pid: int) -> dict[str, Any]:
    """Return what tells this process from a later one of the same number."""
    return {"pid": pid, "create_time": psutil.Process(pid).create_time()}


def is_alive(identity: Mapping[str, Any]) -> bool:
    """Return whether the process that :func:`identity_of` described still runs."""
    try:
        process = psutil.Process(int(identity["pid"]))
        same = abs(float(process.create_time()) - float(identity["create_time"])) < 1
        return same and bool(process.status() != psutil.STATUS_ZOMBIE)
    except (psutil.Error, KeyError, TypeError, ValueError):
        return False
