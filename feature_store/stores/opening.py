"""Which engine an address means."""

from pathlib import Path
from urllib.parse import urlsplit

from feature_store.errors import StoreUrlInvalid
from feature_store.stores.in_process import InProcessStore
from feature_store.stores.port import OnlineStore

_KNOWN = "unset (in this process), sqlite:///path, redis://host:port/db or rediss://host:port/db"
_SQLITE = "sqlite:///"
_REDIS_PORT = 6379


def open_store(url: str | None, *, password: str | None = None) -> OnlineStore:
    """Open the engine of online stores that an address names.

    Args:
        url: None for this process's memory; ``sqlite:///`` and a path, absolute with a fourth slash; ``redis://`` or,
            with TLS, ``rediss://`` and host, port (6379) and number of the database (0).
        password: Redis's. Never part of the address, which may be logged.

    Raises:
        StoreUrlInvalid: The address is none of these, or holds a password.
        StoreUnavailable: The engine does not answer.
    """
    if not url:
        return InProcessStore()
    if url.startswith(_SQLITE) and url != _SQLITE:
        from feature_store.stores.sqlite import SqliteStore  # only whoever asks for an engine loads it

        return SqliteStore(Path(url.removeprefix(_SQLITE)))
    return _redis(url, password)


def _redis(url: str, password: str | None) -> OnlineStore:
    try:
        parts = urlsplit(url)
        port = parts.port or _REDIS_PORT
        database = int(parts.path.strip("/") or 0)
    except ValueError:
        raise StoreUrlInvalid(f"the address of the online store is not readable; it may be {_KNOWN}") from None
    if parts.password is not None or parts.username is not None:
        raise StoreUrlInvalid(
            "the address of the online store holds a login; addresses are logged: set the password by "
            "LEDGERLINE_ONLINE_STORE_PASSWORD and leave it out of LEDGERLINE_ONLINE_STORE_URL"
        )
    if parts.scheme not in ("redis", "rediss") or not parts.hostname or parts.query or parts.fragment:
        # Nothing else of the address is repeated: a password may hide in any part of it.
        raise StoreUrlInvalid(
            f"no online store is at {parts.scheme}://{parts.hostname or ''}, or its address says more than these do; "
            f"it may be {_KNOWN}"
        )
    from feature_store.stores.redis import RedisStore  # only whoever asks for an engine loads it

    return RedisStore(parts.hostname, port, database, password=password, tls=parts.scheme == "rediss")
