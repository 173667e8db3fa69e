"""The project's DAGs as Airflow itself reads them, in a process and a home of their own."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ledgerline.core.settings import PROJECT_ROOT

DAGS = PROJECT_ROOT / "dags"

# Reads every file the way the DAG processor does, then says what Airflow stores of it.
_READ = """
import json, sys, time
from pathlib import Path
from airflow.dag_processing.dagbag import BundleDagBag
from airflow.serialization.serialized_objects import DagSerialization
folder = Path(sys.argv[1])
sys.path.insert(0, str(folder))
ignored = (folder / ".airflowignore").read_text().split()
before = set(sys.modules)
seconds = {}
dags = {}
errors = {}
for file in sorted(file for file in folder.glob("*.py") if file.name not in ignored):
    began = time.process_time()
    bag = BundleDagBag(file, bundle_path=folder, bundle_name="dags-folder")
    seconds[file.name] = time.process_time() - began
    errors |= bag.import_errors
    dags |= {name: DagSerialization.to_dict(dag) for name, dag in bag.dags.items()}
print(json.dumps({"dags": dags, "errors": errors, "seconds": seconds, "modules": sorted(set(sys.modules) - before)}))
"""


@pytest.fixture(scope="session")
def read_dags(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    home = tmp_path_factory.mktemp("airflow")
    environment = {**os.environ, "AIRFLOW_HOME": str(home), "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}
    completed = subprocess.run(
        [sys.executable, "-c", _READ, str(DAGS)], env=environment, capture_output=True, text=True, check=False, cwd=home
    )
    assert completed.returncode == 0, completed.stderr[-4000:]
    return json.loads(completed.stdout.splitlines()[-1])


@pytest.fixture(scope="session")
def dag_files() -> list[Path]:
    return sorted(DAGS.glob("*.py"))
