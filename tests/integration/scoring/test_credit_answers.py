"""Credit decisions of a real process that serves fraud too: what it answers, what it refuses, what is on record."""

import json
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any

import psutil
import pytest

from ledgerline.audit import Kind, Ledger
from ledgerline.audit.verify import entries_holding
from ledgerline.core.clock import SystemClock
from ledgerline.core.identity import sha256_bytes
from ledgerline.decisions.bundle import load_bundle
from ledgerline.decisions.credit import CreditModel
from ledgerline.decisions.deployment import current, record_deployment
from ledgerline.decisions.record import get_decision, request_body
from ledgerline.decisions.replay import replay


@pytest.fixture(scope="module")
def ledger(line: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Ledger:
    found: Ledger = line.open_ledger(tmp_path_factory.mktemp("credit"), SystemClock())
    return found


@pytest.fixture(scope="module")
def fraud_digest(ledger: Ledger, line: ModuleType) -> str:
    made: str = line.approved_model(ledger)
    record_deployment(ledger, made)
    return made


@pytest.fixture(scope="module")
def digest(ledger: Ledger, line: ModuleType, credit: ModuleType) -> str:
    made: str = credit.approved_model(line, ledger)
    record_deployment(ledger, made)
    return made


@pytest.fixture(scope="module")
def job(ledger: Ledger, digest: str, fraud_digest: str, scoring: ModuleType) -> Iterator[Any]:
    with scoring.ScoringProcess(ledger.settings.home) as running:
        running.wait_until_ready(digest, "credit")
        running.wait_until_ready(fraud_digest)
        yield running


def test_an_answer_names_score_decision_model_and_deployment(
    job: Any, ledger: Ledger, line: ModuleType, credit: ModuleType, digest: str
) -> None:
    answer = job.decide(credit.application(line, 1)).json()
    deployment = current(ledger, "credit")
    assert deployment is not None
    assert (answer["decision"], answer["category"], answer["rate"]) == ("approved", "good", 4.5)
    assert 670 <= answer["score"] < 740
    assert answer["maximum_loan"] == 44_000
    assert answer["adverse_action"] is None
    assert answer["model"] == {"name": "credit@1", "digest": digest}
    assert answer["deployment"] == deployment.id


def test_a_denial_gives_at_most_four_adverse_reasons_and_the_notice_that_is_due(
    job: Any, line: ModuleType, credit: ModuleType
) -> None:
    answer = job.decide(credit.application(line, 2, credit.RISKY)).json()
    assert (answer["decision"], answer["rate"], answer["maximum_loan"]) == ("denied", None, None)
    pushes = [reason["contribution"] for reason in answer["reasons"]]
    assert 1 <= len(pushes) <= 4
    assert min(pushes) > 0
    assert pushes == sorted(pushes, reverse=True)
    given = {reason["input"]: reason["value"] for reason in answer["reasons"]}
    assert given["debt_to_income"] == credit.RISKY["debt_to_income"]
    assert answer["adverse_action"]["notice"]


def test_what_lies_between_is_approved_with_the_condition_that_is_named(
    job: Any, line: ModuleType, credit: ModuleType
) -> None:
    answer = job.decide(credit.application(line, 3, credit.MIDDLING)).json()
    assert (answer["decision"], answer["rate"]) == ("approved_with_conditions", 6.5)
    assert len(answer["conditions"]) == 1
    assert answer["adverse_action"]["notice"]


def test_by_the_time_of_the_answer_everything_is_on_record(
    job: Any, ledger: Ledger, line: ModuleType, credit: ModuleType, digest: str
) -> None:
    asked = credit.application(line, 4, {**credit.SAFE, "income": None})
    body = json.dumps(asked, indent=3).encode()
    headers = {"content-type": "application/json"}
    response = job.client.post("/v1/credit/decide", content=body, headers=headers)
    recorded = get_decision(ledger, response.json()["decision_id"])
    assert (recorded.family, recorded.subject) == ("credit", asked["application_id"])
    assert request_body(ledger, recorded.request) == body
    assert recorded.answer_bytes == response.content
    said = {name: value for name, value in asked["attributes"].items() if value is not None}
    assert recorded.event["attributes"] == said
    leaf = ledger.log.get(recorded.leaf)
    assert (leaf.identity["answer"], leaf.identity["bundle"]) == (sha256_bytes(response.content), digest)
    assert replay(ledger, recorded.decision_id).identical


def test_one_application_is_scored_by_the_features_that_the_whole_table_gives(
    job: Any, ledger: Ledger, line: ModuleType, credit: ModuleType, digest: str
) -> None:
    model = CreditModel.load(load_bundle(ledger.objects, digest))
    computed = credit.features(line.AS_OF).sort("income", "application_id", nulls_last=False)[::80]
    assert 0 < computed["income"].null_count() < computed.height == 25
    assert computed.schema.keys() >= {"income_to_loan", "dti_x_utilisation"}
    expected = model.score_frame(computed)
    for place, row in enumerate(computed.iter_rows(named=True)):
        asked = credit.application(
            line,
            0,
            {name: row[name] for name in credit.SAFE},
            application_id=f"again-{row['application_id']}",
            event_time=row["event_time"].isoformat(),
        )
        answer = job.decide(asked).json()
        assert get_decision(ledger, answer["decision_id"]).vector == model.vector(row)
        assert (answer["probability"], answer["score"]) == expected.row(place)


def test_the_same_application_gets_the_same_answer_byte_for_byte(
    job: Any, line: ModuleType, credit: ModuleType
) -> None:
    first, second = (job.decide(credit.application(line, 20)) for _ in range(2))
    assert second.content == first.content
    assert "Idempotent-Replayed" not in first.headers
    assert second.headers["Idempotent-Replayed"] == "true"


def test_the_same_application_in_another_spelling_gets_the_same_answer(
    job: Any, line: ModuleType, credit: ModuleType
) -> None:
    known = {name: value for name, value in credit.SAFE.items() if name != "age"}
    first = job.decide(credit.application(line, 21, {**known, "age": None}, event_time="2018-10-01T00:05:00Z"))
    respelt = dict(reversed({**known, "income": int(known["income"])}.items()))
    second = job.decide(credit.application(line, 21, respelt, event_time="2018-10-01T02:05:00.000+02:00"))
    assert first.status_code == 200
    assert second.content == first.content
    assert second.headers["Idempotent-Replayed"] == "true"


def test_what_is_left_out_is_taken_as_it_was_when_it_is_asked_again(
    job: Any, line: ModuleType, credit: ModuleType
) -> None:
    asked = {"application_id": "bare-1", "attributes": credit.SAFE}
    first, second = job.decide(asked), job.decide(asked)
    assert first.status_code == 200
    assert second.content == first.content


@pytest.mark.parametrize(
    "change",
    [
        {"portfolio": "another-lender"},
        {"event_time": "2018-10-01T00:00:00Z"},
        {"attributes": {"age": 51.0}},
        {"attributes": {"colour": "red"}},
    ],
)
def test_other_content_under_a_used_id_is_a_conflict(
    job: Any, line: ModuleType, credit: ModuleType, change: dict[str, Any]
) -> None:
    job.decide(credit.application(line, 22))
    response = job.decide(credit.application(line, 22, **change))
    assert (response.status_code, response.json()["code"]) == (409, "already_decided")


def test_an_id_of_a_payment_is_free_for_an_application(job: Any, line: ModuleType, credit: ModuleType) -> None:
    payment = job.score(line.payment(1, transaction_id="one-id")).json()
    decided = job.decide(credit.application(line, 1, application_id="one-id")).json()
    assert decided["application_id"] == payment["transaction_id"]
    assert decided["decision_id"] != payment["decision_id"]


def test_one_id_asked_for_by_many_at_once_is_decided_once(
    job: Any, ledger: Ledger, line: ModuleType, credit: ModuleType
) -> None:
    with ThreadPoolExecutor(8) as pool:
        responses = list(pool.map(lambda _: job.decide(credit.application(line, 23)), range(16)))
    assert {response.status_code for response in responses} == {200}
    assert len({response.content for response in responses}) == 1
    subjects = [leaf.detail["subject"] for leaf in ledger.log.leaves(Kind.DECISION)]
    assert subjects.count("asked-23") == 1


def test_payments_and_applications_at_once_are_all_answered(
    job: Any, ledger: Ledger, line: ModuleType, credit: ModuleType
) -> None:
    with ThreadPoolExecutor(8) as pool:
        scored = [pool.submit(job.score, line.payment(number, transaction_id=f"both-{number}")) for number in range(40)]
        decided = [pool.submit(job.decide, credit.application(line, 100 + number)) for number in range(40)]
        responses = [each.result() for each in (*scored, *decided)]
    assert {response.status_code for response in responses} == {200}
    for response in responses:
        recorded = get_decision(ledger, response.json()["decision_id"])
        assert recorded.answer_bytes == response.content
        assert recorded.family == ("fraud" if "verdict" in response.json() else "credit")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"attributes": {"income": "a lot"}}, "attributes.income"),
        ({"attributes": {"income": True}}, "attributes.income"),
        ({"attributes": {"income": [1]}}, "attributes.income"),
        ({"attributes": {"income": {"amount": 1}}}, "attributes.income"),
        ({"attributes": {"income": 1e300}}, "attributes.income"),
        ({"attributes": {"income": 10**400}}, "attributes.income"),
        ({"attributes": {"purpose": 3}}, "attributes.purpose"),
        ({"attributes": {"purpose": ""}}, "attributes.purpose"),
        ({"attributes": {"purpose": "x" * 300}}, "attributes.purpose"),
        ({"attributes": {"age": 40, "colour": "red"}}, "attributes.colour"),
        ({"attributes": {"income_to_loan": 2.0}}, "attributes.income_to_loan"),
        ({"attributes": {}}, "attributes"),
        ({"attributes": {"age": None}}, "attributes"),
        ({"attributes": None}, "attributes"),
        ({"portfolio": "another-lender"}, "portfolio"),
        ({"application_id": ""}, "application_id"),
        ({"application_id": 7}, "application_id"),
        ({"event_time": "2018-10-01T00:00:00"}, "event_time"),
        ({"event_time": "2100-01-01T00:00:00Z"}, "event_time"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_malformed_field_is_refused_by_name(
    job: Any, line: ModuleType, credit: ModuleType, change: dict[str, Any], field: str
) -> None:
    response = job.decide(credit.application(line, 30, **change))
    assert response.status_code == 422
    assert [problem["field"] for problem in response.json()["fields"]] == [field]


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
def test_what_json_does_not_call_a_number_is_refused_by_name(
    job: Any, line: ModuleType, credit: ModuleType, number: str
) -> None:
    body = json.dumps(credit.application(line, 31)).replace("110000.0", number).encode()
    assert number.encode() in body
    response = job.client.post("/v1/credit/decide", content=body, headers={"content-type": "application/json"})
    assert response.status_code == 422
    assert [problem["field"] for problem in response.json()["fields"]] == ["attributes.income"]


def test_an_attribute_given_twice_is_refused_by_name(job: Any, line: ModuleType, credit: ModuleType) -> None:
    body = json.dumps(credit.application(line, 32)).replace('"age"', '"income": 1, "age"').encode()
    response = job.client.post("/v1/credit/decide", content=body, headers={"content-type": "application/json"})
    assert response.status_code == 422
    assert [problem["field"] for problem in response.json()["fields"]] == ["attributes.income"]


def test_a_missing_value_and_an_unseen_category_are_decided_on_and_said(
    job: Any, ledger: Ledger, line: ModuleType, credit: ModuleType
) -> None:
    said = {name: value for name, value in credit.SAFE.items() if name != "income"}
    answer = job.decide(credit.application(line, 33, {**said, "purpose": "boat"})).json()
    warned = {warning["attribute"]: warning["code"] for warning in answer["warnings"]}
    assert warned == {"income": "missing", "purpose": "unseen_category"}
    assert answer["maximum_loan"] is None
    recorded = get_decision(ledger, answer["decision_id"])
    assert recorded.vector["income"] is None
    assert {value for name, value in recorded.vector.items() if name.startswith("purpose=")} == {0.0}
    assert recorded.event["attributes"]["purpose"] == "boat"
    assert replay(ledger, recorded.decision_id).identical


def test_what_is_whole_and_known_warns_of_nothing(job: Any, line: ModuleType, credit: ModuleType) -> None:
    assert job.decide(credit.application(line, 34)).json()["warnings"] == []


def test_what_was_refused_leaves_no_trace_in_the_log(
    job: Any, ledger: Ledger, line: ModuleType, credit: ModuleType
) -> None:
    before = len(ledger.log.leaves(Kind.REQUEST))
    assert job.decide(credit.application(line, 35, {"colour": "red"})).status_code == 422
    assert job.decide(credit.application(line, 35, portfolio="another-lender")).status_code == 422
    assert len(ledger.log.leaves(Kind.REQUEST)) == before
    assert job.decide(credit.application(line, 35)).status_code == 200


def test_metrics_tell_the_families_apart(job: Any, line: ModuleType, credit: ModuleType) -> None:
    samples = {
        'ledgerline_scoring_requests_total{family="credit",status="200"}': 2,
        'ledgerline_scoring_requests_total{family="credit",status="422"}': 1,
        'ledgerline_scoring_requests_total{family="fraud",status="200"}': 1,
        'ledgerline_scoring_request_seconds_count{family="credit"}': 3,
        'ledgerline_scoring_decisions_total{family="credit",verdict="denied"}': 1,
    }
    before = {sample: job.metric(sample) for sample in samples}
    for _ in range(2):  # the second is no decision
        job.decide(credit.application(line, 40, credit.RISKY))
    job.decide(credit.application(line, 41, {"colour": "red"}))
    job.score(line.payment(40))
    assert {sample: job.metric(sample) - before[sample] for sample in samples} == samples


def test_readiness_and_metrics_name_both_models(job: Any, digest: str, fraud_digest: str) -> None:
    response = job.client.get("/readyz")
    body = response.json()
    assert (response.status_code, set(body)) == (200, {"ready", "families"})
    assert {family: found["digest"] for family, found in body["families"].items()} == {
        "fraud": fraud_digest,
        "credit": digest,
    }
    text = job.client.get("/metrics").text
    loaded = [said for said in text.splitlines() if said.startswith("ledgerline_scoring_loaded{")]
    assert len(loaded) == 2
    assert all(any(each in said for said in loaded) for each in (digest, fraud_digest))


@pytest.mark.skipif(sys.platform != "linux", reason="only there a process shows what it has loaded")
def test_nothing_that_unpickles_models_is_loaded(job: Any, line: ModuleType, credit: ModuleType) -> None:
    job.decide(credit.application(line, 42, credit.RISKY))
    loaded = {part for file in psutil.Process(job.process.pid).memory_maps() for part in Path(file.path).parts}
    assert "xgboost" in loaded
    kept_out = {"sklearn", "lightgbm", "numba", "llvmlite", "statsforecast", "torch", "tensorflow"}
    assert loaded & kept_out == set()


def test_the_api_describes_itself_with_examples(job: Any) -> None:
    document = job.client.get("/openapi.json").json()
    operation = document["paths"]["/v1/credit/decide"]["post"]
    assert set(operation["responses"]) == {"200", "409", "410", "413", "422", "500", "503"}
    schemas = document["components"]["schemas"]
    described = schemas["CreditRequest"]["properties"]
    assert all(field["description"] for field in described.values())
    answer = job.decide(schemas["CreditRequest"]["examples"][0])
    assert answer.status_code == 200
    assert set(answer.json()) == set(schemas["CreditAnswer"]["examples"][0])
    assert set(answer.json()) == set(schemas["CreditAnswer"]["properties"])


def test_the_chain_of_evidence_holds_afterwards(job: Any, ledger: Ledger, line: ModuleType, credit: ModuleType) -> None:
    job.decide(credit.application(line, 50))
    assert entries_holding(ledger.log) > 10
