"""Quarantined rows enter in a person's name, from the source's present on and never from before."""

import polars as pl
import pytest

from ledgerline.audit import Kind
from pipelines.validation import accepted_receipts, quarantine_entries, validate_batches
from pipelines.validation.accepted import accepted_file
from pipelines.validation.release import ReleaseRefused, release


@pytest.fixture
def receipt(landing, ledger, monkeypatch):
    """A batch of a hundred payments of which two are refunds, one lacks its customer and one comes twice."""
    monkeypatch.setattr("pipelines.validation.release.source_as_of", lambda *_: landing.AS_OF)
    rows = landing.payments(100)
    rows[3]["amount_minor"] = rows[4]["amount_minor"] = -500
    rows[7]["customer_id"] = None
    rows[9]["transaction_id"] = rows[8]["transaction_id"]
    batch = landing.land(ledger, rows)
    return validate_batches(ledger, [batch.id], as_of=landing.AS_OF)[0]


def released_rows(ledger) -> pl.DataFrame:
    leaf = accepted_receipts(ledger, "transactions")[-1]
    assert leaf.kind is Kind.RELEASE
    return pl.read_parquet(accepted_file(ledger, ledger.log.get(leaf.identity["batch"]), leaf))


def test_released_rows_stand_accepted_and_were_not_known_before_the_release(landing, ledger, receipt):
    done = release(ledger, receipt.id[:16], person="maria", reason="refunds are right")
    rows = released_rows(ledger)
    assert (done.rows, done.left) == (2, 2)
    assert rows["amount_minor"].to_list() == [-500, -500]
    assert rows["available_at"].unique().to_list() == [landing.AS_OF]
    assert rows["event_time"].max() < landing.AS_OF


def test_a_lost_file_of_released_rows_is_written_again(ledger, receipt):
    release(ledger, receipt.id, person="maria", reason="refunds are right")
    before = released_rows(ledger)
    path = ledger.settings.workspace_path / accepted_receipts(ledger, "transactions")[-1].detail["accepted_path"]
    path.unlink()
    assert released_rows(ledger).equals(before)


def test_releasing_again_changes_nothing(ledger, receipt):
    first = release(ledger, receipt.id, person="maria", reason="refunds are right")
    assert release(ledger, receipt.batch, person="joe", reason="me too") == first
    assert len(ledger.log.leaves(Kind.RELEASE)) == 1


def test_the_list_says_who_released_what_and_why(ledger, receipt):
    release(ledger, receipt.id, person="maria", reason="refunds are right")
    assert [entry.message for entry in quarantine_entries(ledger)] == ["2 rows released by maria: refunds are right"]


@pytest.mark.parametrize(("person", "reason"), [("", "right"), ("maria", " ")])
def test_nobody_releases_without_name_and_reason(ledger, receipt, person, reason):
    with pytest.raises(ReleaseRefused, match="names the person"):
        release(ledger, receipt.id, person=person, reason=reason)


def test_rows_that_lack_what_the_contract_demands_must_be_delivered_again(landing, ledger, receipt):
    batch = landing.land(ledger, [landing.payments(1, start=300)[0] | {"customer_id": None}], path="other.csv")
    other = validate_batches(ledger, [batch.id], as_of=landing.AS_OF)[0]
    with pytest.raises(ReleaseRefused, match="delivered again"):
        release(ledger, other.id, person="maria", reason="please")
