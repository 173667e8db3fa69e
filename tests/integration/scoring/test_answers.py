"""The scoring API of a real process: what it answers, what it refuses, and what is on record by then."""

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
from ledgerline.decisions.deployment import record_deployment
from ledgerline.decisions.record import get_decision, request_body
from ledgerline.decisions.replay import replay


@pytest.fixture(scope="module")
def ledger(line: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Ledger:
    found: Ledger = line.open_ledger(tmp_path_factory.mktemp("scoring"), SystemClock())
    return found


@pytest.fixture(scope="module")
def digest(ledger: Ledger, line: ModuleType) -> str:
    made: str = line.approved_model(ledger, trees=50)
    record_deployment(ledger, made)
    return made


@pytest.fixture(scope="module")
def job(ledger: Ledger, digest: str, scoring: ModuleType) -> Iterator[Any]:
    with scoring.ScoringProcess(ledger.settings.home) as running:
        running.wait_until_ready(digest)
        yield running


def test_an_answer_names_score_verdict_model_and_deployment(
    job: Any, ledger: Ledger, line: ModuleType, digest: str
) -> None:
    answer = job.score(line.payment(1)).json()
    assert 0 <= answer["score"] <= 1
    assert answer["verdict"] == ("alert" if answer["score"] >= answer["threshold"] else "pass")
    assert answer["model"] == {"name": "fraud@1", "digest": digest}
    deployment = ledger.log.latest(Kind.DEPLOYMENT)
    assert deployment is not None
    assert answer["deployment"] == deployment.id


def test_an_alert_gives_its_reasons_strongest_first(job: Any, line: ModuleType) -> None:
    answer = job.score(line.payment(2, amount_minor=95_000)).json()
    assert answer["verdict"] == "alert"
    assert answer["reasons"][0]["feature"] == "amount"
    pushes = [reason["contribution"] for reason in answer["reasons"]]
    assert pushes == sorted(pushes, reverse=True)


def test_by_the_time_of_the_answer_everything_is_on_record(
    job: Any, ledger: Ledger, line: ModuleType, digest: str
) -> None:
    body = json.dumps(line.payment(3), indent=3).encode()
    headers = {"content-type": "application/json"}
    response = job.client.post("/v1/fraud/score", content=body, headers=headers)
    recorded = get_decision(ledger, response.json()["decision_id"])
    assert request_body(ledger, recorded.request) == body
    assert recorded.answer_bytes == response.content
    assert list(recorded.vector) == sorted(line.VIEW.feature_names)
    leaf = ledger.log.get(recorded.leaf)
    assert (leaf.identity["answer"], leaf.identity["bundle"]) == (sha256_bytes(response.content), digest)
    assert replay(ledger, recorded.decision_id).identical


def test_a_payment_is_seen_by_the_next_one_of_the_same_card(job: Any, ledger: Ledger, line: ModuleType) -> None:
    counts = []
    for number in (10, 11, 12):
        answer = job.score(line.payment(number, customer_id="new-card")).json()
        counts.append(get_decision(ledger, answer["decision_id"]).vector["customer_count_1d"])
    assert counts == [1.0, 2.0, 3.0]


def test_the_same_payment_gets_the_same_answer_byte_for_byte(job: Any, line: ModuleType) -> None:
    first, second = (job.score(line.payment(20)) for _ in range(2))
    assert second.content == first.content
    assert "Idempotent-Replayed" not in first.headers
    assert second.headers["Idempotent-Replayed"] == "true"


def test_the_same_payment_in_another_spelling_gets_the_same_answer(job: Any, line: ModuleType) -> None:
    payment = line.payment(21, event_time="2018-10-01T00:05:00Z")
    first = job.score(payment)
    second = job.score({**reversed_keys(payment), "event_time": "2018-10-01T02:05:00.000+02:00"})
    assert second.content == first.content


def test_another_payment_under_a_used_id_is_a_conflict(job: Any, line: ModuleType) -> None:
    job.score(line.payment(22))
    response = job.score(line.payment(22, amount_minor=1))
    assert (response.status_code, response.json()["code"]) == (409, "already_decided")


def test_one_id_asked_for_by_many_at_once_is_decided_once(job: Any, ledger: Ledger, line: ModuleType) -> None:
    with ThreadPoolExecutor(8) as pool:
        responses = list(pool.map(lambda _: job.score(line.payment(23)), range(16)))
    assert {response.status_code for response in responses} == {200}
    assert len({response.content for response in responses}) == 1
    subjects = [leaf.detail["subject"] for leaf in ledger.log.leaves(Kind.DECISION)]
    assert subjects.count("live-23") == 1


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"amount_minor": "12.34"}, "amount_minor"),
        ({"amount_minor": 12.34}, "amount_minor"),
        ({"currency": None}, "currency"),
        ({"event_time": "yesterday"}, "event_time"),
        ({"event_time": "2018-10-01T00:00:00"}, "event_time"),
        ({"event_time": "2018-09-01T00:00:00Z"}, "event_time"),
        ({"event_time": "2100-01-01T00:00:00Z"}, "event_time"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_malformed_field_is_refused_by_name(job: Any, line: ModuleType, change: dict[str, Any], field: str) -> None:
    response = job.score(line.payment(30, **change))
    assert response.status_code == 422
    assert [problem["field"] for problem in response.json()["fields"]] == [field]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"\xff\xfe{}", b'"text"', b"[" * 5000])
