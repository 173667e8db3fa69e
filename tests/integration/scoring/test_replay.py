"""Replay of live decisions from what was known when they were made, and what it says when that is no longer so."""

import json
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from ledgerline.audit import Kind, Ledger
from ledgerline.cli.main import app
from ledgerline.core.clock import SystemClock
from ledgerline.core.identity import canonical_json
from ledgerline.decisions.deployment import record_deployment
from ledgerline.decisions.record import get_decision, sampled_decisions
from ledgerline.decisions.replay import Replay, replay, replay_all
from ledgerline.decisions.schema import DECISION
from ledgerline.services.rebuilding import rebuilds

FAMILIES = ("fraud", "credit")


@pytest.fixture(scope="module")
def ledger(line: ModuleType, credit: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Ledger:
    found: Ledger = line.open_ledger(tmp_path_factory.mktemp("replay"), SystemClock())
    record_deployment(found, line.approved_model(found, trees=50))
    record_deployment(found, credit.approved_model(line, found))
    return found


@pytest.fixture(scope="module")
def decided(ledger: Ledger, line: ModuleType, credit: ModuleType, scoring: ModuleType) -> list[str]:
    """Ids of the decisions of a live job that was killed, and whose models were deployed anew, between them."""
    ids = []

    def ask(job: Any, numbers: range) -> None:
        for number in numbers:
            # Few cards and shops: every payment's features hang on those before it. Some are large, to be explained.
            payment = line.payment(number, customer_id=str(number % 5), terminal_id=str(number % 3))
            answer = job.score(payment | {"amount_minor": 90_000} if number % 7 == 0 else payment)
            ids.append(answer.json()["decision_id"])
            said = {name: value for name, value in credit.RISKY.items() if number % 3 or name != "income"}
            purpose = "a boat" if number % 4 == 0 else "car"
            answer = job.decide(credit.application(line, number, said | {"purpose": purpose}))
            ids.append(answer.json()["decision_id"])

    def begin(job: Any) -> None:
        for family in FAMILIES:
            deployed = ledger.log.latest(Kind.DEPLOYMENT, family=family)
            assert deployed is not None
            job.wait_until_ready(deployed.identity["bundle"], family)

    for first in (0, 20):
        with scoring.ScoringProcess(ledger.settings.home) as job:
            begin(job)
            ask(job, range(first, first + 12))
            record_deployment(ledger, line.approved_model(ledger, trees=51 + first, version=2 + first))
            begin(job)
            ask(job, range(first + 12, first + 20))
    return ids


def replayed(ledger: Ledger, ids: list[str]) -> list[Replay]:
    return list(replay_all(ledger, (get_decision(ledger, each) for each in ids), rebuilds(ledger)))


def test_every_decision_comes_out_the_same_from_what_was_known_then(ledger: Ledger, decided: list[str]):
    found = replayed(ledger, decided)
    assert [each.difference for each in found] == [None] * len(decided)
    assert all(each.rebuilt for each in found)
    answers = [get_decision(ledger, each).answer for each in decided]
    assert sum(len(answer["reasons"]) > 0 for answer in answers) > 20
    assert any(answer.get("warnings") for answer in answers)


def test_the_order_in_which_they_are_asked_for_changes_nothing(ledger: Ledger, decided: list[str]):
    assert all(each.identical and each.rebuilt for each in replayed(ledger, decided[::-5]))


def test_a_sample_is_the_same_for_the_same_seed_and_of_the_family_alone(ledger: Ledger, decided: list[str]):
    def chosen(count: int, seed: int, *families: str) -> list[str]:
        return [each.decision_id for each in sampled_decisions(ledger, count, families=families, seed=seed)]

    assert chosen(9, 1, "fraud") == chosen(9, 1, "fraud") != chosen(9, 2, "fraud")
    assert set(chosen(1_000, 0, *FAMILIES)) == set(decided)
    assert len(chosen(1_000, 0, "credit")) == len(decided) / 2


def test_the_command_sums_up_many_and_explains_one(ledger: Ledger, decided: list[str]):
    environment = {"LEDGERLINE_HOME": str(ledger.settings.home)}
    many = CliRunner().invoke(app, ["audit", "replay", "--sample", "30", "--json"], env=environment)
    assert many.exit_code == 0, many.output
    said = json.loads(many.output)
    assert (said["decisions"], said["identical"], said["rebuilt"], said["different"]) == (30, 30, 30, [])
    one = CliRunner().invoke(app, ["audit", "replay", decided[0]], env=environment)
    assert "decided again from what was known then, the same" in one.output
    none = CliRunner().invoke(app, ["audit", "replay"], env=environment)
    assert none.exit_code != 0


def test_features_that_another_past_would_have_given_are_named(ledger: Ledger, decided: list[str]):
    recorded = get_decision(ledger, decided[-2])
    changed = {**recorded.vector, "customer_count_30d": 99.0}
    vectors = rebuilds(ledger)
    wrong = {"fraud": lambda each: {**vectors["fraud"](each), **changed}}
    outcome = replay(ledger, recorded.decision_id, wrong)
    was = recorded.vector["customer_count_30d"]
    assert outcome.difference == f"feature customer_count_30d was {was} and is 99.0"
    fewer = {"fraud": lambda each: {"amount": vectors["fraud"](each)["amount"]}}
    assert str(replay(ledger, recorded.decision_id, fewer).difference).endswith(" and is no longer made")


def test_a_decision_taken_out_of_the_past_shows_in_those_after_it(ledger: Ledger, decided: list[str]):
    """The row of an earlier payment of the same card is gone: the later one's features no longer come out."""
    recorded = [get_decision(ledger, each) for each in decided[::2]]
    earlier, later = recorded[0], recorded[5]
    assert earlier.event["customer_id"] == later.event["customer_id"]
    with ledger.log.reading() as connection:
        row = dict(connection.execute(sa.select(DECISION).where(DECISION.c.leaf == earlier.leaf)).one()._mapping)
    with ledger.log.transaction() as transaction:
        transaction.execute(sa.delete(DECISION).where(DECISION.c.leaf == earlier.leaf))
    try:
        difference = replay(ledger, later.decision_id, rebuilds(ledger)).difference
    finally:
        with ledger.log.transaction() as transaction:
            transaction.execute(sa.insert(DECISION).values(row))
    assert str(difference).startswith("feature customer_")
    assert replay(ledger, later.decision_id, rebuilds(ledger)).identical


@pytest.mark.parametrize("column", ["answer", "vector", "event"])
def test_a_recorded_part_that_was_changed_is_named(ledger: Ledger, decided: list[str], column: str):
    recorded = get_decision(ledger, decided[3])
    before = {"answer": recorded.answer_bytes, "vector": recorded.vector, "event": recorded.event}[column]
    said = json.loads(before) if isinstance(before, bytes) else dict(before)
    change = {"answer": {"score": 850}, "vector": {"age": 1.0}, "event": {"portfolio": "other"}}[column]
    write(ledger, recorded.leaf, column, canonical_json(said | change))
    try:
        difference = replay(ledger, recorded.decision_id, rebuilds(ledger)).difference
    finally:
        write(ledger, recorded.leaf, column, canonical_json(said))
    named = {"answer": "answer", "vector": "features", "event": "event"}[column]
    assert str(difference).startswith(f"changed after it was recorded: {named} ")


def write(ledger: Ledger, leaf: str, column: str, content: bytes) -> None:
    with ledger.log.transaction() as transaction:
        transaction.execute(sa.update(DECISION).where(DECISION.c.leaf == leaf).values({column: content}))


@pytest.fixture
def without_state(ledger: Ledger) -> Iterator[None]:
    """The online state of the feature version is away."""
    version = ledger.log.latest(Kind.FEATURE_VERSION, view="card_spending")
    assert version is not None
    manifest = json.loads(ledger.objects.get(version.identity["manifest"]))
    path = Path(ledger.objects.location(manifest["online_state"]))
    path.rename(path.with_suffix(".away"))
    yield
    path.with_suffix(".away").rename(path)


def test_inputs_that_are_gone_are_said_and_the_recorded_features_decide(
    ledger: Ledger, decided: list[str], without_state: None
):
    outcome = replay(ledger, decided[0], rebuilds(ledger))
    assert (outcome.identical, outcome.rebuilt) == (True, False)
    assert "is not in the store" in str(outcome.not_rebuilt)
