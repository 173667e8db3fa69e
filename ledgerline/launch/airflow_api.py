"""Airflow's REST API v2, as far as the launcher needs it."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx

from ledgerline.core.clock import instant_text
from ledgerline.launch.dag_runs import DagRun, RunState, TaskRun, TaskState
from ledgerline.launch.errors import AirflowBusy, AirflowRefused

_TIMEOUT_SECONDS = 15.0
_HEALTH_SECONDS = 2.0
_BUSY_SECONDS, _BUSY_LOOK_SECONDS = 180.0, 1.0
_BACKFILL_SECONDS = 120.0  # it makes every run of the past before it answers
_PAGE = 100


@dataclass(frozen=True, slots=True)
class Health:
    """When each part of Airflow last gave a sign of life, UTC; None for never."""

    scheduler: datetime | None
    dag_processor: datetime | None
    triggerer: datetime | None


@dataclass(frozen=True, slots=True)
class DagFile:
    """What Airflow knows of a DAG.

    Attributes:
        dag_id: Which DAG.
        parsed_at: When its file was last read, UTC.
        paused: Whether its runs are held back.
    """

    dag_id: str
    parsed_at: datetime | None
    paused: bool


class AirflowApi:
    """Speaks to one API server of a login-free installation.

    Args:
        url: E.g. ``http://127.0.0.1:8080``.
    """

    def __init__(self, url: str) -> None:
        self._client = httpx.Client(base_url=url, timeout=_TIMEOUT_SECONDS, trust_env=False)
        self._token: str | None = None

    def health(self) -> Health | None:
        """Return when the parts last gave a sign of life, or None while the server does not answer."""
        try:
            response = self._client.get("/api/v2/monitor/health", timeout=_HEALTH_SECONDS)
            parts = response.raise_for_status().json()
        except (httpx.HTTPError, ValueError):
            return None
        names = ("scheduler", "dag_processor", "triggerer")
        return Health(*(_instant((parts.get(name) or {}).get(f"latest_{name}_heartbeat")) for name in names))

    def ensure_pool(self, name: str, *, slots: int, description: str) -> None:
        """Create the pool unless it is there."""
        if self._request("GET", f"/api/v2/pools/{name}", allow=(httpx.codes.NOT_FOUND,)) is not None:
            return
        body = {"name": name, "slots": slots, "description": description, "include_deferred": False}
        self._request("POST", "/api/v2/pools", json=body, allow=(httpx.codes.CONFLICT,))

    def dag(self, dag_id: str) -> DagFile | None:
        """Return what Airflow knows of a DAG, or None if it knows none of that name."""
        found = self._request("GET", f"/api/v2/dags/{dag_id}", allow=(httpx.codes.NOT_FOUND,))
        if found is None:
            return None
        return DagFile(dag_id, _instant(found["last_parsed_time"]), bool(found["is_paused"]))

    def import_errors(self) -> dict[str, str]:
        """Return the traceback of every DAG file that cannot be imported."""
        answer = self._request("GET", "/api/v2/importErrors", params={"limit": _PAGE}) or {}
        return {error["filename"]: error["stack_trace"] for error in answer["import_errors"]}

    def trigger(self, dag_id: str, *, run_id: str | None, conf: dict[str, Any]) -> str:
        """Start a run now and return its id.

        Raises:
            AirflowRefused: E.g. a run of that id is there already.
        """
        body = {"logical_date": None, "conf": conf, **({"dag_run_id": run_id} if run_id else {})}
        answer = self._request("POST", f"/api/v2/dags/{dag_id}/dagRuns", json=body) or {}
        return str(answer["dag_run_id"])

    def runs(self, since: datetime) -> list[DagRun]:
        """Return every DAG's runs that were due at or after ``since``, oldest first, with their tasks."""
        window = {"run_after_gte": instant_text(since)}
        tasks: dict[tuple[str, str], list[TaskRun]] = {}
        for task in self._pages("/api/v2/dags/~/dagRuns/~/taskInstances", "task_instances", window):
            tasks.setdefault((task["dag_id"], task["dag_run_id"]), []).append(_task_run(task))
        return self._runs(window, tasks)

    def earlier_runs_at_work(self, before: datetime) -> list[DagRun]:
        """Return the runs that were due earlier and still go on; not those that only wait for somebody."""
        window = {"state": ["queued", "running"], "run_after_lt": instant_text(before)}
        tasks: dict[tuple[str, str], list[TaskRun]] = {}
        for run in self._pages("/api/v2/dags/~/dagRuns", "dag_runs", window):
            key = (run["dag_id"], run["dag_run_id"])
            path = f"/api/v2/dags/{key[0]}/dagRuns/{key[1]}/taskInstances"
            tasks[key] = [_task_run(task) for task in self._pages(path, "task_instances", {})]
        return [run for run in self._runs(window, tasks) if not run.is_waiting] if tasks else []

    def _runs(self, window: dict[str, Any], tasks: dict[tuple[str, str], list[TaskRun]]) -> list[DagRun]:
        runs = [
            _dag_run(run, tuple(tasks.get((run["dag_id"], run["dag_run_id"]), ())))
            for run in self._pages("/api/v2/dags/~/dagRuns", "dag_runs", window)
        ]
        return sorted(runs, key=lambda run: (run.queued_at, run.dag_id, run.run_id))

    def has_queued_asset_events(self) -> bool:
        """Return whether a published asset still has to set off a run of some DAG."""
        for dag in list(self._pages("/api/v2/dags", "dags", {"exclude_stale": True, "paused": False})):
            path = f"/api/v2/dags/{dag['dag_id']}/assets/queuedEvents"
            queued = self._request("GET", path, allow=(httpx.codes.NOT_FOUND,))
            if queued is not None and queued["total_entries"]:
                return True
        return False

    def start_backfill(
        self, dag_id: str, first: datetime, last: datetime, *, again: bool, max_active_runs: int = 1
    ) -> int | None:
        """Ask for every run of a DAG that was due between two instants; return the backfill's number.

        Args:
            dag_id: Which DAG.
            first: The earliest logical date, UTC.
            last: The latest.
            again: Whether runs that went well are run once more; runs that failed always are.
            max_active_runs: How many at a time.

        Returns:
            Its number, or None while another backfill of the DAG is still going on.

        Raises:
            AirflowBusy: Its SQLite stayed locked by others for minutes.
            AirflowRefused: It does not answer, or with an error.
        """
        body = {
            "dag_id": dag_id,
            "from_date": instant_text(first),
            "to_date": instant_text(last),
            "run_backwards": False,
            "dag_run_conf": {},
            "reprocess_behavior": "completed" if again else "failed",
            "max_active_runs": max_active_runs,
        }
        deadline = time.monotonic() + _BUSY_SECONDS
        while True:
            try:
                answer = self._request(
                    "POST", "/api/v2/backfills", json=body, allow=(httpx.codes.CONFLICT,), timeout=_BACKFILL_SECONDS
                )
            except AirflowBusy:  # its SQLite was locked by a scheduler at work; what it had begun it took back
                if time.monotonic() > deadline:
                    raise
                time.sleep(_BUSY_LOOK_SECONDS)
            else:
                return None if answer is None else int(answer["id"])

    def backfill_runs(self, dag_id: str, first: datetime, last: datetime) -> list[DagRun]:
        """Return the runs that backfills made of a DAG between two logical dates, without their tasks."""
        dates = {"logical_date_gte": instant_text(first), "logical_date_lte": instant_text(last)}
        found = self._pages(f"/api/v2/dags/{dag_id}/dagRuns", "dag_runs", {"run_type": "backfill", **dates})
        return sorted((_dag_run(run, ()) for run in found), key=lambda run: run.run_id)

    def has_backfill_at_work(self, dag_id: str) -> bool:
        """Return whether a backfill of a DAG has not ended yet."""
        return any(
            each["completed_at"] is None for each in self._pages("/api/v2/backfills", "backfills", {"dag_id": dag_id})
        )

    def task_log(self, run: DagRun, task: TaskRun, *, lines: int = 20) -> str:
        """Return the last lines that a task wrote."""
        path = f"/api/v2/dags/{run.dag_id}/dagRuns/{run.run_id}/taskInstances/{task.task_id}/logs/{task.try_number}"
        answer = self._request("GET", path, params={"map_index": task.map_index, "full_content": True}) or {}
        texts = [entry if isinstance(entry, str) else _log_line(entry) for entry in answer.get("content", [])]
        return "\n".join(texts[-lines:])

    def _pages(self, path: str, items: str, params: dict[str, Any]) -> Iterator[dict[str, Any]]:
        offset = 0
        while True:
            answer = self._request("GET", path, params={**params, "limit": _PAGE, "offset": offset}) or {}
            yield from answer[items]
            offset += _PAGE
            if offset >= answer["total_entries"] or not answer[items]:
                return

    def _request(self, method: str, path: str, *, allow: tuple[int, ...] = (), **more: Any) -> dict[str, Any] | None:
        try:
            response = self._client.request(method, path, headers=self._authorisation(), **more)
            if response.status_code == httpx.codes.UNAUTHORIZED:  # the token has expired
                self._token = None
                response = self._client.request(method, path, headers=self._authorisation(), **more)
        except httpx.HTTPError as error:
            raise AirflowRefused(f"Airflow's API does not answer {method} {path}: {error}") from error
        if response.status_code in allow:
            return None
        if not response.is_success:
            refusal = AirflowBusy if _is_busy(response) else AirflowRefused
            raise refusal(f"Airflow's API answered {method} {path} with {response.status_code}: {response.text[:300]}")
        answer: dict[str, Any] = response.json()
        return answer

    def _authorisation(self) -> dict[str, str]:
        if self._token is None:
            self._token = str(self._client.get("/auth/token").raise_for_status().json()["access_token"])
        return {"Authorization": f"Bearer {self._token}"}


