"""The live job over data in which cards and applicants are persons: what it keeps, gives back, refuses and replays."""

import base64
import json
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import polars as pl
import pytest

from feature_store.offline import compute
from feature_store.online import recent_events
from ledgerline.audit import Kind, Leaf, Ledger, Parent
from ledgerline.audit.erasure import erase, known_person
from ledgerline.audit.personal import personal_data
from ledgerline.audit.sealing import unseal
from ledgerline.audit.verify import check_log
from ledgerline.core.clock import SystemClock, instant_text
from ledgerline.core.contracts import TRANSACTIONS
from ledgerline.core.identity import canonical_json
from ledgerline.decisions.deployment import record_deployment
from ledgerline.decisions.effects import check_effects, leaf_checks
from ledgerline.decisions.record import get_decision, request_body, sampled_decisions
from ledgerline.decisions.replay import replay, replay_all
from ledgerline.services.rebuilding import rebuilds
from pipelines.ingestion import land

MAPPING = """
name: cards
as_of: 2018-10-01T00:00:00Z
datasets:
  transactions:
    files: payments.csv
    columns: {transaction_id: transaction_id, customer_id: customer_id, terminal_id: terminal_id,
              amount_minor: {column: amount_minor, unit: minor}, currency: currency,
              event_time: event_time, available_at: {after: event_time, delay: 0s}}
    personal: {subject: customer_id}
  applications:
    files: applications.csv
    columns: {application_id: application_id, portfolio: portfolio, dated: {constant: true},
              event_time: event_time, available_at: {after: event_time, delay: 0s}}
    personal: {subject: application_id}
"""


