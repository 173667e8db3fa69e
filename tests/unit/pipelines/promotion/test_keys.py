"""Signing keys: encrypted, readable by their owner alone, on record, revocable."""

import stat
from pathlib import Path
from types import ModuleType

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from ledgerline.audit import Kind, Ledger
from ledgerline.decisions.signing_keys import key_in_force
from pipelines.promotion import KeyRefused, create_key, revoke_key
from pipelines.promotion.keys import key_path, open_key, public_hex

SECRET = "open sesame"


def test_a_new_key_is_on_record_with_its_public_half(ledger: Ledger) -> None:
    leaf = create_key(ledger, "bob", passphrase=SECRET)
    assert leaf.kind is Kind.SIGNING_KEY
    assert leaf.identity == {"name": "bob", "public_key": public_hex(open_key(ledger, "bob", passphrase=SECRET))}


def test_the_private_half_is_encrypted_and_its_owners_alone(ledger: Ledger) -> None:
    create_key(ledger, "bob", passphrase=SECRET)
    path = key_path(ledger, "bob")
    assert path.read_bytes().startswith(b"-----BEGIN ENCRYPTED PRIVATE KEY-----")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    with pytest.raises(TypeError):
        load_pem_private_key(path.read_bytes(), None)


@pytest.mark.parametrize("passphrase", ["", "   ", "\n"])
def test_an_empty_passphrase_is_refused(ledger: Ledger, passphrase: str) -> None:
    with pytest.raises(KeyRefused, match="passphrase"):
        create_key(ledger, "bob", passphrase=passphrase)
    assert not key_path(ledger, "bob").exists()


@pytest.mark.parametrize("name", ["", "../bob", "a/b", ".hidden", "bob\x00", "b" * 65, "a..b"])
def test_a_name_that_could_leave_the_folder_is_refused(ledger: Ledger, name: str) -> None:
    with pytest.raises(KeyRefused, match="name"):
        create_key(ledger, name, passphrase=SECRET)


@pytest.mark.parametrize("name", ["bob", "Bob"])
def test_a_second_key_of_the_same_person_is_refused(ledger: Ledger, name: str) -> None:
    first = create_key(ledger, "bob", passphrase=SECRET)
    with pytest.raises(KeyRefused, match="already"):
        create_key(ledger, name, passphrase=SECRET)
    assert public_hex(open_key(ledger, "bob", passphrase=SECRET)) == first.identity["public_key"]


def test_a_second_key_is_made_when_asked_for(ledger: Ledger) -> None:
    first = create_key(ledger, "bob", passphrase=SECRET)
    second = create_key(ledger, "bob", passphrase="another", replace=True)
    assert first.identity["public_key"] != second.identity["public_key"]
    assert public_hex(open_key(ledger, "bob", passphrase="another")) == second.identity["public_key"]


def test_killed_before_it_was_on_record_a_key_is_finished_by_the_next_call(
    ledger: Ledger, line: ModuleType, tmp_path: Path
) -> None:
    create_key(ledger, "bob", passphrase=SECRET)
    content = key_path(ledger, "bob").read_bytes()
    other = line.open_ledger(tmp_path / "other")
    key_path(other, "bob").parent.mkdir(parents=True)
    key_path(other, "bob").write_bytes(content)
    key_path(other, "bob").chmod(0o600)
    leaf = create_key(other, "bob", passphrase=SECRET)
    assert key_path(other, "bob").read_bytes() == content
    assert other.log.find(leaf.id) is not None


def test_a_wrong_passphrase_opens_nothing(ledger: Ledger) -> None:
    create_key(ledger, "bob", passphrase=SECRET)
    with pytest.raises(KeyRefused, match="does not open"):
        open_key(ledger, "bob", passphrase="open says me")


def test_a_key_that_others_can_read_is_not_used(ledger: Ledger) -> None:
    create_key(ledger, "bob", passphrase=SECRET)
    key_path(ledger, "bob").chmod(0o640)
    with pytest.raises(KeyRefused, match="chmod 600"):
        open_key(ledger, "bob", passphrase=SECRET)


