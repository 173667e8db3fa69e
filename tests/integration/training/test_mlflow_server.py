import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ledgerline.audit import Ledger
from ledgerline.decisions.bundle import load_bundle
from ledgerline.decisions.fraud import FraudModel
from pipelines.training import train
from pipelines.training.tracking import tracking_server

pytestmark = pytest.mark.slow
_DEADLINE_SECONDS = 120


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """A real MLflow server on a free port; its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{tmp_path}/server.db"]
    environment = os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    process = subprocess.Popen(command, env=environment, start_new_session=True, cwd=tmp_path)
    try:
        _wait_until_healthy(f"http://127.0.0.1:{port}/health", process)
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=60)


def test_training_through_a_server_registers_a_model_that_loads(
    server: str, seal: Callable[[Path], Any], tmp_path: Path
):
    sealed = seal(tmp_path / "home")
    settings = sealed.ledger.settings.model_copy(update={"mlflow_tracking_uri": server})
    ledger = Ledger.open(settings)

    result = train(ledger)

    import mlflow

    with tracking_server(settings) as client:
        version = client.get_model_version_by_alias("fraud", "challenger")
        loaded = mlflow.pyfunc.load_model("models:/fraud@challenger")
        run = client.get_run(version.run_id)
    assert int(version.version) == result.model_version
    assert run.info.status == "FINISHED"
    assert run.info.artifact_uri.startswith(settings.mlflow_artifacts.resolve().as_uri())
    model = FraudModel.load(load_bundle(ledger.objects, result.bundle))
    example = loaded.input_example
    assert loaded.predict(example).tolist() == pytest.approx(
        [model.score(dict(row)).probability for row in example.to_dict("records")]
    )
    assert train(ledger).reused


def _wait_until_healthy(address: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _DEADLINE_SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, "the MLflow server ended"
        try:
            with urllib.request.urlopen(address, timeout=1):  # noqa: S310 (our own loopback server)
                return
        except (urllib.error.URLError, TimeoutError, ConnectionError):
            time.sleep(0.1)
    pytest.fail(f"no MLflow server at {address} after {_DEADLINE_SECONDS} s")
