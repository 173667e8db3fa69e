"""Every DAG of the fraud line, run by Airflow on a tiny world, one after the other as assets would set them off."""

import io
import json
import subprocess
import sys
import time
import uuid
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import httpx
import polars as pl
import pytest
import yaml
from airflow.sdk.exceptions import AirflowSkipException, TaskDeferred

from ledgerline.audit import Kind, Ledger
from ledgerline.core.settings import Profile
from ledgerline.decisions.bundle import load_bundle
from ledgerline.decisions.deployment import current
from ledgerline.decisions.fraud import FraudModel
from ledgerline.decisions.fraud_answer import judge_payment
from ledgerline.launch import start
from ledgerline.launch.environment import settings_environment
from ledgerline.launch.layout import Layout
from ledgerline.launch.ports import free_port
from ledgerline.launch.program import AIRFLOW_PARTS
from pipelines.features import read_features
from pipelines.orchestration.await_approval import REJECT, SIGNED, AwaitApproval
from pipelines.promotion import evaluate_gates
from pipelines.promotion.demo_approver import DemoApprover
from pipelines.training.tracking import tracking_server

# The end-to-end run goes through the same DAGs on the whole stack; this looks at each of them alone.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def ingested(world):
    return world.run("ingest_business")


@pytest.fixture(scope="module")
def built(world, ingested):
    return world.run("build_features")


@pytest.fixture(scope="module")
def trained(world, built):
    return world.run("train_fraud")


@pytest.fixture(scope="module")
def bundle(world, trained):
    (made,) = world.ledger.log.leaves(Kind.MODEL_BUNDLE)
    return made.identity["digest"]


def test_ingestion_lands_judges_and_publishes_every_dataset(world, ingested):
    assert ingested.state == "success"
    assert ingested.tasks["publish"] == ingested.tasks["datasets"] == ingested.tasks["ingest[0]"] == "success"
    assert set(ingested.tasks.values()) == {"success"}
    receipts = world.ledger.log.leaves(Kind.VALIDATION_RECEIPT)
    published = [(name, extra) for name, extra in world.asset_events() if name.startswith("accepted/")]
    assert sorted(name for name, _ in published) == ["accepted/fraud_labels", "accepted/transactions"]
    for name, extra in published:
        ours = [receipt for receipt in receipts if f"accepted/{receipt.identity['dataset']}" == name]
        assert extra["batches"] == len(ours) > 0
        assert extra["rows"] == sum(receipt.identity["accepted"] for receipt in ours) > 0


def test_building_publishes_the_feature_version(world, built):
    (version,) = world.ledger.log.leaves(Kind.FEATURE_VERSION)
    assert built.state == "success"
    (extra,) = (extra for name, extra in world.asset_events() if name == "features/card_spending")
    assert extra["feature_version"] == version.id


def test_doing_it_again_records_nothing_new_and_publishes_only_what_came_in(world, built):
    leaves, events = len(world.ledger.log.leaves(Kind.LANDED_BATCH)), world.asset_events()
    ingested, lacking, building = world.run_all(
        ("ingest_business", None), ("ingest_alternative", None), ("build_features", None)
    )
    assert [run.state for run in (ingested, lacking, building)] == ["success"] * 3
    assert len(world.ledger.log.leaves(Kind.LANDED_BATCH)) == leaves
    before = sorted((name, extra) for name, extra in events if name.startswith("accepted/"))
    assert sorted(world.asset_events()[len(events) :]) == before
    # A domain that the source lacks ends green with nothing, and nothing is due.
    assert lacking.tasks == {"datasets": "success", "ingest": "skipped", "publish": "skipped"}
    assert building.tasks == {"due": "success", "build": "skipped"}


def test_training_says_which_run_asked_and_publishes_the_bundle(world, trained, bundle):
    assert trained.state == "success"
    (run,) = world.ledger.log.leaves(Kind.TRAINING_RUN)
    assert run.detail["dag_run"] == f"train_fraud/{trained.run_id}"
    assert run.detail["trained_by"] == "airflow"
    assert ("models/fraud", {"bundle": bundle}) in world.asset_events()


def test_a_refused_model_ends_the_run_cleanly_with_the_reason_and_none_at_all_fails_it(world, bundle):
    refused, lacking = world.run_all(("promote_fraud", {"bundle": bundle}), ("promote_fraud", None))
    assert refused.state == "success"
    assert refused.tasks == {"gates": "success", "await_approval": "skipped", "deploy": "skipped", "loaded": "skipped"}
    assert "refused by the gates: " in refused.log
    assert current(world.ledger, "fraud") is None
    assert lacking.state == "failed"
    assert "which model?" in lacking.log


