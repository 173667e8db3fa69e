"""The running local stack: what `ledgerline run` holds in its hand."""

import signal
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime
from types import FrameType, TracebackType
from typing import Any

from ledgerline.core.clock import SystemClock
from ledgerline.launch.airflow_api import AirflowApi
from ledgerline.launch.child import Child
from ledgerline.launch.dag_runs import DagRun
from ledgerline.launch.errors import DagUnavailable, StopFailed
from ledgerline.launch.events import Event, EventKind
from ledgerline.launch.programs import Launch
from ledgerline.launch.run_progress import RunProgress
from ledgerline.launch.state import urls_of
from ledgerline.launch.supervisor import Supervisor

WORKSPACE_POOL = "workspace"
_WORKSPACE_DESCRIPTION = "The one git clone in which DVC versions data: one task at a time"
_POLL_SECONDS = 1.0
_PARSE_SECONDS = 90.0
_JOIN_SECONDS = 0.2

Report = Callable[[Event], None]


class Reporter:
    """Stamps events with the time since the launch, and passes them on one at a time.

    Args:
        report: The caller's; it may be called from another thread than the caller's.
    """

    def __init__(self, report: Report) -> None:
        self._report = report
        self._lock = threading.Lock()
        self._began = time.monotonic()

    def say(self, kind: EventKind, subject: str, text: str, elapsed: float | None = None) -> None:
        """Pass on one event."""
        with self._lock:
            self._report(Event(kind, subject, text, time.monotonic() - self._began if elapsed is None else elapsed))


