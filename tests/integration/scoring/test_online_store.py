"""The scoring job remembers in the engine that the setting names, and answers as it does by its own memory."""

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from ledgerline.audit import Ledger
from ledgerline.core.clock import SystemClock
from ledgerline.decisions.record import get_decision
from pipelines.promotion import deploy


@pytest.fixture
def ledger(line: ModuleType, tmp_path: Path) -> Ledger:
    found: Ledger = line.open_ledger(tmp_path / "home", SystemClock())
    return found


@pytest.fixture(params=["sqlite", "redis"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    if request.param == "sqlite":
        return {"LEDGERLINE_ONLINE_STORE_URL": f"sqlite:///{tmp_path / 'online.db'}"}
    server = request.getfixturevalue("redis_server")
    return {"LEDGERLINE_ONLINE_STORE_URL": server.url, "LEDGERLINE_ONLINE_STORE_PASSWORD": server.password}


def counts(ledger: Ledger, answers: list[dict[str, Any]]) -> list[float]:
    return [get_decision(ledger, answer["decision_id"]).vector["customer_count_1d"] for answer in answers]


def test_what_was_decided_counts_before_and_after_a_restart(
    ledger: Ledger, line: ModuleType, scoring: ModuleType, engine: dict[str, str]
) -> None:
    digest = line.approved_model(ledger)
    deploy(ledger, digest)
    payments = [line.payment(number, customer_id="new-card") for number in range(5)]
    answers = []
    for some in (payments[:3], payments[3:]):
        with scoring.ScoringProcess(ledger.settings.home, **engine) as job:
            job.wait_until_ready(digest)
            answers += [job.score(payment).json() for payment in some]
            job.kill()
    assert counts(ledger, answers) == [1.0, 2.0, 3.0, 4.0, 5.0]


def test_without_redis_nothing_is_decided_and_with_it_again_everything_that_was(
    ledger: Ledger, line: ModuleType, scoring: ModuleType, redis_server: Any
) -> None:
    digest = line.approved_model(ledger)
    deploy(ledger, digest)
    payments = [line.payment(number, customer_id="new-card") for number in range(4)]
    engine = {
        "LEDGERLINE_ONLINE_STORE_URL": redis_server.url,
        "LEDGERLINE_ONLINE_STORE_PASSWORD": redis_server.password,
    }
    with scoring.ScoringProcess(ledger.settings.home, **engine) as job:
        job.wait_until_ready(digest)
        answers = [job.score(payment).json() for payment in payments[:2]]
        redis_server.kill()
        refused = job.score(payments[2])
        assert (refused.status_code, refused.json()["code"]) == (503, "online_store")
        redis_server.start()  # empty: the features are made anew
        scoring.until(lambda: job.score(payments[2]).status_code == 200)
        answers += [job.score(payment).json() for payment in payments[2:]]
        assert redis_server.password not in "".join(job.said)
    assert counts(ledger, answers) == [1.0, 2.0, 3.0, 4.0]
