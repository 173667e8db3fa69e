"""What the DAG files promise Airflow: they are read fast, and they are tied together as intended."""

import ast
import subprocess
import sys
from typing import Any

import pytest
import yaml

from ledgerline.core.contracts import CONTRACTS, Domain
from ledgerline.core.settings import PROJECT_ROOT

INGEST = [f"ingest_{domain}" for domain in Domain]
FAMILIES = ["fraud", "credit", "forecast", "price"]
TRAIN, PROMOTE = [f"train_{family}" for family in FAMILIES], [f"promote_{family}" for family in FAMILIES]
AFTER = ["publish_forecast", "score_batch", "monitor_models"]
LINE = [*INGEST, "build_features", *TRAIN, *PROMOTE, *AFTER]
SHARED = {"wiring.py", "ingestion.py", "training.py", "promotion.py"}
# Each costs seconds to import; a file that is read again and again may not pull one in.
HEAVY = {
    "exchange_calendars",
    "great_expectations",
    "lightgbm",
    "matplotlib",
    "mlflow",
    "pandas",
    "polars",
    "pyarrow",
    "sklearn",
    "tensorflow",
    "xgboost",
}


def dag(read_dags: dict[str, Any], name: str) -> dict[str, Any]:
    return read_dags["dags"][name]["dag"]


def tasks(read_dags: dict[str, Any], name: str) -> dict[str, dict[str, Any]]:
    found = [task["__var"] for task in dag(read_dags, name)["tasks"]]
    return {task["task_id"]: task.get("partial_kwargs", {}) | task for task in found}


def followers(read_dags: dict[str, Any], name: str) -> dict[str, set[str]]:
    return {name: set(task.get("downstream_task_ids", ())) for name, task in tasks(read_dags, name).items()}


def edges(read_dags: dict[str, Any], name: str) -> tuple[set[str], set[str]]:
    """Return the labels of the assets that lead to a DAG, and of those (or their aliases) that lead from it."""
    found = [each for each in dag(read_dags, name)["dag_dependencies"] if each["dependency_type"].startswith("asset")]
    before = {each["label"] for each in found if each["target"] == name}
    after = {each["label"] for each in found if each["source"] == name}
    return before, after


def test_every_file_can_be_imported(read_dags):
    assert read_dags["errors"] == {}
    assert sorted(read_dags["dags"]) == sorted(LINE)


def test_the_launcher_waits_for_every_dag_there_is(read_dags):
    names = "from pipelines.orchestration.family_line import all_dags; print(*all_dags())"
    known = subprocess.run([sys.executable, "-c", names], capture_output=True, text=True, check=True, cwd=PROJECT_ROOT)
    assert sorted(known.stdout.split()) == sorted(read_dags["dags"])


def test_reading_a_dag_file_imports_nothing_heavy(read_dags):
    assert not HEAVY & {module.partition(".")[0] for module in read_dags["modules"]}
    ours = {module for module in read_dags["modules"] if module.startswith(("pipelines.", "feature_store"))}
    assert {module for module in ours if not module.startswith("pipelines.orchestration")} == set()


def test_reading_a_dag_file_is_far_from_airflows_limit_of_thirty_seconds(read_dags):
    assert max(read_dags["seconds"].values()) < 10


def test_dag_files_are_short(dag_files):
    assert {file.name: len(file.read_text().splitlines()) for file in dag_files if _is_long(file)} == {}
    assert {file.name for file in dag_files} >= SHARED


def _is_long(file):
    return len(file.read_text().splitlines()) > 125


@pytest.mark.parametrize("name", LINE)
def test_each_dag_says_what_it_does_and_who_answers_for_it(read_dags, name):
    found = dag(read_dags, name)
    assert len(found["doc_md"]) > 100
    assert found["tags"]
    assert found["default_args"]["__var"]["owner"] in {"data-engineering", "data-science", "model-risk"}


@pytest.mark.parametrize("name", LINE)
def test_one_run_at_a_time_and_never_of_the_past_by_itself(read_dags, name):
    found = dag(read_dags, name)
    assert found["max_active_runs"] == 1
    assert found["catchup"] is False


@pytest.mark.parametrize("name", LINE)
def test_every_task_is_retried_with_growing_pauses_unless_ledgerline_refuses(read_dags, name):
    for task in tasks(read_dags, name).values():
        assert task["retries"] >= 2
        assert task["retry_exponential_backoff"]
        assert task["has_retry_policy"]


