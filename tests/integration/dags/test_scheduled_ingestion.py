"""Runs with a data interval, as the scheduler makes them: they take the files of their days, and publish only news."""

import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from ledgerline.audit import Kind, Ledger
from ledgerline.core.settings import PROJECT_ROOT, Settings
from ledgerline.launch import Stack, start
from ledgerline.launch.program import AIRFLOW_PARTS
from ledgerline.sandbox import write_world

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@dataclass(frozen=True)
class Scheduled:
    """An Airflow that knows only the ingestion, as `run_day` makes its runs."""

    stack: Stack
    settings: Settings

    def api(self, method: str, path: str, **more: Any) -> httpx.Response:
        token = httpx.get(f"{self.stack.airflow_url}/auth/token", trust_env=False).json()["access_token"]
        return httpx.request(
            method,
            f"{self.stack.airflow_url}/api/v2/{path}",
            headers={"Authorization": f"Bearer {token}"},
            trust_env=False,
            **more,
        )

    def run_day(self, day: str) -> dict[str, str]:
        """Backfill the run that the scheduler would have made on one day; return its tasks' states."""
        body: dict[str, Any] = {
            "dag_id": "ingest_business",
            "from_date": f"{day}T00:00:00Z",
            "to_date": f"{day}T23:00:00Z",
        }
        body |= {"run_backwards": False, "dag_run_conf": {}, "max_active_runs": 1}
        deadline = time.monotonic() + 150
        while not (made := self.api("POST", "backfills", json=body)).is_success:  # the one before is still being closed
            assert made.status_code == httpx.codes.CONFLICT, made.text
            assert time.monotonic() < deadline, made.text
            time.sleep(1)
        while time.monotonic() < deadline:
            for run in self.stack.dag_runs(datetime(2018, 1, 1, tzinfo=UTC)):
                if run.run_id.startswith(f"backfill__{day}") and run.state.is_final:
                    assert not run.failed, run
                    return {task.label: task.state.value for task in run.tasks}
            time.sleep(0.5)
        raise AssertionError(f"no run of {day} ended")

    def files_landed(self) -> list[str]:
        batches = Ledger.open(self.settings).log.leaves(Kind.LANDED_BATCH, dataset="transactions")
        return [batch.detail["path"].rpartition("_")[2] for batch in batches]

    def events(self) -> int:
        return int(self.api("GET", "assets/events").json()["total_entries"])


@pytest.fixture(scope="module")
def scheduled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scheduled]:
    folder = tmp_path_factory.mktemp("scheduled")
    settings = Settings(home=folder / "home", data=folder / "data", airflow_port=0)
    write_world(settings.data_path, customers=20, terminals=20, days=21, seed=7)
    with start(settings, parts=AIRFLOW_PARTS, dags=_ingestion_alone(folder / "dags")) as stack:
        found = Scheduled(stack, settings)
        deadline = time.monotonic() + 60
        while not found.api("GET", "dags/ingest_business").is_success:
            assert time.monotonic() < deadline, "the DAG was never read"
            time.sleep(0.5)
        yield found


def _ingestion_alone(folder: Path) -> Path:
    folder.mkdir()
    for name in ("ingest_business.py", "ingestion.py", "wiring.py", ".airflowignore"):
        shutil.copy(PROJECT_ROOT / "dags" / name, folder / name)
    return folder


def test_no_run_starts_by_itself(scheduled):
    assert scheduled.stack.dag_runs(datetime(2018, 1, 1, tzinfo=UTC)) == []


def test_a_run_takes_the_files_of_its_day_and_publishes_them(scheduled):
    tasks = scheduled.run_day("2018-04-09")
    assert scheduled.files_landed() == ["2018-04-08.parquet"]
    assert tasks["publish"] == "success"
    assert scheduled.events() == 2


def test_a_run_of_a_day_without_files_publishes_nothing(scheduled):
    tasks = scheduled.run_day("2018-04-11")
    assert scheduled.files_landed() == ["2018-04-08.parquet"]
    assert tasks["publish"] == "success"
    assert scheduled.events() == 2


def test_a_run_that_somebody_triggers_takes_everything_and_publishes_even_without_news(scheduled):
    for _ in range(2):
        since = datetime.now(UTC) - timedelta(seconds=1)
        scheduled.stack.trigger_dag("ingest_business")
        (run,) = scheduled.stack.wait_for_runs(["ingest_business"], since=since, timeout=120)
        assert {task.state.value for task in run.tasks} == {"success"}
    assert sorted(scheduled.files_landed()) == [f"2018-04-{day}.parquet" for day in ("01", "08", "15")]
    assert scheduled.events() == 6
