"""Approvals, verified: real Ed25519 signatures over a real log."""

from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ledgerline.audit import Kind, Leaf, Ledger, Parent
from ledgerline.core.clock import FixedClock, instant_text
from ledgerline.decisions.approval import ApprovalRefusal, ApprovalRefused, Statement, approved, standing
from pipelines.promotion import approve, create_key, revoke_key
from pipelines.promotion.keys import open_key, public_hex

SECRET = "open sesame"


@pytest.fixture
def digest(ledger: Ledger, line: ModuleType) -> str:
    made: str = line.train(ledger, trained_by="ada")
    line.pass_gates(ledger, made)
    create_key(ledger, "bob", passphrase=SECRET)
    return made


def sign(ledger: Ledger, digest: str, approver: str = "bob", role: str = "validator") -> str:
    return approve(ledger, digest, approver=approver, role=role, passphrase=SECRET)


def check(ledger: Ledger, digest: str, environment: str = "sandbox", *, days: int = 0) -> tuple[str, ...]:
    at = ledger.clock.now() + timedelta(days=days)
    return tuple(approval.id for approval in approved(ledger, digest, environment, at))


def refusal(ledger: Ledger, digest: str, environment: str = "sandbox", *, days: int = 0) -> ApprovalRefusal:
    with pytest.raises(ApprovalRefused) as refused:
        check(ledger, digest, environment, days=days)
    return refused.value.reason


def forge(
    ledger: Ledger,
    digest: str,
    *,
    approver: str = "bob",
    key: str | None = None,
    signature: str | None = None,
    **says: Any,
) -> str:
    """Record an approval as somebody would who can write to the log but holds only the key of ``approver``."""
    bundle = ledger.log.latest(Kind.MODEL_BUNDLE, digest=digest)
    evaluation = ledger.log.latest(Kind.EVALUATION, bundle=digest)
    recorded = ledger.log.latest(Kind.SIGNING_KEY, name=approver)
    assert bundle is not None
    assert evaluation is not None
    assert recorded is not None
    now = ledger.clock.now()
    statement = Statement(
        **{
            "family": "fraud",
            "bundle": digest,
            "training_set": bundle.detail["training_set"],
            "evaluation": evaluation.id,
            "environment": "sandbox",
            "approver": approver,
            "role": "validator",
            "signed_at": instant_text(now),
            "expires_at": instant_text(now + timedelta(days=30)),
            **says,
        }
    )
    if signature is None:
        signature = open_key(ledger, approver, passphrase=SECRET).sign(statement.content).hex()
    identity = {**asdict(statement), "key": key or recorded.id, "signature": signature}
    return ledger.log.append(Leaf(Kind.APPROVAL, identity), [Parent(evaluation.id, "evaluation")])


def test_a_signed_model_is_approved(ledger: Ledger, digest: str) -> None:
    approval = sign(ledger, digest)
    assert check(ledger, digest) == (approval,)


def test_an_unsigned_model_is_refused(ledger: Ledger, digest: str) -> None:
    assert refusal(ledger, digest) is ApprovalRefusal.UNSIGNED


def test_an_unknown_bundle_is_refused(ledger: Ledger) -> None:
    assert refusal(ledger, "0" * 64) is ApprovalRefusal.UNKNOWN_BUNDLE


def test_an_approval_lapses_when_its_days_are_over(ledger: Ledger, digest: str) -> None:
    sign(ledger, digest)
    assert check(ledger, digest, days=29)
    assert refusal(ledger, digest, days=30) is ApprovalRefusal.EXPIRED


def test_an_approval_signed_for_one_environment_is_refused_in_another(ledger: Ledger, digest: str) -> None:
    sign(ledger, digest)
    assert refusal(ledger, digest, "live") is ApprovalRefusal.WRONG_ENVIRONMENT


