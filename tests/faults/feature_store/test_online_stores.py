"""Online stores that are killed between writes, or whose engine goes away."""

import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from feature_store.errors import StateLost, StoreUnavailable
from feature_store.stores import EventStore, OnlineStore, StateName, open_store
from feature_store.views.card_spending import CARD_SPENDING

WRITER = Path(__file__).with_name("write_events.py")
KILLED = StateName("killed")


@pytest.fixture(scope="module")
def writer() -> ModuleType:
    spec = importlib.util.spec_from_file_location("online_write_events", WRITER)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(params=["sqlite", "redis"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, str | None]:
    """An address, and the password."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'online.db'}", None
    server = request.getfixturevalue("redis_server")
    return server.url, server.password


def write_and_be_killed(engine: tuple[str, str | None], *, after: int) -> int:
    """Write in a process of its own, kill it once it said that so many are written; return the last that it said."""
    url, password = engine
    environment = os.environ | ({"LEDGERLINE_ONLINE_STORE_PASSWORD": password} if password else {})
    said = -1
    with subprocess.Popen([sys.executable, str(WRITER), url], env=environment, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        for line in process.stdout:
            said = int(line)
            if said == after:
                process.kill()
    return said


def remembered(store: EventStore, entities: tuple[str, str]) -> list[dict[str, tuple[Any, ...]]]:
    found = store.read(entities, None)
    return [
        {event.id: (event.event_time, event.available_at, event.values, event.labels) for event in events}
        for events in found.events
    ]


def test_killed_writer_leaves_whole_writes_that_can_be_written_again(
    engine: tuple[str, str | None], writer: ModuleType
) -> None:
    said = write_and_be_killed(engine, after=150)
    url, password = engine
    store = open_store(url, password=password)
    events = store.events(CARD_SPENDING, KILLED)
    written = len(events)
    assert written in (said + 1, said + 2)  # the last may have been written and not said
    anew = open_store(None).events(CARD_SPENDING, KILLED)
    for number in range(written):
        anew.write([writer.event(number)], [writer.label(number)])
    everybody = [(f"c{n % writer.CUSTOMERS}", f"t{n % writer.TERMINALS}") for n in range(15)]
    assert [remembered(events, each) for each in everybody] == [remembered(anew, each) for each in everybody]
    for number in reversed(range(written + 20)):
        events.write([writer.event(number)], [writer.label(number)])
    for number in range(written, written + 20):
        anew.write([writer.event(number)], [writer.label(number)])
    assert [remembered(events, each) for each in everybody] == [remembered(anew, each) for each in everybody]
    store.close()


@pytest.fixture
def redis(redis_server: Any) -> Iterator[OnlineStore]:
    store = open_store(redis_server.url, password=redis_server.password)
    yield store
    store.close()


def test_redis_that_went_away_is_named_without_its_password(
    redis_server: Any, redis: OnlineStore, writer: ModuleType
) -> None:
    events = redis.events(CARD_SPENDING, KILLED)
    events.write([writer.event(0)], [])
    redis_server.kill()
    for use in (
        lambda: events.read(("c0", "t0"), None),
        lambda: events.write([writer.event(1)], []),
        lambda: len(events),
    ):
        with pytest.raises(StoreUnavailable, match=f"127.0.0.1:{redis_server.port}") as silent:
            use()
        assert redis_server.password not in str(silent.value)


def test_redis_that_came_back_empty_is_not_answered_from(
    redis_server: Any, redis: OnlineStore, writer: ModuleType
) -> None:
    events = redis.events(CARD_SPENDING, KILLED)
    events.write([writer.event(0)], [])
    redis_server.kill()
    redis_server.start()
    with pytest.raises(StateLost, match="bootstrap"):
        events.read(("c0", "t0"), None)
    with pytest.raises(StateLost, match="bootstrap"):
        events.write([writer.event(1)], [])
    anew = redis.events(CARD_SPENDING, StateName("killed", "anew"))
    anew.write([writer.event(0)], [])
    assert len(anew) == 1


def test_wrong_password_is_refused_and_not_repeated(redis_server: Any) -> None:
    with pytest.raises(StoreUnavailable, match=f"127.0.0.1:{redis_server.port}") as refused:
        open_store(redis_server.url, password="open sesame")
    assert "sesame" not in str(refused.value)


def test_state_that_another_process_dropped_from_sqlite_is_not_answered_from(
    tmp_path: Path, writer: ModuleType
) -> None:
    url = f"sqlite:///{tmp_path / 'online.db'}"
    store, other = open_store(url), open_store(url)
    events = store.events(CARD_SPENDING, KILLED)
    events.write([writer.event(0)], [])
    other.drop_others(KILLED.owner, [])
    other.events(CARD_SPENDING, StateName("another")).write([writer.event(0)], [])
    with pytest.raises(StateLost, match="bootstrap"):
        events.read(("c0", "t0"), None)
    with pytest.raises(StateLost, match="bootstrap"):
        events.write([writer.event(1)], [])
    store.close()
    other.close()
