"""Follow DAG runs, and those that they set off, until nothing of it moves any more."""

import time
from collections.abc import Callable, Sequence
from datetime import datetime

from ledgerline.core.clock import Clock
from ledgerline.launch.airflow_api import AirflowApi
from ledgerline.launch.dag_runs import DagRun, RunState
from ledgerline.launch.errors import AirflowRefused, DagRunFailed, WaitTimedOut
from ledgerline.launch.events import EventKind

Say = Callable[[EventKind, str, str, float], None]
_MOST_SILENT_LOOKS = 30  # an API server that is restarted is back within that many looks


class RunProgress:
    """Looks at all DAGs' runs, says what changed, and knows when they are through.

    They are through when every run has ended, also those that a killed launcher left under way, and no published asset
    still has a run to set off.

    Args:
        api: Where to look.
        dag_ids: DAGs that must have had a run by then.
        say: Told ``(kind, dag, text, elapsed)`` whenever something of a run is worth a line.
        clock: For the seconds that a run has taken so far.
        patience: After how many seconds a run that only waits for a deferred task counts as through; None for never.
    """

    def __init__(
        self, api: AirflowApi, dag_ids: Sequence[str], *, say: Say, clock: Clock, patience: float | None
    ) -> None:
        self._api = api
        self._dag_ids = tuple(dag_ids)
        self._say = say
        self._clock = clock
        self._patience = patience
        self._said: dict[tuple[str, str], str] = {}
        self._waiting_since: dict[tuple[str, str], float] = {}
        self._runs: list[DagRun] = []
        self._silent_looks = 0

    def look(self, since: datetime) -> list[DagRun] | None:
        """Report what changed; return the runs once they are through, else None.

        Raises:
            DagRunFailed: They are through, and some failed.
            AirflowRefused: The API server has not answered for long.
        """
        try:
            return self._look(since)
        except AirflowRefused:
            self._silent_looks += 1
            if self._silent_looks > _MOST_SILENT_LOOKS:
                raise
            return None

    def timed_out(self, seconds: float) -> WaitTimedOut:
        """Return the error that says what has not ended, and which DAG had no run."""
        now = self._clock.now()
        going_on = [f"{run.dag_id}: {run.describe(now)}" for run in self._runs if not run.state.is_final]
        missing = [f"{dag_id}: no run" for dag_id in self._dag_ids if dag_id not in {run.dag_id for run in self._runs}]
        return WaitTimedOut(f"not through after {seconds:.0f} s; {'; '.join(going_on + missing)}")

    def _look(self, since: datetime) -> list[DagRun] | None:
        self._runs = self._look_at_runs(since)
        for run in self._runs:
            self._say_changes(run)
        through = self._are_through(since)
        self._silent_looks = 0
        if not through:
            return None
        if failed := [run for run in self._runs if run.state is RunState.FAILED]:
            raise DagRunFailed("\n".join(self._why_failed(run) for run in failed))
        return self._runs

    def _are_through(self, since: datetime) -> bool:
        if not {run.dag_id for run in self._runs} >= set(self._dag_ids):
            return False
        if not all(self._is_through(run) for run in self._runs) or self._api.has_queued_asset_events():
            return False
        # A published asset may have become a run between the two looks: only a picture that stood still counts.
        again = self._look_at_runs(since)
        return [(run.dag_id, run.run_id, run.state) for run in again] == [
            (run.dag_id, run.run_id, run.state) for run in self._runs
        ]

    def _look_at_runs(self, since: datetime) -> list[DagRun]:
        return [*self._api.earlier_runs_at_work(since), *self._api.runs(since)]

    def _is_through(self, run: DagRun) -> bool:
        key = (run.dag_id, run.run_id)
        if run.state.is_final:
            return True
        if not run.is_waiting:
            self._waiting_since.pop(key, None)
            return False
        since = self._waiting_since.setdefault(key, time.monotonic())
        return self._patience is not None and time.monotonic() - since >= self._patience

    def _say_changes(self, run: DagRun) -> None:
        key, text = (run.dag_id, run.run_id), run.describe_tasks()
        if self._said.get(key) == text:
            return
        self._said[key] = text
        now = self._clock.now()
        kind = EventKind.RUN_ENDED if run.state.is_final else EventKind.RUN_PROGRESS
        self._say(kind, run.dag_id, run.describe(now), run.elapsed(now))

    def _why_failed(self, run: DagRun) -> str:
        reasons = []
        for task in run.failed[:3]:
            try:
                log = self._api.task_log(run, task)
            except AirflowRefused as refusal:
                log = f"(its log cannot be read: {refusal})"
            reasons.append(f"{task.label} failed at try {task.try_number}; the end of its log:\n{log}")
        detail = "\n".join(reasons) or "none of its tasks failed; see the scheduler's log"
        return f"{run.dag_id} run {run.run_id} failed: {detail}"