def test_rewriting_the_environment_breaks_the_signature(ledger: Ledger, digest: str) -> None:
    signed = ledger.log.get(sign(ledger, digest)).identity
    ledger.log.append(Leaf(Kind.APPROVAL, {**signed, "environment": "live"}))
    assert refusal(ledger, digest, "live") is ApprovalRefusal.TAMPERED


def test_a_signature_replayed_onto_another_bundle_is_refused(ledger: Ledger, line: ModuleType, digest: str) -> None:
    signed = ledger.log.get(sign(ledger, digest)).identity
    other = line.train(ledger, trees=5, version=2)
    evaluation = line.pass_gates(ledger, other)
    ledger.log.append(Leaf(Kind.APPROVAL, {**signed, "bundle": other, "evaluation": evaluation}))
    assert refusal(ledger, other) is ApprovalRefusal.TAMPERED


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("family", "credit"),
        ("training_set", "0" * 64),
        ("environment", "live"),
        ("role", "risk_owner"),
        ("approver", "BOB"),
        ("signed_at", "2018-10-02T00:00:01.000000Z"),
        ("expires_at", "2018-12-01T00:00:00.000000Z"),
    ],
)
def test_a_signature_replayed_with_any_other_claim_is_refused(
    ledger: Ledger, digest: str, field: str, value: str
) -> None:
    signed = ledger.log.get(sign(ledger, digest)).identity
    replayed = ledger.log.append(Leaf(Kind.APPROVAL, {**signed, field: value}))
    bundle = ledger.log.latest(Kind.MODEL_BUNDLE, digest=digest)
    assert bundle is not None
    found = standing(ledger, bundle, "sandbox", ledger.clock.now(), evaluation=signed["evaluation"])
    assert found.refused == ((replayed, ApprovalRefusal.TAMPERED),)


def test_a_signature_replayed_onto_another_verdict_is_refused(ledger: Ledger, line: ModuleType, digest: str) -> None:
    signed = ledger.log.get(sign(ledger, digest)).identity
    other = ledger.log.append(Leaf(Kind.EVALUATION, {"bundle": digest, "report": "1", "gates": [], "passed": True}))
    replayed = ledger.log.append(Leaf(Kind.APPROVAL, {**signed, "evaluation": other}))
    bundle = ledger.log.latest(Kind.MODEL_BUNDLE, digest=digest)
    assert bundle is not None
    found = standing(ledger, bundle, "sandbox", ledger.clock.now(), evaluation=other)
    assert found.refused == ((replayed, ApprovalRefusal.TAMPERED),)


@pytest.mark.parametrize("field", [name for name in Statement.__dataclass_fields__ if name != "bundle"])
def test_every_signed_field_is_bound_by_the_signature(ledger: Ledger, digest: str, field: str) -> None:
    signed = dict(ledger.log.get(sign(ledger, digest)).identity)
    genuine = Statement.of(signed)
    assert replace(genuine, **{field: "x"}).content != genuine.content


def test_a_longer_life_than_was_signed_is_refused(ledger: Ledger, digest: str) -> None:
    signed = ledger.log.get(sign(ledger, digest)).identity
    later = instant_text(ledger.clock.now() + timedelta(days=31))
    ledger.log.append(Leaf(Kind.APPROVAL, {**signed, "expires_at": later}))
    assert check(ledger, digest)  # the genuine one still holds
    assert refusal(ledger, digest, days=30) is ApprovalRefusal.TAMPERED


def test_a_longer_life_than_the_policy_grants_is_refused_however_well_it_is_signed(ledger: Ledger, digest: str) -> None:
    forge(ledger, digest, expires_at=instant_text(ledger.clock.now() + timedelta(days=31)))
    assert refusal(ledger, digest) is ApprovalRefusal.TOO_LONG


def test_an_approval_signed_in_the_future_is_refused(ledger: Ledger, digest: str) -> None:
    tomorrow = ledger.clock.now() + timedelta(days=1)
    forge(ledger, digest, signed_at=instant_text(tomorrow), expires_at=instant_text(tomorrow + timedelta(days=1)))
    assert refusal(ledger, digest) is ApprovalRefusal.NOT_YET_VALID


