"""What every test stands on."""

import json
import os
import secrets
from collections.abc import Callable, Iterator
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


@pytest.fixture(scope="module", params=["in process", "sqlite", "redis"])
def online_store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Every engine of online stores, one after the other; what is written to Redis is deleted afterwards."""
    from feature_store.errors import StoreUnavailable
    from feature_store.stores import open_store
    from feature_store.stores.redis import RedisStore

    if request.param != "redis":
        path = tmp_path_factory.mktemp("online") / "online.db"
        store = open_store(f"sqlite:///{path}" if request.param == "sqlite" else None)
        yield store
        store.close()
        return
    try:
        redis = RedisStore("127.0.0.1", 6379, namespace=f"test-{secrets.token_hex(6)}")
    except StoreUnavailable:
        pytest.skip("no Redis listens on 127.0.0.1:6379")
    yield redis
    redis.delete_namespace()
    redis.close()
