"""Start, watch and stop the local stack: Airflow, MLflow, the scoring job and, in the sandbox, the demo approver."""

from ledgerline.launch.control import ProcessStatus, StackStatus, status, stop
from ledgerline.launch.dag_runs import DagRun, RunState, TaskRun, TaskState
from ledgerline.launch.errors import (
    AirflowRefused,
    AlreadyRunning,
    DagRunFailed,
    DagUnavailable,
    NotLoopback,
    ProcessGaveUp,
    StackError,
    StartFailed,
    StopFailed,
    WaitTimedOut,
)
from ledgerline.launch.events import Event, EventKind
from ledgerline.launch.program import Part
from ledgerline.launch.stack import Stack
from ledgerline.launch.startup import start

__all__ = [
    "AirflowRefused",
    "AlreadyRunning",
    "DagRun",
    "DagRunFailed",
    "DagUnavailable",
    "Event",
    "EventKind",
    "NotLoopback",
    "Part",
    "ProcessGaveUp",
    "ProcessStatus",
    "RunState",
    "Stack",
    "StackError",
    "StackStatus",
    "StartFailed",
    "StopFailed",
    "TaskRun",
    "TaskState",
    "WaitTimedOut",
    "start",
    "status",
    "stop",
]