@pytest.fixture
def page(world, monkeypatch) -> list[dict[str, Any]]:
    """Let the approval task run in this process on the world's home; what it shows people is kept here."""
    shown: list[dict[str, Any]] = []
    for name, value in settings_environment(world.settings).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("pipelines.orchestration.await_approval.upsert_hitl_detail", lambda **said: shown.append(said))
    return shown


def test_people_see_the_evidence_and_answering_without_a_signature_deploys_nothing(world, bundle, page):
    _let_every_model_pass(world)
    evaluate_gates(world.ledger, bundle)
    judged = {"bundle": bundle, "passed": True, "refused_by": []}
    task = AwaitApproval(task_id="await_approval", judged=judged, family="fraud")
    context = {
        "task_instance": SimpleNamespace(id=uuid.uuid4()),
        "dag_run": SimpleNamespace(run_after=datetime.now(UTC)),
    }
    with pytest.raises(TaskDeferred):
        task.execute(context)
    (said,) = page
    assert said["subject"] == "fraud@1 waits for validator"
    for part in (
        "ledgerline approve fraud@1 --as",
        "beats_baselines",
        "| **",
        "logistic_regression",
        bundle,
        "None of them may",
    ):
        assert part in said["body"]
    answer = {"chosen_options": [SIGNED], "responded_by_user": {"id": "1", "name": "somebody"}}
    with pytest.raises(TaskDeferred):
        task.resume(context, answer)
    assert len(page) == 2  # the page can be answered again
    assert current(world.ledger, "fraud") is None
    with pytest.raises(AirflowSkipException, match="rejected"):
        task.resume(context, {**answer, "chosen_options": [REJECT]})


def test_an_approved_model_is_deployed_and_the_scoring_job_takes_it_up(world, bundle, tmp_path):
    _let_every_model_pass(world)
    ledger = world.ledger
    gates = evaluate_gates(ledger, bundle).identity["gates"]
    assert [gate for gate in gates if not gate["passed"]] == []
    DemoApprover(ledger).sign_pending()
    port = free_port("127.0.0.1", 0)
    command = [sys.executable, "-m", "ledgerline.services.scoring", "--host", "127.0.0.1", "--port", str(port)]
    url = f"http://127.0.0.1:{port}"
    with (tmp_path / "scoring.log").open("wb") as log:
        scoring = subprocess.Popen(command, env=world.environment, stdout=log, stderr=subprocess.STDOUT)
    try:
        run = world.run("promote_fraud", {"bundle": bundle}, LEDGERLINE_SCORING_URL=url)
        assert run.tasks == dict.fromkeys(("gates", "await_approval", "deploy", "loaded"), "success"), run.log[-3000:]
        assert current(ledger, "fraud").bundle == bundle
        assert bundle in httpx.get(f"{url}/readyz", trust_env=False).text
    finally:
        scoring.terminate()
        scoring.wait(30)


def test_the_newest_batch_gets_the_live_jobs_answers_and_models_are_watched(world, bundle):
    assert current(world.ledger, "fraud").bundle == bundle
    runs = world.run_all(("score_batch", None), ("score_batch", None), ("monitor_models", None))
    assert [run.state for run in runs] == ["success"] * 3, runs[0].log[-3000:]
    (batch,) = world.ledger.log.leaves(Kind.SCORED_BATCH)
    answers = pl.read_parquet(io.BytesIO(world.ledger.objects.get(batch.identity["sha256"])))
    receipts = world.ledger.log.leaves(Kind.VALIDATION_RECEIPT, dataset="transactions")
    assert batch.identity["receipt"] == receipts[-1].id
    assert answers.height == batch.identity["rows"] == receipts[-1].identity["accepted"]
    model = FraudModel.load(load_bundle(world.ledger.objects, bundle))
    rows = read_features(world.ledger, batch.identity["feature_version"]).collect()
    vectors = {row["transaction_id"]: {name: row[name] for name in model.features} for row in rows.to_dicts()}
    for answer in answers.to_dicts():
        live = judge_payment(model, vectors[answer["transaction_id"]])
        assert (answer["score"], answer["verdict"]) == (live["score"], live["verdict"])
        assert answer["reasons"] == [reason["code"] for reason in live["reasons"]]
    assert set(answers["verdict"]) == {"alert", "pass"}