def test_whoever_trained_the_model_never_counts(ledger: Ledger, digest: str) -> None:
    create_key(ledger, "ada", passphrase=SECRET)
    forge(ledger, digest, approver="ada")
    assert refusal(ledger, digest) is ApprovalRefusal.TRAINED_IT


def test_the_trainer_does_not_count_under_another_spelling(ledger: Ledger, digest: str) -> None:
    create_key(ledger, "ada", passphrase=SECRET)
    key = ledger.log.latest(Kind.SIGNING_KEY, name="ada")
    assert key is not None
    now = ledger.clock.now()
    statement = Statement.of(ledger.log.get(sign(ledger, digest)).identity)
    shouted = replace(statement, approver="ADA ", signed_at=instant_text(now))
    signature = open_key(ledger, "ada", passphrase=SECRET).sign(shouted.content).hex()
    ledger.log.append(Leaf(Kind.APPROVAL, {**asdict(shouted), "key": key.id, "signature": signature}))
    assert [approval.approver for approval in approved(ledger, digest, "sandbox", now)] == ["bob"]


def test_a_key_recorded_after_the_approval_proves_nothing(ledger: Ledger, digest: str) -> None:
    private_key = Ed25519PrivateKey.generate()
    key = Leaf(Kind.SIGNING_KEY, {"name": "eve", "public_key": public_hex(private_key)})
    signed = Statement.of(ledger.log.get(forge(ledger, digest, approver="bob", signature="00")).identity)
    statement = replace(signed, approver="eve")
    identity = {**asdict(statement), "key": key.id, "signature": private_key.sign(statement.content).hex()}
    ledger.log.append(Leaf(Kind.APPROVAL, identity))
    ledger.log.append(key)
    assert refusal(ledger, digest) is ApprovalRefusal.UNKNOWN_KEY


def test_a_replaced_key_no_longer_signs(ledger: Ledger, digest: str) -> None:
    old = open_key(ledger, "bob", passphrase=SECRET)
    old_leaf = ledger.log.latest(Kind.SIGNING_KEY, name="bob")
    assert old_leaf is not None
    create_key(ledger, "bob", passphrase=SECRET, replace=True)
    signed = Statement.of(ledger.log.get(forge(ledger, digest, signature="00")).identity)
    identity = {**asdict(signed), "key": old_leaf.id, "signature": old.sign(signed.content).hex()}
    ledger.log.append(Leaf(Kind.APPROVAL, identity))
    assert refusal(ledger, digest) is ApprovalRefusal.UNKNOWN_KEY


def test_what_was_signed_before_a_key_was_replaced_still_holds(ledger: Ledger, digest: str) -> None:
    approval = sign(ledger, digest)
    create_key(ledger, "bob", passphrase=SECRET, replace=True)
    assert check(ledger, digest) == (approval,)


def test_another_persons_key_does_not_sign_for_bob(ledger: Ledger, digest: str) -> None:
    create_key(ledger, "eve", passphrase=SECRET)
    eve = ledger.log.latest(Kind.SIGNING_KEY, name="eve")
    assert eve is not None
    forge(ledger, digest, key=eve.id)
    assert refusal(ledger, digest) is ApprovalRefusal.UNKNOWN_KEY


def test_an_approval_of_a_verdict_that_refused_the_model_is_refused(ledger: Ledger, digest: str) -> None:
    evaluation = Leaf(Kind.EVALUATION, {"bundle": digest, "report": None, "gates": [], "passed": False})
    ledger.log.append(evaluation)
    forge(ledger, digest, evaluation=evaluation.id)
    assert refusal(ledger, digest) is ApprovalRefusal.EVALUATION_REFUSED


def test_a_verdict_turned_to_passed_in_the_database_is_noticed(
    ledger: Ledger, digest: str, rewrite: Callable[..., None]
) -> None:
    evaluation = Leaf(Kind.EVALUATION, {"bundle": digest, "report": None, "gates": [], "passed": False})
    ledger.log.append(evaluation)
    forge(ledger, digest, evaluation=evaluation.id)
    rewrite(ledger.log, evaluation.id, "identity", passed=True)
    assert refusal(ledger, digest) is ApprovalRefusal.EVALUATION_REFUSED


