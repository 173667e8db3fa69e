"""Evidence logs on every engine: one suite, run against each."""

import importlib.util
import sys
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType

import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ledgerline.audit import EvidenceLog
from ledgerline.audit.note import NoteSigner
from ledgerline.audit.witness import Witness
from ledgerline.core.clock import FixedClock

POSTGRESQL = "postgresql+pg8000://postgres@127.0.0.1:5432"


def loaded(name: str, path: Path) -> ModuleType:
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return sys.modules[name]


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(datetime(2018, 10, 1, tzinfo=UTC))


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """A database of these tests' own: one for all of them, as making one costs more than most of them."""
    admin = sa.create_engine(f"{POSTGRESQL}/postgres", isolation_level="AUTOCOMMIT", connect_args={"timeout": 3})
    name = f"ledgerline_{uuid.uuid4().hex[:12]}"
    try:
        with admin.connect() as connection:
            connection.exec_driver_sql(f"CREATE DATABASE {name}")
    except sa.exc.SQLAlchemyError as error:
        pytest.skip(f"no PostgreSQL on loopback: {error}")
    try:
        yield f"{POSTGRESQL}/{name}"
    finally:
        with admin.connect() as connection:
            connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
        admin.dispose()


def emptied(url: str) -> str:
    """Return a database's URL once nobody is connected to it and nothing is in it."""
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with engine.connect() as connection:
        connection.exec_driver_sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        connection.exec_driver_sql("DROP SCHEMA public CASCADE")
        connection.exec_driver_sql("CREATE SCHEMA public")
    return url


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'evidence.db'}"
    return emptied(request.getfixturevalue("postgresql"))


@pytest.fixture
def log(url: str, clock: FixedClock) -> EvidenceLog:
    return EvidenceLog(url, clock)


@pytest.fixture
def signer() -> NoteSigner:
    """The log's own key."""
    return NoteSigner.of("ledgerline.log/test", Ed25519PrivateKey.generate())


@pytest.fixture
def witness_signer() -> NoteSigner:
    return NoteSigner.of("witness.example/1", Ed25519PrivateKey.generate(), cosigns=True)


@pytest.fixture
def witness(tmp_path: Path, witness_signer: NoteSigner, signer: NoteSigner) -> Witness:
    return Witness(tmp_path / "witness", witness_signer, signer.key)


@pytest.fixture(scope="session")
def lines() -> ModuleType:
    """Whole lines to record: ``lines.whole_line(log, 1)``."""
    return loaded("evidence_lines", Path(__file__).with_name("whole_line.py"))
