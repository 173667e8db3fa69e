"""Signing keys: encrypted, readable by their owner alone, on record."""

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
from pipelines.promotion import KeyRefused, create_key
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
