"""What a judgement leaves behind, when it stands, and when a batch is judged again."""

import json
import shutil
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from ledgerline.audit import Kind, Ledger, UnknownLeaf
from ledgerline.audit.verify import entries_holding
from ledgerline.core.clock import instant_text
from ledgerline.core.contracts import TRANSACTIONS
from ledgerline.core.identity import sha256_file
from ledgerline.core.settings import PROJECT_ROOT, Settings
from pipelines.ingestion import load_mapping
from pipelines.validation import Verdict, accepted_receipts, quarantined_rows, validate, validate_batches
from pipelines.validation.accepted import AcceptedRowsLost, accepted_file, parquet_bytes
from pipelines.validation.examiner import ExaminationFailed
from pipelines.validation.landed import NotALandedBatch
from pipelines.validation.suites import SuiteUnusable, suite_path


@pytest.fixture
def own_suites(ledger, tmp_path, landing):
    """A ledger whose committed suites the test may edit."""
    project = tmp_path / "project"
    shutil.copytree(PROJECT_ROOT / "great_expectations/expectations", project / "great_expectations/expectations")
    settings = Settings(home=ledger.settings.home, project=project)
    return Ledger.open(settings, ledger.clock)


def edit_suite(ledger, dataset, change):
    path = suite_path(ledger.settings, dataset)
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


def accepted_of(ledger, receipt_id):
    return ledger.settings.workspace_path / ledger.log.get(receipt_id).detail["accepted_path"]


def test_receipt_names_everything_that_it_stands_on(landing, ledger):
    rows = landing.payments(60)
    rows[3]["amount_minor"] = -1
    batch = landing.land(ledger, rows)
    receipt = validate(ledger, batch.id, as_of=landing.AS_OF)
    leaf = ledger.log.get(receipt.id)
    assert leaf.kind is Kind.VALIDATION_RECEIPT
    assert [(role, parent.id) for role, parent in ledger.log.parents(leaf.id)] == [("batch", batch.id)]
    assert set(leaf.identity) == {
        "dataset",
        "batch",
        "suite",
        "verdict",
        "landed",
        "accepted",
        "quarantined",
        "accepted_sha256",
        "quarantine_object",
        "result_object",
    }
    assert (leaf.identity["batch"], leaf.identity["verdict"]) == (batch.id, "accepted")
    assert leaf.identity["accepted_sha256"] == sha256_file(accepted_of(ledger, leaf.id))
    assert leaf.detail["accepted_path"] == f"data/accepted/transactions/{batch.id[:16]}.parquet"
    assert leaf.detail["event_time_min"] == "2018-04-02T09:00:00.000000Z"
    assert leaf.detail["available_at_max"] == "2018-04-02T09:59:00.000000Z"
    assert leaf.detail["validated_at"] == instant_text(ledger.clock.now())
    result = json.loads(ledger.objects.get(leaf.identity["result_object"]))
    assert [entry["expectation_config"]["meta"]["code"] for entry in result["results"] if not entry["success"]] == [
        "amount_negative"
    ]


def test_accepted_file_holds_row_number_and_the_contract_in_landed_order(landing, ledger):
    rows = list(reversed(landing.payments(30)))
    receipt = validate(ledger, landing.land(ledger, rows).id, as_of=landing.AS_OF)
    accepted = pl.read_parquet(accepted_of(ledger, receipt.id))
    assert accepted.columns == ["row_number", *TRANSACTIONS.column_names]
    assert accepted.drop("row_number").to_dicts() == rows


def test_validating_again_records_nothing_and_returns_the_same_receipt(landing, ledger):
    batch = landing.land(ledger, landing.payments(30))
    first = validate(ledger, batch.id, as_of=landing.AS_OF)
    entries = entries_holding(ledger.log)
    assert validate(ledger, batch.id, as_of=landing.AS_OF) == first
    assert entries_holding(ledger.log) == entries


def test_receipts_come_back_in_the_order_asked_for(landing, ledger):
    batches = [landing.land(ledger, landing.payments(5, start=5 * number)).id for number in range(3)]
    asked = [batches[2], batches[0], batches[1][:20]]
    told = []
    receipts = validate_batches(ledger, asked, as_of=landing.AS_OF, progress=told.append)
    assert [receipt.batch for receipt in receipts] == [batches[2], batches[0], batches[1]]
    assert len(told) == 3


def test_two_installations_judge_to_the_same_receipt(landing, ledger, tmp_path):
    other = Ledger.open(Settings(home=tmp_path / "elsewhere"), ledger.clock)
    ids = []
    for installation in (ledger, other):
        rows = [*landing.payments(60), landing.payments(1)[0]]
        ids.append(validate(installation, landing.land(installation, rows).id, as_of=landing.AS_OF).id)
    assert ids[0] == ids[1]


