"""The real stack, once up: what it serves, runs, reports and refuses."""

import json
import os
import signal
import stat
from datetime import UTC, datetime, timedelta

import httpx
import psutil
import pytest

from ledgerline.launch import (
    AlreadyRunning,
    DagRunFailed,
    DagUnavailable,
    EventKind,
    RunState,
    TaskState,
    WaitTimedOut,
    start,
    status,
)


def now() -> datetime:
    return datetime.now(UTC) - timedelta(seconds=1)


def ours(running) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("LEDGERLINE_HOME") == str(running.settings.home):
                found.append(process)
        except psutil.Error:
            continue
    return found


def test_a_taken_port_is_replaced_and_said(running):
    assert str(running.taken) not in running.stack.airflow_url
    said = [event.text for event in running.events if event.kind is EventKind.PORT_REPLACED]
    assert any(str(running.taken) in text for text in said)


def test_every_server_listens_on_loopback_only(running):
    listening = {
        connection.laddr
        for process in ours(running)
        for connection in process.net_connections(kind="inet")
        if connection.status == psutil.CONN_LISTEN
    }
    assert {address.ip for address in listening} == {"127.0.0.1"}
    assert len(listening) == 2  # Airflow's API server and MLflow: no log servers


def test_mlflow_serves_and_refuses_a_foreign_host_name(running):
    url = f"{running.stack.mlflow_url}/api/2.0/mlflow/experiments/search"
    body = {"max_results": 1}
    assert httpx.post(url, json=body, trust_env=False).status_code == 200
    assert httpx.post(url, json=body, headers={"Host": "rebound.example"}, trust_env=False).status_code == 403


def test_the_interface_opens_without_a_login(running):
    page = httpx.get(running.stack.airflow_url, trust_env=False, follow_redirects=True)
    assert page.status_code == 200
    assert "/auth/login" not in str(page.url)


def test_airflows_navigation_leads_to_mlflow_the_apis_and_the_data_docs(running):
    token = httpx.get(f"{running.stack.airflow_url}/auth/token", trust_env=False).json()["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    plugins = httpx.get(f"{running.stack.airflow_url}/api/v2/plugins", headers=headers, trust_env=False).json()
    (ours,) = (plugin for plugin in plugins["plugins"] if plugin["name"] == "ledgerline")
    links = {view["name"]: view["href"] for view in ours["external_views"] if view["destination"] == "nav"}
    assert links["MLflow"] == running.stack.mlflow_url
    assert links["Scoring API"].endswith("/docs")
    assert set(links) == {"MLflow", "Scoring API", "Trading", "Data Docs"}
    docs = running.settings.data_docs_path
    docs.mkdir(parents=True, exist_ok=True)
    (docs / "index.html").write_text("<h1>what was judged</h1>")
    page = httpx.get(f"{running.stack.airflow_url}{links['Data Docs']}", trust_env=False)
    assert (page.status_code, page.text) == (200, "<h1>what was judged</h1>")
    outside = httpx.get(f"{running.stack.airflow_url}/data-docs/..%2f..%2fairflow%2fairflow.cfg", trust_env=False)
    assert "fernet_key" not in outside.text


def test_runs_are_followed_from_dag_to_dag(running):
    since = now()
    run_id = running.stack.trigger_dag("first", {"why": "test"}, run_id="followed")
    runs = running.stack.wait_for_runs(["first", "second"], since=since, timeout=90)
    assert run_id == "followed"
    assert [(run.dag_id, run.state) for run in runs if run.dag_id == "first"] == [("first", RunState.SUCCESS)]
    assert {run.state for run in runs} == {RunState.SUCCESS}
    (first,) = (run for run in runs if run.dag_id == "first")
    assert sorted(task.label for task in first.tasks) == ["double[0]", "double[1]", "numbers"]
    last = [event for event in running.events if event.subject == "first"][-1]
    assert last.kind is EventKind.RUN_ENDED
    assert last.text.startswith("success, 3/3 tasks")


def test_the_workspace_pool_has_one_slot(running):
    running.stack.trigger_dag("first")
    token = httpx.get(f"{running.stack.airflow_url}/auth/token", trust_env=False).json()["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    pool = httpx.get(f"{running.stack.airflow_url}/api/v2/pools/workspace", headers=headers, trust_env=False).json()
    assert pool["slots"] == 1


def test_a_failed_task_is_reported_with_the_end_of_its_log(running):
    since = now()
    running.stack.trigger_dag("failing")
    with pytest.raises(DagRunFailed, match=r"failing run .* failed: bad failed at try 1(.|\n)*in the wrong currency"):
        running.stack.wait_for_runs(["failing"], since=since, timeout=90)


def test_a_run_that_waits_for_somebody_can_be_left_waiting(running):
    since = now()
    running.stack.trigger_dag("waiting")
    (run,) = running.stack.wait_for_runs(["waiting"], since=since, timeout=90, patience=0)
    assert run.is_waiting
    assert [task.state for task in run.tasks] == [TaskState.DEFERRED]
    with pytest.raises(WaitTimedOut, match="waiting: waiting for approval or data, 0/1 tasks"):
        running.stack.wait_for_runs(["waiting"], since=since, timeout=1)


def test_a_dag_file_that_cannot_be_imported_is_named(running):
    with pytest.raises(DagUnavailable, match=r"broken\.py(.|\n)*no_such_name"):
        running.stack.trigger_dag("broken")


def test_a_second_launcher_of_the_same_home_is_refused(running):
    with pytest.raises(AlreadyRunning, match="ledgerline down"):
        start(running.settings)
    assert status(running.settings).running


def test_status_names_every_process_and_address(running):
    found = status(running.settings)
    assert found.launcher == os.getpid()
    assert (found.airflow_url, found.mlflow_url) == (running.stack.airflow_url, running.stack.mlflow_url)
    assert {process.name for process in found.processes} == {
        "airflow-api-server",
        "airflow-dag-processor",
        "airflow-scheduler",
        "airflow-triggerer",
        "mlflow",
    }
    assert all(process.alive for process in found.processes)


def test_secrets_lie_in_private_files_and_in_no_log(running):
    airflow = running.settings.home / "airflow"
    for name in ("airflow.cfg", "secrets.json"):
        assert stat.S_IMODE((airflow / name).stat().st_mode) == 0o600
    secrets = json.loads((airflow / "secrets.json").read_text()).values()
    assert all(secret in (airflow / "airflow.cfg").read_text() for secret in secrets)
    logs = "".join(log.read_text(errors="replace") for log in running.settings.logs_path.rglob("*.log"))
    assert logs
    assert not [secret for secret in secrets if secret in logs]


def test_a_killed_scheduler_is_replaced_and_the_next_run_goes_through(running, until):
    before = {process.name: process.pid for process in status(running.settings).processes}
    os.kill(before["airflow-scheduler"], signal.SIGKILL)
    ready = (EventKind.READY, "airflow-scheduler")
    until(lambda: [(event.kind, event.subject) for event in running.events].count(ready) == 2, "a new scheduler")
    after = {process.name: process.pid for process in status(running.settings).processes}
    assert {name for name in before if before[name] != after[name]} == {"airflow-scheduler"}
    since = now()
    running.stack.trigger_dag("first")
    runs = running.stack.wait_for_runs(["first"], since=since, timeout=90)
    assert runs[-1].state is RunState.SUCCESS


def test_stopping_leaves_nothing_of_the_home_running(running):
    running.stack.stop()
    assert ours(running) == []
    assert not status(running.settings).running
    assert not (running.settings.home / "run" / "stack.json").exists()
