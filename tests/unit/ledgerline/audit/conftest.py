"""Evidence logs on every engine: one suite, run against each."""

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from ledgerline.audit import EvidenceLog
from ledgerline.core.clock import FixedClock

POSTGRESQL = "postgresql+pg8000://postgres@127.0.0.1:5432"


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(datetime(2018, 10, 1, tzinfo=UTC))


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'evidence.db'}"
        return
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


@pytest.fixture
def log(url: str, clock: FixedClock) -> EvidenceLog:
    return EvidenceLog(url, clock)
