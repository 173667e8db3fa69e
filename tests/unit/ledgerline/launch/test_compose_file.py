"""What docker-compose.yml promises, read from the file: no engine is needed to check it."""

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from ledgerline.core.settings import PROJECT_ROOT, Settings

FILE = PROJECT_ROOT / "docker-compose.yml"
ENGINES = {"postgres", "redis"}
RUN_ONCE = {"airflow-init"}
VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?P<rest>[^}]*)\}")
SECRET = re.compile(r"PASSWORD|SECRET|FERNET|JWT|TOKEN")


@pytest.fixture(scope="module")
def services() -> dict[str, dict[str, Any]]:
    return yaml.safe_load(FILE.read_text())["services"]


def test_every_part_of_the_platform_is_a_service(services):
    assert set(services) == ENGINES | RUN_ONCE | {
        "airflow-api-server",
        "airflow-dag-processor",
        "airflow-scheduler",
        "airflow-triggerer",
        "airflow-worker",
        "exchange",
        "mlflow",
        "scoring",
        "trading",
    }


def test_no_secret_has_a_default():
    variables = [match.groupdict() for match in VARIABLE.finditer(FILE.read_text())]
    assert [found["name"] for found in variables if SECRET.search(found["name"])]
    assert {found["name"] for found in variables if SECRET.search(found["name"]) and found["rest"][:2] != ":?"} == set()


def test_no_password_stands_in_the_file(services):
    for name, service in services.items():
        for variable, value in (service.get("environment") or {}).items():
            if SECRET.search(variable) and not variable.endswith("_FILE"):
                assert VARIABLE.fullmatch(str(value)), f"{name}: {variable}"
            for credentials in re.findall(r"://([^@/]*)@", str(value)):
                assert VARIABLE.fullmatch(credentials.partition(":")[2]), f"{name}: {variable}"


def test_every_value_to_be_set_is_in_the_example(services):
    required = {match["name"] for match in VARIABLE.finditer(FILE.read_text()) if match["rest"].startswith(":?")}
    lines = (PROJECT_ROOT / "docker" / "example.env").read_text().splitlines()
    example = {line.partition("=")[0]: line.partition("=")[2] for line in lines if line and line[0] != "#"}
    assert set(example) == required
    assert set(example.values()) == {""}


def test_ports_are_bound_to_this_machine_alone(services):
    ports = [port for service in services.values() for port in service.get("ports", [])]
    assert len(ports) == 3
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_engines_are_not_published_at_all(services):
    assert not [name for name in ENGINES if services[name].get("ports")]


def test_every_lasting_service_says_whether_it_is_well(services):
    assert {name for name in services if "healthcheck" not in services[name]} == RUN_ONCE


def test_state_is_in_named_volumes_that_are_declared(services):
    declared = set(yaml.safe_load(FILE.read_text())["volumes"])
    used = {volume.partition(":")[0] for service in services.values() for volume in service.get("volumes", [])}
    assert {volume for volume in used if volume[0] not in "./$"} == declared
    assert {"dvc-site-cache", "postgres-data", "redis-data", "ledgerline-home", "mlflow-data"} <= declared


def test_dvcs_site_cache_outlives_the_containers_that_write_it(services):
    for name in ("airflow-worker", "airflow-scheduler"):
        folder = services[name]["environment"]["DVC_SITE_CACHE_DIR"]
        assert f"dvc-site-cache:{folder}" in services[name]["volumes"]


def test_source_files_are_read_only(services):
    (mount,) = (volume for volume in services["airflow-worker"]["volumes"] if volume.endswith(":ro"))
    assert mount.rsplit(":", 2)[1] == services["airflow-worker"]["environment"]["LEDGERLINE_DATA"]


def test_workers_hold_neither_the_metadata_database_nor_the_key_that_signs_tokens(services):
    environment = services["airflow-worker"]["environment"]
    assert "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN" not in environment
    assert "AIRFLOW__API_AUTH__JWT_SECRET" not in environment
    assert "AIRFLOW_ADMIN_PASSWORD" not in environment