class Stack:
    """A started stack. Use it as a context manager: leaving the block stops everything.

    Attributes:
        airflow_url: Airflow's interface and API.
        mlflow_url: MLflow.
        scoring_url: The scoring job.
        trading_url: The trading job; None where the stack has none.
        exchange_url: The sandbox's exchange; None where the stack has none.
    """

    def __init__(self, launch: Launch, *, supervisor: Supervisor, reporter: Reporter, cleanup: ExitStack) -> None:
        self.airflow_url = launch.airflow_url
        self.mlflow_url = launch.mlflow_url
        self.scoring_url = launch.scoring_url
        urls = urls_of(launch, {child.program.part for child in supervisor.children})
        self.trading_url = urls.get("trading")
        self.exchange_url = urls.get("exchange")
        self._supervisor = supervisor
        self._reporter = reporter
        self._cleanup = cleanup
        self._clock = SystemClock()
        self._api = AirflowApi(launch.airflow_url)
        self._launched_at = launch.began_at

    def __enter__(self) -> "Stack":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def processes(self) -> tuple[Child, ...]:
        """The supervised programs as they are now."""
        return tuple(self._supervisor.children)

    def trigger_dag(self, dag_id: str, conf: dict[str, Any] | None = None, run_id: str | None = None) -> str:
        """Start a run of a DAG as its file is now, and return the run's id.

        Args:
            dag_id: Which DAG.
            conf: The run's configuration.
            run_id: Its id; Airflow makes one up when there is none.

        Raises:
            DagUnavailable: Airflow cannot import the file, or knows no such DAG.
            AirflowRefused: A run of that id is there already.
        """
        self.require_dags([dag_id])
        self._api.ensure_pool(WORKSPACE_POOL, slots=1, description=_WORKSPACE_DESCRIPTION)
        return self._api.trigger(dag_id, run_id=run_id, conf=conf or {})

    def dag_runs(self, since: datetime) -> list[DagRun]:
        """Return all DAGs' runs that were due at or after ``since``, oldest first, with their tasks."""
        return self._api.runs(since)

    def wait_for_runs(
        self, dag_ids: Sequence[str], *, since: datetime, timeout: float, patience: float | None = None
    ) -> list[DagRun]:
        """Wait until each DAG has had a run since then, and neither they nor what they set off goes on.

        Progress is reported meanwhile. A failed run does not hold up the others: all are waited for.

        Args:
            dag_ids: The DAGs that must have had a run; whatever else runs is waited for too.
            since: Runs due earlier do not count. Take it before triggering.
            timeout: Seconds.
            patience: Return also once all that is left has waited that many seconds for somebody's signature.

        Returns:
            All runs since then, oldest first.

        Raises:
            DagRunFailed: With the failed tasks and the ends of their logs.
            WaitTimedOut: With what each DAG was doing.
            StackError: The stack broke down meanwhile.
        """
        progress = RunProgress(self._api, dag_ids, say=self._reporter.say, clock=self._clock, patience=patience)
        deadline = time.monotonic() + timeout
        while (ended := progress.look(since)) is None:
            self.raise_if_broken()
            if time.monotonic() > deadline:
                raise progress.timed_out(timeout)
            time.sleep(_POLL_SECONDS)
        return ended

    def wait_until_stopped(self) -> None:
        """Stay until Ctrl-C or SIGTERM (raised as KeyboardInterrupt), or until the stack breaks down.

        Raises:
            StackError: A process died too often.
        """
        while True:
            self.raise_if_broken()
            time.sleep(_POLL_SECONDS)

    def raise_if_broken(self) -> None:
        """Raise what ended the stack, if anything has."""
        if self._supervisor.failure is not None:
            raise self._supervisor.failure

    def stop(self) -> None:
        """End every process and verify that none is left. A second Ctrl-C skips the grace. Stopping twice is fine.

        Raises:
            StopFailed: A process outlived being killed.
        """
        self._cleanup.close()

    def require_dags(self, dag_ids: Collection[str]) -> None:
        """Wait until Airflow has read the files of some DAGs as they are now.

        An asset that is published before the DAG that it sets off was read sets off nothing: read them all first.

        Raises:
            DagUnavailable: Airflow cannot import a file, or knows no such DAG.
        """
        deadline = time.monotonic() + _PARSE_SECONDS
        lacking = set(dag_ids)
        while lacking := {dag_id for dag_id in lacking if not self._has_read(dag_id)}:
            self.raise_if_broken()
            if broken := self._api.import_errors():
                file, trace = next(iter(broken.items()))
                raise DagUnavailable(f"Airflow cannot import {file}:\n{trace.strip()}")
            if time.monotonic() > deadline:
                names = ", ".join(map(repr, sorted(lacking)))
                raise DagUnavailable(f"Airflow has not read a DAG called {names} within {_PARSE_SECONDS:.0f} s")
            time.sleep(_POLL_SECONDS / 2)

    def _has_read(self, dag_id: str) -> bool:
        dag = self._api.dag(dag_id)
        return dag is not None and dag.parsed_at is not None and dag.parsed_at >= self._launched_at


def end(supervisor: Supervisor, reporter: Reporter) -> None:
    """Stop a supervisor, and wait until every process has ended.

    Raises:
        StopFailed: One outlived being killed.
    """
    reporter.say(EventKind.STOPPING, "stack", "stopping")
    with _signals_hurry(supervisor):
        supervisor.ask_to_stop()
        while supervisor.is_alive():
            supervisor.join(_JOIN_SECONDS)  # in short waits, so that a signal is handled between them
    if isinstance(supervisor.failure, StopFailed):
        raise supervisor.failure
    reporter.say(EventKind.STOPPED, "stack", "stopped, no process is left")


@contextmanager
def interrupting_signals() -> Iterator[None]:
    """Turn SIGTERM and SIGHUP into KeyboardInterrupt, so that every way of being ended stops the stack."""

    def interrupt(number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt(signal.Signals(number).name)

    with _handling((signal.SIGTERM, signal.SIGHUP), interrupt):
        yield


@contextmanager
def _signals_hurry(supervisor: Supervisor) -> Iterator[None]:
    with _handling(
        (signal.SIGINT, signal.SIGTERM, signal.SIGHUP), lambda _number, _frame: supervisor.ask_to_stop(hurry=True)
    ):
        yield


@contextmanager
def _handling(numbers: Sequence[signal.Signals], handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():  # Python hands signals to the main thread alone
        yield
        return
    previous = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, old in previous.items():
            signal.signal(number, old)
