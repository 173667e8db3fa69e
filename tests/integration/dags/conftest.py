"""A tiny card world, a home whose Airflow reads the project's DAGs, and a way to run one of them."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ledgerline.audit import Ledger
from ledgerline.core.settings import PROJECT_ROOT, Settings
from ledgerline.launch.airflow_config import airflow_config
from ledgerline.launch.airflow_secrets import airflow_secrets, write_private
from ledgerline.launch.environment import stack_environment
from ledgerline.launch.layout import Layout
from ledgerline.sandbox import write_world

RUN_DAG = Path(__file__).with_name("run_dag.py")
READ_BY_THE_LINE = ("dags", "great_expectations", "mappings", "policies", "params.yaml")


@dataclass(frozen=True)
class Run:
    """How a run of a DAG went."""

    state: str
    run_id: str
    tasks: dict[str, str]
    log: str


@dataclass(frozen=True)
class World:
    """A home with a world of data, and its Airflow."""

    settings: Settings

    @property
    def ledger(self) -> Ledger:
        return Ledger.open(self.settings)

    @property
    def environment(self) -> dict[str, str]:
        found = stack_environment(self.settings, Layout.of(self.settings), token="test")
        return {**found, "LEDGERLINE_ACTOR": "airflow"}

    def run(self, dag_id: str, conf: dict[str, Any] | None = None, **environment: str) -> Run:
        return self.run_all((dag_id, conf), **environment)[0]

    def run_all(self, *runs: tuple[str, dict[str, Any] | None], **environment: str) -> list[Run]:
        """Run DAGs one after the other in one process, which imports everything once; they share the log."""
        completed = subprocess.run(
            [sys.executable, RUN_DAG, json.dumps(runs)],
            env={**self.environment, **environment},
            capture_output=True,
            text=True,
            check=False,
        )
        assert completed.returncode == 0, completed.stdout[-3000:] + completed.stderr[-3000:]
        log = completed.stdout + completed.stderr
        return [Run(**run, log=log) for run in json.loads(completed.stdout.splitlines()[-1])]

    def asset_events(self) -> list[tuple[str, dict[str, Any]]]:
        """Return name and extra of every asset event, oldest first, from Airflow's own database."""
        query = "SELECT a.name, e.extra FROM asset_event e JOIN asset a ON a.id = e.asset_id ORDER BY e.id"
        with closing(sqlite3.connect(Layout.of(self.settings).airflow_database)) as database:
            return [(name, json.loads(extra)) for name, extra in database.execute(query)]


def project_copy(folder: Path) -> Path:
    """Copy what the line reads, so that a test may change a policy."""
    folder.mkdir()
    for name in READ_BY_THE_LINE:
        source = PROJECT_ROOT / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, folder / name)
    return folder


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    folder = tmp_path_factory.mktemp("dags")
    settings = Settings(home=folder / "home", project=project_copy(folder / "project"), data=folder / "data")
    write_world(settings.data_path, customers=300, terminals=600, days=183, seed=20180401)
    _prepare_airflow(settings)
    return World(settings)


def _prepare_airflow(settings: Settings) -> None:
    layout = Layout.of(settings)
    config = airflow_config(
        layout,
        dags=settings.project / "dags",
        url="http://127.0.0.1:1",
        host="127.0.0.1",
        port=1,
        secrets=airflow_secrets(layout.airflow / "secrets.json"),
    )
    write_private(layout.airflow / "airflow.cfg", config)
    environment = {**os.environ, "AIRFLOW_HOME": str(layout.airflow)}
    subprocess.run([sys.executable, "-m", "airflow", "db", "migrate"], env=environment, check=True, capture_output=True)
