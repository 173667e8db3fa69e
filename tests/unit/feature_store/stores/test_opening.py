"""Which engine an address means, and which addresses are refused."""

import socket
from pathlib import Path

import pytest

from feature_store.errors import StoreUnavailable, StoreUrlInvalid
from feature_store.stores import open_store
from feature_store.stores.in_process import InProcessStore
from feature_store.stores.sqlite import SqliteStore


@pytest.mark.parametrize("unset", [None, ""])
def test_without_an_address_states_are_in_this_process(unset: str | None) -> None:
    assert isinstance(open_store(unset), InProcessStore)


def test_sqlite_is_a_file_whose_folder_is_made(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path / 'deep' / 'online.db'}")
    assert isinstance(store, SqliteStore)
    assert (tmp_path / "deep" / "online.db").exists()
    store.close()


def test_file_that_is_no_database_is_refused_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no database, though it is long enough to look like one" * 50)
    with pytest.raises(StoreUnavailable, match=r"notes\.txt"):
        open_store(f"sqlite:///{tmp_path / 'notes.txt'}")


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://host/db",
        "redis:///0",
        "sqlite:///",
        "sqlite:relative",
        "redis://host:port/0",
        "redis://host:6379/x",
    ],
)
def test_address_of_no_engine_is_refused_with_those_that_there_are(address: str) -> None:
    with pytest.raises(StoreUrlInvalid, match="sqlite:///path"):
        open_store(address)


@pytest.mark.parametrize("login", [":sesame", "user:sesame", "sesame"])
def test_login_in_an_address_is_refused_and_not_repeated(login: str) -> None:
    with pytest.raises(StoreUrlInvalid, match="LEDGERLINE_ONLINE_STORE_PASSWORD") as refused:
        open_store(f"redis://{login}@host:6379/0")
    assert "sesame" not in str(refused.value)


@pytest.mark.parametrize(
    "address",
    ["redis://host/0?password=sesame", "redis://host/0#sesame", "rediss://host/0?sesame", "redis:sesame@host"],
)
def test_password_in_a_query_or_fragment_is_refused_and_not_repeated(address: str) -> None:
    with pytest.raises(StoreUrlInvalid, match=address.split(":")[0]) as refused:
        open_store(address)
    assert "sesame" not in str(refused.value)


def test_redis_that_is_not_there_is_named_without_the_password() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        port = nobody.getsockname()[1]
        with pytest.raises(StoreUnavailable, match=f"127.0.0.1:{port}/3") as silent:
            open_store(f"redis://127.0.0.1:{port}/3", password="sesame")
    assert "sesame" not in str(silent.value)