def test_an_entry_garbled_in_the_database_counts_as_tampered(
    ledger: Ledger, digest: str, rewrite: Callable[..., None]
) -> None:
    approval = ledger.log.get(sign(ledger, digest))
    rewrite(ledger.log, approval.id, "identity", signature=7)
    assert refusal(ledger, digest) is ApprovalRefusal.TAMPERED


class TestRevokedKey:
    """A revoked key: what it signs later is refused, what it signed before stands."""

    def revoke(self, ledger: Ledger) -> None:
        revoke_key(ledger, "bob", revoked_by="cyd", reason="laptop stolen")

    def test_what_it_signs_after_the_revocation_is_refused(self, ledger: Ledger, digest: str) -> None:
        self.revoke(ledger)
        forge(ledger, digest)
        assert refusal(ledger, digest) is ApprovalRefusal.REVOKED_KEY

    def test_what_it_signed_before_stands(self, ledger: Ledger, digest: str) -> None:
        approval = sign(ledger, digest)
        self.revoke(ledger)
        assert check(ledger, digest) == (approval,)

    def test_a_date_before_the_revocation_does_not_help_a_later_signature(self, ledger: Ledger, digest: str) -> None:
        self.revoke(ledger)
        forge(ledger, digest, signed_at=instant_text(ledger.clock.now() - timedelta(days=1)))
        assert refusal(ledger, digest) is ApprovalRefusal.REVOKED_KEY

    def test_a_new_key_signs_and_the_revoked_one_stays_refused(self, ledger: Ledger, digest: str) -> None:
        old = open_key(ledger, "bob", passphrase=SECRET)
        old_leaf = ledger.log.latest(Kind.SIGNING_KEY, name="bob")
        assert old_leaf is not None
        self.revoke(ledger)
        create_key(ledger, "bob", passphrase=SECRET)
        signed = Statement.of(ledger.log.get(forge(ledger, digest, signature="00")).identity)
        identity = {**asdict(signed), "key": old_leaf.id, "signature": old.sign(signed.content).hex()}
        ledger.log.append(Leaf(Kind.APPROVAL, identity))
        assert refusal(ledger, digest) is ApprovalRefusal.REVOKED_KEY
        approval = sign(ledger, digest)
        assert check(ledger, digest) == (approval,)

    @pytest.mark.parametrize("spelled", [str.upper, lambda digits: f" {digits}"])
    def test_recorded_again_under_another_name_or_spelling_it_stays_revoked(
        self, ledger: Ledger, digest: str, spelled: Callable[[str], str]
    ) -> None:
        private_key = open_key(ledger, "bob", passphrase=SECRET)
        self.revoke(ledger)
        key = Leaf(Kind.SIGNING_KEY, {"name": "eve", "public_key": spelled(public_hex(private_key))})
        ledger.log.append(key)
        signed = Statement.of(ledger.log.get(forge(ledger, digest, signature="00")).identity)
        statement = replace(signed, approver="eve")
        identity = {**asdict(statement), "key": key.id, "signature": private_key.sign(statement.content).hex()}
        ledger.log.append(Leaf(Kind.APPROVAL, identity))
        assert refusal(ledger, digest) is ApprovalRefusal.REVOKED_KEY

    def test_an_older_key_does_not_come_back_into_force(self, ledger: Ledger, digest: str) -> None:
        old = open_key(ledger, "bob", passphrase=SECRET)
        old_leaf = ledger.log.latest(Kind.SIGNING_KEY, name="bob")
        assert old_leaf is not None
        create_key(ledger, "bob", passphrase=SECRET, replace=True)
        self.revoke(ledger)
        signed = Statement.of(ledger.log.get(forge(ledger, digest, signature="00")).identity)
        identity = {**asdict(signed), "key": old_leaf.id, "signature": old.sign(signed.content).hex()}
        ledger.log.append(Leaf(Kind.APPROVAL, identity))
        assert refusal(ledger, digest) is ApprovalRefusal.UNKNOWN_KEY


