"""The scoring job killed, cut off from its log, and overrun: nothing given that is not on record, nothing forgotten."""

import contextlib
import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest

from ledgerline.audit import Kind, Ledger
from ledgerline.audit.verify import entries_holding
from ledgerline.core.clock import SystemClock
from ledgerline.decisions.deployment import record_deployment
from ledgerline.decisions.record import decisions_after, get_decision
from ledgerline.decisions.replay import replay


@pytest.fixture
def ledger(line: ModuleType, tmp_path: Path) -> Ledger:
    found: Ledger = line.open_ledger(tmp_path / "home", SystemClock())
    return found


@pytest.fixture
def digest(ledger: Ledger, line: ModuleType) -> str:
    made: str = line.approved_model(ledger)
    record_deployment(ledger, made)
    return made


@pytest.fixture
def database(ledger: Ledger, digest: str) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(ledger.settings.home / "evidence.db", isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA busy_timeout = 30000")
    with contextlib.closing(connection):
        yield connection


def counts(ledger: Ledger, responses: list[httpx.Response]) -> list[float]:
    """How many payments of its card each answered payment saw on its day."""
    ids = [response.json()["decision_id"] for response in responses]
    return [get_decision(ledger, decision).vector["customer_count_1d"] for decision in ids]


def test_killed_and_started_again_it_knows_what_it_decided(
    ledger: Ledger, line: ModuleType, scoring: ModuleType, digest: str
) -> None:
    payments = [line.payment(number, customer_id="new-card") for number in range(4)]
    with scoring.ScoringProcess(ledger.settings.home) as job:
        job.wait_until_ready(digest)
        before = [job.score(payment) for payment in payments[:2]]
        job.kill()
    with scoring.ScoringProcess(ledger.settings.home) as job:
        job.wait_until_ready(digest)
        again = [job.score(payment) for payment in payments[:2]]
        after = [job.score(payment) for payment in payments[2:]]
    assert [response.content for response in again] == [response.content for response in before]
    assert counts(ledger, before + after) == [1.0, 2.0, 3.0, 4.0]


def test_every_answer_that_left_before_a_kill_is_on_record(
    ledger: Ledger, line: ModuleType, scoring: ModuleType, digest: str
) -> None:
    answers: dict[str, bytes] = {}

    def ask(client: int) -> None:
        with contextlib.suppress(httpx.TransportError):
            for number in range(10_000):
                payment = line.payment(number, transaction_id=f"c{client}-{number}")
                answers[payment["transaction_id"]] = job.score(payment).content

    with scoring.ScoringProcess(ledger.settings.home) as job:
        job.wait_until_ready(digest)
        clients = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
        for client in clients:
            client.start()
        scoring.until(lambda: len(answers) > 40)
        job.kill()
        for client in clients:
            client.join()
    recorded = {decision.subject: decision for decision in decisions_after(ledger, "fraud")}
    assert {subject: recorded[subject].answer_bytes for subject in answers} == answers
    assert {decision.leaf for decision in recorded.values()} == {leaf.id for leaf in ledger.log.leaves(Kind.DECISION)}
    assert entries_holding(ledger.log) > len(answers)
    assert replay(ledger, next(iter(recorded.values())).decision_id).identical


def test_what_cannot_be_recorded_is_not_answered_and_not_remembered(
    ledger: Ledger, line: ModuleType, scoring: ModuleType, digest: str, database: sqlite3.Connection
) -> None:
    """The second payment is decided on, then lost with the third, whose row the database refuses."""
    first, second, third, last = (line.payment(number, customer_id="new-card") for number in range(4))
    with scoring.ScoringProcess(ledger.settings.home) as job, ThreadPoolExecutor(3) as pool:
        job.wait_until_ready(digest)
        answered = [job.score(first)]
        database.execute(
            "CREATE TRIGGER full_disk BEFORE INSERT ON decision WHEN NEW.subject = 'live-2' "
            "BEGIN SELECT RAISE(ABORT, 'disk full'); END"
        )
        database.execute("BEGIN IMMEDIATE")  # while the log takes nothing, the two come into one batch behind another
        pool.submit(job.score, line.payment(9))
        scoring.until(lambda: job.metric("ledgerline_scoring_deciding") == 1)
        asked = []
        for payment in (second, third):
            asked.append(pool.submit(job.score, payment))
            scoring.until(lambda: job.metric("ledgerline_scoring_waiting") == len(asked))
        database.execute("ROLLBACK")
        lost = [each.result() for each in asked]
        database.execute("DROP TRIGGER full_disk")
        job.wait_until_ready(digest)
        answered.append(job.score(last))
    assert {(response.status_code, response.json()["code"]) for response in lost} == {(503, "not_recorded")}
    assert counts(ledger, answered) == [1.0, 2.0]
    assert sorted(decision.subject for decision in decisions_after(ledger, "fraud")) == ["live-0", "live-3", "live-9"]


def test_more_requests_than_may_wait_are_turned_away_at_once(
    ledger: Ledger, line: ModuleType, scoring: ModuleType, digest: str, database: sqlite3.Connection
) -> None:
    def ask(number: int) -> httpx.Response:
        response: httpx.Response = job.score(line.payment(number))
        if response.status_code == 503:
            turned_away.append(response)
        return response

    turned_away: list[httpx.Response] = []
    with scoring.ScoringProcess(ledger.settings.home, "--waiting", "2") as job, ThreadPoolExecutor(12) as pool:
        job.wait_until_ready(digest)
        database.execute("BEGIN IMMEDIATE")  # the log takes nothing meanwhile
        asked = [pool.submit(ask, number) for number in range(12)]
        scoring.until(lambda: len(turned_away) >= 7)
        database.execute("ROLLBACK")
        statuses = [each.result().status_code for each in asked]
        shed = job.metric("ledgerline_scoring_shed_total")
    assert {response.json()["code"] for response in turned_away} == {"overloaded"}
    assert {response.headers["Retry-After"] for response in turned_away} == {"1"}
    assert statuses.count(200) == 12 - len(turned_away) > 0
    assert shed == len(turned_away)
    assert len(list(decisions_after(ledger, "fraud"))) == statuses.count(200)


def test_told_to_stop_it_answers_what_it_has_begun(
    ledger: Ledger, line: ModuleType, scoring: ModuleType, digest: str, database: sqlite3.Connection
) -> None:
    with scoring.ScoringProcess(ledger.settings.home) as job, ThreadPoolExecutor(2) as pool:
        job.wait_until_ready(digest)
        database.execute("BEGIN IMMEDIATE")
        asked = pool.submit(job.score, line.payment(1))
        scoring.until(lambda: job.metric("ledgerline_scoring_deciding") == 1)
        stopping = pool.submit(job.stop)
        scoring.until(lambda: any("Shutting down" in said for said in job.said))
        database.execute("ROLLBACK")
        response: Any = asked.result()
        assert stopping.result() == 0
    assert response.status_code == 200
    assert get_decision(ledger, response.json()["decision_id"]).answer_bytes == response.content


def test_a_recorded_answer_that_was_changed_is_not_given_again(
    ledger: Ledger, line: ModuleType, scoring: ModuleType, digest: str, database: sqlite3.Connection
) -> None:
    with scoring.ScoringProcess(ledger.settings.home) as job:
        job.wait_until_ready(digest)
        given = job.score(line.payment(1))
        refused = []
        for answer in (given.content.replace(b'"pass"', b'"alert"'), b"no JSON"):
            database.execute("UPDATE decision SET answer = ?", (answer,))
            refused.append(job.score(line.payment(1)))
        database.execute("UPDATE decision SET answer = ?", (given.content,))
        again = job.score(line.payment(1))
        other = job.score(line.payment(2))
    assert given.json()["verdict"] == "pass"
    assert [(each.status_code, each.json()["code"]) for each in refused] == [(500, "record_changed")] * 2
    assert again.content == given.content
    assert other.status_code == 200


def test_a_defect_while_recording_costs_its_answers_and_not_the_job(
    ledger: Ledger, line: ModuleType, scoring: ModuleType, digest: str, database: sqlite3.Connection
) -> None:
    """The deployment's entry is hidden, so no decision can name it: an error that no database raises."""
    with scoring.ScoringProcess(ledger.settings.home) as job:
        job.wait_until_ready(digest)
        deployment = job.ready()["deployment"]
        database.execute("UPDATE leaf SET id = 'hidden' WHERE id = ?", (deployment,))
        lost = job.score(line.payment(1))
        database.execute("UPDATE leaf SET id = ? WHERE id = 'hidden'", (deployment,))
        job.wait_until_ready(digest)
        answered = job.score(line.payment(1))
    assert (lost.status_code, lost.json()["code"]) == (503, "not_recorded")
    assert answered.status_code == 200
