"""Signing for a model: no signature is made that would not count."""

from pathlib import Path
from types import ModuleType

import pytest

from ledgerline.audit import Kind, Ledger, UnknownLeaf
from ledgerline.core.clock import instant_text
from ledgerline.decisions.approval import ApprovalRefusal
from ledgerline.decisions.approval_policy import Role
from pipelines.promotion import (
    KeyRefused,
    SigningRefused,
    approve,
    create_key,
    find_bundle,
    missing_approvals,
    pending,
    revoke_key,
)

SECRET = "open sesame"


@pytest.fixture
def digest(ledger: Ledger, line: ModuleType) -> str:
    made: str = line.train(ledger, trained_by="ada", version=3)
    line.pass_gates(ledger, made)
    create_key(ledger, "bob", passphrase=SECRET)
    return made


def sign(ledger: Ledger, model: str, approver: str = "bob", role: str = "validator", passphrase: str = SECRET) -> str:
    return approve(ledger, model, approver=approver, role=role, passphrase=passphrase)


def test_a_model_is_called_by_version_digest_or_its_start(ledger: Ledger, digest: str) -> None:
    assert {find_bundle(ledger, name).identity["digest"] for name in ("fraud@3", digest, digest[:8])} == {digest}


def test_what_is_no_model_is_not_signed_for(ledger: Ledger, digest: str) -> None:
    with pytest.raises(UnknownLeaf):
        sign(ledger, "fraud@9")
    run = ledger.log.leaves(Kind.TRAINING_RUN)[0]
    with pytest.raises(SigningRefused, match="not a model"):
        sign(ledger, run.id)


def test_an_approval_names_everything_it_is_bound_to(ledger: Ledger, digest: str) -> None:
    leaf = ledger.log.get(sign(ledger, "fraud@3"))
    bundle = find_bundle(ledger, digest)
    evaluation = ledger.log.latest(Kind.EVALUATION, bundle=digest)
    key = ledger.log.latest(Kind.SIGNING_KEY, name="bob")
    assert evaluation is not None
    assert key is not None
    expected = {
        "family": "fraud",
        "bundle": digest,
        "training_set": bundle.detail["training_set"],
        "evaluation": evaluation.id,
        "environment": "sandbox",
        "approver": "bob",
        "role": "validator",
        "key": key.id,
        "signed_at": instant_text(ledger.clock.now()),
    }
    assert {name: leaf.identity[name] for name in expected} == expected
    assert [role for role, _ in ledger.log.parents(leaf.id)] == ["evaluation", "key"]


def test_whoever_trained_it_cannot_sign(ledger: Ledger, digest: str) -> None:
    create_key(ledger, "ada", passphrase=SECRET)
    for name in ("ada", "Ada", " ada"):
        with pytest.raises(SigningRefused, match="trained") as refused:
            sign(ledger, digest, name)
        assert refused.value.reason is ApprovalRefusal.TRAINED_IT
    assert ledger.log.leaves(Kind.APPROVAL) == []


def test_a_revoked_key_signs_nothing_and_a_new_one_does(ledger: Ledger, digest: str) -> None:
    revoke_key(ledger, "bob", revoked_by="cyd", reason="laptop stolen")
    with pytest.raises(SigningRefused, match=r"revoked by cyd: laptop stolen.*keys create bob") as refused:
        sign(ledger, digest)
    assert refused.value.reason is ApprovalRefusal.REVOKED_KEY
    assert ledger.log.leaves(Kind.APPROVAL) == []
    create_key(ledger, "bob", passphrase="another")
    sign(ledger, digest, passphrase="another")
    assert missing_approvals(ledger, digest) == ()


def test_a_wrong_passphrase_signs_nothing(ledger: Ledger, digest: str) -> None:
    with pytest.raises(KeyRefused):
        sign(ledger, digest, passphrase="guess")
    assert ledger.log.leaves(Kind.APPROVAL) == []


def test_a_role_that_the_policy_does_not_ask_for_cannot_sign(ledger: Ledger, digest: str) -> None:
    for role in ("risk_owner", "janitor"):
        with pytest.raises(SigningRefused, match="validator"):
            sign(ledger, digest, role=role)


def test_a_model_that_no_gate_has_judged_cannot_be_signed_for(ledger: Ledger, line: ModuleType, digest: str) -> None:
    other = line.train(ledger, trees=5, version=4)
    with pytest.raises(SigningRefused, match="evaluate"):
        sign(ledger, other)


def test_a_model_that_a_gate_refused_cannot_be_signed_for(ledger: Ledger, line: ModuleType, digest: str) -> None:
    line.pass_gates(ledger, digest, passed=False)
    with pytest.raises(SigningRefused, match="bundle_scan"):
        sign(ledger, digest)
    with pytest.raises(SigningRefused):
        missing_approvals(ledger, digest)
    assert pending(ledger) == []


def test_a_key_on_disk_that_is_not_the_one_on_record_cannot_sign(
    ledger: Ledger, line: ModuleType, digest: str, tmp_path: Path
) -> None:
    elsewhere = line.open_ledger(tmp_path / "home", keys=tmp_path / "other-keys")
    create_key(elsewhere, "bob", passphrase=SECRET, replace=True)
    with pytest.raises(SigningRefused, match="newest one on record"):
        sign(ledger, digest)


def test_a_model_is_pending_until_it_is_signed_for(ledger: Ledger, digest: str) -> None:
    waiting = pending(ledger)
    assert [(each.digest, each.model_version, each.missing) for each in waiting] == [(digest, 3, (Role.VALIDATOR,))]
    assert missing_approvals(ledger, digest) == (Role.VALIDATOR,)
    sign(ledger, digest)
    assert pending(ledger) == []
    assert missing_approvals(ledger, digest) == ()


def test_in_live_both_people_are_missing_until_both_have_signed(line: ModuleType, tmp_path: Path) -> None:
    ledger = line.open_live(tmp_path, {"bob": ["validator"], "cyd": ["risk_owner"]}, passphrase=SECRET)
    digest = line.train(ledger, trained_by="ada")
    line.pass_gates(ledger, digest)
    assert missing_approvals(ledger, digest) == (Role.VALIDATOR, Role.RISK_OWNER)
    sign(ledger, digest)
    assert missing_approvals(ledger, digest) == (Role.RISK_OWNER,)
    sign(ledger, digest, "cyd", "risk_owner")
    assert missing_approvals(ledger, digest) == ()
