"""Follow a chain of DAGs until it has run through."""

from collections.abc import Callable, Sequence
from datetime import datetime
from itertools import pairwise

from ledgerline.core.clock import Clock
from ledgerline.launch.airflow_api import AirflowApi
from ledgerline.launch.dag_runs import DagRun, RunState
from ledgerline.launch.errors import AirflowRefused, DagRunFailed, WaitTimedOut
from ledgerline.launch.events import EventKind

Say = Callable[[EventKind, str, str, float], None]
_MOST_SILENT_LOOKS = 30  # an API server that is restarted is back within that many looks


class RunProgress:
    """Looks at the runs of some DAGs, says what changed, and knows when they are through.

    Args:
        api: Where to look.
        dag_ids: The DAGs.
        say: Told ``(kind, dag, text, elapsed)`` whenever a run's state or count of tasks changes.
        clock: For the seconds that a run has taken so far.
        until_approval: Whether a run that only waits for a deferred task counts as through.
    """

    def __init__(
        self, api: AirflowApi, dag_ids: Sequence[str], *, say: Say, clock: Clock, until_approval: bool
    ) -> None:
        self._api = api
        self._dag_ids = tuple(dag_ids)
        self._say = say
        self._clock = clock
        self._until_approval = until_approval
        self._said: dict[tuple[str, str], object] = {}
        self._runs: list[DagRun] = []
        self._silent_looks = 0

    def look(self, since: datetime) -> list[DagRun] | None:
        """Report what changed; return the runs once they are through, else None.

        Raises:
            DagRunFailed: A run failed.
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
        """Return the error that says how far each DAG came."""
        stands = [f"{run.dag_id}: {run.describe(self._clock.now())}" for run in self._runs]
        missing = [f"{dag_id}: no run" for dag_id in self._dag_ids if dag_id not in {run.dag_id for run in self._runs}]
        return WaitTimedOut(f"not through after {seconds:.0f} s; {'; '.join(stands + missing)}")

    def _look(self, since: datetime) -> list[DagRun] | None:
        self._runs = [run for run in self._api.runs(since) if run.dag_id in self._dag_ids]
        for run in self._runs:
            self._say_changes(run)
            if run.state is RunState.FAILED:
                raise self._failure(run)
        through = self._are_through(self._runs)
        self._silent_looks = 0
        return self._runs if through else None

    def _are_through(self, runs: list[DagRun]) -> bool:
        if any(not (run.state.is_final or (self._until_approval and run.is_waiting)) for run in runs):
            return False
        by_dag = {dag_id: [run for run in runs if run.dag_id == dag_id] for dag_id in self._dag_ids}
        if not all(by_dag.values()):
            return False
        # A run that was under way before may just have ended, with the one that it sets off still to come.
        return all(self._led_on(by_dag[one][-1], by_dag[next_one]) for one, next_one in pairwise(self._dag_ids))

    def _led_on(self, last: DagRun, following: list[DagRun]) -> bool:
        return any((last.dag_id, last.run_id) in self._api.set_off_by(run) for run in reversed(following))

    def _say_changes(self, run: DagRun) -> None:
        now = self._clock.now()
        shown = (run.state, run.is_waiting, tuple((task.label, task.state) for task in run.tasks))
        key = (run.dag_id, run.run_id)
        if self._said.get(key) == shown:
            return
        self._said[key] = shown
        kind = EventKind.RUN_ENDED if run.state.is_final else EventKind.RUN_PROGRESS
        self._say(kind, run.dag_id, run.describe(now), run.elapsed(now))

    def _failure(self, run: DagRun) -> DagRunFailed:
        reasons = []
        for task in run.failed[:3]:
            try:
                log = self._api.task_log(run, task)
            except AirflowRefused as refusal:
                log = f"(its log cannot be read: {refusal})"
            reasons.append(f"{task.label} failed at try {task.try_number}; the end of its log:\n{log}")
        detail = "\n".join(reasons) or "none of its tasks failed; see the scheduler's log"
        return DagRunFailed(f"{run.dag_id} run {run.run_id} failed: {detail}")
