"""Airflow's page that waits for signatures: whoever answers it without one puts nothing in force."""

import uuid
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowSkipException, TaskDeferred

from ledgerline.audit import Ledger
from ledgerline.core.clock import SystemClock
from ledgerline.decisions.approval import ApprovalRefused
from ledgerline.decisions.deployment import current
from pipelines.orchestration.await_approval import REJECT, SIGNED, AwaitApproval
from pipelines.promotion import approve, create_key, deploy

SOMEBODY = {"responded_by_user": {"id": "1", "name": "somebody"}}


@pytest.fixture
def ledger(line: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ledger:
    monkeypatch.setenv("LEDGERLINE_HOME", str(tmp_path / "home"))
    found: Ledger = line.open_ledger(tmp_path / "home", SystemClock())
    return found


@pytest.fixture
def digest(ledger: Ledger, line: ModuleType) -> str:
    summary = {model: {"average_precision": {"mean": mean, "std": 0.002}} for model, mean in line.GOOD.items()}
    made: str = line.train(ledger, figures=line.report() | {"summary": {"test": summary}})
    line.pass_gates(ledger, made)
    return made


@pytest.fixture
def pages(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What Airflow is given to show; it takes it from a running task alone."""
    shown: list[dict[str, Any]] = []
    monkeypatch.setattr("pipelines.orchestration.await_approval.upsert_hitl_detail", lambda **said: shown.append(said))
    return shown


@pytest.fixture
def waiting(digest: str, pages: list[dict[str, Any]]) -> AwaitApproval:
    """The task, once it has shown its page."""
    task = AwaitApproval(
        task_id="await_approval", judged={"bundle": digest, "passed": True, "refused_by": []}, family="fraud"
    )
    with pytest.raises(TaskDeferred):
        task.execute(context())
    return task


def context() -> dict[str, Any]:
    return {
        "task_instance": SimpleNamespace(id=uuid.uuid4()),
        "dag_run": SimpleNamespace(run_after=datetime.now(UTC)),
    }


def test_the_page_shows_the_evidence_and_the_command_that_signs(
    waiting: AwaitApproval, pages: list[dict[str, Any]], digest: str
):
    (page,) = pages
    assert page["subject"] == "fraud@1 waits for validator"
    for part in ("ledgerline approve fraud@1 --as", "bundle_scan", "logistic_regression", digest, "None of them may"):
        assert part in page["body"]


def test_answering_it_without_a_signature_shows_it_again_and_deploys_nothing(
    waiting: AwaitApproval, pages: list[dict[str, Any]], ledger: Ledger, digest: str
):
    with pytest.raises(TaskDeferred):
        waiting.resume(context(), {"chosen_options": [SIGNED], **SOMEBODY})
    assert len(pages) == 2
    with pytest.raises(ApprovalRefused, match="nobody has signed"):
        deploy(ledger, digest)
    assert current(ledger, "fraud") is None


def test_rejecting_it_ends_the_run_and_deploys_nothing(waiting: AwaitApproval, ledger: Ledger):
    with pytest.raises(AirflowSkipException, match="rejected on the approval page"):
        waiting.resume(context(), {"chosen_options": [REJECT], **SOMEBODY})
    assert current(ledger, "fraud") is None


def test_answering_it_with_a_signature_on_record_goes_on(
    waiting: AwaitApproval, ledger: Ledger, digest: str, line: ModuleType
):
    create_key(ledger, "bob", passphrase=line.PASSPHRASE)
    approve(ledger, digest, approver="bob", role="validator", passphrase=line.PASSPHRASE)
    waiting.resume(context(), {"chosen_options": [SIGNED], **SOMEBODY})
    deploy(ledger, digest)
    deployed = current(ledger, "fraud")
    assert deployed is not None
    assert deployed.bundle == digest
