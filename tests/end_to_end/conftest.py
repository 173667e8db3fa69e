"""A whole platform in a folder: the README's own commands, as a newcomer gives them."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest
import sqlalchemy as sa

from ledgerline.audit import EvidenceLog, Kind
from ledgerline.core.settings import PROJECT_ROOT, Settings

# Smaller than the default world for speed, yet one in which the trees beat the linear model clearly enough to pass the
# gates: in most worlds of this size they do not (docs/measurements.md), and the run would rightly end in a refusal.
SMALL_WORLD = {
    "LEDGERLINE_SANDBOX_CUSTOMERS": "2000",
    "LEDGERLINE_SANDBOX_TERMINALS": "4000",
    "LEDGERLINE_SANDBOX_SEED": "2",
    "LEDGERLINE_SANDBOX_ENTITIES": "40",
    "LEDGERLINE_SANDBOX_FUTURE_SESSIONS": "15",
}
COMMAND = Path(sys.executable).with_name("ledgerline")
RUN_SECONDS = 1_500
MADE_BY_THE_LINE = (
    Kind.RAW_FILE,
    Kind.REFUSED_FILE,
    Kind.LANDED_BATCH,
    Kind.VALIDATION_RECEIPT,
    Kind.FEATURE_VERSION,
    Kind.TRAINING_SET,
    Kind.TRAINING_RUN,
    Kind.MODEL_BUNDLE,
    Kind.EVALUATION,
)


@dataclass(frozen=True)
class Platform:
    """One home and the environment in which its commands run."""

    home: Path
    extra: dict[str, str] = field(default_factory=dict)

    @property
    def settings(self) -> Settings:
        return Settings(home=self.home)

    @property
    def environment(self) -> dict[str, str]:
        clean = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        return clean | SMALL_WORLD | {"LEDGERLINE_HOME": str(self.home)} | self.extra

    def ledgerline(self, *words: str, timeout: float = RUN_SECONDS) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [COMMAND, *words],
            env=self.environment,
            cwd=PROJECT_ROOT,
            text=True,
            capture_output=True,
            timeout=timeout,
            check=False,
        )

    def start(self, *words: str, log: Path) -> subprocess.Popen[str]:
        with log.open("w") as stream:
            return subprocess.Popen(
                [COMMAND, *words],
                env=self.environment,
                cwd=PROJECT_ROOT,
                text=True,
                stdout=stream,
                stderr=subprocess.STDOUT,
            )

    def log(self) -> EvidenceLog:
        return EvidenceLog(self.settings.database_url)

    def made_by_the_line(self) -> list[tuple[str, str]]:
        """Return kind and id of everything whose id must not depend on circumstances, sorted, doubles kept."""
        log = self.log()
        return sorted((kind.value, leaf.id) for kind in MADE_BY_THE_LINE for leaf in log.leaves(kind))

    def dag_runs(self) -> list[tuple[str, str]]:
        """Return DAG and state of every run, by Airflow's own database."""
        engine = sa.create_engine(f"sqlite:///{self.home / 'airflow' / 'airflow.db'}")
        try:
            with engine.connect() as connection:
                return [
                    tuple(row) for row in connection.execute(sa.text("SELECT dag_id, state FROM dag_run ORDER BY id"))
                ]
        finally:
            engine.dispose()

    def processes(self) -> list[psutil.Process]:
        """Return every process that belongs to this home, by its environment."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.environ().get("LEDGERLINE_HOME") == str(self.home):
                    found.append(process)
            except psutil.Error:
                continue
        return found


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """A platform that one undisturbed run has been through."""
    platform = Platform(tmp_path_factory.mktemp("platform"))
    completed = platform.ledgerline("run", "--once")
    (platform.home / "first-run.txt").write_text(completed.stdout + completed.stderr)
    assert completed.returncode == 0, completed.stdout[-6000:] + completed.stderr[-6000:]
    yield platform
    platform.ledgerline("down")


@pytest.fixture
def platform_at() -> Iterator[Callable[[Path], Platform]]:
    """Make a platform in a folder; whatever it left running is ended."""
    made: list[Platform] = []

    def make(home: Path) -> Platform:
        made.append(Platform(home))
        return made[-1]

    yield make
    for platform in made:
        platform.ledgerline("down")
