"""Airflow's configuration on the embedded default: SQLite, LocalExecutor, loopback, no login, light on two cores.

It is written to ``airflow.cfg`` in the installation's ``AIRFLOW_HOME``, so that a shell with
``AIRFLOW_HOME=$PWD/.ledgerline/airflow`` speaks to the same installation.
"""

import configparser
import io
from pathlib import Path

from ledgerline.launch.airflow_secrets import AirflowSecrets
from ledgerline.launch.layout import Layout

_SQLITE_BUSY_SECONDS = 60
# How long a dead scheduler or task goes unnoticed. Airflow's default of 300 s leaves a killed run stuck for minutes.
_HEARTBEAT_TIMEOUT_SECONDS = 30
_ORPHAN_CHECK_SECONDS = 20


def airflow_config(layout: Layout, *, dags: Path, url: str, host: str, port: int, secrets: AirflowSecrets) -> str:
    """Return the text of ``airflow.cfg``.

    Args:
        layout: Where things are kept.
        dags: The folder of DAG files.
        url: The API server's address, e.g. ``http://127.0.0.1:8080``.
        host: What the API server listens on.
        port: Where it listens.
        secrets: The installation's keys; the text holds them.
    """
    database = f"sqlite:///{layout.airflow_database}?timeout={_SQLITE_BUSY_SECONDS}"
    sections: dict[str, dict[str, str | int]] = {
        "core": {
            "dags_folder": str(dags),
            "load_examples": "False",
            "plugins_folder": str(layout.airflow / "plugins"),
            "executor": "LocalExecutor",
            "parallelism": 4,  # each is a process; two cores are the measure
            "dags_are_paused_at_creation": "False",
            "simple_auth_manager_all_admins": "True",  # no login, and loopback only
            "fernet_key": secrets.fernet_key,
            "execution_api_server_url": f"{url}/execution/",
            "killed_task_cleanup_time": 10,
        },
        "database": {"sql_alchemy_conn": database},
        "api": {
            "instance_name": "Ledgerline",
            "host": host,
            "port": port,
            "base_url": url,
            "workers": 1,
            "secret_key": secrets.api_secret_key,
            "expose_config": "False",
        },
        "api_auth": {"jwt_secret": secrets.jwt_secret},
        "logging": {
            "base_log_folder": str(layout.logs / "tasks"),
            "dag_processor_child_process_log_directory": str(layout.logs / "dag_files"),
            "colored_console_log": "False",
            "namespace_levels": "http.access=WARNING",  # progress asks every second
        },
        "scheduler": {
            "scheduler_health_check_threshold": _HEARTBEAT_TIMEOUT_SECONDS,
            "task_instance_heartbeat_timeout": _HEARTBEAT_TIMEOUT_SECONDS,
            "task_instance_heartbeat_timeout_detection_interval": 5,
            "orphaned_tasks_check_interval": _ORPHAN_CHECK_SECONDS,
            "trigger_timeout_check_interval": 5,
        },
        "workers": {
            "min_heartbeat_interval": 1,  # a finished task is noticed at once
            "max_failed_heartbeats": 20,  # an API server that is restarted must not end the tasks
        },
        "triggerer": {"capacity": 100, "triggerer_health_check_threshold": _HEARTBEAT_TIMEOUT_SECONDS},
        "dag_processor": {
            "dag_bundle_storage_path": str(layout.airflow / "bundles"),
            "parsing_processes": 1,
            "min_file_process_interval": 300,
            "refresh_interval": 30,
        },
    }
    return _ini(sections)


def _ini(sections: dict[str, dict[str, str | int]]) -> str:
    parser = configparser.RawConfigParser()
    for section, options in sections.items():
        # Airflow reads with interpolation: a percent sign in a path stands for itself only when doubled.
        parser[section] = {name: str(value).replace("%", "%%") for name, value in options.items()}
    text = io.StringIO()
    text.write("# Written by `ledgerline` at every start; edits are lost. Holds secrets.\n")
    parser.write(text)
    return text.getvalue()
