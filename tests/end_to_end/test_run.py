"""`make run ONCE=1` on the simulated world, and what it leaves behind."""

import hashlib
import json
import re
from pathlib import Path

import pytest

from feature_store.views import view_named
from ledgerline.audit import Kind, Ledger
from ledgerline.audit.verify import entries_holding
from ledgerline.decisions.replay import replay
from ledgerline.decisions.trading.orders import all_orders
from ledgerline.services.rebuilding import rebuilds

FAMILIES = ("credit", "forecast", "fraud", "price")
INGESTING = ("alternative", "business", "economic", "market")

# The first test waits for a whole run, which the platform fixture gives 25 minutes: only a hang takes so long.
pytestmark = pytest.mark.timeout(1_800)


def test_every_dag_of_the_line_ran_and_none_failed(platform):
    runs = platform.dag_runs()
    assert {state for _, state in runs} == {"success"}
    once = [
        *(f"ingest_{domain}" for domain in INGESTING),
        *(f"{stage}_{family}" for stage in ("train", "promote") for family in FAMILIES),
        "publish_forecast",
    ]
    ran = [dag for dag, _ in runs]
    assert {dag: ran.count(dag) for dag in once} == dict.fromkeys(once, 1)


def test_each_family_has_a_champion_that_somebody_who_did_not_train_it_approved(platform):
    log = platform.log()
    deployments = log.leaves(Kind.DEPLOYMENT)
    assert sorted(deployment.identity["family"] for deployment in deployments) == sorted(FAMILIES)
    for deployment in deployments:
        (bundle,) = log.leaves(Kind.MODEL_BUNDLE, digest=deployment.identity["bundle"])
        (approval,) = log.leaves(Kind.APPROVAL, bundle=deployment.identity["bundle"])
        assert approval.identity["approver"] != bundle.detail["trained_by"]
        assert log.latest(Kind.EVALUATION, bundle=deployment.identity["bundle"]).identity["passed"]


def test_the_demo_approver_is_said_loudly(platform):
    assert "NO PERSON APPROVED THESE MODELS" in (platform.home / "first-run.txt").read_text()


@pytest.mark.parametrize(("family", "folder"), [("fraud", "transactions"), ("credit", "applications")])
def test_a_live_decision_leads_back_to_files_that_hash_as_sha256sum_says(platform, family, folder):
    (decision,) = platform.log().leaves(Kind.DECISION, family=family)
    completed = platform.ledgerline("trace", decision.identity["decision_id"], "--json")
    assert completed.returncode == 0, completed.stderr
    files = json.loads(completed.stdout)["raw_files"]
    delivered = {
        path.relative_to(platform.settings.data_path).as_posix(): path
        for path in (platform.settings.data_path / folder).rglob("*.parquet")
    }
    assert {file["path"] for file in files} == set(delivered)
    for file in files:
        for path in (delivered[file["path"]], Path(file["location"])):
            assert hashlib.sha256(path.read_bytes()).hexdigest() == file["sha256"]


def test_a_credit_decision_replays_to_the_same_answer(platform):
    ledger = Ledger.open(platform.settings)
    (decision,) = ledger.log.leaves(Kind.DECISION, family="credit")
    again = replay(ledger, decision.identity["decision_id"], rebuilds(ledger))
    assert (again.identical, again.difference, again.rebuilt) == (True, None, True)


def test_every_price_decision_of_the_run_replays_and_paper_orders_were_filled(platform):
    ledger = Ledger.open(platform.settings)
    decisions = ledger.log.leaves(Kind.DECISION, family="price")
    assert decisions
    assert [leaf.id for leaf in decisions if not replay(ledger, leaf.identity["decision_id"]).identical] == []
    said = json.loads(platform.ledgerline("audit", "replay", "--sample", "100000", "--json").stdout)
    assert said["decisions"] == said["identical"] == said["rebuilt"] > len(decisions)
    status = json.loads(platform.ledgerline("trade", "status", "--json").stdout)
    assert any(order["state"] == "filled" for order in status["orders"])


def test_every_order_that_was_filled_has_what_came_of_it_on_record(platform):
    ledger = Ledger.open(platform.settings)
    filled = {order.leaf for order in all_orders(ledger) if order.filled}
    fills = [leaf for leaf in ledger.log.leaves(Kind.OUTCOME) if "quantity" in leaf.identity["came"]]
    assert {leaf.identity["intent"] for leaf in fills} == filled


def test_every_feature_version_names_the_columns_that_its_features_read(platform):
    for leaf in platform.log().leaves(Kind.FEATURE_VERSION):
        read = {column for columns in leaf.detail["columns"].values() for column in columns}
        assert {column.partition(".")[0] for column in read} <= {
            c.name for c in view_named(leaf.identity["view"]).sources
        }
    asked = platform.ledgerline("audit", "impact", "transactions.amount_minor", "--json")
    found = json.loads(asked.stdout)
    assert list(found["features"]) == ["card_spending"]
    assert found["counts"]["decision"] == len(platform.log().leaves(Kind.DECISION, family="fraud"))


def test_a_forecast_was_published_with_a_plot(platform):
    (published,) = platform.log().leaves(Kind.FORECAST)
    folder = platform.home / "forecasts" / published.id[:16]
    assert {path.suffix for path in folder.iterdir()} >= {".csv", ".parquet", ".png", ".html"}


def test_landed_is_accepted_plus_quarantined(platform):
    receipts = platform.log().leaves(Kind.VALIDATION_RECEIPT)
    assert receipts
    for receipt in receipts:
        counts = receipt.identity
        assert counts["landed"] == counts["accepted"] + counts["quarantined"]
    assert sum(receipt.identity["quarantined"] for receipt in receipts) > 0


def test_the_evidence_chain_holds(platform):
    log = platform.log()
    assert entries_holding(log) == sum(len(log.leaves(kind)) for kind in Kind)


def test_all_of_the_evidence_holds_and_the_witness_has_seen_all_of_it(platform):
    completed = platform.ledgerline("audit", "verify", "--json")
    assert completed.returncode == 0, completed.stdout[-4000:] + completed.stderr[-4000:]
    found = json.loads(completed.stdout)
    assert (found["holds"], found["witnessed"]) == (True, found["entries"])


def test_no_process_is_left(platform):
    assert platform.processes() == []


def test_a_second_run_with_nothing_new_recomputes_nothing_and_says_so(platform):
    made, runs = platform.made_by_the_line(), platform.dag_runs()
    decided = len(platform.log().leaves(Kind.DECISION))
    completed = platform.ledgerline("run", "--once")
    assert completed.returncode == 0, completed.stdout[-4000:] + completed.stderr[-4000:]
    assert "Nothing new" in completed.stdout
    assert platform.made_by_the_line() == made
    assert platform.dag_runs() == runs
    assert len(platform.log().leaves(Kind.DECISION)) == decided
    assert re.search(r"\d+ s in all, nothing recomputed", completed.stdout)