def test_an_unencrypted_or_foreign_key_is_not_used(ledger: Ledger) -> None:
    create_key(ledger, "bob", passphrase=SECRET)
    rsa = generate_private_key(public_exponent=65537, key_size=2048)
    encryption = BestAvailableEncryption(SECRET.encode())
    key_path(ledger, "bob").write_bytes(rsa.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption))
    with pytest.raises(KeyRefused, match="no Ed25519"):
        open_key(ledger, "bob", passphrase=SECRET)


def test_a_person_without_a_key_is_told_how_to_make_one(ledger: Ledger) -> None:
    with pytest.raises(KeyRefused, match="keys create"):
        open_key(ledger, "bob", passphrase=SECRET)


def test_a_revocation_says_of_which_key_by_whom_and_why(ledger: Ledger) -> None:
    key = create_key(ledger, "bob", passphrase=SECRET)
    leaf = revoke_key(ledger, "Bob", revoked_by="Cyd ", reason=" laptop stolen ")
    assert leaf.kind is Kind.KEY_REVOCATION
    assert leaf.identity == {"key": key.id, "public_key": key.identity["public_key"]}
    assert (leaf.detail["name"], leaf.detail["revoked_by"], leaf.detail["reason"]) == ("bob", "cyd", "laptop stolen")
    assert [(role, parent.id) for role, parent in ledger.log.parents(leaf.id)] == [("key", key.id)]
    assert key_in_force(ledger, "bob") is None


@pytest.mark.parametrize("passphrase", [SECRET, "another"])
def test_after_a_revocation_a_new_key_is_made_without_more_ado(ledger: Ledger, passphrase: str) -> None:
    first = create_key(ledger, "bob", passphrase=SECRET)
    revoke_key(ledger, "bob", revoked_by="cyd", reason="laptop stolen")
    second = create_key(ledger, "bob", passphrase=passphrase)
    assert first.identity["public_key"] != second.identity["public_key"]
    assert public_hex(open_key(ledger, "bob", passphrase=passphrase)) == second.identity["public_key"]
    assert key_in_force(ledger, "bob") == second


def test_a_new_key_whose_making_was_killed_is_finished_also_after_a_revocation(
    ledger: Ledger, line: ModuleType, tmp_path: Path
) -> None:
    create_key(ledger, "bob", passphrase=SECRET)
    revoke_key(ledger, "bob", revoked_by="cyd", reason="laptop stolen")
    elsewhere = line.open_ledger(tmp_path / "elsewhere")
    unrecorded = create_key(elsewhere, "bob", passphrase=SECRET).identity["public_key"]
    key_path(ledger, "bob").write_bytes(key_path(elsewhere, "bob").read_bytes())
    assert create_key(ledger, "bob", passphrase=SECRET).identity["public_key"] == unrecorded


def test_a_key_is_revoked_once(ledger: Ledger) -> None:
    create_key(ledger, "bob", passphrase=SECRET)
    revoke_key(ledger, "bob", revoked_by="cyd", reason="laptop stolen")
    with pytest.raises(KeyRefused, match=r"revoked already, by cyd .*laptop stolen"):
        revoke_key(ledger, "bob", revoked_by="dot", reason="again")
    assert len(ledger.log.leaves(Kind.KEY_REVOCATION)) == 1


def test_nothing_is_revoked_of_somebody_without_a_key(ledger: Ledger) -> None:
    with pytest.raises(KeyRefused, match="no signing key"):
        revoke_key(ledger, "bob", revoked_by="cyd", reason="left")


@pytest.mark.parametrize(("person", "reason"), [(" ", "left"), ("cyd", " ")])
def test_a_revocation_needs_a_person_and_a_reason(ledger: Ledger, person: str, reason: str) -> None:
    create_key(ledger, "bob", passphrase=SECRET)
    with pytest.raises(KeyRefused, match="say who"):
        revoke_key(ledger, "bob", revoked_by=person, reason=reason)
    assert key_in_force(ledger, "bob")
