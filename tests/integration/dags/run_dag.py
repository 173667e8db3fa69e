"""Run DAGs in this process with `dag.test()`, one after the other: `run_dag.py '[["DAG", CONF], ...]'`.

The last line of output is JSON, one run a DAG. Started by the tests with an Airflow home of its own.
"""

import json
import sys
from pathlib import Path
from typing import Any

from airflow.configuration import conf
from airflow.dag_processing.dagbag import BundleDagBag

folder = Path(conf.get("core", "dags_folder"))


def tested(dag_id: str, configuration: dict[str, Any] | None) -> dict[str, Any]:
    """Run one DAG; return its run's state, id and tasks."""
    own = folder / f"{dag_id}.py"
    file = own if own.exists() else folder / f"{dag_id.partition('_')[0]}_models.py"
    bag = BundleDagBag(file, bundle_path=folder, bundle_name="dags-folder")
    run = bag.dags[dag_id].test(run_conf=configuration)
    tasks = {
        (f"{task.task_id}[{task.map_index}]" if task.map_index >= 0 else task.task_id): str(task.state)
        for task in run.get_task_instances()
    }
    return {"state": str(run.state), "run_id": run.run_id, "tasks": tasks}


sys.stdout.write("\n" + json.dumps([tested(*each) for each in json.loads(sys.argv[1])]) + "\n")
