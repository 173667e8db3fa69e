"""Deploying, rolling back, and what MLflow is told afterwards."""

import json
import stat
from pathlib import Path
from types import ModuleType

import pytest

from ledgerline.audit import Kind, Ledger
from ledgerline.decisions.approval import ApprovalRefusal, ApprovalRefused
from ledgerline.decisions.bundle import BundleRefused, RefusalReason
from ledgerline.decisions.deployment import current
from pipelines.promotion import DeploymentRefused, deploy, rollback
from pipelines.promotion.approvals import find_bundle
from pipelines.promotion.deploy import export_champion


def in_force(ledger: Ledger) -> str | None:
    deployment = current(ledger, "fraud")
    return deployment.bundle if deployment else None


def test_an_approved_model_is_deployed_by_its_version(ledger: Ledger, line: ModuleType) -> None:
    digest = line.approved_model(ledger, version=3)
    assert deploy(ledger, "fraud@3").identity["bundle"] == digest
    assert in_force(ledger) == digest


def test_deploying_twice_changes_nothing(ledger: Ledger, line: ModuleType) -> None:
    digest = line.approved_model(ledger)
    assert deploy(ledger, digest) == deploy(ledger, digest)


def test_a_model_without_approvals_is_not_deployed(ledger: Ledger, line: ModuleType) -> None:
    digest = line.train(ledger)
    line.pass_gates(ledger, digest)
    with pytest.raises(ApprovalRefused) as refused:
        deploy(ledger, digest)
    assert refused.value.reason is ApprovalRefusal.UNSIGNED
    assert in_force(ledger) is None


def test_a_model_that_no_gate_judged_is_not_deployed(ledger: Ledger, line: ModuleType) -> None:
    with pytest.raises(DeploymentRefused, match="gates"):
        deploy(ledger, line.train(ledger))


def test_a_signed_model_that_a_later_verdict_refused_is_not_deployed(ledger: Ledger, line: ModuleType) -> None:
    digest = line.approved_model(ledger)
    line.pass_gates(ledger, digest, passed=False)
    with pytest.raises(DeploymentRefused, match="gates"):
        deploy(ledger, digest)


def test_signatures_under_an_older_verdict_do_not_deploy(ledger: Ledger, line: ModuleType) -> None:
    digest = line.approved_model(ledger)
    newest = ledger.log.latest(Kind.EVALUATION, bundle=digest)
    assert newest is not None
    ledger.log.append(line.Leaf(Kind.EVALUATION, {**newest.identity, "supersedes": newest.id}))
    with pytest.raises(DeploymentRefused, match="sign again"):
        deploy(ledger, digest)


def test_bytes_changed_after_the_approval_are_not_deployed(ledger: Ledger, line: ModuleType) -> None:
    digest = line.approved_model(ledger)
    path = Path(ledger.objects.location(json.loads(ledger.objects.get(digest))["files"]["model.ubj"]["sha256"]))
    path.chmod(stat.S_IRUSR | stat.S_IWUSR)
    content = bytearray(path.read_bytes())
    content[-9] ^= 1
    path.write_bytes(content)
    with pytest.raises(BundleRefused) as refused:
        deploy(ledger, digest)
    assert refused.value.reason is RefusalReason.OBJECT_CORRUPT
    assert in_force(ledger) is None


def test_a_model_on_other_features_than_this_codes_is_not_deployed(ledger: Ledger, line: ModuleType) -> None:
    digest = line.approved_model(ledger, fingerprint="f" * 64)
    with pytest.raises(BundleRefused) as refused:
        deploy(ledger, digest)
    assert refused.value.reason is RefusalReason.FEATURES_DIFFER


def test_rollback_puts_the_model_before_back_in_force(ledger: Ledger, line: ModuleType) -> None:
    first, second = (line.approved_model(ledger, trees=trees, version=trees) for trees in (5, 6))
    deploy(ledger, first)
    deploy(ledger, second)
    leaf = rollback(ledger, "fraud")
    assert in_force(ledger) == first
    assert [parent.kind for _, parent in ledger.log.parents(leaf.id)][1] is Kind.APPROVAL


def test_there_is_nothing_to_roll_back_to_before_the_second_deployment(ledger: Ledger, line: ModuleType) -> None:
    with pytest.raises(DeploymentRefused, match="no earlier"):
        rollback(ledger, "fraud")
    deploy(ledger, line.approved_model(ledger))
    with pytest.raises(DeploymentRefused, match="no earlier"):
        rollback(ledger, "fraud")


def test_a_failed_export_to_mlflow_is_reported_and_undoes_nothing(ledger: Ledger, line: ModuleType) -> None:
    digest = line.approved_model(ledger, version=3)
    deploy(ledger, digest)
    assert in_force(ledger) == digest
    assert "no MLflow store" in str(export_champion(ledger, find_bundle(ledger, digest)))


def test_a_bundle_that_was_never_registered_has_no_alias(ledger: Ledger, line: ModuleType) -> None:
    digest = line.approved_model(ledger, version=None)
    assert "never registered" in str(export_champion(ledger, find_bundle(ledger, digest)))
