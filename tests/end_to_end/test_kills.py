"""One process of the stack is killed in the middle of a run; running again ends where an undisturbed run ends."""

import json
import os
import re
import signal
import time
from collections.abc import Callable

import psutil
import pytest

from ledgerline.audit import Kind
from ledgerline.audit.verify import entries_holding

DEADLINE_SECONDS = 300

# Which process, and the first sign that the moment to kill it has come.
PROCESSES = [
    ("airflow-scheduler", Kind.LANDED_BATCH),
    ("airflow-dag-processor", Kind.LANDED_BATCH),
    ("airflow-api-server", Kind.VALIDATION_RECEIPT),
    ("mlflow", Kind.TRAINING_SET),
    ("airflow-triggerer", Kind.MODEL_BUNDLE),
    ("demo-approver", Kind.MODEL_BUNDLE),
    ("scoring", Kind.EVALUATION),
    ("launcher", Kind.VALIDATION_RECEIPT),
    ("task", Kind.LANDED_BATCH),
    ("task", Kind.FEATURE_VERSION),
    ("task", Kind.TRAINING_SET),
]


def wait_for(condition: Callable[[], object], what: str) -> object:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.05)
    raise AssertionError(f"waited {DEADLINE_SECONDS} s for {what}")


def recorded(platform, kind: Kind) -> bool:
    return platform.settings.home.joinpath("evidence.db").exists() and bool(platform.log().leaves(kind))


def stack_state(platform) -> dict:
    try:
        return json.loads((platform.home / "run" / "stack.json").read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return {"launcher": {"pid": None}, "processes": {}}


def busy_task(platform) -> int | None:
    """Return the process in which Airflow runs a task now, by the title that it gives itself."""
    scheduler = stack_state(platform)["processes"].get("airflow-scheduler")
    if scheduler is None:
        return None
    try:
        for process in psutil.Process(scheduler["pid"]).children(recursive=True):
            if re.match(r"airflow worker -- [0-9a-f]{8}-", " ".join(process.cmdline())):
                return process.pid
    except psutil.Error:
        pass  # it ended while we looked
    return None


def victim(platform, name: str) -> int | None:
    if name == "task":
        return busy_task(platform)
    state = stack_state(platform)
    return state["launcher"]["pid"] if name == "launcher" else state["processes"].get(name, {}).get("pid")


@pytest.mark.slow
@pytest.mark.timeout(2_400)
@pytest.mark.parametrize(("name", "moment"), PROCESSES, ids=[f"{name}-at-{moment}" for name, moment in PROCESSES])
def test_a_process_killed_midway_changes_nothing_that_the_line_makes(platform, platform_at, tmp_path, name, moment):
    disturbed = platform_at(tmp_path / "home")
    running = disturbed.start("run", "--once", log=tmp_path / "disturbed.txt")
    wait_for(lambda: recorded(disturbed, moment) or running.poll() is not None, f"a {moment}")
    assert running.poll() is None, (tmp_path / "disturbed.txt").read_text()[-4000:]
    os.kill(wait_for(lambda: victim(disturbed, name), name), signal.SIGKILL)
    running.wait(DEADLINE_SECONDS)

    again = disturbed.ledgerline("run", "--once")

    assert again.returncode == 0, again.stdout[-4000:] + again.stderr[-4000:]
    assert disturbed.made_by_the_line() == platform.made_by_the_line()
    log = disturbed.log()
    assert [len(log.leaves(kind)) for kind in (Kind.APPROVAL, Kind.DEPLOYMENT, Kind.DECISION)] == [1, 1, 1]
    entries_holding(log)
    assert disturbed.processes() == []
