import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from ledgerline.audit import Kind
from ledgerline.audit.verify import entries_holding
from pipelines.training import train
from pipelines.training.tracking import tracking_server

# The child trains until the named function is about to be called, and is then killed outright.
_CHILD = """
import importlib, os, signal, sys
from pathlib import Path
from ledgerline.audit import Ledger
from ledgerline.core.settings import Settings
from pipelines.training import train
from ledgerline.audit.verify import entries_holding

home, project, module, name = sys.argv[1:]
owner = importlib.import_module(module)
*classes, function = name.split(".")
for part in classes:
    owner = getattr(owner, part)
getattr(owner, function)
setattr(owner, function, lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL))
train(Ledger.open(Settings(home=Path(home), project=Path(project))))
"""

_MODEL_LOGGED = ("pipelines.training.fraud.logged", "_log_model")
_VERSION_REGISTERED = ("mlflow", "MlflowClient.create_model_version")
_RUN_ENDED = ("mlflow", "MlflowClient.set_registered_model_alias")
_LEAVES_RECORDED = ("pipelines.training.run", "_record")


def _train_and_be_killed(home: Path, project: Path, point: tuple[str, str]) -> None:
    child = subprocess.run(
        [sys.executable, "-c", _CHILD, str(home), str(project), *point], capture_output=True, check=False
    )
    assert child.returncode == -signal.SIGKILL, child.stderr.decode()


def _mlflow_state(settings: Any) -> tuple[list[str], list[Any]]:
    """Return the statuses of all runs, sorted, and all registered versions."""
    with tracking_server(settings) as client:
        runs = client.search_runs([client.get_experiment_by_name("fraud").experiment_id])
        return sorted(run.info.status for run in runs), list(client.search_model_versions("name = 'fraud'"))


def _check_one_of_everything(ledger: Any, result: Any) -> list[str]:
    assert len(ledger.log.leaves(Kind.TRAINING_SET)) == 1
    assert [leaf.id for leaf in ledger.log.leaves(Kind.TRAINING_RUN)] == [result.run]
    [bundle] = ledger.log.leaves(Kind.MODEL_BUNDLE)
    statuses, versions = _mlflow_state(ledger.settings)
    assert statuses.count("FINISHED") == 1
    assert "RUNNING" not in statuses
    [version] = versions
    assert int(version.version) == bundle.detail["model_version"]
    assert version.tags["ledgerline.bundle"] == bundle.identity["digest"] == result.bundle
    assert version.run_id == ledger.log.get(result.run).detail["mlflow_run_id"]
    entries_holding(ledger.log)
    return statuses


@pytest.mark.parametrize(
    ("point", "killed_runs"),
    [
        pytest.param(_MODEL_LOGGED, 1, id="before the model is logged", marks=pytest.mark.slow),
        pytest.param(_VERSION_REGISTERED, 1, id="before the version is registered", marks=pytest.mark.slow),
        pytest.param(_RUN_ENDED, 0, id="after the version is registered and before its run ends"),
        pytest.param(_LEAVES_RECORDED, 0, id="before the leaves are recorded", marks=pytest.mark.slow),
    ],
)
def test_training_killed_and_then_run_twice_at_once_leaves_one_of_everything(
    trained: Any,
    seal: Callable[[Path], Any],
    tmp_path: Path,
    project: Path,
    point: tuple[str, str],
    killed_runs: int,
):
    ledger = seal(tmp_path).ledger
    _train_and_be_killed(tmp_path, project, point)
    assert ledger.log.latest(Kind.MODEL_BUNDLE) is None

    with ThreadPoolExecutor(2) as pool:
        result, second = sorted(pool.map(lambda _: train(ledger), range(2)), key=lambda found: found.reused)

    assert (result.reused, second.reused) == (False, True)
    assert second.bundle == result.bundle
    assert (result.run, result.bundle) == (trained.result.run, trained.result.bundle)
    statuses = _check_one_of_everything(ledger, result)
    assert statuses == ["FINISHED"] + ["KILLED"] * killed_runs
