"""What a running job does with bundles: it reads them, and never unpickles, compiles, imports or executes for them."""

from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from ledgerline.audit import Ledger
from ledgerline.core.clock import SystemClock
from ledgerline.core.settings import PROJECT_ROOT
from ledgerline.decisions.credit.policy import POLICY_FILE
from ledgerline.decisions.deployment import record_deployment


class Events:
    """What the audit hook of a job has written so far."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def of(self, *names: str, after: int = 0) -> list[str]:
        """Return the events of these names, from line ``after``."""
        lines = self.path.read_text(errors="replace").splitlines()[after:]
        return [line for line in lines if line.split(" ", 1)[0] in names]

    def count(self) -> int:
        return len(self.path.read_text(errors="replace").splitlines())


@pytest.fixture(scope="module")
def ledger(line: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Ledger:
    folder = tmp_path_factory.mktemp("watched")
    project = line.project_with(folder / "project")
    (project / POLICY_FILE).write_bytes((PROJECT_ROOT / POLICY_FILE).read_bytes())
    found: Ledger = line.open_ledger(folder / "home", SystemClock(), project=project)
    return found


@pytest.fixture(scope="module")
def events(tmp_path_factory: pytest.TempPathFactory) -> Events:
    return Events(tmp_path_factory.mktemp("events") / "events.txt")


@pytest.fixture(scope="module")
def swapped(
    ledger: Ledger, line: ModuleType, credit: ModuleType, scoring: ModuleType, events: Events
) -> Iterator[tuple[Any, int]]:
    """A job that loaded, answered, swapped and answered for both families; and where in its events the swap began."""
    project = str(ledger.settings.project)
    with scoring.ScoringProcess(ledger.settings.home, events=events.path, LEDGERLINE_PROJECT=project) as job:
        fraud, decide = line.approved_model(ledger), credit.approved_model(line, ledger)
        for digest, family in ((fraud, "fraud"), (decide, "credit")):
            record_deployment(ledger, digest)
            job.wait_until_ready(digest, family)
        for number in range(3):
            assert job.score(line.payment(number)).status_code == 200
            assert job.decide(credit.application(line, number)).status_code == 200
        begun = events.count()
        newer = line.record_training_set(ledger, build=2)
        fraud = line.approved_model(ledger, trees=30, version=2, training_set=newer)
        decide = credit.approved_model(line, ledger, trees=40, version=2)
        for digest, family in ((fraud, "fraud"), (decide, "credit")):
            record_deployment(ledger, digest)
            job.wait_until_ready(digest, family)
        for number in range(3, 6):
            assert job.score(line.payment(number)).json()["model"]["digest"] == fraud
            assert job.decide(credit.application(line, number)).json()["model"]["digest"] == decide
        yield job, begun


def test_the_job_never_unpickles_not_even_while_it_starts(swapped: tuple[Any, int], events: Events) -> None:
    assert events.of("pickle.find_class") == ["pickle.find_class builtins print"], "the hook's own, and no other"


def test_a_swap_compiles_executes_and_imports_nothing(swapped: tuple[Any, int], events: Events) -> None:
    _, begun = swapped
    assert events.of("exec", "import", after=0), "the hook saw the job start"
    assert events.of("compile", "exec", "import", "marshal.loads", "code.__new__", after=begun) == []
