"""Loads the exchange as a process over a small world, that the tests stand on."""

import importlib.util
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from ledgerline.sandbox import write_world

_INTEGRATION = Path(__file__).parents[2] / "integration"
_SIZE = {"customers": 20, "terminals": 20, "days": 7, "seed": 4, "symbols": 6, "sessions": 40, "future_sessions": 25}


def _loaded(name: str, path: Path) -> ModuleType:
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return sys.modules[name]


@pytest.fixture(scope="session")
def exchanges() -> ModuleType:
    return _loaded("exchange_process", _INTEGRATION / "exchange" / "process.py")


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_world(tmp_path_factory.mktemp("world"), **_SIZE).folder


@pytest.fixture(scope="module")
def exchange(exchanges: ModuleType, world: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """One exchange for a file's tests, each of which has orders of its own names."""
    with exchanges.ExchangeProcess(world, tmp_path_factory.mktemp("books") / "exchange.db") as running:
        yield running


@pytest.fixture
def start(exchanges: ModuleType) -> Iterator[Callable[[Path, Path], Any]]:
    """Starts further exchanges, which end with the test."""
    with ExitStack() as stack:
        yield lambda world, state: stack.enter_context(exchanges.ExchangeProcess(world, state))
