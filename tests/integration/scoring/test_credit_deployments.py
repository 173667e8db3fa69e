"""How one job serves two families: each taken up, refused and replaced without the other's answers."""

import json
import stat
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from ledgerline.audit import Ledger
from ledgerline.core.clock import SystemClock
from ledgerline.core.settings import PROJECT_ROOT
from ledgerline.decisions.credit.policy import POLICY_FILE
from ledgerline.decisions.deployment import record_deployment
from ledgerline.decisions.replay import replay


@pytest.fixture
def project(line: ModuleType, tmp_path: Path) -> Path:
    found: Path = line.project_with(tmp_path / "project")
    (found / POLICY_FILE).write_bytes((PROJECT_ROOT / POLICY_FILE).read_bytes())
    return found


@pytest.fixture
def ledger(line: ModuleType, tmp_path: Path, project: Path) -> Ledger:
    found: Ledger = line.open_ledger(tmp_path / "home", SystemClock(), project=project)
    return found


def readiness(job: Any) -> tuple[int, bool, dict[str, str]]:
    """What ``/readyz`` says: the status, whether all are ready, and each family's code."""
    response = job.client.get("/readyz")
    body = response.json()
    return response.status_code, body["ready"], {family: each["code"] for family, each in body["families"].items()}


def test_each_family_is_ready_by_itself_and_the_job_when_all_that_are_deployed_are(
    ledger: Ledger, line: ModuleType, credit: ModuleType, scoring: ModuleType
) -> None:
    digest = credit.approved_model(line, ledger)
    fraud = line.approved_model(ledger)
    with scoring.ScoringProcess(ledger.settings.home, LEDGERLINE_PROJECT=str(ledger.settings.project)) as job:
        nothing = {"fraud": "no_deployment", "credit": "no_deployment"}
        scoring.until(lambda: readiness(job) == (503, False, nothing))
        unserved = job.decide(credit.application(line, 1))
        assert (unserved.status_code, unserved.json()["code"]) == (503, "no_deployment")

        record_deployment(ledger, digest)
        job.wait_until_ready(digest, "credit")
        assert readiness(job) == (200, True, {"fraud": "no_deployment", "credit": "ready"})
        assert job.decide(credit.application(line, 1)).status_code == 200
        unserved = job.score(line.payment(1))
        assert (unserved.status_code, unserved.json()["code"]) == (503, "no_deployment")

        record_deployment(ledger, fraud)
        job.wait_until_ready(fraud)
        assert readiness(job) == (200, True, {"fraud": "ready", "credit": "ready"})
        assert job.score(line.payment(1)).status_code == 200

        second = credit.approved_model(line, ledger, trees=40, version=2)
        record_deployment(ledger, second)
        job.wait_until_ready(second, "credit")
        assert job.decide(credit.application(line, 2)).json()["model"] == {"name": "credit@2", "digest": second}
        assert job.ready()["digest"] == fraud
        assert job.stop() == 0


def test_a_family_that_is_refused_leaves_the_other_answering_and_the_job_unready(
    ledger: Ledger, line: ModuleType, credit: ModuleType, scoring: ModuleType
) -> None:
    fraud = line.approved_model(ledger)
    record_deployment(ledger, fraud)
    digest = credit.approved_model(line, ledger)
    deployment = record_deployment(ledger, digest)
    manifest = json.loads(ledger.objects.get(digest))
    path = Path(ledger.objects.location(manifest["files"]["inputs.json"]["sha256"]))
    path.chmod(stat.S_IRUSR | stat.S_IWUSR)
    content = path.read_bytes()
    path.write_bytes(content.replace(b'"slope":1', b'"slope":9'))
    assert path.read_bytes() != content
    with scoring.ScoringProcess(ledger.settings.home) as job:
        job.wait_until_ready(fraud)
        assert job.wait_until_refused(deployment.id, "credit") == "object_corrupt"
        assert readiness(job) == (503, False, {"fraud": "ready", "credit": "object_corrupt"})
        refused = job.decide(credit.application(line, 1))
        assert (refused.status_code, refused.json()["code"]) == (503, "object_corrupt")
        assert job.score(line.payment(1)).status_code == 200
        assert job.metric('ledgerline_scoring_newest_deployment_refused{family="credit"}') == 1
        assert job.metric('ledgerline_scoring_newest_deployment_refused{family="fraud"}') == 0


def test_a_changed_policy_is_taken_up_and_one_that_cannot_be_read_is_not(
    ledger: Ledger, line: ModuleType, credit: ModuleType, scoring: ModuleType, project: Path
) -> None:
    policy = project / POLICY_FILE
    digest = credit.approved_model(line, ledger)
    deployment = record_deployment(ledger, digest)
    asked = iter(range(1000))

    def decided() -> dict[str, Any]:
        answer: dict[str, Any] = job.decide(credit.application(line, next(asked))).json()
        return answer

    with scoring.ScoringProcess(ledger.settings.home, LEDGERLINE_PROJECT=str(project)) as job:
        job.wait_until_ready(digest, "credit")
        before = decided()
        committed = policy.read_bytes()
        assert b'rate: "4.50"' in committed
        policy.write_bytes(committed.replace(b'rate: "4.50"', b'rate: "4.75"'))
        scoring.until(lambda: decided()["rate"] == 4.75)

        stricter = policy.read_bytes()
        policy.write_bytes(b"categories: []\n")
        assert job.wait_until_refused(deployment.id, "credit") == "policy_invalid"
        assert job.ready("credit")["ready"]
        assert decided()["rate"] == 4.75
        policy.write_bytes(stricter)
        scoring.until(lambda: job.ready("credit")["refused_deployment"] is None)
        after = decided()
    assert (before["rate"], after["rate"]) == (4.5, 4.75)
    assert before["policy"]["id"] != after["policy"]["id"]
    for answer in (before, after):
        assert replay(ledger, answer["decision_id"]).identical
