"""Heavy features on a cluster: two worker processes of which one is killed, and schedulers that do not answer."""

import importlib
import os
import signal
import socket
import threading
import time
from dataclasses import replace

import psutil
import pytest
from distributed import Client, LocalCluster

from feature_store.views.card_spending import CARD_SPENDING
from ledgerline.audit import Ledger
from ledgerline.core.settings import Settings
from pipelines.features import build
from pipelines.features.cluster import computer_of
from pipelines.features.errors import ClusterUnreachable, WorkersDiffer
from pipelines.features.event_views import Inputs, arrivals_of
from pipelines.features.inputs import accepted_inputs, located
from pipelines.features.known_files import KnownFiles

VIEW = "card_spending"
DAYS = 14
DEADLINE_SECONDS = 60
pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep:DeprecationWarning")  # within DVC


@pytest.fixture(scope="module")
def cluster():
    """Start a scheduler and two workers, each a process of one thread; end them all."""
    with LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, host="127.0.0.1", dashboard_address=None, silence_logs=50
    ) as started:
        pids = [worker.pid for worker in started.workers.values()]
        yield started
        pids += [worker.pid for worker in started.workers.values()]
    assert not [pid for pid in pids if pid and psutil.pid_exists(pid)]


@pytest.fixture
def on_cluster(ledger):
    """Open the same installation with a scheduler's address."""
    settings = ledger.settings

    def open_(address: str) -> Ledger:
        named = Settings(home=settings.home, project=settings.project, dask_scheduler=address)
        return Ledger.open(named, ledger.clock)

    return open_


def test_build_whose_worker_is_killed_midway_ends_in_the_local_builds_bytes(
    open_home, ledger, on_cluster, cluster, deliver, midnights, fingerprints, monkeypatch
):
    local = open_home("local")
    for each in (local, ledger):
        deliver(each, 0, 9)
        deliver(each, 9, DAYS)
    expected = build(local, VIEW, as_of=midnights(DAYS))
    monkeypatch.setattr("pipelines.features.partitions.SPAN_ROWS", 60)  # a day at a time
    folder = ledger.settings.workspace_path / "data" / "features" / VIEW
    found = []
    building = threading.Thread(
        target=lambda: found.append(build(on_cluster(cluster.scheduler_address), VIEW, as_of=midnights(DAYS)))
    )

    building.start()
    deadline = time.monotonic() + DEADLINE_SECONDS
    while len(list(folder.glob("2*.parquet"))) < 3 and building.is_alive() and time.monotonic() < deadline:
        time.sleep(0.005)
    os.kill(cluster.workers[0].pid, signal.SIGKILL)
    written = len(list(folder.glob("2*.parquet")))
    building.join(DEADLINE_SECONDS)

    assert 3 <= written < DAYS
    assert [version.id for version in found] == [expected.id]
    features = [fingerprints(each.settings.workspace_path / "data" / "features") for each in (local, ledger)]
    assert features[0] == features[1]


def test_worker_with_other_files_or_other_code_is_refused(ledger, deliver, midnights, cluster):
    deliver(ledger, 0, 3)
    files = accepted_inputs(ledger, CARD_SPENDING, midnights(3))
    locate = located(ledger, files, KnownFiles(ledger.settings.home / "known.json"))
    inputs = Inputs(CARD_SPENDING, files, midnights(3), locate)
    arrivals = arrivals_of(inputs, ledger.settings.home / "memory", lambda _: None)
    span = midnights(0), midnights(3)
    moved = replace(inputs, files=[replace(file, file=replace(file.file, sha256="0" * 64)) for file in files])

    with computer_of(cluster.scheduler_address) as computer:
        assert computer(inputs, arrivals)(*span).height > 0
        with pytest.raises(WorkersDiffer, match="which was accepted"):
            computer(moved, arrivals)(*span)
        with Client(cluster.scheduler_address, set_as_default=False) as client:
            client.run(_become, "another release")
            with pytest.raises(WorkersDiffer, match="install the same release"):
                computer(inputs, arrivals)(*span)
            client.run(_become, None)


def _become(release: str | None) -> None:
    """Let a worker say that it has other code, or its own again."""
    from pipelines.features import cluster

    if release:
        cluster.executors = lambda: release
    else:
        importlib.reload(cluster)


def test_scheduler_that_does_not_answer_is_named(ledger, on_cluster, deliver, midnights, monkeypatch):
    deliver(ledger, 0, 3)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and never listens
        address = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
        monkeypatch.setattr("pipelines.features.cluster._SECONDS_TO_ANSWER", 1)

        with pytest.raises(ClusterUnreachable, match=address):
            build(on_cluster(address), VIEW, as_of=midnights(3))


def test_scheduler_without_workers_is_named(ledger, on_cluster, deliver, midnights, monkeypatch):
    deliver(ledger, 0, 3)
    monkeypatch.setattr("pipelines.features.cluster._SECONDS_TO_ANSWER", 1)
    with (
        LocalCluster(n_workers=0, processes=False, protocol="tcp", host="127.0.0.1", dashboard_address=None) as empty,
        pytest.raises(ClusterUnreachable, match="no workers"),
    ):
        build(on_cluster(empty.scheduler_address), VIEW, as_of=midnights(3))
