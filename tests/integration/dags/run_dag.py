"""Run one DAG in this process with `dag.test()`: `run_dag.py DAG CONF`; the last line of output is JSON.

Started by the tests with an Airflow home of its own.
"""

import json
import sys
from pathlib import Path

from airflow.configuration import conf
from airflow.dag_processing.dagbag import BundleDagBag

dag_id, configuration = sys.argv[1], json.loads(sys.argv[2])
folder = Path(conf.get("core", "dags_folder"))
bag = BundleDagBag(folder, bundle_path=folder, bundle_name="dags-folder")
run = bag.dags[dag_id].test(run_conf=configuration or None)
tasks = {
    (f"{task.task_id}[{task.map_index}]" if task.map_index >= 0 else task.task_id): str(task.state)
    for task in run.get_task_instances()
}
sys.stdout.write("\n" + json.dumps({"state": str(run.state), "run_id": run.run_id, "tasks": tasks}) + "\n")
