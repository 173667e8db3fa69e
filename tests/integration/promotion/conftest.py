"""Loads the small line of evidence that the tests stand on."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="session")
def line() -> ModuleType:
    if "promotion_line" not in sys.modules:
        spec = importlib.util.spec_from_file_location("promotion_line", Path(__file__).with_name("line.py"))
        assert spec is not None
        assert spec.loader is not None
        sys.modules["promotion_line"] = module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return sys.modules["promotion_line"]