@pytest.fixture(scope="module")
def ledger(line: ModuleType, credit: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Ledger:
    """An installation whose fraud and credit models were trained on data that name persons, both deployed."""
    folder = tmp_path_factory.mktemp("persons")
    data = folder / "data"
    data.mkdir()
    (data / "ledgerline.yaml").write_text(MAPPING)
    payments, _ = line.world()
    shown = pl.col("event_time").dt.strftime("%Y-%m-%dT%H:%M:%S%.6fZ")
    payments.with_columns(shown).drop("available_at").write_csv(data / "payments.csv")
    applications = credit.applications(line.AS_OF).select("application_id", "portfolio", shown)
    applications.write_csv(data / "applications.csv")
    ledger: Ledger = line.open_ledger(folder / "home", SystemClock(), data=data)
    record_deployment(ledger, line.approved_model(ledger, trees=50, training_set=fraud_training_set(line, ledger)))
    landed(ledger, "applications")
    record_deployment(ledger, credit.approved_model(line, ledger, accepted=[receipt_of(ledger, "applications")]))
    return ledger


def landed(ledger: Ledger, dataset: str) -> str:
    (batch,) = land(ledger, dataset).batches
    receipt = Leaf(Kind.VALIDATION_RECEIPT, {"batch": batch, "dataset": dataset, "verdict": "accepted"})
    ledger.log.append(receipt, [Parent(batch, "batch")])
    return batch


def receipt_of(ledger: Ledger, dataset: str) -> str:
    receipt = ledger.log.latest(Kind.VALIDATION_RECEIPT, dataset=dataset)
    assert receipt is not None
    return receipt.id


def fraud_training_set(line: ModuleType, ledger: Ledger) -> str:
    """Land the payments and make the model's features and online state of what was kept of them."""
    with ledger.objects.local(ledger.log.get(landed(ledger, "transactions")).identity["rows_object"]) as path:
        kept = pl.read_parquet(path).select(TRANSACTIONS.column_names)
    _, labels = line.world()
    manifest = {
        "view": line.VIEW.name,
        "fingerprint": line.VIEW.fingerprint,
        "features": list(line.VIEW.feature_names),
        "as_of": instant_text(line.AS_OF),
        "inputs": [],
        "partitions": [],
        "online_state": ledger.objects.put(line.parquet(recent_events(line.VIEW, kept, labels, line.AS_OF))),
    }
    identity = {
        "view": line.VIEW.name,
        "fingerprint": line.VIEW.fingerprint,
        "manifest": ledger.objects.put(canonical_json(manifest)),
    }
    accepted = [Parent(receipt_of(ledger, "transactions"), "accepted")]
    version = ledger.log.append(Leaf(Kind.FEATURE_VERSION, identity, {"rows": kept.height}), accepted)
    rows = line.parquet(compute(line.VIEW, kept, labels))
    trained_on = {"family": "fraud", "feature_version": version, "labels": [], "sha256": ledger.objects.put(rows)}
    training_set = Leaf(Kind.TRAINING_SET, {**trained_on, "as_of": instant_text(line.AS_OF), "rows": kept.height})
    return ledger.log.append(training_set, [Parent(version, "features")])


@pytest.fixture(scope="module")
def job(ledger: Ledger, scoring: ModuleType) -> Iterator[Any]:
    with scoring.ScoringProcess(ledger.settings.home) as running:
        for family in ("fraud", "credit"):
            deployed = ledger.log.latest(Kind.DEPLOYMENT, family=family)
            assert deployed is not None
            running.wait_until_ready(deployed.identity["bundle"], family)
        yield running


def test_a_card_is_known_by_its_history_and_recorded_by_a_pseudonym(job: Any, ledger: Ledger, line: ModuleType):
    answer = job.score(line.payment(1)).json()
    recorded = get_decision(ledger, answer["decision_id"])
    pseudonym = recorded.event["customer_id"]
    assert pseudonym.startswith("person-")
    assert known_person(ledger, pseudonym).identifier == line.payment(1)["customer_id"]
    assert recorded.vector["customer_count_30d"] > 1
    assert ledger.log.get(recorded.leaf).detail["person"] == pseudonym


def test_the_request_is_kept_sealed_and_opens_for_whoever_has_the_key(job: Any, ledger: Ledger, line: ModuleType):
    body = json.dumps(line.payment(2), indent=3).encode()
    headers = {"content-type": "application/json"}
    decision = job.client.post("/v1/fraud/score", content=body, headers=headers).json()["decision_id"]
    recorded = get_decision(ledger, decision)
    kept = request_body(ledger, recorded.request)
    assert b"customer_id" not in kept
    with ledger.log.reading() as connection:
        person = personal_data(ledger.log, ledger.settings).called(connection, recorded.event["customer_id"])
    assert person is not None
    assert person.key is not None
    assert unseal(person.key, kept, "request, transactions") == body


def test_whoever_asks_gets_back_the_id_that_they_asked_with(job: Any, ledger: Ledger, line: ModuleType, credit):
    asked = credit.application(line, 1)
    first, again = job.decide(asked), job.decide(asked)
    assert first.json()["application_id"] == "asked-1"
    assert (again.content, again.headers["idempotent-replayed"]) == (first.content, "true")
    recorded = get_decision(ledger, first.json()["decision_id"])
    assert recorded.subject == recorded.answer["application_id"] == recorded.event["application_id"]
    assert recorded.subject.startswith("person-")
    assert {**recorded.answer, "application_id": "asked-1"} == first.json()
    conflict = job.decide(credit.application(line, 1, credit.RISKY))
    assert conflict.status_code == 409
    assert "application_id asked-1 was decided on" in conflict.json()["message"]


def test_nothing_below_the_home_names_a_person_but_the_source(job: Any, ledger: Ledger, line: ModuleType, credit):
    job.score(line.payment(3, customer_id="card-of-anna"))
    job.decide(credit.application(line, 3, application_id="loan-of-anna"))
    kept = [path for path in ledger.settings.home.rglob("*") if path.is_file()]
    assert not [path for path in kept if b"-of-anna" in path.read_bytes()]


@pytest.fixture(scope="module")
def erased(job: Any, ledger: Ledger, line: ModuleType, credit: ModuleType) -> dict[str, str]:
    """A card and an applicant who were decided on and then erased: family to decision."""
    decisions = {
        "fraud": job.score(line.payment(7, customer_id="7")).json()["decision_id"],
        "credit": job.decide(credit.application(line, 7, application_id="asked-7")).json()["decision_id"],
    }
    for name in ("customer_id=7", "application_id=asked-7"):
        erase(ledger, name, person="dana", reason="request 7")
    return decisions


@pytest.mark.parametrize("family", ["fraud", "credit"])
def test_replay_says_erased_and_that_what_is_left_is_decided_the_same(
    ledger: Ledger, erased: dict[str, str], family: str
):
    outcome = replay(ledger, erased[family])
    assert outcome.identical
    assert outcome.erased is not None
    recorded = get_decision(ledger, erased[family])
    with ledger.log.reading() as connection:
        pseudonym = ledger.log.get(recorded.leaf).detail["person"]
        person = personal_data(ledger.log, ledger.settings).called(connection, pseudonym)
    assert person is not None
    assert person.is_erased


def test_the_log_holds_after_an_erasure_as_before(ledger: Ledger, erased: dict[str, str]):
    found = check_log(ledger.log, checks=leaf_checks(ledger))
    assert found.findings == ()
    assert list(check_effects(ledger)) == []


def test_a_request_about_an_erased_person_is_refused_and_leaves_nothing(
    job: Any, ledger: Ledger, line: ModuleType, credit: ModuleType, erased: dict[str, str]
):
    before = len(ledger.log.leaves(Kind.DECISION))
    for response in (
        job.score(line.payment(8, customer_id="7")),
        job.decide(credit.application(line, 7, application_id="asked-7")),
    ):
        assert (response.status_code, response.json()["code"]) == (410, "subject_erased")
    assert len(ledger.log.leaves(Kind.DECISION)) == before


def test_a_job_with_another_key_answers_nothing_and_records_nothing(
    ledger: Ledger, scoring: ModuleType, line: ModuleType
):
    before = len(ledger.log.leaves(Kind.DECISION))
    deployed = ledger.log.latest(Kind.DEPLOYMENT, family="fraud")
    assert deployed is not None
    other = base64.b64encode(bytes(64)).decode()
    with scoring.ScoringProcess(ledger.settings.home, LEDGERLINE_PERSONAL_KEY=other) as job:
        job.wait_until_ready(deployed.identity["bundle"])
        response = job.score(line.payment(30))
        assert (response.status_code, response.json()["code"]) == (503, "personal_key")
        assert job.ready()["ready"]
    assert len(ledger.log.leaves(Kind.DECISION)) == before


def test_decisions_on_persons_come_out_the_same_from_what_was_known_then(job: Any, ledger: Ledger, erased: dict):
    found = list(replay_all(ledger, sampled_decisions(ledger, 100, families=("fraud", "credit")), rebuilds(ledger)))
    assert len(found) > 4
    assert all(each.identical and each.rebuilt for each in found)


def test_others_are_served_as_before(job: Any, line: ModuleType, erased: dict[str, str]):
    assert job.score(line.payment(9, customer_id="8")).status_code == 200