@pytest.mark.parametrize("loss", ["removed", "changed"])
def test_lost_accepted_file_is_written_again_with_the_same_bytes(landing, ledger, loss):
    rows = landing.payments(40)
    rows[0]["amount_minor"] = -1
    batch = landing.land(ledger, rows)
    path = accepted_of(ledger, validate(ledger, batch.id, as_of=landing.AS_OF).id)
    content = path.read_bytes()
    path.unlink() if loss == "removed" else path.write_bytes(b"tampered")
    validate(ledger, batch.id, as_of=landing.AS_OF)
    assert path.read_bytes() == content


def test_accepted_file_that_cannot_be_made_again_is_an_error(landing, ledger, monkeypatch):
    batch = landing.land(ledger, landing.payments(40))
    accepted_of(ledger, validate(ledger, batch.id, as_of=landing.AS_OF).id).unlink()
    monkeypatch.setattr("pipelines.validation.accepted.parquet_bytes", lambda _: b"another encoder")
    with pytest.raises(AcceptedRowsLost, match="dvc"):
        validate(ledger, batch.id, as_of=landing.AS_OF)


def test_equal_frames_encode_to_equal_bytes_however_they_lie_in_memory():
    whole = pl.DataFrame({"row_number": range(1000), "name": [f"n{n}" for n in range(1000)]})
    in_pieces = pl.concat([whole[:10], whole[10:700], whole[700:]], rechunk=False)
    assert parquet_bytes(in_pieces) == parquet_bytes(whole)


def test_later_as_of_that_no_row_lies_before_changes_nothing(landing, ledger):
    batch = landing.land(ledger, landing.payments(30))
    first = validate(ledger, batch.id, as_of=landing.AS_OF)
    assert validate(ledger, batch.id, as_of=landing.AS_OF + timedelta(days=900)) == first
    assert validate(ledger, batch.id, as_of=landing.FIRST + timedelta(minutes=29)) == first


def test_batch_is_judged_again_when_as_of_passes_one_of_its_rows(landing, ledger):
    rows = landing.payments(40)
    batch = landing.land(ledger, rows)
    later_batch = landing.land(ledger, [*landing.payments(40, start=40), rows[39]])
    day = landing.AS_OF
    early = rows[38]["event_time"]
    before = validate(ledger, batch.id, as_of=early)
    assert before.reasons == {"event_in_future": 1}
    assert validate(ledger, batch.id, as_of=early + timedelta(seconds=59)) == before
    after = validate_batches(ledger, [batch.id, later_batch.id], as_of=day)
    assert [receipt.reasons for receipt in after] == [{}, {"already_accepted": 1}]
    assert [leaf.id for leaf in accepted_receipts(ledger, "transactions")] == [receipt.id for receipt in after]


def test_rows_let_in_by_an_older_judgement_stay_where_they_were(landing, ledger):
    rows = landing.payments(40)
    batch = landing.land(ledger, rows)
    older = ledger.log.get(validate(ledger, batch.id, as_of=rows[38]["event_time"]).id)
    newer = ledger.log.get(validate(ledger, batch.id, as_of=landing.AS_OF).id)
    assert older.detail["accepted_path"] == f"data/accepted/transactions/{batch.id[:16]}.parquet"
    assert [pl.read_parquet(accepted_file(ledger, batch, leaf)).height for leaf in (older, newer)] == [39, 40]


def test_edited_suite_judges_again_and_its_return_restores_the_old_receipt(landing, own_suites):
    batch = landing.land(own_suites, [row | {"amount_minor": -1} for row in landing.payments(10)])
    blocked = validate(own_suites, batch.id, as_of=landing.AS_OF)
    path = suite_path(own_suites.settings, "transactions")
    committed = path.read_bytes()
    edit_suite(own_suites, "transactions", lambda suite: suite["meta"].update(max_quarantined_share=1.0))
    lenient = validate(own_suites, batch.id, as_of=landing.AS_OF)
    assert (blocked.verdict, lenient.verdict) == (Verdict.BLOCKED, Verdict.ACCEPTED)
    assert [leaf.id for leaf in accepted_receipts(own_suites, "transactions")] == [lenient.id]
    path.write_bytes(committed)
    assert validate(own_suites, batch.id, as_of=landing.AS_OF) == blocked
    assert accepted_receipts(own_suites, "transactions") == []


def test_accepted_receipts_follow_the_landing_and_leave_out_blocked_batches(landing, ledger):
    batches = [
        landing.land(ledger, landing.payments(20)),
        landing.land(ledger, [row | {"amount_minor": -1} for row in landing.payments(20, start=20)]),
        landing.land(ledger, landing.payments(20, start=40)),
    ]
    assert accepted_receipts(ledger, "transactions") == []
    for batch in reversed(batches):
        validate(ledger, batch.id, as_of=landing.AS_OF)
    accepted = [leaf.identity["batch"] for leaf in accepted_receipts(ledger, "transactions")]
    assert accepted == [batches[0].id, batches[2].id]
    assert accepted_receipts(ledger, "fraud_labels") == []


