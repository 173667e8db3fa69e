from datetime import UTC, datetime, timedelta

from ledgerline.launch import DagRun, RunState, TaskRun, TaskState

NOW = datetime(2026, 11, 22, 12, 0, 30, tzinfo=UTC)
BEGAN = NOW - timedelta(seconds=30)


def task(name: str, state: TaskState, index: int = -1) -> TaskRun:
    return TaskRun(name, index, state, 1, BEGAN, None)


def run(*tasks: TaskRun, state: RunState = RunState.RUNNING) -> DagRun:
    return DagRun("train", "r", state, BEGAN, BEGAN, None, tasks)


def test_a_run_is_described_by_its_tasks_and_its_seconds():
    described = run(
        task("land", TaskState.SUCCESS, 0),
        task("land", TaskState.RUNNING, 1),
        task("publish", TaskState.WAITING),
        task("docs", TaskState.SKIPPED),
    ).describe(NOW)
    assert described == "running, 2/4 tasks, 1 skipped, now land[1], 30 s"


def test_failed_and_retried_tasks_are_named():
    described = run(task("a", TaskState.FAILED), task("b", TaskState.UP_FOR_RETRY)).describe(NOW)
    assert "1 failed: a" in described
    assert "to be retried b" in described


def test_a_run_waits_when_all_that_is_left_is_deferred():
    assert run(
        task("gates", TaskState.SUCCESS), task("await", TaskState.DEFERRED), task("go", TaskState.WAITING)
    ).is_waiting


def test_a_run_does_not_wait_while_another_task_moves():
    assert not run(task("await", TaskState.DEFERRED), task("other", TaskState.QUEUED)).is_waiting
    assert not run(task("other", TaskState.WAITING)).is_waiting
    assert not run(task("await", TaskState.DEFERRED), state=RunState.FAILED).is_waiting
