"""The scoring job killed and cut off from its log while it decides on credit, and what that means for payments."""

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
def fraud_digest(ledger: Ledger, line: ModuleType) -> str:
    made: str = line.approved_model(ledger)
    record_deployment(ledger, made)
    return made


@pytest.fixture
def digest(ledger: Ledger, line: ModuleType, credit: ModuleType, fraud_digest: str) -> str:
    made: str = credit.approved_model(line, ledger)
    record_deployment(ledger, made)
    return made


@pytest.fixture
def database(ledger: Ledger, digest: str) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(ledger.settings.home / "evidence.db", isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA busy_timeout = 30000")
    with contextlib.closing(connection):
        yield connection


def test_every_decision_that_left_before_a_kill_is_on_record_and_given_again_after_it(
    ledger: Ledger, line: ModuleType, credit: ModuleType, scoring: ModuleType, digest: str
) -> None:
    asked: dict[str, dict[str, Any]] = {}
    answers: dict[str, bytes] = {}

    def ask(client: int) -> None:
        with contextlib.suppress(httpx.TransportError):
            for number in range(10_000):
                name = f"c{client}-{number}"
                asked[name] = credit.application(line, number, application_id=name)
                answers[name] = job.decide(asked[name]).content

    with scoring.ScoringProcess(ledger.settings.home) as job:
        job.wait_until_ready(digest, "credit")
        clients = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
        for client in clients:
            client.start()
        scoring.until(lambda: len(answers) > 40)
        job.kill()
        for client in clients:
            client.join()
    recorded = {decision.subject: decision for decision in decisions_after(ledger, "credit")}
    assert {subject: recorded[subject].answer_bytes for subject in answers} == answers
    assert {decision.leaf for decision in recorded.values()} == {leaf.id for leaf in ledger.log.leaves(Kind.DECISION)}
    assert entries_holding(ledger.log) > len(answers)
    assert replay(ledger, next(iter(recorded.values())).decision_id).identical
    with scoring.ScoringProcess(ledger.settings.home) as job:
        job.wait_until_ready(digest, "credit")
        again = {name: job.decide(asked[name]) for name in list(answers)[:5]}
    assert {name: response.content for name, response in again.items()} == {name: answers[name] for name in again}
    assert {response.headers["Idempotent-Replayed"] for response in again.values()} == {"true"}


def test_what_cannot_be_recorded_is_not_answered_and_credit_goes_on_at_once(
    ledger: Ledger,
    line: ModuleType,
    credit: ModuleType,
    scoring: ModuleType,
    digest: str,
    fraud_digest: str,
    database: sqlite3.Connection,
) -> None:
    """A payment is decided on, then lost with the application behind it, whose row the database refuses."""
    payments = [line.payment(number, customer_id="new-card") for number in range(3)]
    with scoring.ScoringProcess(ledger.settings.home) as job, ThreadPoolExecutor(3) as pool:
        job.wait_until_ready(digest, "credit")
        job.wait_until_ready(fraud_digest)
        answered = [job.score(payments[0])]
        database.execute(
            "CREATE TRIGGER full_disk BEFORE INSERT ON decision WHEN NEW.subject = 'asked-1' "
            "BEGIN SELECT RAISE(ABORT, 'disk full'); END"
        )
        database.execute("BEGIN IMMEDIATE")  # while the log takes nothing, the two come into one batch behind another
        pool.submit(job.score, line.payment(9))
        scoring.until(lambda: job.metric("ledgerline_scoring_deciding") == 1)
        asked = [pool.submit(job.score, payments[1])]
        scoring.until(lambda: job.metric("ledgerline_scoring_waiting") == 1)
        asked.append(pool.submit(job.decide, credit.application(line, 1)))
        scoring.until(lambda: job.metric("ledgerline_scoring_waiting") == 2)
        database.execute("ROLLBACK")
        lost = [each.result() for each in asked]
        decided = job.decide(credit.application(line, 2))  # nothing is remembered, so nothing has to be loaded anew
        database.execute("DROP TRIGGER full_disk")
        retried = job.decide(credit.application(line, 1))
        job.wait_until_ready(fraud_digest)
        answered.append(job.score(payments[2]))
    assert {(response.status_code, response.json()["code"]) for response in lost} == {(503, "not_recorded")}
    assert [decided.status_code, retried.status_code] == [200, 200]
    assert "Idempotent-Replayed" not in retried.headers
    counts = [get_decision(ledger, each.json()["decision_id"]).vector["customer_count_1d"] for each in answered]
    assert counts == [1.0, 2.0]
    assert [decision.subject for decision in decisions_after(ledger, "credit")] == ["asked-2", "asked-1"]
    assert [decision.subject for decision in decisions_after(ledger, "fraud")] == ["live-0", "live-9", "live-2"]


def test_a_recorded_decision_that_was_changed_is_not_given_again(
    ledger: Ledger, line: ModuleType, credit: ModuleType, scoring: ModuleType, digest: str, database: sqlite3.Connection
) -> None:
    with scoring.ScoringProcess(ledger.settings.home) as job:
        job.wait_until_ready(digest, "credit")
        given = job.decide(credit.application(line, 1, credit.RISKY))
        forged = given.content.replace(b'"denied"', b'"approved"')
        assert forged != given.content
        database.execute("UPDATE decision SET answer = ?", (forged,))
        refused = job.decide(credit.application(line, 1, credit.RISKY))
        other = job.decide(credit.application(line, 2))
        database.execute("UPDATE decision SET answer = ? WHERE subject = 'asked-1'", (given.content,))
        again = job.decide(credit.application(line, 1, credit.RISKY))
    assert (refused.status_code, refused.json()["code"]) == (500, "record_changed")
    assert other.status_code == 200
    assert again.content == given.content