def test_files_landed_anew_by_a_changed_mapping_replace_the_old_ones(landing, ledger):
    old = landing.land(ledger, landing.payments(20))
    validate(ledger, old.id, as_of=landing.AS_OF)
    new = landing.land(ledger, landing.payments(20), mapping="b" * 64)
    assert accepted_receipts(ledger, "transactions") == []
    receipt = validate(ledger, new.id, as_of=landing.AS_OF)
    assert receipt.accepted == 20
    assert [leaf.id for leaf in accepted_receipts(ledger, "transactions")] == [receipt.id]


def test_rows_read_by_the_source_s_present_mapping_count_although_another_landed_later(landing, ledger, tmp_path):
    mapping = PROJECT_ROOT / "mappings" / "sandbox.yaml"
    settings = Settings(home=ledger.settings.home, data=tmp_path, mapping=mapping)
    present = load_mapping(mapping).datasets["transactions"][0].fingerprint
    batches = [landing.land(ledger, landing.payments(20), mapping=name) for name in (present, "b" * 64)]
    receipts = validate_batches(ledger, [batch.id for batch in batches], as_of=landing.AS_OF)
    assert [leaf.id for leaf in accepted_receipts(Ledger.open(settings), "transactions")] == [receipts[0].id]
    assert [leaf.id for leaf in accepted_receipts(ledger, "transactions")] == [receipts[1].id]


def test_quarantine_of_a_clean_batch_is_empty(landing, ledger):
    receipt = validate(ledger, landing.land(ledger, landing.payments(5)).id, as_of=landing.AS_OF)
    assert ledger.log.get(receipt.id).identity["quarantine_object"] is None
    assert quarantined_rows(ledger, receipt.id).is_empty()


def test_only_a_landed_batch_can_be_validated(landing, ledger):
    batch = landing.land(ledger, landing.payments(5))
    [(_, raw)] = ledger.log.parents(batch.id)
    with pytest.raises(NotALandedBatch, match="raw_file"):
        validate(ledger, raw.id, as_of=landing.AS_OF)
    with pytest.raises(UnknownLeaf):
        validate(ledger, "0" * 64, as_of=landing.AS_OF)


def test_rows_that_are_not_the_contracts_are_an_error(landing, ledger, monkeypatch):
    wrong = landing.rows_schema(TRANSACTIONS) | {"amount_minor": pl.Float64()}
    monkeypatch.setattr(landing, "rows_schema", lambda _: pl.Schema(wrong))
    batch = landing.land(ledger, landing.payments(5))
    with pytest.raises(NotALandedBatch, match="land its file again"):
        validate(ledger, batch.id, as_of=landing.AS_OF)
    assert ledger.log.leaves(Kind.VALIDATION_RECEIPT) == []


def test_rows_numbered_twice_are_an_error(landing, ledger):
    twice = {"row_number": 1, "column": "currency", "value": "?", "reason": "not_utf8"}
    batch = landing.land(ledger, landing.payments(5), unreadable=[twice])
    with pytest.raises(NotALandedBatch, match="once each"):
        validate(ledger, batch.id, as_of=landing.AS_OF)


def test_expectation_that_cannot_be_computed_is_an_error_and_no_verdict(landing, own_suites):
    def ask_for_another_column(suite):
        suite["expectations"][-3]["kwargs"] = {"column": "amount", "max_value": 5}

    edit_suite(own_suites, "transactions", ask_for_another_column)
    batch = landing.land(own_suites, landing.payments(5))
    with pytest.raises(ExaminationFailed, match="amount"):
        validate(own_suites, batch.id, as_of=landing.AS_OF)
    assert own_suites.log.leaves(Kind.VALIDATION_RECEIPT) == []


@pytest.mark.parametrize(
    "spoil",
    [
        Path.unlink,
        lambda path: path.write_text("{"),
        lambda path: path.write_text('{"expectations": [{"id": "1"}], "meta": {}}'),
    ],
)
def test_missing_or_broken_suite_is_an_error_that_names_the_file(landing, own_suites, spoil):
    batch = landing.land(own_suites, landing.payments(5))
    path = suite_path(own_suites.settings, "transactions")
    spoil(path)
    with pytest.raises(SuiteUnusable, match=str(path)):
        validate(own_suites, batch.id, as_of=landing.AS_OF)


def test_failed_critical_expectation_about_the_whole_table_blocks_the_batch(landing, own_suites):
    def demand_more_rows(suite):
        for entry in suite["expectations"]:
            if entry["meta"]["code"] == "empty_batch":
                entry |= {"severity": "critical", "kwargs": {"min_value": 1000}, "meta": {"code": "too_few_rows"}}

    edit_suite(own_suites, "transactions", demand_more_rows)
    receipt = validate(own_suites, landing.land(own_suites, landing.payments(30)).id, as_of=landing.AS_OF)
    assert (receipt.verdict, receipt.reasons) == (Verdict.BLOCKED, {"batch_blocked": 30})
    assert own_suites.log.get(receipt.id).detail["blocked_by"] == ["too_few_rows"]