def test_monitoring_alerts_only_about_what_exceeds_its_limit(world, bundle):
    (first,) = world.ledger.log.leaves(Kind.MONITORING)
    report = json.loads(world.ledger.objects.get(first.identity["report"]))
    assert report["drift"]["fraud"]["bundle"] == bundle
    assert set(report["drift"]["fraud"]["features"]) == set(load_bundle(world.ledger.objects, bundle).fields.features)
    assert set(report["freshness"]) == {"transactions", "fraud_labels"}
    alerts = [extra for name, extra in world.asset_events() if name == "alerts/models"]
    assert bool(alerts) is bool(report["exceeded"])

    path = world.settings.project / "policies" / "monitoring.yaml"
    limits = yaml.safe_load(path.read_text())
    limits["freshness"]["days"]["transactions"] = 0.001
    path.write_text(yaml.safe_dump(limits))
    world.run("monitor_models")
    newest = [extra for name, extra in world.asset_events() if name == "alerts/models"][-1]
    assert [sentence for sentence in newest["exceeded"] if sentence.startswith("transactions: the newest row is of")]


def test_an_alias_that_somebody_set_in_mlflow_alerts_and_deploys_nothing(world, bundle):
    with tracking_server(world.settings) as client:
        client.set_registered_model_alias("fraud", "production", "1")
    world.run("monitor_models")
    newest = [extra for name, extra in world.asset_events() if name == "alerts/models"][-1]
    said = "MLflow, fraud: alias_unknown: production is version 1; nothing here sets such an alias"
    assert [sentence for sentence in newest["exceeded"] if sentence.startswith("MLflow")] == [said]
    assert current(world.ledger, "fraud").bundle == bundle


@pytest.mark.slow
def test_people_answer_the_page_in_airflow_itself_and_only_their_signatures_count(world, bundle):
    settings = world.settings.model_copy(update={"profile": Profile.LIVE, "airflow_port": 0})
    Layout.of(settings).airflow_database.unlink()  # a scheduler has its own idea of what `dag.test()` left
    with start(settings, parts=AIRFLOW_PARTS) as stack:
        since = datetime.now(UTC) - timedelta(seconds=1)
        run_id = stack.trigger_dag("promote_fraud", {"bundle": bundle})
        stack.wait_for_runs(["promote_fraud"], since=since, timeout=120, patience=0)
        token = httpx.get(f"{stack.airflow_url}/auth/token", trust_env=False).json()["access_token"]
        client = httpx.Client(headers={"Authorization": f"Bearer {token}"}, trust_env=False)
        run = f"{stack.airflow_url}/api/v2/dags/promote_fraud/dagRuns/{run_id}"
        page = f"{run}/taskInstances/await_approval/-1/hitlDetails"
        shown = client.get(page).json()
        assert shown["subject"] == "fraud@1 waits for validator, risk_owner"
        assert "ledgerline approve fraud@1" in shown["body"]

        def answer(option: str) -> None:
            assert client.patch(page, json={"chosen_options": [option], "params_input": {}}).is_success

        answer(SIGNED)
        again = _wait_for(lambda: client.get(page).json()["response_received"] is False, "the page to ask again")
        assert again
        stack.wait_for_runs(["promote_fraud"], since=since, timeout=120, patience=0)
        assert client.get(run).json()["state"] == "running"
        answer(REJECT)
        stack.wait_for_runs(["promote_fraud"], since=since, timeout=120)
        tasks = {task["task_id"]: task["state"] for task in client.get(f"{run}/taskInstances").json()["task_instances"]}
        assert tasks == {"gates": "success", "await_approval": "skipped", "deploy": "skipped", "loaded": "skipped"}
    assert current(Ledger.open(settings), "fraud") is None


def _wait_for(condition, what, seconds=60):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.2)
    raise AssertionError(f"waited {seconds} s for {what}")


def _let_every_model_pass(world):
    """The tiny world's model is no better than a straight line; this test is about what follows the gates."""
    path = world.settings.project / "policies" / "gates.yaml"
    gates = yaml.safe_load(path.read_text())
    gates["fraud"]["beats_baselines"]["baselines"] = ["prior_rate"]
    gates["fraud"]["latency"]["p99_ms"] = 10_000.0
    path.write_text(yaml.safe_dump(gates))
