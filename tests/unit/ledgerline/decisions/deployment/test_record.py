"""Recorded decisions: request, features and answer in one transaction with their leaves."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import sqlalchemy as sa

from ledgerline.audit import Kind, Ledger
from ledgerline.core.clock import instant_text
from ledgerline.core.identity import canonical_json, sha256_bytes
from ledgerline.decisions.bundle import load_bundle
from ledgerline.decisions.deployment import record_deployment
from ledgerline.decisions.fraud import FraudModel
from ledgerline.decisions.fraud_answer import FraudVerdict, judge_payment
from ledgerline.decisions.record import (
    DecisionChanged,
    NewDecision,
    UnknownDecision,
    decisions_after,
    get_decision,
    record_decision,
    request_body,
)
from ledgerline.decisions.replay import replay, replay_all
from ledgerline.decisions.schema import DECISION, REQUEST_BODY, ensure_tables

DECIDED_AT = datetime(2018, 10, 1, 0, 1, tzinfo=UTC)


@pytest.fixture
def decide(ledger: Ledger, line: ModuleType) -> Callable[..., NewDecision]:
    digest = line.approved_model(ledger)
    deployment = record_deployment(ledger, digest)
    model = FraudModel.load(load_bundle(ledger.objects, digest))
    ensure_tables(ledger)
    row = line.feature_frame().select(line.VIEW.feature_names).row(-1, named=True)

    def make(number: int, amount: float = 12.5) -> NewDecision:
        vector = {name: float(value) for name, value in row.items()} | {"amount": amount}
        event = {"transaction_id": f"t{number}", "event_time": instant_text(DECIDED_AT + timedelta(minutes=number))}
        new = NewDecision(
            family="fraud",
            subject=f"t{number}",
            body=canonical_json(event),
            event=event,
            vector=vector,
            answer=judge_payment(model, vector),
            bundle=digest,
            deployment=deployment.id,
            decided_at=DECIDED_AT,
        )
        with ledger.log.transaction() as transaction:
            record_decision(ledger, transaction, new)
        return new

    return make


def test_a_decision_is_read_back_as_it_was_made(ledger: Ledger, decide: Callable[..., NewDecision]) -> None:
    new = decide(1)
    found = get_decision(ledger, new.decision_id[:10])
    assert (found.subject, found.vector, found.answer, found.bundle) == ("t1", new.vector, new.answer, new.bundle)
    assert request_body(ledger, found.request) == new.body


def test_a_value_that_was_missing_is_read_back_as_missing(ledger: Ledger, decide: Callable[..., NewDecision]) -> None:
    new = replace(decide(1), subject="t9", vector={"income": None, "age": 41.0})
    with ledger.log.transaction() as transaction:
        record_decision(ledger, transaction, new)
    found = get_decision(ledger, new.decision_id)
    assert found.vector == {"income": None, "age": 41.0}
    leaf = ledger.log.get(found.leaf)
    assert leaf.detail["vector"] == sha256_bytes(canonical_json({"income": None, "age": 41.0}))


def test_the_decision_leaf_binds_request_model_answer_and_features(
    ledger: Ledger, decide: Callable[..., NewDecision]
) -> None:
    new = decide(1)
    leaf = ledger.log.get(get_decision(ledger, new.decision_id).leaf)
    assert leaf.identity == {
        "family": "fraud",
        "decision_id": new.decision_id,
        "request": sha256_bytes(new.body),
        "bundle": new.bundle,
        "answer": sha256_bytes(canonical_json(dict(new.answer))),
    }
    assert leaf.detail["vector"] == sha256_bytes(canonical_json(dict(new.vector)))
    parents = [(role, parent.kind) for role, parent in ledger.log.parents(leaf.id)]
    assert parents == [("request", Kind.REQUEST), ("deployment", Kind.DEPLOYMENT)]


def test_a_subject_is_decided_on_once(ledger: Ledger, decide: Callable[..., NewDecision]) -> None:
    new = decide(1)
    again = replace(new, body=b"{}", decided_at=DECIDED_AT + timedelta(seconds=1))
    before = len(ledger.log.leaves(Kind.DECISION))
    with pytest.raises(sa.exc.IntegrityError), ledger.log.transaction() as transaction:
        record_decision(ledger, transaction, replace(again, answer={**new.answer, "score": 0.0}))
    assert len(ledger.log.leaves(Kind.DECISION)) == before


def test_decisions_come_back_in_the_order_they_were_made(ledger: Ledger, decide: Callable[..., NewDecision]) -> None:
    for number in (3, 1, 2):
        decide(number)
    assert [decision.subject for decision in decisions_after(ledger, "fraud")] == ["t3", "t1", "t2"]
    assert [decision.subject for decision in decisions_after(ledger, "fraud", sequence=1)] == ["t1", "t2"]
    since = DECIDED_AT + timedelta(minutes=2)
    assert [decision.subject for decision in decisions_after(ledger, "fraud", event_time=since)] == ["t3", "t2"]


def test_an_unknown_decision_is_an_error(ledger: Ledger) -> None:
    with pytest.raises(UnknownDecision):
        get_decision(ledger, "abc")
    with pytest.raises(UnknownDecision):
        request_body(ledger, "0" * 64)


def test_a_prefix_of_several_decisions_is_an_error(ledger: Ledger, decide: Callable[..., NewDecision]) -> None:
    decide(1)
    decide(2)
    with pytest.raises(UnknownDecision, match="several"):
        get_decision(ledger, "")


@pytest.mark.parametrize("amount", [3.0, 900.0])
def test_a_decision_replays_identically(ledger: Ledger, decide: Callable[..., NewDecision], amount: float) -> None:
    new = decide(1, amount)
    assert (new.answer["verdict"] == FraudVerdict.ALERT) == (amount > 100)
    assert bool(new.answer["reasons"]) == (amount > 100)
    found = replay(ledger, new.decision_id)
    assert found.identical
    assert found.difference is None


def _change(ledger: Ledger, **values: bytes) -> None:
    with ledger.log.transaction() as transaction:
        transaction.execute(sa.update(DECISION).values(**values))


def test_features_changed_after_the_fact_are_noticed(ledger: Ledger, decide: Callable[..., NewDecision]) -> None:
    new = decide(1)
    _change(ledger, vector=canonical_json({**new.vector, "amount": 1.0}))
    found = replay(ledger, new.decision_id)
    assert not found.identical
    assert "features" in str(found.difference)


def test_an_event_changed_after_the_fact_is_noticed(ledger: Ledger, decide: Callable[..., NewDecision]) -> None:
    new = decide(1)
    _change(ledger, event=canonical_json({**new.event, "event_time": "2001-01-01T00:00:00.000000Z"}))
    assert "event" in str(replay(ledger, new.decision_id).difference)


def test_an_answer_changed_after_the_fact_is_noticed(ledger: Ledger, decide: Callable[..., NewDecision]) -> None:
    new = decide(1)
    _change(ledger, answer=canonical_json({**new.answer, "score": 0.001}))
    assert "answer" in str(replay(ledger, new.decision_id).difference)


def test_a_request_changed_after_the_fact_is_noticed(ledger: Ledger, decide: Callable[..., NewDecision]) -> None:
    new = decide(1)
    with ledger.log.transaction() as transaction:
        transaction.execute(sa.update(REQUEST_BODY).values(body=b"{}"))
    assert "request" in str(replay(ledger, new.decision_id).difference)


def test_an_answer_changed_together_with_its_entry_in_the_log_is_noticed(
    ledger: Ledger, decide: Callable[..., NewDecision], rewrite: Callable[..., None]
) -> None:
    new = decide(1)
    answer = canonical_json({**new.answer, "decided_at": "2018-01-01T00:00:00.000000Z"})
    leaf = ledger.log.get(get_decision(ledger, new.decision_id).leaf)
    _change(ledger, answer=answer)
    rewrite(ledger.log, leaf.id, "identity", answer=sha256_bytes(answer))
    assert "its id stands for" in str(replay(ledger, new.decision_id).difference)


def test_a_decision_moved_to_another_deployment_is_noticed(ledger: Ledger, decide: Callable[..., NewDecision]) -> None:
    new = decide(1)
    with ledger.log.transaction() as transaction:
        transaction.execute(sa.update(DECISION).values(deployment="f" * 64))
    assert "deployment" in str(replay(ledger, new.decision_id).difference)


def test_an_answer_that_the_model_did_not_give_differs_on_replay(
    ledger: Ledger, decide: Callable[..., NewDecision]
) -> None:
    new = decide(1)
    lie = replace(new, subject="t9", body=b"lie", answer={**new.answer, "score": 0.123})
    with ledger.log.transaction() as transaction:
        record_decision(ledger, transaction, lie)
    found = replay(ledger, lie.decision_id)
    assert not found.identical
    assert "score was 0.123" in str(found.difference)


def test_the_last_digit_of_one_reason_differs_on_replay(ledger: Ledger, decide: Callable[..., NewDecision]) -> None:
    new = decide(1, 900.0)
    first, *others = new.answer["reasons"]
    nearly = {**first, "contribution": float(np.nextafter(first["contribution"], 9))}
    lie = replace(new, subject="t9", body=b"lie", answer={**new.answer, "reasons": [nearly, *others]})
    with ledger.log.transaction() as transaction:
        record_decision(ledger, transaction, lie)
    assert str(replay(ledger, lie.decision_id).difference).startswith("reasons was ")


def test_a_byte_of_the_model_changed_since_is_named_and_other_models_decisions_are_replayed(
    ledger: Ledger, line: ModuleType, decide: Callable[..., NewDecision]
) -> None:
    new = decide(1)
    other = line.approved_model(ledger, trees=30, version=2)
    judged = judge_payment(FraudModel.load(load_bundle(ledger.objects, other)), new.vector)
    later = replace(new, subject="t2", body=b"later", answer=judged, bundle=other)
    with ledger.log.transaction() as transaction:
        record_decision(ledger, transaction, later)
    model = load_bundle(ledger.objects, new.bundle).manifest.files["model.ubj"]
    path = Path(ledger.objects.location(model.sha256))
    path.chmod(0o600)
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    changed, same = replay_all(ledger, decisions_after(ledger, "fraud"))
    assert str(changed.difference).startswith(f"model {new.bundle}: model.ubj: ")
    assert (same.identical, same.difference) == (True, None)


@pytest.mark.parametrize("column", ["vector", "event", "answer"])
@pytest.mark.parametrize("damage", [b"{", b"[1]", b"\xff"])
def test_a_row_that_cannot_be_read_is_an_error_that_names_the_decision(
    ledger: Ledger, decide: Callable[..., NewDecision], column: str, damage: bytes
) -> None:
    new = decide(1)
    _change(ledger, **{column: damage})
    with pytest.raises(DecisionChanged, match=new.decision_id):
        replay(ledger, new.decision_id)


def test_a_request_that_is_gone_is_named(ledger: Ledger, decide: Callable[..., NewDecision]) -> None:
    new = decide(1)
    with ledger.log.transaction() as transaction:
        transaction.execute(sa.delete(REQUEST_BODY))
    assert "no recorded request" in str(replay(ledger, new.decision_id).difference)


def test_a_decision_is_found_by_its_beginning_and_by_nothing_like_it(
    ledger: Ledger, decide: Callable[..., NewDecision]
) -> None:
    wanted = decide(1).decision_id
    assert get_decision(ledger, wanted[:6]).decision_id == wanted
    for like in (f"{wanted[:5]}_", f"{wanted[:5]}%", wanted[:6].upper() + "A", "%", f"{wanted}0"):
        with pytest.raises(UnknownDecision, match="no decision"):
            get_decision(ledger, like)


def test_a_decision_is_looked_up_in_an_index_however_many_there_are(
    ledger: Ledger, decide: Callable[..., NewDecision]
) -> None:
    asked: list[str] = []
    decide(1)
    with ledger.log.reading() as connection:
        engine = connection.engine
    sa.event.listen(engine, "before_cursor_execute", lambda *said: asked.append(said[2]))
    get_decision(ledger, decide(2).decision_id[:8])
    (statement,) = [each for each in asked if "FROM decision" in each and "decision_id" in each.split("WHERE")[1]]
    with ledger.log.reading() as connection:
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", ("a", "b", 2, 0)[: statement.count("?")])
        assert all("SEARCH" in row.detail and "INDEX" in row.detail for row in plan)