@pytest.mark.parametrize("domain", Domain)
def test_a_domains_dag_says_which_datasets_it_brings_in(read_dags, domain):
    for name, contract in CONTRACTS.items():
        assert (name in dag(read_dags, f"ingest_{domain}")["doc_md"]) is (contract.domain is domain)


def test_any_accepted_dataset_lets_the_features_be_looked_at(read_dags):
    before, after = edges(read_dags, "build_features")
    assert before == {f"accepted/{name}" for name in CONTRACTS}
    assert after == {"features"}
    assert "'__type': 'asset_any'" in str(dag(read_dags, "build_features")["timetable"])


@pytest.mark.parametrize("family", FAMILIES)
def test_assets_lead_from_a_view_through_training_to_promotion(read_dags, family):
    parameters = yaml.safe_load((PROJECT_ROOT / "params.yaml").read_text())
    assert edges(read_dags, f"train_{family}") == (
        {f"features/{parameters[family]['feature_view']}"},
        {f"models/{family}"},
    )
    assert edges(read_dags, f"promote_{family}") == ({f"models/{family}"}, {f"deployed/{family}"})


def test_what_is_deployed_is_published_scored_with_and_watched(read_dags):
    assert edges(read_dags, "publish_forecast")[0] == {"deployed/forecast"}
    assert edges(read_dags, "score_batch")[0] == {
        "deployed/fraud",
        "deployed/credit",
        "features/card_spending",
        "features/credit_application",
    }
    assert edges(read_dags, "monitor_models") == ({f"deployed/{family}" for family in FAMILIES}, {"alerts"})


def test_ingestion_is_scheduled_by_time_with_a_day_as_its_interval(read_dags):
    for name in set(INGEST) - {"ingest_market"}:
        timetable = dag(read_dags, name)["timetable"]
        assert timetable["__type"].endswith("CronTriggerTimetable")
        assert timetable["__var"]["interval"] == 86_400
        assert timetable["__var"]["run_immediately"] == 0  # a new installation makes up for nothing


def test_the_market_is_ingested_by_the_sessions_of_its_exchange(read_dags):
    timetable = dag(read_dags, "ingest_market")["timetable"]
    assert timetable["__type"] == "pipelines.orchestration.session_timetable.SessionTimetable"
    assert timetable["__var"] == {"calendar": "XNYS", "delay_seconds": 3600.0}


def test_only_monitoring_has_a_time_of_its_own_besides(read_dags):
    for name in set(LINE) - set(INGEST):
        assert ("Cron" in str(dag(read_dags, name)["timetable"])) is (name == "monitor_models")


@pytest.mark.parametrize("name", INGEST)
def test_ingestion_is_mapped_over_datasets_in_three_steps(read_dags, name):
    assert {task_id for task_id, task in tasks(read_dags, name).items() if task.get("_is_mapped")} == {"ingest"}
    assert followers(read_dags, name) == {"datasets": {"ingest"}, "ingest": {"publish"}, "publish": set()}


def test_building_is_mapped_over_what_is_due(read_dags):
    assert {name for name, task in tasks(read_dags, "build_features").items() if task.get("_is_mapped")} == {"build"}
    assert followers(read_dags, "build_features") == {"due": {"build"}, "build": set()}


@pytest.mark.parametrize("family", FAMILIES)
def test_nothing_is_deployed_before_it_is_judged_and_signed_for(read_dags, family):
    promotion = followers(read_dags, f"promote_{family}")
    assert promotion["gates"] == {"await_approval", "deploy"}
    assert promotion["await_approval"] == {"deploy"}
    assert promotion["deploy"] == (set() if family == "forecast" else {"loaded"})


def test_the_workspace_is_worked_in_by_one_task_at_a_time(read_dags):
    assert tasks(read_dags, "build_features")["build"]["pool"] == "workspace"
    pools = {task.get("pool") for name in LINE for task in tasks(read_dags, name).values()}
    assert pools == {"workspace", None} or pools == {"workspace", "default_pool"}


def test_nothing_of_ours_but_core_and_what_airflow_itself_needs_is_imported_at_the_top_of_a_dag_file(dag_files):
    for file in dag_files:
        for statement in ast.parse(file.read_text()).body:
            names = (
                [statement.module]
                if isinstance(statement, ast.ImportFrom)
                else [alias.name for alias in getattr(statement, "names", [])]
            )
            ours = [name for name in names if name and name.startswith(("pipelines", "ledgerline", "feature_store"))]
            assert [name for name in ours if not name.startswith(("ledgerline.core", "pipelines.orchestration"))] == []
