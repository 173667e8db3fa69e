"""What was in force when, and what became of every version."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType

import pytest

from ledgerline.audit import EvidenceLog, Ledger
from ledgerline.audit.history import history, live_at
from ledgerline.core.clock import FixedClock
from ledgerline.core.settings import Settings
from ledgerline.core.storage import ObjectStore

BEGIN = datetime(2018, 10, 1, tzinfo=UTC)


@pytest.fixture
def ledger(log: EvidenceLog, clock: FixedClock, lines: ModuleType, tmp_path: Path) -> Ledger:
    """Two fraud models, an hour between all that is done: the second replaces the first, which is then put back."""
    line = lines.Line(log, 1)
    lines.data(line)

    def later() -> None:
        clock.instant += timedelta(hours=1)

    lines.model(line, family="fraud", version=1)
    line.ids["first"] = line.ids["bundle"]
    later()  # 01:00
    first = lines.deploy(line, family="fraud")
    later()  # 02:00
    lines.model(line, family="fraud", version=2, signers=("maria", "ada"))
    later()  # 03:00
    second = lines.deploy(line, family="fraud", supersedes=first, signers=("maria", "ada"))
    later()  # 04:00
    lines.deploy(line, family="fraud", bundle="first", supersedes=second, reason="too many alerts")
    later()  # 05:00
    lines.model(line, family="fraud", version=3, passed=False, signers=())
    return Ledger(Settings(home=tmp_path), clock, log, ObjectStore(tmp_path / "objects"))


def hours(number: float) -> datetime:
    return BEGIN + timedelta(hours=number)


@pytest.mark.parametrize(
    ("at", "model", "until"),
    [(1, "fraud@1", 3), (2.99, "fraud@1", 3), (3, "fraud@2", 4), (4, "fraud@1", None), (99, "fraud@1", None)],
)
def test_what_was_live_at_an_instant(ledger: Ledger, at: float, model: str, until: float | None):
    (live,) = live_at(ledger, hours(at))
    assert live.model is not None
    assert (live.model.name, live.family, live.job) == (model, "fraud", "scoring")
    assert live.until == (None if until is None else hours(until))


def test_nothing_was_live_before_the_first_deployment(ledger: Ledger):
    assert live_at(ledger, hours(0.99)) == []


def test_what_was_live_says_who_signed_and_what_it_was_trained_on(ledger: Ledger):
    (live,) = live_at(ledger, hours(3))
    assert [(signed.person, signed.role) for signed in live.approvals] == [("maria", "validator"), ("ada", "validator")]
    assert live.model is not None
    assert (live.model.as_of, live.model.feature_tag) == (datetime(2018, 9, 2, tzinfo=UTC), "payments-v1")
    assert (live.model.trained_by, live.deployed_by) == ("joe", "airflow")


def test_each_family_has_its_own_in_force(ledger: Ledger, lines: ModuleType):
    lines.whole_line(ledger.log, 2, family="price")
    assert [(live.family, live.job) for live in live_at(ledger, hours(9))] == [
        ("fraud", "scoring"),
        ("price", "trading"),
    ]


def test_a_history_has_every_version_with_its_verdict_signatures_and_time_in_force(ledger: Ledger):
    found = history(ledger, "fraud")
    assert [each.model.name for each in found] == ["fraud@1", "fraud@2", "fraud@3"]
    assert [[verdict.passed for verdict in each.verdicts] for each in found] == [[True], [True], [False]]
    assert [[signed.person for signed in each.approvals] for each in found] == [["maria"], ["maria", "ada"], []]
    assert [[(live.since, live.until) for live in each.deployments] for each in found] == [
        [(hours(1), hours(3)), (hours(4), None)],
        [(hours(3), hours(4))],
        [],
    ]


def test_a_model_that_was_put_back_is_told_from_one_that_was_deployed(ledger: Ledger):
    first, second, _ = history(ledger, "fraud")
    assert [(live.is_return, live.reason) for live in first.deployments] == [(False, None), (True, "too many alerts")]
    assert [live.is_return for live in second.deployments] == [False]


def test_a_refused_model_says_at_which_gate(ledger: Ledger):
    (verdict,) = history(ledger, "fraud")[2].verdicts
    assert verdict.refused == (("beats_baseline", "0.61 > 0.42"),)


def test_a_family_of_which_nothing_was_trained_has_no_history(ledger: Ledger):
    assert history(ledger, "credit") == []
