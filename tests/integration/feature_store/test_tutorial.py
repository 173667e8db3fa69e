"""The tutorial notebook runs from its first cell to its last, and leaves nothing behind."""

import os
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from ledgerline.core.settings import PROJECT_ROOT

NOTEBOOK = PROJECT_ROOT / "docs" / "tutorials" / "feature-store.ipynb"


@pytest.fixture
def nobodys_home(tmp_path, monkeypatch) -> Path:
    """Let the kernel believe that its user owns an empty folder; no setting of Jupyter's leads out of it."""
    home = tmp_path / "home"
    home.mkdir()
    for name in [name for name in os.environ if name.startswith(("JUPYTER", "IPYTHON", "XDG_"))]:
        monkeypatch.delenv(name)
    for name, folder in {
        "HOME": "",
        "IPYTHONDIR": "ipython",
        "JUPYTER_CONFIG_DIR": "jupyter",
        "JUPYTER_DATA_DIR": "jupyter",
        "JUPYTER_RUNTIME_DIR": "jupyter",
        "TMPDIR": "temporary",
    }.items():
        (home / folder).mkdir(exist_ok=True)
        monkeypatch.setenv(name, str(home / folder))
    return home


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # within jupyter_client
def test_tutorial_runs_to_its_end_and_cleans_up(nobodys_home, tmp_path):
    notebook = nbformat.read(NOTEBOOK, as_version=4)

    NotebookClient(notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": tmp_path}}).execute()

    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(cell.execution_count for cell in cells)
    assert "plotly" in str([output.get("data", {}).keys() for cell in cells for output in cell.outputs])
    errors = [output.text for cell in cells for output in cell.outputs if output.get("name") == "stderr"]
    assert errors == []
    assert list((nobodys_home / "temporary").glob("feature-store-*")) == []


def test_tutorial_is_kept_without_paths_of_whoever_ran_it():
    text = NOTEBOOK.read_text()

    assert "/tmp" not in text  # noqa: S108
    assert "/home" not in text
    assert len(text) < 100_000
