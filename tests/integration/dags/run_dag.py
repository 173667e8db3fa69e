"""Run DAGs in this process with `dag.test()`, one after the other: `run_dag.py CONF DAG...`.

The last line of output is JSON, one run a DAG. Started by the tests with an Airflow home of its own.
"""

import json
import sys
from pathlib import Path
from typing import Any

from airflow.configuration import conf
from airflow.dag_processing.dagbag import BundleDagBag

configuration, *names = json.loads(sys.argv[1]), *sys.argv[2:]
folder = Path(conf.get("core", "dags_folder"))
bag = BundleDagBag(folder, bundle_path=folder, bundle_name="dags-folder")


def tested(dag_id: str) -> dict[str, Any]:
    """Run one DAG; return its run's state, id and tasks."""
    run = bag.dags[dag_id].test(run_conf=configuration or None)
    tasks = {
        (f"{task.task_id}[{task.map_index}]" if task.map_index >= 0 else task.task_id): str(task.state)
        for task in run.get_task_instances()
    }
    return {"state": str(run.state), "run_id": run.run_id, "tasks": tasks}


sys.stdout.write("\n" + json.dumps([tested(name) for name in names]) + "\n")
