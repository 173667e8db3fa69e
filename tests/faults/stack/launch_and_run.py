"""A launcher to be killed: `launch_and_run.py HOME DAGS PART...` starts the parts, and the DAG `long` if any."""

import sys
from pathlib import Path

from ledgerline.core.settings import Settings
from ledgerline.launch import Event, Part, start


def say(event: Event) -> None:
    sys.stdout.write(f"{event.kind} {event.subject} {event.text}\n")
    sys.stdout.flush()


home, dags = map(Path, sys.argv[1:3])
settings = Settings(home=home, airflow_port=0, mlflow_port=0, scoring_port=0)
with start(settings, report=say, parts=frozenset(map(Part, sys.argv[3:])), dags=dags) as stack:
    if (dags / "long.py").exists():
        stack.trigger_dag("long")
    stack.wait_until_stopped()