def test_the_production_engines_are_chosen(services):
    environment = services["airflow-scheduler"]["environment"]
    assert environment["AIRFLOW__CORE__EXECUTOR"] == "CeleryExecutor"
    assert environment["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"].startswith("postgresql")
    assert environment["AIRFLOW__CELERY__BROKER_URL"].startswith("redis://")
    assert environment["LEDGERLINE_DATABASE"].startswith("postgresql")
    assert services["mlflow"]["environment"]["MLFLOW_BACKEND_STORE_URI"].startswith("postgresql")
    assert environment["LEDGERLINE_PROFILE"] == "live"
    assert "demo" not in FILE.read_text()


def test_every_ledgerline_variable_is_a_setting_or_the_address_of_a_job_or_link(services):
    known = {f"LEDGERLINE_{name.upper()}" for name in Settings.model_fields}
    known |= {f"LEDGERLINE_{name}" for name in ("SCORING_URL", "TRADING_URL", "MLFLOW_LINK", "SCORING_LINK")}
    for name in ("airflow-worker", "scoring", "trading", "exchange"):
        given = {variable for variable in services[name]["environment"] if variable.startswith("LEDGERLINE_")}
        assert given <= known


def test_mlflow_asks_for_a_login_and_knows_its_host_names(services):
    mlflow = services["mlflow"]
    assert mlflow["command"][-2:] == ["--app-name", "basic-auth"]
    assert "*" not in mlflow["environment"]["MLFLOW_SERVER_ALLOWED_HOSTS"].split(",")
    assert mlflow["env_file"] == "mlflow/server.env"
    configured = PROJECT_ROOT / Path(mlflow["environment"]["MLFLOW_AUTH_CONFIG_PATH"]).relative_to("/opt/ledgerline")
    assert "admin_password" not in configured.read_text().replace("ADMIN_PASSWORD", "")


def test_the_script_that_makes_the_databases_is_mounted_and_is_valid_shell(services):
    script = PROJECT_ROOT / "docker" / "postgres" / "create-databases.sh"
    assert "./docker/postgres:/docker-entrypoint-initdb.d:ro" in services["postgres"]["volumes"]
    assert os.access(script, os.X_OK)
    assert subprocess.run(["/bin/sh", "-n", script], check=False).returncode == 0


def test_what_the_image_adds_is_locked_by_hash():
    text = (PROJECT_ROOT / "docker" / "production.lock").read_text()
    pins = [line for line in text.splitlines() if line and not line.startswith(" ")]
    assert all(re.match(r"[a-z0-9.-]+==\S+ \\", line) for line in pins)
    assert text.count("--hash=sha256:") >= len(pins)
    for line in (PROJECT_ROOT / "docker" / "production.in").read_text().splitlines():
        if line and line[0] != "#":
            assert any(pin.startswith(f"{line}==") for pin in pins), line


def test_only_the_trading_job_and_the_sandboxs_exchange_know_the_venues_credentials(services):
    told = {
        name
        for name, service in services.items()
        if "LEDGERLINE_VENUE_SECRET_KEY" in (service.get("environment") or {})
    }
    assert told == {"exchange", "trading"}


def test_nobody_but_the_trading_job_reaches_the_exchange_and_nobody_the_trading_job(services):
    assert services["exchange"]["network_mode"] == "service:trading"
    for name in ("exchange", "trading"):
        assert not services[name].get("ports")
        assert services[name]["command"][services[name]["command"].index("--host") + 1] == "127.0.0.1"


def test_orders_are_paper_unless_somebody_says_otherwise_twice(services):
    trading = services["trading"]["environment"]
    assert trading["LEDGERLINE_VENUE_LIVE"] == "${LEDGERLINE_VENUE_LIVE:-false}"
    assert services["exchange"]["profiles"] == ["paper"]
