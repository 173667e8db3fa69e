"""DAG runs and their tasks, as Airflow reports them."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class RunState(StrEnum):
    """Where a DAG run stands."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCESS = "success"
    FAILED = "failed"

    @property
    def is_final(self) -> bool:
        """Whether the run has ended."""
        return self in (RunState.SUCCESS, RunState.FAILED)


class TaskState(StrEnum):
    """Where a task of a run stands."""

    WAITING = "none"  # for the tasks before it
    SCHEDULED = "scheduled"
    QUEUED = "queued"
    RUNNING = "running"
    RESTARTING = "restarting"
    DEFERRED = "deferred"
    UP_FOR_RETRY = "up_for_retry"
    UP_FOR_RESCHEDULE = "up_for_reschedule"
    SUCCESS = "success"
    SKIPPED = "skipped"
    REMOVED = "removed"
    FAILED = "failed"
    UPSTREAM_FAILED = "upstream_failed"
    OTHER = "other"  # a state that a later Airflow added

    @property
    def is_done(self) -> bool:
        """Whether nothing more will happen to the task, and nothing went wrong."""
        return self in (TaskState.SUCCESS, TaskState.SKIPPED, TaskState.REMOVED)

    @property
    def is_failed(self) -> bool:
        """Whether the task ended badly, or never ran because one before it did."""
        return self in (TaskState.FAILED, TaskState.UPSTREAM_FAILED)


@dataclass(frozen=True, slots=True)
class TaskRun:
    """One task of a run; a mapped task has one a map index.

    Attributes:
        task_id: Its name in the DAG.
        map_index: Which of a mapped task; -1 for others.
        state: Where it stands.
        try_number: From 1; 0 before the first.
        started_at: UTC.
        ended_at: UTC.
    """

    task_id: str
    map_index: int
    state: TaskState
    try_number: int
    started_at: datetime | None
    ended_at: datetime | None

    @property
    def label(self) -> str:
        """Its name, with the map index of a mapped task."""
        return self.task_id if self.map_index < 0 else f"{self.task_id}[{self.map_index}]"


@dataclass(frozen=True, slots=True)
class DagRun:
    """One run of a DAG.

    Attributes:
        dag_id: Which DAG.
        run_id: Unique within the DAG.
        state: Where it stands.
        queued_at: When it came into being, UTC.
        started_at: UTC.
        ended_at: UTC.
        tasks: All of its tasks.
    """

    dag_id: str
    run_id: str
    state: RunState
    queued_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    tasks: tuple[TaskRun, ...]

    @property
    def done(self) -> int:
        """How many tasks ended well, skipped ones included."""
        return sum(task.state.is_done for task in self.tasks)

    @property
    def failed(self) -> tuple[TaskRun, ...]:
        """The tasks that failed themselves."""
        return tuple(task for task in self.tasks if task.state is TaskState.FAILED)

    @property
    def is_waiting(self) -> bool:
        """Whether nothing of it moves until somebody or something outside answers a deferred task."""
        idle = {TaskState.WAITING, TaskState.DEFERRED}
        states = {task.state for task in self.tasks if not (task.state.is_done or task.state.is_failed)}
        return not self.state.is_final and TaskState.DEFERRED in states and states <= idle

    def elapsed(self, now: datetime) -> float:
        """Return how many seconds the run has taken, until ``now`` if it has not ended."""
        return ((self.ended_at or now) - (self.started_at or self.queued_at)).total_seconds()

    def describe(self, now: datetime) -> str:
        """Return one line: state, tasks done of all, what runs and what failed, seconds."""
        return f"{self.describe_tasks()}, {self.elapsed(now):.0f} s"

    def describe_tasks(self) -> str:
        """Return the line without the seconds: it stays the same while nothing worth a line happens."""
        running = [task.label for task in self.tasks if task.state is TaskState.RUNNING]
        retrying = [task.label for task in self.tasks if task.state is TaskState.UP_FOR_RETRY]
        skipped = sum(task.state is TaskState.SKIPPED for task in self.tasks)
        parts = [
            "waiting for approval or data" if self.is_waiting else self.state.value,
            f"{self.done}/{len(self.tasks)} tasks",
            *([f"{skipped} skipped"] if skipped else []),
            *([f"{len(self.failed)} failed: {', '.join(task.label for task in self.failed)}"] if self.failed else []),
            *([f"now {', '.join(running)}"] if running else []),
            *([f"to be retried {', '.join(retrying)}"] if retrying else []),
        ]
        return ", ".join(parts)