def test_what_is_no_json_object_is_refused(job: Any, body: bytes) -> None:
    response = job.client.post("/v1/fraud/score", content=body, headers={"content-type": "application/json"})
    assert response.status_code == 422
    assert [problem["field"] for problem in response.json()["fields"]] == ["body"]


def test_a_form_that_a_web_page_could_send_unasked_is_refused(job: Any, line: ModuleType) -> None:
    body = json.dumps(line.payment(31)).encode()
    response = job.client.post("/v1/fraud/score", content=body, headers={"content-type": "text/plain"})
    assert response.status_code == 422


def test_a_field_given_twice_is_refused_by_name(job: Any, line: ModuleType) -> None:
    body = json.dumps(line.payment(33))[:-1] + ', "amount_minor": 1}'
    response = job.client.post("/v1/fraud/score", content=body, headers={"content-type": "application/json"})
    assert response.status_code == 422
    assert [problem["field"] for problem in response.json()["fields"]] == ["amount_minor"]


def test_a_body_too_large_is_refused(job: Any) -> None:
    assert job.client.post("/v1/fraud/score", content=b" " * 100_000).status_code == 413


def test_a_foreign_host_name_is_refused(job: Any) -> None:
    assert job.client.get("/readyz", headers={"host": "evil.example"}).status_code == 400


def test_what_was_refused_leaves_no_trace_in_the_log(job: Any, ledger: Ledger, line: ModuleType) -> None:
    before = len(ledger.log.leaves(Kind.REQUEST))
    job.score(line.payment(32, amount_minor=-1))
    job.score(line.payment(32, event_time="2018-09-01T00:00:00Z"))
    assert len(ledger.log.leaves(Kind.REQUEST)) == before


def test_metrics_tell_requests_latency_and_the_loaded_digest(job: Any, line: ModuleType, digest: str) -> None:
    before = job.metric('ledgerline_scoring_requests_total{family="fraud",status="200"}')
    job.score(line.payment(40))
    assert job.metric('ledgerline_scoring_requests_total{family="fraud",status="200"}') == before + 1
    assert job.metric('ledgerline_scoring_request_seconds_count{family="fraud"}') > before
    assert f'digest="{digest}"' in job.client.get("/metrics").text


@pytest.mark.skipif(sys.platform != "linux", reason="only there a process shows what it has loaded")
def test_nothing_that_unpickles_models_is_loaded(job: Any, line: ModuleType) -> None:
    job.score(line.payment(41, amount_minor=95_000))
    loaded = {part for file in psutil.Process(job.process.pid).memory_maps() for part in Path(file.path).parts}
    assert "xgboost" in loaded
    assert not loaded & {"sklearn", "joblib", "cloudpickle", "mlflow", "torch", "tensorflow"}


def test_the_api_describes_itself_with_examples(job: Any) -> None:
    document = job.client.get("/openapi.json").json()
    operation = document["paths"]["/v1/fraud/score"]["post"]
    assert set(operation["responses"]) == {"200", "409", "410", "413", "422", "500", "503"}
    for name in ("ScoreRequest", "ScoreAnswer"):
        schema = document["components"]["schemas"][name]
        assert schema["examples"]
    described = document["components"]["schemas"]["ScoreRequest"]["properties"]
    assert all(field["description"] for field in described.values())


def test_the_published_example_is_accepted(job: Any) -> None:
    document = job.client.get("/openapi.json").json()
    response = job.score(document["components"]["schemas"]["ScoreRequest"]["examples"][0])
    assert response.status_code == 200
    published = document["components"]["schemas"]["ScoreAnswer"]["examples"][0]
    assert set(response.json()) == set(published)


def test_the_chain_of_evidence_holds_afterwards(job: Any, ledger: Ledger, line: ModuleType) -> None:
    job.score(line.payment(50))
    assert entries_holding(ledger.log) > 10


def reversed_keys(payment: dict[str, Any]) -> dict[str, Any]:
    return dict(reversed(payment.items()))
