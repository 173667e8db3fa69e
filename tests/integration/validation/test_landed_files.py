"""From files to receipts: what ingestion lands, validation judges."""

import os
from pathlib import Path

import polars as pl
import pytest

from ledgerline.audit import Kind, Ledger
from ledgerline.core.settings import PROJECT_ROOT, Settings
from ledgerline.sandbox import write_world
from pipelines.ingestion import land
from pipelines.validation import accepted_receipts, quarantine_entries, quarantined_rows, validate_batches

REAL_DATA = Path(os.environ.get("LEDGERLINE_SHARED_DATA", PROJECT_ROOT.parent / "shared" / "data"))


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A small simulated world, landed and judged: its report, its ledger and the receipts by dataset."""
    home = tmp_path_factory.mktemp("world")
    report = write_world(home / "data", customers=400, terminals=90, days=28, seed=7)
    ledger = Ledger.open(Settings(home=home, data=home / "data", mapping=PROJECT_ROOT / "mappings/sandbox.yaml"))
    receipts = {name: validate_batches(ledger, land(ledger, name).batches) for name in ("transactions", "fraud_labels")}
    return report, ledger, receipts


def reasons(receipts):
    total = {}
    for receipt in receipts:
        for code, count in receipt.reasons.items():
            total[code] = total.get(code, 0) + count
    return total


def test_dirt_of_the_sandbox_is_quarantined_row_for_row(world):
    report, _, receipts = world
    dirt = report.dirt
    found = reasons(receipts["transactions"])
    assert found["amount_negative"] == dirt.negative_amounts
    assert found["event_in_future"] == dirt.future_dates
    assert found["duplicate_key"] == dirt.duplicates_same_file
    assert found["already_accepted"] == dirt.duplicates_later_file
    labels = reasons(receipts["fraud_labels"])
    assert labels["available_before_event"] == dirt.labels_before_payment
    assert labels["event_in_future"] == dirt.future_dates
    lacking_a_label = report.dirt.nulls - found["missing_value"]
    assert labels["missing_value"] == lacking_a_label >= 1


def test_every_payment_enters_once_or_is_quarantined(world):
    report, ledger, receipts = world
    for judged in receipts.values():
        assert sum(receipt.landed for receipt in judged) == report.rows
        assert all(receipt.landed == receipt.accepted + receipt.quarantined for receipt in judged)
    accepted = pl.concat(
        pl.read_parquet(ledger.settings.workspace_path / receipt.detail["accepted_path"])
        for receipt in accepted_receipts(ledger, "transactions")
    )
    assert accepted["transaction_id"].n_unique() == accepted.height
    bad = report.dirt.negative_amounts + report.dirt.future_dates
    lacking = reasons(receipts["transactions"])["missing_value"]
    assert accepted.height == report.payments - bad - lacking


def test_receipts_lead_back_to_the_raw_file(world):
    _, ledger, receipts = world
    for receipt in receipts["transactions"]:
        [(_, batch)] = ledger.log.parents(receipt.id)
        [(_, raw)] = ledger.log.parents(batch.id)
        assert raw.kind is Kind.RAW_FILE
        assert raw.identity["sha256"] in ledger.objects


def test_unreadable_rows_and_refused_files_reach_the_quarantine(tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    lines = [f"p{number},c1,m1,{number}.50,EUR,2018-05-01T10:00:00Z" for number in range(60)]
    lines[4] = "p4,c1,m1,twelve,EUR,2018-05-01T10:00:00Z"
    lines[9] = "p9,c1,m1,3.00,EUR,some day"
    header = "id,card,till,amount,currency,paid"
    (data / "pay_1.csv").write_text("\n".join([header, *lines]) + "\n")
    (data / "pay_2.csv").write_text("id,card\n1,2\n")
    (data / "ledgerline.yaml").write_text(
        """
name: shop
as_of: 2018-06-01T00:00:00Z
datasets:
  transactions:
    files: pay_*.csv
    columns:
      transaction_id: id
      customer_id: card
      terminal_id: till
      amount_minor: {column: amount, unit: major}
      currency: currency
      event_time: paid
      available_at: {after: event_time, delay: 0s}
"""
    )
    ledger = Ledger.open(Settings(home=tmp_path / "home", data=data))
    [receipt] = validate_batches(ledger, land(ledger, "transactions").batches)
    assert (receipt.landed, receipt.accepted, receipt.quarantined) == (60, 58, 2)
    held = quarantined_rows(ledger, receipt.id)
    assert held["row_number"].to_list() == [5, 10]
    assert held["column"].to_list() == ["amount", "paid"]  # as the source calls them
    assert held["value"].to_list() == ["twelve", "some day"]
    assert [(entry.path, entry.rows) for entry in quarantine_entries(ledger)] == [("pay_2.csv", 0), ("pay_1.csv", 2)]


@pytest.mark.slow
@pytest.mark.real_data
@pytest.mark.skipif(not REAL_DATA.exists(), reason="the published data are not beside the project")
def test_every_row_of_the_published_card_transactions_enters(tmp_path):
    ledger = Ledger.open(Settings(home=tmp_path, data=REAL_DATA, mapping=PROJECT_ROOT / "mappings/shared_data.yaml"))
    for dataset in ("transactions", "fraud_labels"):
        [receipt] = validate_batches(ledger, land(ledger, dataset).batches)
        assert (receipt.landed, receipt.accepted, receipt.reasons) == (1_754_155, 1_754_155, {})
