"""Loads the small line of evidence and the export of it that the tests attack."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

_PROMOTION = Path(__file__).parents[2] / "integration" / "promotion" / "line.py"


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
    return _loaded("promotion_line", _PROMOTION)


@pytest.fixture(scope="session")
def exported() -> ModuleType:
    return _loaded("exported_line", Path(__file__).with_name("exported.py"))


@pytest.fixture(scope="session")
def made(line: ModuleType, exported: ModuleType, tmp_path_factory: pytest.TempPathFactory):
    """The installation; nothing is changed in it."""
    return exported.installation(line, tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="session")
def honest(made, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The export of its decision; nothing is changed in it."""
    return made.export(tmp_path_factory.mktemp("exports") / "honest")


@pytest.fixture
def folder(honest: Path, exported: ModuleType, tmp_path: Path) -> Path:
    """A copy of the export, to be attacked."""
    return exported.copy(honest, tmp_path / "export")
