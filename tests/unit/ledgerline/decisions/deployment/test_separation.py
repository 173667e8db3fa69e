"""Separation of duties: who made a model is told from who signs for it, under every name that people go by."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from ledgerline.audit import Kind, Ledger
from ledgerline.decisions.approval import ApprovalRefusal, ApprovalRefused, approved, bundle_leaf
from ledgerline.decisions.separation import Maker, makers
from pipelines.promotion import SigningRefused, approve, create_key

SECRET = "correct horse battery staple"
ADA = {"name": "Ada Lovelace", "email": "ada.king+git@example.org"}
GIL = {"name": "Gil Writer", "email": "gil@example.org"}
NO_COMMIT: dict[str, Any] = {"commit": None}


def commit(*authors: dict[str, str], committer: dict[str, str] = GIL) -> dict[str, Any]:
    return {"commit": "0" * 40, "commit_authors": list(authors), "commit_committer": committer}


def candidate(ledger: Ledger, line: ModuleType, **training: Any) -> str:
    digest: str = line.train(ledger, trained_by="tom", **training)
    line.pass_gates(ledger, digest)
    return digest


def refused_to_sign(ledger: Ledger, digest: str, approver: str) -> ApprovalRefusal | None:
    create_key(ledger, approver, passphrase=SECRET)
    with pytest.raises(SigningRefused) as refused:
        approve(ledger, digest, approver=approver, role="validator", passphrase=SECRET)
    assert ledger.log.leaves(Kind.APPROVAL) == []
    return refused.value.reason


def refused_to_serve(ledger: Ledger, digest: str, environment: str = "sandbox") -> ApprovalRefusal:
    with pytest.raises(ApprovalRefused) as refused:
        approved(ledger, digest, environment, ledger.clock.now())
    return refused.value.reason


BARRED = pytest.mark.parametrize(
    ("code", "reason"),
    [
        (commit(ADA), ApprovalRefusal.AUTHORED_IT),
        (commit(GIL, ADA), ApprovalRefusal.AUTHORED_IT),
        (commit(GIL, committer=ADA), ApprovalRefusal.COMMITTED_IT),
    ],
    ids=["author", "co-author", "committer"],
)


@BARRED
def test_whoever_made_the_commit_cannot_sign(
    ledger: Ledger, line: ModuleType, code: dict[str, Any], reason: ApprovalRefusal
) -> None:
    assert refused_to_sign(ledger, candidate(ledger, line, commit=code), "ada.lovelace") is reason


@BARRED
def test_a_signature_of_whoever_made_the_commit_does_not_count(
    ledger: Ledger, line: ModuleType, code: dict[str, Any], reason: ApprovalRefusal
) -> None:
    digest = candidate(ledger, line, commit=code)
    line.sign_past_checks(ledger, digest, approver="ada.lovelace")
    assert refused_to_serve(ledger, digest) is reason


@pytest.mark.parametrize(
    "approver", ["Ada.Lovelace", "ada_lovelace", "adalovelace", "ada.king", "ada-king", "ada.king@example.org"]
)
def test_an_author_is_found_under_each_name_that_git_knows(ledger: Ledger, line: ModuleType, approver: str) -> None:
    digest = candidate(ledger, line, commit=commit(ADA))
    assert refused_to_sign(ledger, digest, approver) is ApprovalRefusal.AUTHORED_IT


def test_a_numbered_noreply_address_still_names_its_person(ledger: Ledger, line: ModuleType) -> None:
    hidden = {"name": "A.", "email": "8312907+ada@users.noreply.example.org"}
    digest = candidate(ledger, line, commit=commit(hidden))
    assert refused_to_sign(ledger, digest, "ada") is ApprovalRefusal.AUTHORED_IT


@pytest.mark.parametrize("approver", ["ada", "lovelace", "bob"])
def test_somebody_of_another_name_may_sign(ledger: Ledger, line: ModuleType, approver: str) -> None:
    digest = candidate(ledger, line, commit=commit(ADA))
    create_key(ledger, approver, passphrase=SECRET)
    approval = approve(ledger, digest, approver=approver, role="validator", passphrase=SECRET)
    assert [each.id for each in approved(ledger, digest, "sandbox", ledger.clock.now())] == [approval]


def test_an_empty_name_in_a_commit_is_nobody(ledger: Ledger, line: ModuleType) -> None:
    digest = candidate(ledger, line, commit=commit({"name": " .", "email": "@"}))
    create_key(ledger, "bob", passphrase=SECRET)
    assert approve(ledger, digest, approver="bob", role="validator", passphrase=SECRET)


def test_the_makers_are_on_record_for_people_to_see(ledger: Ledger, line: ModuleType) -> None:
    made = makers(ledger, bundle_leaf(ledger, candidate(ledger, line, commit=commit(ADA))))
    assert made.trainers == (Maker("tom"),)
    assert [str(author) for author in made.authors] == ["Ada Lovelace <ada.king+git@example.org>"]
    assert [str(committer) for committer in made.committers] == ["Gil Writer <gil@example.org>"]


def test_in_the_sandbox_a_model_of_a_plain_folder_may_be_signed_for(ledger: Ledger, line: ModuleType) -> None:
    digest = candidate(ledger, line, commit=NO_COMMIT)
    create_key(ledger, "bob", passphrase=SECRET)
    assert approve(ledger, digest, approver="bob", role="validator", passphrase=SECRET)


def test_people_garbled_in_the_database_count_as_tampered(
    ledger: Ledger, line: ModuleType, rewrite: Callable[..., None]
) -> None:
    digest = line.approved_model(ledger)
    rewrite(ledger.log, ledger.log.leaves(Kind.TRAINING_RUN)[0].id, "detail", commit_authors=["ada"])
    assert refused_to_serve(ledger, digest) is ApprovalRefusal.TAMPERED


class TestLive:
    """The live profile, where two people sign whom the policy names."""

    @pytest.fixture
    def ledger(self, line: ModuleType, tmp_path: Path) -> Ledger:
        found: Ledger = line.open_live(tmp_path, {"maria": ["validator"], "omar": ["risk_owner"]})
        return found

    def test_without_a_commit_on_record_nobody_may_sign(self, ledger: Ledger, line: ModuleType) -> None:
        digest = candidate(ledger, line, commit=NO_COMMIT)
        with pytest.raises(SigningRefused, match="git checkout") as refused:
            approve(ledger, digest, approver="maria", role="validator", passphrase=SECRET)
        assert refused.value.reason is ApprovalRefusal.AUTHORS_UNKNOWN
        line.sign_past_checks(ledger, digest, approver="maria")
        assert refused_to_serve(ledger, digest, "live") is ApprovalRefusal.AUTHORS_UNKNOWN

    def test_a_signer_is_barred_under_another_name_that_the_policy_knows(
        self, ledger: Ledger, line: ModuleType, tmp_path: Path
    ) -> None:
        key = ledger.log.latest(Kind.SIGNING_KEY, name="maria")
        assert key is not None
        maria = {
            "roles": ["validator"],
            "public_key": key.identity["public_key"],
            "also_known_as": ["Maria Rossi", "mr17@example.org"],
        }
        entry = {"signatures": {"validator": 1}, "valid_days": 90, "signers": {"maria": maria}}
        project = line.project_with(tmp_path / "named", approvals={"fraud": {"live": entry}})
        named = line.open_ledger(tmp_path / "home", profile="live", project=project)
        digest = candidate(ledger, line, commit=commit({"name": "M. R.", "email": "MR17@example.org"}))
        with pytest.raises(SigningRefused) as refused:
            approve(named, digest, approver="maria", role="validator", passphrase=SECRET)
        assert refused.value.reason is ApprovalRefusal.AUTHORED_IT
