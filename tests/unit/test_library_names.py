"""The project's ``great_expectations/`` and ``mlflow/`` folders must not hide the libraries of those names."""

import subprocess
import sys

import pytest

from ledgerline.core.settings import PROJECT_ROOT


@pytest.mark.parametrize("name", ["great_expectations", "mlflow"])
def test_import_from_the_repository_root_reaches_the_installed_library(name):
    script = f"import sys, {name}; assert sys.path[0] == ''; print({name}.__version__, {name}.__file__)"
    ran = subprocess.run([sys.executable, "-c", script], cwd=PROJECT_ROOT, capture_output=True, text=True, check=True)
    version, file = ran.stdout.split()
    assert version[0].isdigit()
    assert "site-packages" in file
    assert str(PROJECT_ROOT / name) not in file


@pytest.mark.parametrize("name", ["great_expectations", "mlflow"])
def test_folder_named_like_a_library_holds_no_python(name):
    assert not list((PROJECT_ROOT / name).rglob("*.py"))
