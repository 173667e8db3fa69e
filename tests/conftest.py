"""What every test stands on."""

import json
import os
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

# A developer's own settings must not leak into tests.
for name in [name for name in os.environ if name.startswith("LEDGERLINE_") and name != "LEDGERLINE_SHARED_DATA"]:
    del os.environ[name]


from ledgerline.audit import EvidenceLog  # noqa: E402  (only once the environment is clean)
from ledgerline.audit.merkle import leaf_hash  # noqa: E402
from ledgerline.audit.schema import LEAF  # noqa: E402
from ledgerline.core.identity import canonical_json  # noqa: E402

Rewrite = Callable[..., None]


@pytest.fixture
def rewrite() -> Rewrite:
    """Change an entry as somebody would who can write to the database.

    ``rewrite(log, leaf_id, part, **changes)`` changes values of the entry's ``identity`` or ``detail``, or of the entry
    itself where ``part`` is None; with ``hashed=True`` the entry's hash is changed to fit.
    """

    def apply(log: EvidenceLog, leaf_id: str, part: str | None, *, hashed: bool = False, **changes: Any) -> None:
        with log.transaction() as transaction:
            entry = json.loads(transaction.execute(sa.select(LEAF.c.entry).where(LEAF.c.id == leaf_id)).scalar_one())
            (entry if part is None else entry[part]).update(changes)
            content = canonical_json(entry)
            values = {"entry": content, **({"hash": leaf_hash(content)} if hashed else {})}
            transaction.execute(sa.update(LEAF).where(LEAF.c.id == leaf_id).values(values))

    return apply


@pytest.fixture(scope="module")
def redis_store() -> Iterator[Any]:
    """An online store in the Redis that runs on this machine; what is written is deleted afterwards."""
    from feature_store.errors import StoreUnavailable
    from feature_store.stores.redis import RedisStore

    try:
        store = RedisStore("127.0.0.1", 6379, namespace=f"test-{secrets.token_hex(6)}")
    except StoreUnavailable:
        pytest.skip("no Redis listens on 127.0.0.1:6379")
    yield store
    store.delete_namespace()
    store.close()


@pytest.fixture(scope="module", params=["in process", "sqlite", "redis"])
def online_store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Every engine of online stores, one after the other."""
    from feature_store.stores import open_store

    if request.param == "redis":
        yield request.getfixturevalue("redis_store")
        return
    path = tmp_path_factory.mktemp("online") / "online.db"
    store = open_store(f"sqlite:///{path}" if request.param == "sqlite" else None)
    yield store
    store.close()


class RedisServer:
    """A Redis of a test's own, with a password and nothing kept on disk."""

    def __init__(self, folder: Path) -> None:
        self.host, self.password = "127.0.0.1", secrets.token_hex(8)
        with socket.socket() as free:
            free.bind((self.host, 0))
            self.port = free.getsockname()[1]
        self.url = f"redis://{self.host}:{self.port}/0"
        self._configuration = folder / "redis.conf"
        self._configuration.write_text(
            f'bind {self.host}\nport {self.port}\nrequirepass {self.password}\nsave ""\ndir {folder}\n'
        )
        self._configuration.chmod(0o600)

    def start(self) -> None:
        """Start it and wait until it listens."""
        self._process = subprocess.Popen(["redis-server", str(self._configuration)], stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 30
        while True:
            try:
                socket.create_connection((self.host, self.port), timeout=1).close()
                return
            except OSError:
                assert time.monotonic() < deadline
                time.sleep(0.02)

    def kill(self) -> None:
        """End it without warning, and with it all that it held."""
        self._process.kill()
        self._process.wait()


@pytest.fixture
def redis_server(tmp_path: Path) -> Iterator[RedisServer]:
    """A Redis of the test's own, to be killed."""
    if shutil.which("redis-server") is None:
        pytest.skip("no redis-server is installed")
    server = RedisServer(tmp_path)
    server.start()
    yield server
    server.kill()
