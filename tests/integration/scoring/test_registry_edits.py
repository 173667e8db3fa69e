"""What is edited in MLflow's registry is said, and a live job goes on with what the evidence log says."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from ledgerline.audit import Ledger
from ledgerline.core.clock import FixedClock, SystemClock
from ledgerline.decisions.deployment import record_deployment
from pipelines.monitoring import reconcile
from pipelines.promotion import deploy, rollback
from pipelines.training.tracking import BUNDLE_TAG, RUN_TAG, tracking_server

EDITS: dict[str, Callable[[Any], Any]] = {
    "the champion moved": lambda client: client.set_registered_model_alias("fraud", "champion", "2"),
    "a tag edited": lambda client: client.set_model_version_tag("fraud", "1", BUNDLE_TAG, "0" * 64),
    "a tag deleted": lambda client: client.delete_model_version_tag("fraud", "1", RUN_TAG),
    "a version registered by hand": lambda client: client.create_model_version("fraud", "file:///tmp/by-hand"),
    "the champion deleted": lambda client: client.delete_registered_model_alias("fraud", "champion"),
    "the version in force deleted": lambda client: client.delete_model_version("fraud", "1"),
    "the model deleted": lambda client: client.delete_registered_model("fraud"),
}


@pytest.fixture(scope="module")
def ledger(line: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Ledger:
    found: Ledger = line.open_ledger(tmp_path_factory.mktemp("registry"), SystemClock())
    return found


@pytest.fixture(scope="module")
def digests(ledger: Ledger, line: ModuleType) -> list[str]:
    """Two approved models, of which the first is in force; MLflow shows what training and promotion tell it."""
    found = [line.approved_model(ledger, trees=trees, version=version) for version, trees in ((1, 20), (2, 30))]
    with tracking_server(ledger.settings) as client:
        client.create_registered_model("fraud")
        for version, digest in enumerate(found, start=1):
            tags = {RUN_TAG: str(line.find_bundle(ledger, digest).detail["training_run"]), BUNDLE_TAG: digest}
            client.create_model_version("fraud", f"file:///tmp/{digest}", tags=tags)
            client.set_registered_model_alias("fraud", "challenger", str(version))
    deploy(ledger, found[0])
    assert differences(ledger) == []
    return found


def differences(ledger: Ledger) -> list[str]:
    """What MLflow says otherwise, looked at an hour from now: what was told just now may still be on its way."""
    later = FixedClock(ledger.clock.now() + timedelta(hours=1))
    return [str(found) for found in reconcile(Ledger(ledger.settings, later, ledger.log, ledger.objects))]


@pytest.fixture(scope="module")
def job(ledger: Ledger, digests: list[str], scoring: ModuleType) -> Iterator[Any]:
    with scoring.ScoringProcess(ledger.settings.home) as running:
        running.wait_until_ready(digests[0])
        yield running


@pytest.mark.parametrize("edit", EDITS)
def test_a_job_serves_what_the_log_says_whatever_mlflow_shows(
    ledger: Ledger, digests: list[str], job: Any, line: ModuleType, edit: str
):
    """The edits add up: none is put right by anybody."""
    before = differences(ledger)
    with tracking_server(ledger.settings) as client:
        EDITS[edit](client)
    assert differences(ledger) != before
    answer = job.score(line.payment(list(EDITS).index(edit))).json()
    assert answer["model"]["digest"] == digests[0]
    assert job.ready()["refused_deployment"] is None


def test_a_job_that_starts_after_the_edits_and_what_is_deployed_then_follow_the_log(
    ledger: Ledger, digests: list[str], job: Any, line: ModuleType, scoring: ModuleType
):
    assert differences(ledger)
    with scoring.ScoringProcess(ledger.settings.home) as later:
        later.wait_until_ready(digests[0])
        deploy(ledger, digests[1])
        for running in (job, later):
            running.wait_until_ready(digests[1])
        assert later.score(line.payment(100)).json()["model"]["digest"] == digests[1]
        rollback(ledger, "fraud")
        for running in (job, later):
            running.wait_until_ready(digests[0])
    assert job.score(line.payment(101)).json()["model"]["digest"] == digests[0]


def test_a_deployment_that_mlflow_is_told_of_just_now_is_no_difference(line: ModuleType, tmp_path: Path):
    """A look between the two, as a moment after every deployment, alarms nobody; one a minute later does."""
    ledger = line.open_ledger(tmp_path / "home", SystemClock())
    digest = line.approved_model(ledger)
    with tracking_server(ledger.settings) as client:
        client.create_registered_model("fraud")
        tags = {RUN_TAG: str(line.find_bundle(ledger, digest).detail["training_run"]), BUNDLE_TAG: digest}
        client.create_model_version("fraud", "file:///tmp/model", tags=tags)
        client.set_registered_model_alias("fraud", "challenger", "1")
        record_deployment(ledger, digest)  # and its process ends before it tells MLflow
        client.create_model_version("fraud", "file:///tmp/next")  # as a training does, just before it is on record
        client.set_registered_model_alias("fraud", "challenger", "2")
    assert reconcile(ledger) == []
    assert [found.split(": ")[1] for found in differences(ledger)] == [
        "version_unknown",
        "alias_moved",
        "alias_missing",
    ]