class TestLive:
    """The live profile: two distinct people, whom the policy names."""

    @pytest.fixture
    def ledger(self, line: ModuleType, tmp_path: Path) -> Ledger:
        signers = {"bob": ["validator", "risk_owner"], "cyd": ["risk_owner"]}
        found: Ledger = line.open_live(tmp_path, signers, passphrase=SECRET)
        return found

    @pytest.fixture
    def digest(self, ledger: Ledger, line: ModuleType) -> str:
        made: str = line.train(ledger)
        line.pass_gates(ledger, made)
        return made

    def test_one_signature_of_two_is_not_enough(self, ledger: Ledger, digest: str) -> None:
        sign(ledger, digest)
        assert refusal(ledger, digest, "live") is ApprovalRefusal.UNSIGNED

    def test_one_person_cannot_sign_in_both_roles(self, ledger: Ledger, digest: str) -> None:
        sign(ledger, digest)
        sign(ledger, digest, role="risk_owner")
        assert refusal(ledger, digest, "live") is ApprovalRefusal.UNSIGNED

    def test_two_people_in_both_roles_are_enough(self, ledger: Ledger, digest: str) -> None:
        signed = (sign(ledger, digest), sign(ledger, digest, "cyd", "risk_owner"))
        assert check(ledger, digest, "live") == signed

    def test_nobody_counts_under_a_policy_that_names_nobody(
        self, ledger: Ledger, line: ModuleType, digest: str, tmp_path: Path
    ) -> None:
        sign(ledger, digest)
        sign(ledger, digest, "cyd", "risk_owner")
        unnamed = line.open_ledger(tmp_path / "home", profile="live")
        assert refusal(unnamed, digest, "live") is ApprovalRefusal.NOT_A_SIGNER


class TestNamedSigners:
    """A policy that names its signers and their keys."""

    @pytest.fixture
    def ledger(self, line: ModuleType, tmp_path: Path) -> Ledger:
        first: Ledger = line.open_ledger(tmp_path / "home")
        key = create_key(first, "bob", passphrase=SECRET).identity["public_key"]
        entry = {
            "signatures": {"validator": 1},
            "valid_days": 30,
            "signers": {"bob": {"roles": ["validator"], "public_key": key}},
        }
        project = line.project_with(tmp_path / "project", approvals={"fraud": {"sandbox": entry}})
        found: Ledger = line.open_ledger(tmp_path / "home", project=project)
        return found

    @pytest.fixture
    def digest(self, ledger: Ledger, line: ModuleType) -> str:
        made: str = line.train(ledger)
        line.pass_gates(ledger, made)
        return made

    def test_the_named_person_with_the_named_key_counts(self, ledger: Ledger, digest: str) -> None:
        approval = sign(ledger, digest)
        assert check(ledger, digest) == (approval,)

    def test_somebody_else_does_not_count(self, ledger: Ledger, digest: str) -> None:
        create_key(ledger, "eve", passphrase=SECRET)
        forge(ledger, digest, approver="eve")
        assert refusal(ledger, digest) is ApprovalRefusal.NOT_A_SIGNER

    def test_a_second_key_made_under_the_same_name_does_not_count(self, ledger: Ledger, digest: str) -> None:
        create_key(ledger, "bob", passphrase=SECRET, replace=True)
        forge(ledger, digest)
        assert refusal(ledger, digest) is ApprovalRefusal.NOT_A_SIGNER


def test_clock_may_differ_by_minutes_between_signer_and_server(ledger: Ledger, digest: str) -> None:
    sign(ledger, digest)
    assert isinstance(ledger.clock, FixedClock)
    assert approved(ledger, digest, "sandbox", ledger.clock.now() - timedelta(minutes=4))
