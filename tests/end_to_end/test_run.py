"""`make run ONCE=1` on the simulated world, and what it leaves behind."""

import hashlib
import json
import re
from pathlib import Path

from ledgerline.audit import Kind


def test_every_dag_ran_once_and_succeeded(platform):
    assert platform.dag_runs() == [
        ("ingest_business", "success"),
        ("build_features", "success"),
        ("train_fraud", "success"),
        ("promote_fraud", "success"),
    ]


def test_there_is_a_champion_and_somebody_who_did_not_train_it_approved_it(platform):
    log = platform.log()
    (deployment,) = log.leaves(Kind.DEPLOYMENT)
    (bundle,) = log.leaves(Kind.MODEL_BUNDLE, digest=deployment.identity["bundle"])
    (approval,) = log.leaves(Kind.APPROVAL, bundle=deployment.identity["bundle"])
    assert approval.identity["approver"] != bundle.detail["trained_by"]
    assert log.latest(Kind.EVALUATION, bundle=deployment.identity["bundle"]).identity["passed"]


def test_the_demo_approver_is_said_loudly(platform):
    assert "NO PERSON APPROVED THIS MODEL" in (platform.home / "first-run.txt").read_text()


def test_a_scored_transaction_leads_back_to_files_that_hash_as_sha256sum_says(platform):
    (decision,) = platform.log().leaves(Kind.DECISION)
    completed = platform.ledgerline("trace", decision.identity["decision_id"], "--json")
    assert completed.returncode == 0, completed.stderr
    files = json.loads(completed.stdout)["raw_files"]
    delivered = {
        path.relative_to(platform.settings.data_path).as_posix(): path
        for path in platform.settings.data_path.rglob("*.parquet")
    }
    assert {file["path"] for file in files} == set(delivered)
    for file in files:
        for path in (delivered[file["path"]], Path(file["location"])):
            assert hashlib.sha256(path.read_bytes()).hexdigest() == file["sha256"]


def test_landed_is_accepted_plus_quarantined(platform):
    receipts = platform.log().leaves(Kind.VALIDATION_RECEIPT)
    assert receipts
    for receipt in receipts:
        counts = receipt.identity
        assert counts["landed"] == counts["accepted"] + counts["quarantined"]
    assert sum(receipt.identity["quarantined"] for receipt in receipts) > 0


def test_the_evidence_chain_holds(platform):
    log = platform.log()
    assert log.check_chain() == sum(len(log.leaves(kind)) for kind in Kind)


def test_no_process_is_left(platform):
    assert platform.processes() == []


def test_a_second_run_with_nothing_new_recomputes_nothing_and_says_so(platform):
    made, runs = platform.made_by_the_line(), platform.dag_runs()
    completed = platform.ledgerline("run", "--once")
    assert completed.returncode == 0, completed.stdout[-4000:] + completed.stderr[-4000:]
    assert "Nothing new" in completed.stdout
    assert platform.made_by_the_line() == made
    assert platform.dag_runs() == runs
    assert len(platform.log().leaves(Kind.DECISION)) == 1
    assert re.search(r"\d+ s in all, nothing recomputed", completed.stdout)
