"""Loads the parts that the tests of trading stand on."""

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

_HERE = Path(__file__).parents[2] / "integration"


def _loaded(name: str, path: Path) -> ModuleType:
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return sys.modules[name]


@pytest.fixture(scope="session")
def scripted() -> ModuleType:
    return _loaded("scripted_venue", _HERE / "trading" / "scripted.py")


@pytest.fixture
def server(scripted: ModuleType) -> Iterator[Any]:
    with scripted.ScriptedServer() as running:
        yield running
