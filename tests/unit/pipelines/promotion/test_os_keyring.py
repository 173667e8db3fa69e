"""A passphrase that the operating system's keyring keeps.

The keyring is not ours, and no machine of the tests has one: the library is the real one where it is installed, with a
keyring in memory, and otherwise a module that answers as it does.
"""

import importlib.util
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from ledgerline.audit import Ledger
from pipelines.promotion import KeyRefused, create_key, missing_approvals
from pipelines.promotion.approvals import approve
from pipelines.promotion.keys import key_path, open_key, passphrase_in_keyring, public_hex
from pipelines.promotion.os_keyring import KeyringUnusable


class MemoryKeyring:
    """What a keyring does, for as long as a test runs."""

    priority = 1

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], str] = {}
        self.forgets = False
        self.locked: Exception | None = None

    def get_password(self, service: str, username: str) -> str | None:
        if self.locked:
            raise self.locked
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        if not self.forgets:
            self.kept[service, username] = password


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Return the library ``keyring``, or one that answers as it does where it is not installed."""
    if importlib.util.find_spec("keyring"):
        import keyring
        import keyring.errors

        return keyring
    module, errors = ModuleType("keyring"), ModuleType("keyring.errors")
    errors.KeyringError = type("KeyringError", (Exception,), {})  # type: ignore[attr-defined]
    module.errors = errors  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "keyring", module)
    monkeypatch.setitem(sys.modules, "keyring.errors", errors)
    return module


@pytest.fixture
def keyring(library: Any) -> Iterator[MemoryKeyring]:
    memory = MemoryKeyring()
    if not hasattr(library, "set_keyring"):
        library.get_password, library.set_password = memory.get_password, memory.set_password
        yield memory
        return
    from keyring.backend import KeyringBackend

    backend = type("Memory", (MemoryKeyring, KeyringBackend), {})()
    before = library.get_keyring()
    library.set_keyring(backend)
    yield backend
    library.set_keyring(before)


def test_a_key_is_made_and_signs_without_a_passphrase_that_anybody_knows(
    ledger: Ledger, line: ModuleType, keyring: MemoryKeyring
) -> None:
    leaf = create_key(ledger, "Bob", passphrase=None)
    passphrase = passphrase_in_keyring(ledger, "bob")
    assert passphrase is not None
    assert list(keyring.kept.values()) == [passphrase]
    assert len(passphrase) >= 40
    assert public_hex(open_key(ledger, "bob", passphrase=passphrase)) == leaf.identity["public_key"]
    digest = line.train(ledger)
    line.pass_gates(ledger, digest)
    approve(ledger, digest, approver="bob", role="validator", passphrase=passphrase)
    assert missing_approvals(ledger, digest) == ()


def test_the_private_half_is_encrypted_under_it(ledger: Ledger, keyring: MemoryKeyring) -> None:
    create_key(ledger, "bob", passphrase=None)
    with pytest.raises(TypeError):
        load_pem_private_key(key_path(ledger, "bob").read_bytes(), None)


def test_killed_before_it_was_on_record_a_key_is_finished_by_the_next_call(
    ledger: Ledger, line: ModuleType, keyring: MemoryKeyring, tmp_path: Any
) -> None:
    first = create_key(ledger, "bob", passphrase=None)
    unrecorded = line.open_ledger(tmp_path / "other", keys=ledger.settings.keys_path)
    assert create_key(unrecorded, "bob", passphrase=None).identity == first.identity


def test_each_installation_has_passphrases_of_its_own(
    ledger: Ledger, line: ModuleType, keyring: MemoryKeyring, tmp_path: Any
) -> None:
    other = line.open_ledger(tmp_path / "other")
    for each in (ledger, other):
        create_key(each, "bob", passphrase=None)
    assert passphrase_in_keyring(ledger, "bob") != passphrase_in_keyring(other, "bob")


def test_the_keyring_is_not_asked_about_a_key_with_a_passphrase_of_its_owner(ledger: Ledger) -> None:
    create_key(ledger, "bob", passphrase="open sesame")
    assert passphrase_in_keyring(ledger, "bob") is None
    assert passphrase_in_keyring(ledger, "eve") is None


def test_a_passphrase_that_another_login_keeps_is_missed_by_name(ledger: Ledger, keyring: MemoryKeyring) -> None:
    create_key(ledger, "bob", passphrase=None)
    keyring.kept.clear()
    with pytest.raises(KeyRefused, match="does not know the passphrase of bob"):
        passphrase_in_keyring(ledger, "bob")


def test_a_keyring_that_forgets_makes_no_key(ledger: Ledger, keyring: MemoryKeyring) -> None:
    keyring.forgets = True
    with pytest.raises(KeyringUnusable, match="use a passphrase"):
        create_key(ledger, "bob", passphrase=None)
    assert not key_path(ledger, "bob").exists()


def test_a_locked_keyring_is_said_with_the_way_out(ledger: Ledger, library: Any, keyring: MemoryKeyring) -> None:
    keyring.locked = library.errors.KeyringError("locked")
    with pytest.raises(KeyringUnusable, match="unlock it"):
        create_key(ledger, "bob", passphrase=None)


def test_without_the_library_it_is_said_how_to_install_it(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)
    with pytest.raises(KeyringUnusable, match=r"pip install 'ledgerline\[keyring\]'"):
        create_key(ledger, "bob", passphrase=None)
    assert not key_path(ledger, "bob").exists()
