"""Whatever ends the launcher, its stack ends with it; and what survives even that is ended by the next start."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import psutil
import pytest

from ledgerline.core.settings import Settings
from ledgerline.launch import Event, EventKind, Part, start, status, stop
from ledgerline.launch.processes import STACK_MARK
from ledgerline.launch.program import AIRFLOW_PARTS

LAUNCHER = Path(__file__).with_name("launch_and_run.py")
SECONDS = 120

# A task that has moved into a session of its own and does not listen to SIGTERM, with a child that does not either.
LONG = """
from airflow.sdk import dag, task

@dag(schedule=None)
def long():
    @task(retries=0)
    def sleep() -> None:
        import pathlib, signal, subprocess, sys, time

        deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(3600)"
        child = subprocess.Popen([sys.executable, "-c", deaf], start_new_session=True)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        pathlib.Path({mark!r}).write_text(str(child.pid))
        time.sleep(3600)

    sleep()

long()
"""


def wait_for(condition: Callable[[], object], what: str) -> object:
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.05)
    raise AssertionError(f"waited {SECONDS} s for {what}")


def of_home(home: Path) -> list[psutil.Process]:
    """Return the living processes of a home, by their environment."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.status() != psutil.STATUS_ZOMBIE and process.environ().get("LEDGERLINE_HOME") == str(home):
                found.append(process)
        except psutil.Error:
            continue
    return found


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    home = tmp_path / "home"
    yield home
    stop(Settings(home=home))
    for process in of_home(home):
        process.kill()


@pytest.fixture
def launch(home: Path, tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Start a launcher with some parts, and return it once they serve."""
    (tmp_path / "dags").mkdir()
    started: list[subprocess.Popen[bytes]] = []

    def start_launcher(*parts: Part) -> subprocess.Popen[bytes]:
        said = tmp_path / "launcher.txt"
        with said.open("wb") as log:
            command = [sys.executable, LAUNCHER, home, tmp_path / "dags", *parts]
            # Whoever runs the tests in the background may have had Ctrl-C ignored for all of them.
            listens = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
            launcher = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, preexec_fn=listens)
        started.append(launcher)
        wait_for(lambda: "stack_ready" in said.read_text() or launcher.poll() is not None, "the stack")
        assert launcher.poll() is None, said.read_text()[-4000:]
        return launcher

    yield start_launcher
    for launcher in started:
        launcher.kill()
        launcher.wait()


@pytest.fixture
def at_work(launch: Callable[..., subprocess.Popen[bytes]], tmp_path: Path) -> subprocess.Popen[bytes]:
    """A launcher whose Airflow is in the middle of a task."""
    mark = tmp_path / "task-child"
    (tmp_path / "dags" / "long.py").write_text(LONG.format(mark=str(mark)))
    launcher = launch(*AIRFLOW_PARTS)
    wait_for(lambda: mark.exists() or launcher.poll() is not None, "the task")
    assert launcher.poll() is None, (tmp_path / "launcher.txt").read_text()[-4000:]
    return launcher


def watchdogs_of(launcher: subprocess.Popen[bytes]) -> list[psutil.Process]:
    children = psutil.Process(launcher.pid).children()
    living = [child for child in children if child.status() != psutil.STATUS_ZOMBIE]
    return [child for child in living if "ledgerline.launch.watchdog" in " ".join(child.cmdline())]


def kill_with_watchdog(launcher: subprocess.Popen[bytes]) -> None:
    wait_for(lambda: watchdogs_of(launcher), "the watchdog")
    psutil.Process(launcher.pid).suspend()  # or it starts another watchdog in between
    for watchdog in watchdogs_of(launcher):
        watchdog.kill()
    launcher.kill()
    launcher.wait()


def test_nothing_survives_a_killed_launcher_not_even_a_task_that_ignores_being_asked(at_work, home):
    assert psutil.pid_exists(int((home.parent / "task-child").read_text()))
    assert len(of_home(home)) > 8
    at_work.kill()
    at_work.wait()
    wait_for(lambda: not of_home(home), "the stack to end")
    assert not status(Settings(home=home)).running


@pytest.mark.slow
def test_workers_that_outlive_launcher_and_watchdog_are_ended_by_the_next_start(at_work, home):
    kill_with_watchdog(at_work)
    wait_for(lambda: status(Settings(home=home)).left_behind, "processes that the kernel could not end")
    events: list[Event] = []
    with start(Settings(home=home), report=events.append, parts=frozenset({Part.DEMO_APPROVER})):
        assert not [process for process in of_home(home) if "airflow" in " ".join(process.cmdline())]
    assert EventKind.STALE_STOPPED in [event.kind for event in events]
    assert of_home(home) == []


def test_the_next_start_ends_what_is_left_and_nothing_of_somebody_else(launch, home):
    launcher = launch(Part.DEMO_APPROVER)
    state = json.loads((home / "run" / "stack.json").read_text())
    left = psutil.Process(state["processes"]["demo-approver"]["pid"])
    wait_for(lambda: STACK_MARK in left.environ(), "the demo approver to be itself, no copy of its launcher")
    left.suspend()  # hears no signal but the last
    wait_for(lambda: left.status() == psutil.STATUS_STOPPED, "it to stand still, or it may hear SIGTERM first")
    kill_with_watchdog(launcher)
    assert status(Settings(home=home)).left_behind == 1

    environment = {**os.environ, "LEDGERLINE_HOME": str(home)}
    with ExitStack() as ending:
        somebody = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)"], env=environment)
        ending.callback(somebody.wait)
        ending.callback(somebody.kill)
        state["processes"]["demo-approver"]["pid"] = somebody.pid  # the number now belongs to somebody else
        (home / "run" / "stack.json").write_text(json.dumps(state))
        events: list[Event] = []
        with start(Settings(home=home), report=events.append, parts=frozenset({Part.DEMO_APPROVER})):
            assert not left.is_running() or left.status() == psutil.STATUS_ZOMBIE
        assert EventKind.STALE_STOPPED in [event.kind for event in events]
        assert [process.pid for process in of_home(home)] == [somebody.pid]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_launcher_that_is_asked_to_end_ends_its_stack_first(launch, home, tmp_path, number):
    launcher = launch(Part.DEMO_APPROVER)
    assert of_home(home)
    launcher.send_signal(number)
    launcher.wait(SECONDS)
    assert "KeyboardInterrupt" in (tmp_path / "launcher.txt").read_text()
    assert of_home(home) == []
    assert not (home / "run" / "stack.json").exists()


def test_a_stack_is_stopped_from_another_process(launch, home):
    launcher = launch(Part.DEMO_APPROVER)
    assert stop(Settings(home=home)) is True
    launcher.wait(SECONDS)
    assert of_home(home) == []
    assert stop(Settings(home=home)) is False


def test_a_watchdog_that_somebody_ended_is_replaced(launch, home):
    launcher = launch(Part.DEMO_APPROVER)
    (watchdog,) = watchdogs_of(launcher)
    watchdog.kill()
    wait_for(lambda: watchdogs_of(launcher) not in ([], [watchdog]), "another watchdog")
    launcher.kill()
    launcher.wait()
    wait_for(lambda: not of_home(home), "the stack to end")
