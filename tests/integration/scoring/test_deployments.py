"""How a running job takes up deployments: aside, verified, swapped at once."""

import threading
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


def test_nothing_is_answered_before_the_first_deployment_and_everything_after(
    ledger: Ledger, line: ModuleType, scoring: ModuleType
) -> None:
    digest = line.approved_model(ledger)
    with scoring.ScoringProcess(ledger.settings.home) as job:
        scoring.until(lambda: job.ready()["code"] == "no_deployment")
        response = job.score(line.payment(1))
        assert (response.status_code, response.json()["code"]) == (503, "no_deployment")
        assert response.headers["Retry-After"] == "1"
        assert job.client.get("/healthz").status_code == 200
        assert job.client.get("/readyz").status_code == 503
        deploy(ledger, digest)
        job.wait_until_ready(digest)
        assert job.score(line.payment(1)).status_code == 200
        assert job.stop() == 0


def test_a_swap_under_load_fails_no_request(ledger: Ledger, line: ModuleType, scoring: ModuleType) -> None:
    first, second = (line.approved_model(ledger, trees=trees, version=trees) for trees in (20, 30))
    deploy(ledger, first)
    with scoring.ScoringProcess(ledger.settings.home) as job:
        job.wait_until_ready(first)
        clients = [_Client(job, line, number) for number in range(4)]
        for client in clients:
            client.start()
        scoring.until(lambda: all(len(client.answers) > 5 for client in clients))
        deploy(ledger, second)
        job.wait_until_ready(second)
        enough = [len(client.answers) + 5 for client in clients]
        scoring.until(lambda: all(len(each.answers) > more for each, more in zip(clients, enough, strict=True)))
        for client in clients:
            client.stop()
    for client in clients:
        assert set(client.statuses) == {200}
        digests = [answer["model"]["digest"] for answer in client.answers]
        assert digests == sorted(digests, key=[first, second].index)
        assert set(digests) == {first, second}
    answer = clients[0].answers[-1]
    assert get_decision(ledger, answer["decision_id"]).bundle == second


def test_a_model_on_newer_features_still_knows_what_was_decided_before_it(
    ledger: Ledger, line: ModuleType, scoring: ModuleType
) -> None:
    first = line.approved_model(ledger, trees=20)
    newer = line.record_training_set(ledger, build=2)
    second = line.approved_model(ledger, trees=20, version=2, training_set=newer)
    payments = [line.payment(number, customer_id="new-card") for number in range(5)]
    deploy(ledger, first)
    with scoring.ScoringProcess(ledger.settings.home) as job:
        job.wait_until_ready(first)
        answers = [job.score(payment).json() for payment in payments[:3]]
        deploy(ledger, second)
        job.wait_until_ready(second)
        answers += [job.score(payment).json() for payment in payments[3:]]
    seen = [get_decision(ledger, answer["decision_id"]).vector["customer_count_1d"] for answer in answers]
    assert seen == [1.0, 2.0, 3.0, 4.0, 5.0]


class _Client(threading.Thread):
    """Asks without pause until told to stop."""

    def __init__(self, job: Any, line: ModuleType, number: int) -> None:
        super().__init__(daemon=True)
        self._job, self._line, self._number = job, line, number
        self._stopping = threading.Event()
        self.statuses: list[int] = []
        self.answers: list[dict[str, Any]] = []

    def run(self) -> None:
        asked = 0
        while not self._stopping.is_set():
            asked += 1
            payment = self._line.payment(asked, transaction_id=f"client-{self._number}-{asked}")
            response = self._job.score(payment)
            self.statuses.append(response.status_code)
            self.answers.append(response.json())

    def stop(self) -> None:
        self._stopping.set()
        self.join()
