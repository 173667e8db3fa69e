"""What the DAG files promise Airflow: they are read fast, and they are tied together as intended."""

import ast
from typing import Any

import pytest

LINE = ["ingest_business", "build_features", "train_fraud", "promote_fraud"]
# Each costs seconds to import; a file that is read again and again may not pull one in.
HEAVY = {
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


def test_every_file_can_be_imported(read_dags):
    assert read_dags["errors"] == {}
    assert sorted(read_dags["dags"]) == sorted(LINE)


def test_reading_a_dag_file_imports_nothing_heavy(read_dags):
    assert not HEAVY & {module.partition(".")[0] for module in read_dags["modules"]}
    assert not [module for module in read_dags["modules"] if module.startswith(("pipelines", "feature_store"))]


def test_reading_a_dag_file_is_far_from_airflows_limit_of_thirty_seconds(read_dags):
    assert max(read_dags["seconds"].values()) < 10


def test_dag_files_are_short_and_hold_one_dag_each(dag_files, read_dags):
    assert {file.name: len(file.read_text().splitlines()) for file in dag_files if _is_long(file)} == {}
    assert len(dag_files) == len(LINE) + 1  # and what they share


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


def test_assets_lead_from_each_dag_to_the_next(read_dags):
    edges = {
        (dependency["source"], dependency["label"], dependency["target"])
        for name in LINE
        for dependency in dag(read_dags, name)["dag_dependencies"]
        if dependency["dependency_type"] == "asset"
    }
    assert edges == {
        ("ingest_business", "accepted/transactions", "asset"),
        ("ingest_business", "accepted/fraud_labels", "asset"),
        ("asset", "accepted/transactions", "build_features"),
        ("asset", "accepted/fraud_labels", "build_features"),
        ("build_features", "features/card_spending", "asset"),
        ("asset", "features/card_spending", "train_fraud"),
        ("train_fraud", "models/fraud", "asset"),
        ("asset", "models/fraud", "promote_fraud"),
    }


def test_features_wait_for_payments_and_labels_both(read_dags):
    assert "'__type': 'asset_all'" in str(dag(read_dags, "build_features")["timetable"])


def test_only_ingestion_is_scheduled_by_time_with_a_day_as_its_interval(read_dags):
    timetable = dag(read_dags, "ingest_business")["timetable"]
    assert timetable["__type"].endswith("CronTriggerTimetable")
    assert timetable["__var"]["interval"] == 86_400
    assert timetable["__var"]["run_immediately"] is False
    for name in LINE[1:]:
        assert "Cron" not in str(dag(read_dags, name)["timetable"])


def test_ingestion_is_mapped_over_datasets(read_dags):
    found = tasks(read_dags, "ingest_business")
    assert {name for name, task in found.items() if task.get("_is_mapped")} == {"land", "validate"}


def test_tasks_follow_one_another(read_dags):
    followers = {name: set(task.get("downstream_task_ids", ())) for name, task in tasks(read_dags, LINE[0]).items()}
    assert followers == {
        "datasets": {"land"},
        "land": {"validate"},
        "validate": {"report"},
        "report": {"publish_transactions", "publish_fraud_labels"},
        "publish_transactions": set(),
        "publish_fraud_labels": set(),
    }
    promotion = tasks(read_dags, "promote_fraud")
    assert set(promotion["gates"]["downstream_task_ids"]) == {"await_approval", "deploy"}
    assert set(promotion["await_approval"]["downstream_task_ids"]) == {"deploy"}
    assert set(promotion["deploy"]["downstream_task_ids"]) == {"loaded"}


def test_the_workspace_is_worked_in_by_one_task_at_a_time(read_dags):
    assert {name: task.get("pool") for name, task in tasks(read_dags, "build_features").items()} == {
        "build": "workspace"
    }


def test_nothing_of_ours_but_core_is_imported_at_the_top_of_a_dag_file(dag_files):
    for file in dag_files:
        for statement in ast.parse(file.read_text()).body:
            names = (
                [statement.module]
                if isinstance(statement, ast.ImportFrom)
                else [alias.name for alias in getattr(statement, "names", [])]
            )
            assert not [name for name in names if name and name.startswith(("pipelines", "ledgerline.audit"))], (
                file.name
            )
