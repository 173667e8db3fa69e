import os
import subprocess
import sys

import psutil
import pytest

from ledgerline.launch.processes import (
    HOME_MARK,
    STACK_MARK,
    identity_of,
    is_alive,
    kill_marked,
    marked,
    of_earlier_launches,
)


@pytest.fixture
def sleeper(tmp_path):
    started = []

    def start(**marks: str) -> subprocess.Popen[bytes]:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("LEDGERLINE_")} | marks
        process = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(600)"], env=environment)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()


def pids(processes: list[psutil.Process]) -> set[int]:
    return {process.pid for process in processes}


def test_only_processes_with_every_mark_are_found(sleeper, tmp_path):
    ours = sleeper(**{STACK_MARK: "one", HOME_MARK: str(tmp_path)})
    other_launch = sleeper(**{STACK_MARK: "two", HOME_MARK: str(tmp_path)})
    assert pids(marked(**{STACK_MARK: "one", HOME_MARK: str(tmp_path)})) == {ours.pid}
    assert pids(marked(**{HOME_MARK: str(tmp_path)})) == {ours.pid, other_launch.pid}


def test_a_foreign_process_is_no_leftover_of_a_launch(sleeper, tmp_path):
    left = sleeper(**{STACK_MARK: "one", HOME_MARK: str(tmp_path)})
    sleeper(**{HOME_MARK: str(tmp_path)})  # a person's shell in which LEDGERLINE_HOME is set
    sleeper(**{STACK_MARK: "one", HOME_MARK: f"{tmp_path}-other"})  # another home's stack
    assert pids(of_earlier_launches(str(tmp_path))) == {left.pid}


def test_the_present_launch_is_no_leftover(sleeper, tmp_path):
    sleeper(**{STACK_MARK: "now", HOME_MARK: str(tmp_path)})
    before = sleeper(**{STACK_MARK: "before", HOME_MARK: str(tmp_path)})
    assert pids(of_earlier_launches(str(tmp_path), token="now")) == {before.pid}


def test_killing_spares_what_is_not_marked(sleeper, tmp_path):
    ours, other = sleeper(**{STACK_MARK: str(tmp_path)}), sleeper(**{STACK_MARK: "other"})
    assert kill_marked(**{STACK_MARK: str(tmp_path)}) == 1
    assert ours.wait(5) == -9
    assert other.poll() is None


def test_a_later_process_of_the_same_number_is_not_the_one_that_was_noted(sleeper):
    noted = identity_of(sleeper().pid)
    assert is_alive(noted)
    assert not is_alive({**noted, "create_time": noted["create_time"] - 100})


def test_an_ended_process_is_not_alive(sleeper):
    process = sleeper()
    noted = identity_of(process.pid)
    process.kill()
    process.wait()
    assert not is_alive(noted)
