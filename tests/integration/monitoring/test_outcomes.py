"""From delivered labels to what came of live decisions: real files, real validation, and the log that both stand in."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from ledgerline.audit import EvidenceLog, Kind, Leaf, Ledger, RecordedLeaf
from ledgerline.audit.entry import decode_entry
from ledgerline.audit.graph import misfits
from ledgerline.audit.impact import impact
from ledgerline.audit.outcomes import life_of, outcomes_of
from ledgerline.audit.trace import resolve, trace
from ledgerline.audit.verify import entries_holding
from ledgerline.cli.main import app
from ledgerline.core.clock import FixedClock, instant_text
from ledgerline.core.errors import LedgerlineError
from ledgerline.core.identity import canonical_json
from ledgerline.core.settings import Settings
from ledgerline.decisions.record import NewDecision, decision_id, record_decision
from ledgerline.decisions.schema import ensure_tables
from pipelines.ingestion import land
from pipelines.monitoring import record_label_outcomes
from pipelines.monitoring.outcomes import COMPARED
from pipelines.validation import validate_batches
from pipelines.validation.release import release

NOW = datetime(2024, 3, 1, tzinfo=UTC)
MAPPING = """
name: shop
as_of: {as_of}
datasets:
  fraud_labels:
    files: labels/*_{{date}}.csv
    columns:
      transaction_id: id
      is_fraud: {{column: fraud, greater_than: 0}}
      event_time: {{column: paid_at, timezone: UTC}}
      available_at: {{column: known_at, timezone: UTC}}
  applications:
    files: loans/*_{{date}}.csv
    columns:
      application_id: id
      portfolio: {{constant: loans}}
      defaulted: defaulted
      outcome_at: {{column: outcome_at, timezone: UTC}}
      dated: {{constant: true}}
      event_time: {{column: asked_at, timezone: UTC}}
      available_at: {{column: known_at, timezone: UTC}}
    roles: {{numeric: [income]}}
"""


@dataclass
class Shop:
    """An installation that decides live, and a folder in which labels are delivered."""

    ledger: Ledger
    folder: Path

    def present(self, as_of: str) -> None:
        """Set the source's own present."""
        (self.folder / "ledgerline.yaml").write_text(MAPPING.format(as_of=as_of))

    def decide(self, family: str, subject: str) -> RecordedLeaf:
        """Record a live decision."""
        deployment = self.ledger.log.append(Leaf(Kind.DEPLOYMENT, {"family": family, "bundle": "b" * 64}))
        event = {"subject": subject, "event_time": instant_text(NOW)}
        new = NewDecision(
            family=family,
            subject=subject,
            body=canonical_json(event),
            event=event,
            vector={"amount": 1.0},
            answer={"verdict": "pass"},
            bundle="b" * 64,
            deployment=deployment,
            decided_at=NOW,
        )
        with self.ledger.log.transaction() as transaction:
            record_decision(self.ledger, transaction, new)
        return resolve(self.ledger.log, decision_id(family, subject))

    def labels(self, day: str, *rows: str) -> None:
        """Deliver a file of fraud labels; a row is ``id,fraud,paid_at,known_at``."""
        self._deliver("fraud_labels", f"labels/labels_{day}.csv", "id,fraud,paid_at,known_at", rows)

    def loans(self, day: str, *rows: str) -> None:
        """Deliver a file of applications; a row is ``id,defaulted,outcome_at,asked_at,known_at,income``."""
        header = "id,defaulted,outcome_at,asked_at,known_at,income"
        self._deliver("applications", f"loans/loans_{day}.csv", header, rows)

    def _deliver(self, dataset: str, path: str, header: str, rows: tuple[str, ...]) -> None:
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text("\n".join((header, *rows, "")))
        validate_batches(self.ledger, land(self.ledger, dataset).batches)

    def outcomes(self) -> list[RecordedLeaf]:
        return self.ledger.log.leaves(Kind.OUTCOME)


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    folder = tmp_path / "data"
    folder.mkdir()
    ledger = Ledger.open(Settings(home=tmp_path / "home", data=folder), FixedClock(NOW))
    ensure_tables(ledger)
    made = Shop(ledger, folder)
    made.present("2024-02-20T00:00:00Z")
    return made


def came(leaf: RecordedLeaf) -> tuple[str, Any, str]:
    """What is about whom, and from when."""
    return leaf.detail["subject"], leaf.identity["came"], leaf.identity["known_at"][:10]


def raw_paths(log: EvidenceLog, leaf: RecordedLeaf) -> set[str]:
    return {str(step.leaf.detail["path"]) for step in trace(log, leaf).walk() if step.leaf.kind is Kind.RAW_FILE}


def test_a_label_of_a_payment_decided_live_is_its_outcome_and_leads_to_the_decision_and_to_the_label_s_file(shop: Shop):
    decision = shop.decide("fraud", "p1")
    shop.labels("2024-02-10", "p1,1,2024-02-01 09:00,2024-02-09 00:00", "p2,0,2024-02-01 10:00,2024-02-09 00:00")
    assert record_label_outcomes(shop.ledger) == {"fraud": 1}
    (outcome,) = shop.outcomes()
    assert came(outcome) == ("p1", {"is_fraud": True}, "2024-02-09")
    log = shop.ledger.log
    assert [(role, parent.kind) for role, parent in log.parents(outcome.id)] == [
        ("decision", Kind.DECISION),
        ("label", Kind.VALIDATION_RECEIPT),
    ]
    assert raw_paths(log, outcome) == {"labels/labels_2024-02-10.csv"}
    assert [leaf.id for leaf in life_of(log, decision)] == [decision.id, outcome.id]
    with log.reading() as connection:
        assert list(misfits(connection, {outcome.sequence: decode_entry(outcome.entry)})) == []


def test_below_a_file_of_labels_are_the_outcomes_it_says_and_the_decisions_they_are_of(shop: Shop):
    decisions = [shop.decide("fraud", name) for name in ("p1", "p2", "p3")]
    row = "{},0,2024-02-01 09:00,2024-02-09 00:00"
    shop.labels("2024-02-10", *(row.format(name) for name in ("p1", "p2", "p9")))
    shop.labels("2024-02-11", row.format("p3"))
    record_label_outcomes(shop.ledger)
    found = impact(shop.ledger.log, "labels/labels_2024-02-10.csv")
    assert found.counts[Kind.OUTCOME] == 2
    assert found.labelled is not None
    assert found.labelled.count == 2
    assert (found.labelled.first.id, found.labelled.last.id) == (decisions[0].id, decisions[1].id)


def test_what_was_recorded_is_recorded_once(shop: Shop):
    shop.decide("fraud", "p1")
    shop.labels("2024-02-10", "p1,1,2024-02-01 09:00,2024-02-09 00:00")
    record_label_outcomes(shop.ledger)
    before = entries_holding(shop.ledger.log)
    assert record_label_outcomes(shop.ledger) == {}
    assert entries_holding(shop.ledger.log) == before


def test_a_label_that_changes_is_a_second_outcome_and_the_first_stays(shop: Shop):
    decision = shop.decide("fraud", "p1")
    shop.labels("2024-02-10", "p1,0,2024-02-01 09:00,2024-02-09 00:00")
    record_label_outcomes(shop.ledger)
    (first,) = shop.outcomes()
    shop.labels("2024-02-15", "p1,1,2024-02-01 09:00,2024-02-14 00:00")
    assert record_label_outcomes(shop.ledger) == {"fraud": 1}
    told = outcomes_of(shop.ledger.log, decision)
    assert [came(leaf)[1] for leaf in told] == [{"is_fraud": False}, {"is_fraud": True}]
    assert told[0].entry == first.entry


def test_a_decision_made_after_its_label_was_accepted_has_its_outcome_too(shop: Shop):
    shop.decide("fraud", "p0")
    shop.labels("2024-02-10", "p1,1,2024-02-01 09:00,2024-02-09 00:00")
    assert record_label_outcomes(shop.ledger) == {}
    shop.decide("fraud", "p1")
    assert record_label_outcomes(shop.ledger) == {"fraud": 1}


def test_what_became_of_a_loan_is_known_from_its_own_date_and_not_before(shop: Shop):
    shop.decide("credit", "a1")
    shop.decide("credit", "a2")
    shop.loans(
        "2024-02-05",
        "a1,true,2024-02-28 00:00,2024-01-01 09:00,2024-02-04 00:00,50",
        "a2,,,2024-01-01 09:00,2024-02-04 00:00,60",
    )
    assert record_label_outcomes(shop.ledger) == {}
    shop.present("2024-02-29T00:00:00Z")
    assert record_label_outcomes(shop.ledger) == {"credit": 1}
    (outcome,) = shop.outcomes()
    assert came(outcome) == ("a1", {"defaulted": True}, "2024-02-28")


def test_labels_that_were_compared_are_read_again_only_for_new_decisions_and_then_checked(shop: Shop):
    shop.decide("fraud", "p1")
    shop.labels("2024-02-10", "p1,1,2024-02-01 09:00,2024-02-09 00:00", "p2,1,2024-02-01 09:00,2024-02-09 00:00")
    record_label_outcomes(shop.ledger)
    (receipt,) = shop.ledger.log.leaves(Kind.VALIDATION_RECEIPT)
    batch = shop.ledger.log.get(receipt.identity["batch"])
    (shop.ledger.settings.workspace_path / receipt.detail["accepted_path"]).write_bytes(b"changed")
    rows = Path(shop.ledger.objects.location(batch.identity["rows_object"]))
    whole = rows.read_bytes()
    rows.chmod(0o600)
    rows.write_bytes(b"lost")
    assert record_label_outcomes(shop.ledger) == {}
    shop.decide("fraud", "p2")
    with pytest.raises(LedgerlineError):
        record_label_outcomes(shop.ledger)
    rows.write_bytes(whole)
    assert record_label_outcomes(shop.ledger) == {"fraud": 1}


def test_what_was_compared_and_forgotten_is_compared_once_more_and_nothing_is_recorded_twice(shop: Shop):
    shop.decide("fraud", "p1")
    shop.labels("2024-02-10", "p1,1,2024-02-01 09:00,2024-02-09 00:00")
    record_label_outcomes(shop.ledger)
    with shop.ledger.log.transaction() as transaction:
        transaction.execute(sa.delete(COMPARED))
    assert record_label_outcomes(shop.ledger) == {}
    assert len(shop.outcomes()) == 1


def test_one_family_s_label_says_nothing_of_another_family_s_decision(shop: Shop):
    shop.decide("credit", "p1")
    shop.labels("2024-02-10", "p1,1,2024-02-01 09:00,2024-02-09 00:00")
    assert record_label_outcomes(shop.ledger) == {}


def test_a_label_that_was_kept_out_says_something_once_a_person_has_let_it_in(shop: Shop):
    shop.decide("fraud", "p1")
    shop.labels(
        "2024-02-10",
        *(f"q{number},0,2024-02-01 09:00,2024-02-09 00:00" for number in range(60)),
        "p1,1,2024-02-10 09:00,2024-02-09 00:00",
    )
    assert record_label_outcomes(shop.ledger) == {}
    (receipt,) = shop.ledger.log.leaves(Kind.VALIDATION_RECEIPT)
    release(shop.ledger, receipt.id, person="maria", reason="the clock of the bank was wrong")
    assert record_label_outcomes(shop.ledger) == {"fraud": 1}
    (outcome,) = shop.outcomes()
    assert {role: parent.kind for role, parent in shop.ledger.log.parents(outcome.id)}["label"] is Kind.RELEASE
    assert raw_paths(shop.ledger.log, outcome) == {"labels/labels_2024-02-10.csv"}


class Cut(Exception):
    """The process is gone."""


def test_cut_short_between_two_transactions_the_next_call_records_the_rest(shop: Shop, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("ledgerline.decisions.outcome._RECORDED_AT_ONCE", 2)
    for number in range(5):
        shop.decide("fraud", f"p{number}")
    shop.labels("2024-02-10", *(f"p{number},0,2024-02-01 09:00,2024-02-09 00:00" for number in range(5)))
    record_all, calls = EvidenceLog.record_all, []

    def cut(log: EvidenceLog, *arguments: Any) -> list[str]:
        calls.append(1)
        recorded = record_all(log, *arguments)
        if len(calls) == 2:
            raise Cut  # written, and not committed
        return recorded

    with monkeypatch.context() as cutting, pytest.raises(Cut):
        cutting.setattr(EvidenceLog, "record_all", cut)
        record_label_outcomes(shop.ledger)
    assert len(shop.outcomes()) == 2
    assert record_label_outcomes(shop.ledger) == {"fraud": 3}
    assert sorted(leaf.detail["subject"] for leaf in shop.outcomes()) == [f"p{number}" for number in range(5)]


@pytest.fixture
def said(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    monkeypatch.setenv("LEDGERLINE_HOME", str(shop.ledger.settings.home))
    monkeypatch.setenv("LEDGERLINE_DATA", str(shop.folder))

    def run(*words: str) -> str:
        result = CliRunner().invoke(app, ["audit", *words])
        assert result.exit_code == 0, result.output
        return result.output

    return run


def test_trace_and_history_of_a_decision_tell_what_came_of_it(shop: Shop, said: Callable[..., str]):
    decision = shop.decide("fraud", "p1").identity["decision_id"]
    assert "What came of it is not on record yet." in said("trace", decision)
    assert "What came of it is not on record yet." in said("history", decision)
    shop.labels("2024-02-10", "p1,1,2024-02-01 09:00,2024-02-09 00:00")
    record_label_outcomes(shop.ledger)
    for read in (said("trace", decision), said("history", decision)):
        assert "is_fraud yes of p1" in " ".join(read.split())
    (outcome,) = json.loads(said("trace", decision, "--json"))["outcomes"]
    assert (outcome["came"], outcome["known_at"]) == ({"is_fraud": True}, "2024-02-09T00:00:00.000000Z")
    assert [each["kind"] for each in json.loads(said("history", decision, "--json"))] == ["decision", "outcome"]


def test_impact_of_a_file_of_labels_says_how_many_decisions_it_told_about(shop: Shop, said: Callable[..., str]):
    shop.decide("fraud", "p1")
    shop.labels("2024-02-10", "p1,1,2024-02-01 09:00,2024-02-09 00:00")
    record_label_outcomes(shop.ledger)
    found = json.loads(said("impact", "labels/labels_2024-02-10.csv", "--json"))
    assert (found["counts"]["outcome"], found["labelled"]["count"]) == (1, 1)
    read = said("impact", "labels/labels_2024-02-10.csv")
    assert "outcome of 1 live decisions became known" in read
