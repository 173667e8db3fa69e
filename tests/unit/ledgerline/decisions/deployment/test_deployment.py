"""Deployments: a row and a leaf in one transaction, and nothing without approvals."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from types import ModuleType

import pytest
import sqlalchemy as sa

from ledgerline.audit import Kind, Ledger
from ledgerline.audit.verify import entries_holding
from ledgerline.core.clock import FixedClock
from ledgerline.decisions.approval import ApprovalRefusal, ApprovalRefused
from ledgerline.decisions.deployment import DeploymentChanged, current, find_deployment, record_deployment
from ledgerline.decisions.schema import DEPLOYMENT, ensure_tables


@pytest.fixture
def approved_model(ledger: Ledger, line: ModuleType) -> Callable[[int], str]:
    def make(trees: int) -> str:
        digest: str = line.approved_model(ledger, trees=trees, version=trees)
        return digest

    return make


def test_before_the_first_deployment_there_is_none(ledger: Ledger) -> None:
    assert current(ledger, "fraud") is None


def test_a_deployment_names_its_bundle_approvals_and_online_state(
    ledger: Ledger, approved_model: Callable[[int], str]
) -> None:
    leaf = record_deployment(ledger, approved_model(5))
    roles = [(role, parent.kind) for role, parent in ledger.log.parents(leaf.id)]
    assert roles == [
        ("bundle", Kind.MODEL_BUNDLE),
        ("approval", Kind.APPROVAL),
        ("online_state", Kind.FEATURE_VERSION),
    ]
    deployment = current(ledger, "fraud")
    assert deployment is not None
    assert (deployment.id, deployment.supersedes, deployment.environment) == (leaf.id, None, "sandbox")


def test_an_unsigned_bundle_is_not_deployed(ledger: Ledger, line: ModuleType) -> None:
    digest = line.train(ledger)
    line.pass_gates(ledger, digest)
    with pytest.raises(ApprovalRefused) as refused:
        record_deployment(ledger, digest)
    assert refused.value.reason is ApprovalRefusal.UNSIGNED
    assert current(ledger, "fraud") is None


def test_a_lapsed_approval_deploys_nothing(ledger: Ledger, approved_model: Callable[[int], str]) -> None:
    digest = approved_model(5)
    assert isinstance(ledger.clock, FixedClock)
    ledger.clock.instant += timedelta(days=31)
    with pytest.raises(ApprovalRefused) as refused:
        record_deployment(ledger, digest)
    assert refused.value.reason is ApprovalRefusal.EXPIRED


def test_deploying_what_is_in_force_changes_nothing(ledger: Ledger, approved_model: Callable[[int], str]) -> None:
    digest = approved_model(5)
    assert record_deployment(ledger, digest) == record_deployment(ledger, digest)
    assert len(ledger.log.leaves(Kind.DEPLOYMENT)) == 1


def test_going_back_and_forth_makes_a_line_of_deployments(ledger: Ledger, approved_model: Callable[[int], str]) -> None:
    first, second = approved_model(5), approved_model(6)
    leaves = [record_deployment(ledger, digest) for digest in (first, second, first)]
    assert len({leaf.id for leaf in leaves}) == 3
    assert [leaf.identity["supersedes"] for leaf in leaves] == [None, leaves[0].id, leaves[1].id]
    deployment = current(ledger, "fraud")
    assert deployment is not None
    assert deployment.bundle == first


def test_deployments_of_one_environment_are_not_seen_in_another(
    ledger: Ledger, line: ModuleType, tmp_path: Path, approved_model: Callable[[int], str]
) -> None:
    record_deployment(ledger, approved_model(5))
    live = line.open_ledger(tmp_path / "home", profile="live")
    assert current(live, "fraud") is None


def test_several_deployers_at_once_make_one_line(ledger: Ledger, approved_model: Callable[[int], str]) -> None:
    digests = [approved_model(trees) for trees in (5, 6, 7, 8)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda digest: record_deployment(ledger, digest), digests))
    leaves = ledger.log.leaves(Kind.DEPLOYMENT)
    assert [leaf.identity["supersedes"] for leaf in leaves] == [None, *[leaf.id for leaf in leaves[:-1]]]
    assert entries_holding(ledger.log) > 0


def test_a_row_without_a_leaf_is_no_deployment(ledger: Ledger) -> None:
    ensure_tables(ledger)
    row = {"family": "fraud", "job": "scoring", "environment": "sandbox", "bundle": "0" * 64, "supersedes": ""}
    with ledger.log.transaction() as transaction:
        transaction.execute(sa.insert(DEPLOYMENT), {**row, "leaf": "f" * 64})
    assert current(ledger, "fraud") is None
    assert find_deployment(ledger, "f" * 64) is None


def test_a_row_pointed_at_another_bundle_puts_nothing_in_force_until_it_is_superseded(
    ledger: Ledger, approved_model: Callable[[int], str], rewrite: Callable[..., None]
) -> None:
    first, second = approved_model(5), approved_model(6)
    record_deployment(ledger, first)
    with ledger.log.transaction() as transaction:
        transaction.execute(sa.update(DEPLOYMENT).values(bundle=second))
    with pytest.raises(DeploymentChanged):
        current(ledger, "fraud")
    assert record_deployment(ledger, second).identity["bundle"] == second
    deployment = current(ledger, "fraud")
    assert deployment is not None
    assert deployment.bundle == second


def test_an_entry_pointed_at_another_bundle_puts_nothing_in_force_until_it_is_superseded(
    ledger: Ledger, approved_model: Callable[[int], str], rewrite: Callable[..., None]
) -> None:
    first, second = approved_model(5), approved_model(6)
    leaf = record_deployment(ledger, first)
    rewrite(ledger.log, leaf.id, "identity", bundle=second)
    with ledger.log.transaction() as transaction:
        transaction.execute(sa.update(DEPLOYMENT).values(bundle=second))
    with pytest.raises(DeploymentChanged):
        current(ledger, "fraud")
    assert record_deployment(ledger, second).id != leaf.id
    deployment = current(ledger, "fraud")
    assert deployment is not None
    assert deployment.bundle == second
