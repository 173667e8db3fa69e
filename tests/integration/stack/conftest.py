"""One real stack, Airflow and MLflow, for all tests of a module."""

import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ledgerline.core.settings import Settings
from ledgerline.launch import Event, Part, Stack, start
from ledgerline.launch.program import AIRFLOW_PARTS

PARTS = AIRFLOW_PARTS | {Part.MLFLOW}

SMALL_DAGS = {
    "first": """
from airflow.sdk import Asset, dag, task

@dag(schedule=None)
def first():
    @task
    def numbers() -> list[int]:
        return [1, 2]

    @task(outlets=[Asset("tested")])
    def double(number: int) -> int:
        import os

        assert os.environ["LEDGERLINE_ACTOR"] == "airflow"
        return number * 2

    double.expand(number=numbers())

first()
""",
    "second": """
from airflow.sdk import Asset, dag, task

@dag(schedule=[Asset("tested")], max_active_runs=1)
def second():
    @task(pool="workspace")
    def take() -> None: ...

    take()

second()
""",
    "failing": """
from airflow.sdk import dag, task

@dag(schedule=None)
def failing():
    @task
    def good() -> int:
        return 1

    @task
    def bad(number: int) -> None:
        raise ValueError("the amount is in the wrong currency")

    bad(good())

failing()
""",
    "waiting": """
from datetime import timedelta
from airflow.providers.standard.sensors.date_time import DateTimeSensorAsync
from airflow.sdk import dag

@dag(schedule=None)
def waiting():
    DateTimeSensorAsync(task_id="somebody", target_time="2999-01-01T00:00:00+00:00")

waiting()
""",
    "broken": "from airflow.sdk import dag, no_such_name\n",
}


@dataclass(frozen=True)
class Running:
    """A stack with what it said, and the port that it wished for in vain."""

    stack: Stack
    settings: Settings
    events: list[Event]
    taken: int


def wait_for(condition: Callable[[], object], what: str, seconds: float = 90) -> object:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.1)
    raise AssertionError(f"waited {seconds} s for {what}")


@pytest.fixture
def until() -> Callable[..., object]:
    return wait_for


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("stack")
    dags = _write_dags(folder)
    events: list[Event] = []
    with socket.create_server(("127.0.0.1", 0)) as somebody:
        taken = somebody.getsockname()[1]
        settings = Settings(home=folder / "home", airflow_port=taken, mlflow_port=0, scoring_port=0)
        with start(settings, report=events.append, parts=PARTS, dags=dags) as stack:
            yield Running(stack, settings, events, taken)


def _write_dags(folder: Path) -> Path:
    dags = folder / "dags"
    dags.mkdir()
    for name, code in SMALL_DAGS.items():
        (dags / f"{name}.py").write_text(code)
    return dags
