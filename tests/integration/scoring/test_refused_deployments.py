"""Bad deployments, one after the other, to one job that serves a good model: each is refused by its code."""

import json
import stat
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import sqlalchemy as sa

from ledgerline.audit import Kind, Leaf, Ledger
from ledgerline.core.clock import FixedClock, SystemClock
from ledgerline.decisions.deployment import record_deployment
from ledgerline.decisions.schema import DEPLOYMENT
from ledgerline.decisions.signing_keys import key_in_force
from pipelines.promotion import revoke_key


@pytest.fixture(scope="module")
def ledger(line: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Ledger:
    found: Ledger = line.open_ledger(tmp_path_factory.mktemp("refused"), SystemClock())
    return found


@pytest.fixture(scope="module")
def good(ledger: Ledger, line: ModuleType) -> str:
    digest: str = line.approved_model(ledger, trees=20)
    record_deployment(ledger, digest)
    return digest


@pytest.fixture(scope="module")
def job(ledger: Ledger, good: str, scoring: ModuleType) -> Iterator[Any]:
    with scoring.ScoringProcess(ledger.settings.home) as running:
        running.wait_until_ready(good)
        yield running


def _refused(job: Any, line: ModuleType, good: str, deployment: str) -> str:
    code: str = job.wait_until_refused(deployment)
    answer = job.score(line.payment(1, transaction_id=f"while-{deployment[:12]}")).json()
    assert answer["model"]["digest"] == good
    assert job.metric(f'ledgerline_scoring_refusals_total{{family="fraud",reason="{code}"}}') >= 1
    assert job.metric('ledgerline_scoring_newest_deployment_refused{family="fraud"}') == 1
    assert job.ready()["ready"]
    return code


def _one_byte_changed(content: bytes) -> bytes:
    changed = bytearray(content)
    changed[len(content) // 3] ^= 1
    return bytes(changed)


def _rewrite(ledger: Ledger, sha256: str, content: bytes) -> None:
    """Change an object in the store as somebody would who can write to its disk."""
    path = Path(ledger.objects.location(sha256))
    path.chmod(stat.S_IRUSR | stat.S_IWUSR)
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("trees", "damage"),
    [(21, _one_byte_changed), (31, lambda content: content[: len(content) // 2]), (32, lambda content: content + b" ")],
    ids=["one byte changed", "truncated", "longer"],
)
def test_a_model_file_changed_after_the_approval_is_not_loaded(
    job: Any, ledger: Ledger, line: ModuleType, good: str, trees: int, damage: Callable[[bytes], bytes]
) -> None:
    digest = line.approved_model(ledger, trees=trees)
    sha256 = json.loads(ledger.objects.get(digest))["files"]["model.ubj"]["sha256"]
    _rewrite(ledger, sha256, damage(ledger.objects.get(sha256)))
    deployment = record_deployment(ledger, digest)
    assert _refused(job, line, good, deployment.id) == "object_corrupt"


def test_a_model_swapped_for_another_approved_one_is_not_loaded(
    job: Any, ledger: Ledger, line: ModuleType, good: str
) -> None:
    digest = line.approved_model(ledger, trees=33)
    mine, others = (json.loads(ledger.objects.get(each))["files"]["model.ubj"]["sha256"] for each in (digest, good))
    _rewrite(ledger, mine, ledger.objects.get(others))
    deployment = record_deployment(ledger, digest)
    assert _refused(job, line, good, deployment.id) == "object_corrupt"


def test_a_manifest_swapped_for_another_approved_one_is_not_loaded(
    job: Any, ledger: Ledger, line: ModuleType, good: str
) -> None:
    digest = line.approved_model(ledger, trees=34)
    _rewrite(ledger, digest, ledger.objects.get(good))
    deployment = record_deployment(ledger, digest)
    assert _refused(job, line, good, deployment.id) == "object_corrupt"


def test_a_truncated_manifest_is_not_loaded(job: Any, ledger: Ledger, line: ModuleType, good: str) -> None:
    digest = line.approved_model(ledger, trees=35)
    _rewrite(ledger, digest, ledger.objects.get(digest)[:-100])
    deployment = record_deployment(ledger, digest)
    assert _refused(job, line, good, deployment.id) == "object_corrupt"


def test_a_bundle_that_lacks_a_file_is_not_loaded(job: Any, ledger: Ledger, line: ModuleType, good: str) -> None:
    digest = line.approved_model(ledger, trees=36)
    Path(ledger.objects.location(json.loads(ledger.objects.get(digest))["files"]["model.ubj"]["sha256"])).unlink()
    deployment = record_deployment(ledger, digest)
    assert _refused(job, line, good, deployment.id) == "object_missing"


def test_a_model_that_nobody_signed_is_not_loaded(
    job: Any, ledger: Ledger, line: ModuleType, scoring: ModuleType, good: str
) -> None:
    digest = line.train(ledger, trees=22)
    line.pass_gates(ledger, digest)
    assert _refused(job, line, good, scoring.forge_deployment(ledger, digest)) == "unsigned"


def test_a_model_whose_approval_has_lapsed_is_not_loaded(
    job: Any, ledger: Ledger, line: ModuleType, scoring: ModuleType, good: str
) -> None:
    past = FixedClock(datetime.now(UTC) - timedelta(days=60))
    back_then = line.open_ledger(ledger.settings.home, past)
    digest = line.approved_model(back_then, trees=23)
    deployment = record_deployment(back_then, digest)
    assert _refused(job, line, good, deployment.id) == "expired"


def test_a_model_signed_for_another_environment_is_not_loaded(
    job: Any, ledger: Ledger, line: ModuleType, scoring: ModuleType, good: str, tmp_path: Path
) -> None:
    key = key_in_force(ledger, "bob")
    assert key is not None
    bob = {"roles": ["validator"], "public_key": key.identity["public_key"]}
    entry = {"signatures": {"validator": 1}, "valid_days": 90, "signers": {"bob": bob}}
    project = line.project_with(tmp_path / "project", approvals={"fraud": {"live": entry}})
    live = line.open_ledger(ledger.settings.home, SystemClock(), profile="live", project=project)
    digest = line.approved_model(live, trees=24)
    assert _refused(job, line, good, scoring.forge_deployment(ledger, digest)) == "wrong_environment"


def test_a_model_trained_on_other_features_is_not_loaded(
    job: Any, ledger: Ledger, line: ModuleType, scoring: ModuleType, good: str
) -> None:
    digest = line.approved_model(ledger, trees=25, fingerprint="f" * 64)
    deployment = record_deployment(ledger, digest)
    assert _refused(job, line, good, deployment.id) == "features_differ"


def test_a_model_signed_by_whoever_trained_it_is_not_loaded(
    job: Any, ledger: Ledger, line: ModuleType, scoring: ModuleType, good: str
) -> None:
    digest = line.train(ledger, trees=26, trained_by="bob")
    line.pass_gates(ledger, digest)
    line.sign_past_checks(ledger, digest, approver="bob")
    assert _refused(job, line, good, scoring.forge_deployment(ledger, digest)) == "trained_it"


@pytest.mark.parametrize(
    ("trees", "hand", "code"), [(41, "commit_authors", "authored_it"), (42, "commit_committer", "committed_it")]
)
def test_a_model_signed_by_whoever_wrote_or_committed_its_code_is_not_loaded(
    job: Any,
    ledger: Ledger,
    line: ModuleType,
    scoring: ModuleType,
    good: str,
    trees: int,
    hand: str,
    code: str,
) -> None:
    bob = {"name": "Bob B.", "email": "bob@example.org"}
    commit = {**line.COMMIT, hand: [bob] if hand == "commit_authors" else bob}
    digest = line.train(ledger, trees=trees, commit=commit)
    line.pass_gates(ledger, digest)
    line.sign_past_checks(ledger, digest, approver="bob")
    assert _refused(job, line, good, scoring.forge_deployment(ledger, digest)) == code


def test_a_signature_given_for_another_model_is_not_taken_for_this_one(
    job: Any, ledger: Ledger, line: ModuleType, scoring: ModuleType, good: str
) -> None:
    signed = ledger.log.latest(Kind.APPROVAL, bundle=good)
    assert signed is not None
    digest = line.train(ledger, trees=43)
    evaluation = line.pass_gates(ledger, digest)
    ledger.log.append(Leaf(Kind.APPROVAL, {**signed.identity, "bundle": digest, "evaluation": evaluation}))
    assert _refused(job, line, good, scoring.forge_deployment(ledger, digest)) == "tampered"


def test_what_a_key_signs_after_its_revocation_is_not_loaded_and_what_it_signed_before_is(
    job: Any, ledger: Ledger, line: ModuleType, scoring: ModuleType, good: str
) -> None:
    before = line.approved_model(ledger, approver="dot", trees=44)
    revoke_key(ledger, "dot", revoked_by="cyd", reason="laptop stolen")
    after = line.train(ledger, trees=45)
    line.pass_gates(ledger, after)
    line.sign_past_checks(ledger, after, approver="dot")
    assert _refused(job, line, good, scoring.forge_deployment(ledger, after)) == "revoked_key"
    record_deployment(ledger, before)
    job.wait_until_ready(before)
    record_deployment(ledger, good)  # as the other tests want to find it
    job.wait_until_ready(good)


def test_the_present_deployment_pointed_at_another_bundle_is_not_followed(
    job: Any, ledger: Ledger, line: ModuleType, good: str
) -> None:
    other = line.approved_model(ledger, trees=28)
    deployment = record_deployment(ledger, good)
    job.wait_until_ready(good)
    changed = sa.update(DEPLOYMENT).where(DEPLOYMENT.c.leaf == deployment.id)
    with ledger.log.transaction() as transaction:
        transaction.execute(changed.values(bundle=other))
    assert _refused(job, line, good, deployment.id) == "deployment_changed"
    with ledger.log.transaction() as transaction:
        transaction.execute(changed.values(bundle=good))


def test_a_good_deployment_after_bad_ones_is_taken_up(job: Any, ledger: Ledger, line: ModuleType, good: str) -> None:
    digest = line.approved_model(ledger, trees=27, version=27)
    record_deployment(ledger, digest)
    job.wait_until_ready(digest)
    assert job.ready()["refused_deployment"] is None
    assert job.metric('ledgerline_scoring_newest_deployment_refused{family="fraud"}') == 0
    record_deployment(ledger, good)  # as the other tests want to find it
    job.wait_until_ready(good)
