"""Loads the small lines of evidence, and the scoring job as a process, that the tests stand on."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

_INTEGRATION = Path(__file__).parents[2] / "integration"


def _loaded(name: str, path: Path) -> ModuleType:
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return sys.modules[name]


@pytest.fixture(scope="session")
def line() -> ModuleType:
    return _loaded("promotion_line", _INTEGRATION / "promotion" / "line.py")


@pytest.fixture(scope="session")
def scoring() -> ModuleType:
    return _loaded("scoring_process", _INTEGRATION / "scoring" / "process.py")


@pytest.fixture(scope="session")
def credit() -> ModuleType:
    return _loaded("scoring_credit_line", _INTEGRATION / "scoring" / "credit_line.py")