def _is_busy(response: httpx.Response) -> bool:
    """Whether others held Airflow's database: some routes say so, others call it an error of the database."""
    if response.status_code == httpx.codes.SERVICE_UNAVAILABLE:
        return True
    return response.status_code == httpx.codes.INTERNAL_SERVER_ERROR and "Database error" in response.text


def _instant(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text.replace("Z", "+00:00")) if text else None


def _dag_run(run: dict[str, Any], tasks: tuple[TaskRun, ...]) -> DagRun:
    queued = _instant(run["queued_at"]) or _instant(run["run_after"])
    if queued is None:
        raise AirflowRefused(f"Airflow reports the run {run['dag_run_id']} of {run['dag_id']} without a time")
    started, ended = _instant(run["start_date"]), _instant(run["end_date"])
    return DagRun(run["dag_id"], run["dag_run_id"], RunState(run["state"]), queued, started, ended, tasks)


def _task_run(task: dict[str, Any]) -> TaskRun:
    try:
        state = TaskState(task["state"] or "none")
    except ValueError:
        state = TaskState.OTHER
    started, ended = _instant(task["start_date"]), _instant(task["end_date"])
    return TaskRun(task["task_id"], int(task["map_index"]), state, int(task["try_number"]), started, ended)


def _log_line(entry: dict[str, Any]) -> str:
    text = str(entry.get("event", ""))
    for error in entry.get("error_detail") or []:
        text += f"\n{error.get('exc_type')}: {error.get('exc_value')}"
    return text
