"""A fresh installation for each test, and rows landed by hand."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from ledgerline.audit import Ledger
from ledgerline.core.clock import FixedClock
from ledgerline.core.settings import Settings

_LANDING = Path(__file__).parent / "landing.py"


@pytest.fixture(scope="session")
def landing() -> ModuleType:
    """The functions that land rows: ``land``, ``payments``, ``labels`` and ``AS_OF``."""
    spec = importlib.util.spec_from_file_location("validation_landing", _LANDING)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def ledger(tmp_path: Path, landing: ModuleType) -> Ledger:
    """An installation under ``tmp_path`` whose clock stands still."""
    return Ledger.open(Settings(home=tmp_path / "home"), FixedClock(landing.AS_OF))
