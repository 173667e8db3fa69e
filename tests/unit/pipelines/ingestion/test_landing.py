"""Landing a folder of CSV files: what is kept, typed and recorded."""

import gzip
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from ledgerline.audit import Kind, Ledger
from ledgerline.audit.verify import entries_holding
from ledgerline.core.contracts import TRANSACTIONS
from ledgerline.core.identity import sha256_file
from ledgerline.core.settings import Settings
from ledgerline.sandbox import write_world
from pipelines.ingestion import DatasetNotMapped, NoSourceFiles, Window, land, source_digest

Deliver = Callable[..., Path]
Landed = Callable[[str], pl.DataFrame]
Unreadable = Callable[[str], list[tuple[object, ...]]]

TWO_ROWS = "t1,c1,s1,0.29,2024-01-05 10:00:00\nt2,c2,s1,57.16,2024-01-05T11:00:00Z\n"


def test_rows_are_typed_as_the_contract_says(ledger: Ledger, deliver: Deliver, landed_rows: Landed) -> None:
    deliver("2024-01-05", TWO_ROWS)
    (batch,) = land(ledger, "transactions").batches
    rows = landed_rows(batch)
    assert rows.columns == ["row_number", *TRANSACTIONS.column_names]
    assert rows.dtypes == [pl.Int64, *[pl.String] * 3, pl.Int64, pl.String, *[pl.Datetime("us", "UTC")] * 2]
    nine, eleven = datetime(2024, 1, 5, 9, tzinfo=UTC), datetime(2024, 1, 5, 11, tzinfo=UTC)
    assert rows.rows() == [
        (1, "t1", "c1", "s1", 29, "EUR", nine, nine),
        (2, "t2", "c2", "s1", 5716, "EUR", eleven, eleven),
    ]


def test_evidence_names_the_raw_bytes_and_where_they_came_from(ledger: Ledger, deliver: Deliver) -> None:
    path = deliver("2024-01-05", TWO_ROWS)
    (batch,) = land(ledger, "transactions").batches
    ((role, raw),) = ledger.log.parents(batch)
    assert (role, raw.kind) == ("raw", Kind.RAW_FILE)
    assert raw.identity == {"sha256": sha256_file(path)}
    assert raw.detail == {
        "source": "shop",
        "path": "payments/acme_2024-01-05.csv",
        "bytes": path.stat().st_size,
        "fetched_at": "2024-02-01T00:00:00.000000Z",
    }
    assert ledger.objects.get(raw.identity["sha256"]) == path.read_bytes()
    leaf = ledger.log.get(batch)
    assert leaf.identity["contract"] == TRANSACTIONS.fingerprint
    assert (leaf.identity["rows"], leaf.identity["unreadable"], leaf.identity["unreadable_object"]) == (2, 0, None)
    assert leaf.detail == {
        "path": "payments/acme_2024-01-05.csv",
        "source": "shop",
        "file_date": "2024-01-05",
        "landed_at": "2024-02-01T00:00:00.000000Z",
    }


def test_landing_again_changes_nothing_and_names_the_same_batches(ledger: Ledger, deliver: Deliver) -> None:
    deliver("2024-01-06", TWO_ROWS.replace("t", "u"))
    deliver("2024-01-05", TWO_ROWS)
    first = land(ledger, "transactions")
    entries = entries_holding(ledger.log)
    again = land(ledger, "transactions")
    assert first.new == first.batches == again.batches
    assert again.new == ()
    assert entries_holding(ledger.log) == entries


def test_batches_come_in_order_of_the_dates_in_the_names(ledger: Ledger, deliver: Deliver) -> None:
    for day in ("2024-01-07", "2024-01-05", "2024-01-06"):
        deliver(day, TWO_ROWS.replace("t", day))
    batches = land(ledger, "transactions").batches
    dates = [ledger.log.get(batch).detail["file_date"] for batch in batches]
    assert dates == ["2024-01-05", "2024-01-06", "2024-01-07"]


def test_window_takes_only_files_of_its_dates_and_undated_ones(ledger: Ledger, deliver: Deliver, data: Path) -> None:
    for day in ("2024-01-05", "2024-01-06", "2024-01-07", "2024-99-99"):
        deliver(day, TWO_ROWS.replace("t", day))
    window = Window(datetime(2024, 1, 6, tzinfo=UTC), datetime(2024, 1, 7, tzinfo=UTC))
    batches = land(ledger, "transactions", window=window).batches
    assert [ledger.log.get(batch).detail["file_date"] for batch in batches] == [None, "2024-01-06"]


def test_window_without_a_zone_or_the_wrong_way_round_is_refused() -> None:
    with pytest.raises(ValueError, match="aware"):
        Window(datetime(2024, 1, 6), datetime(2024, 1, 7))  # noqa: DTZ001 (the fault itself)
    with pytest.raises(ValueError, match="aware"):
        Window(datetime(2024, 1, 7, tzinfo=UTC), datetime(2024, 1, 6, tzinfo=UTC))


def test_unreadable_row_is_kept_by_row_column_and_value_and_the_rest_lands(
    ledger: Ledger, deliver: Deliver, landed_rows: Landed, unreadable: Unreadable
) -> None:
    deliver(
        "2024-01-05",
        b"t1,c1,s1,1.00,2024-01-05 10:00:00\n"
        b"t2,c2,s1,one,2024-01-05 10:00:00\n"
        b"t3,c\xff3,s1,1.00,2024-01-05 10:00:00\n"
        b"t4,c4,s1,1.00,yesterday\n"
        b"t5,c5,s1\n"
        b't6,"c6,s1,1.00,2024-01-05 10:00:00\n'
        b"t7,c7,s1,1.00,2024-01-05 10:00:00\n",
    )
    (batch,) = land(ledger, "transactions").batches
    assert landed_rows(batch)["row_number"].to_list() == [1, 7]
    assert unreadable(batch) == [
        (2, "amount", "one", "not_a_number"),
        (3, "card", "c\\xff3", "not_utf8"),
        (4, "paid_at", "yesterday", "not_an_instant"),
        (5, None, "t5,c5,s1", "wrong_field_count"),
        (6, None, 't6,"c6,s1,1.00,2024-01-05 10:00:00', "not_csv"),
    ]
    identity = ledger.log.get(batch).identity
    assert (identity["rows"], identity["unreadable"]) == (2, 5)


def test_missing_values_land_as_nulls_for_validation_to_judge(
    ledger: Ledger, deliver: Deliver, landed_rows: Landed
) -> None:
    deliver("2024-01-05", "t1,,s1,,\n")
    rows = landed_rows(land(ledger, "transactions").batches[0])
    assert rows.row(0) == (1, "t1", None, "s1", None, "EUR", None, None)


def test_file_that_lacks_a_column_is_refused_by_name_and_the_others_land(
    ledger: Ledger, data: Path, deliver: Deliver
) -> None:
    (data / "payments" / "acme_2024-01-04.csv").write_text("id,card,shop,amount\nt0,c0,s0,1\n")
    deliver("2024-01-05", TWO_ROWS)
    report = land(ledger, "transactions")
    assert len(report.batches) == 1
    (refusal,) = map(ledger.log.get, report.refused)
    assert refusal.kind is Kind.REFUSED_FILE
    assert refusal.identity["reason"] == "missing_column"
    assert refusal.identity["column"] == "paid_at"
    assert refusal.identity["message"] == "column 'paid_at' is missing; the header has: id, card, shop, amount"
    assert refusal.detail["path"] == "payments/acme_2024-01-04.csv"
    ((role, raw),) = ledger.log.parents(refusal.id)
    assert role == "raw"
    assert raw.identity["sha256"] in ledger.objects
    again = land(ledger, "transactions")
    assert (again.refused, again.new) == (report.refused, ())


def test_header_alone_is_a_batch_of_no_rows(ledger: Ledger, deliver: Deliver, landed_rows: Landed) -> None:
    deliver("2024-01-05", "")
    rows = landed_rows(land(ledger, "transactions").batches[0])
    assert rows.height == 0
    assert rows.columns[0] == "row_number"


def test_two_files_of_equal_bytes_are_one_batch(ledger: Ledger, deliver: Deliver) -> None:
    deliver("2024-01-05", TWO_ROWS)
    deliver("2024-01-06", TWO_ROWS)
    assert len(land(ledger, "transactions").batches) == 1


def test_changed_mapping_lands_the_same_bytes_as_another_batch(ledger: Ledger, deliver: Deliver, data: Path) -> None:
    deliver("2024-01-05", TWO_ROWS)
    (before,) = land(ledger, "transactions").batches
    own = data / "ledgerline.yaml"
    own.write_text(own.read_text().replace("EUR", "USD"))
    (after,) = land(ledger, "transactions").batches
    assert before != after
    assert len(ledger.log.leaves(Kind.RAW_FILE)) == 1


def test_batch_whose_object_was_lost_is_made_again_under_the_same_name(ledger: Ledger, deliver: Deliver) -> None:
    deliver("2024-01-05", TWO_ROWS)
    (batch,) = land(ledger, "transactions").batches
    rows_object = ledger.log.get(batch).identity["rows_object"]
    Path(ledger.objects.location(rows_object)).unlink()
    assert land(ledger, "transactions").batches == (batch,)
    assert rows_object in ledger.objects


def test_progress_says_what_became_of_each_file(ledger: Ledger, deliver: Deliver) -> None:
    deliver("2024-01-05", TWO_ROWS + "t3,c,s,x,2024-01-05 10:00:00\n")
    said: list[str] = []
    land(ledger, "transactions", progress=said.append)
    land(ledger, "transactions", progress=said.append)
    assert said == [
        "transactions: payments/acme_2024-01-05.csv: landed 2 rows, 1 unreadable",
        "transactions: payments/acme_2024-01-05.csv: landed before",
    ]


def test_dataset_that_is_not_mapped_and_dataset_without_files_are_errors(ledger: Ledger) -> None:
    with pytest.raises(DatasetNotMapped, match="it has: transactions"):
        land(ledger, "fraud_labels")
    with pytest.raises(NoSourceFiles, match=r"payments/\*_\{date\}\.csv"):
        land(ledger, "transactions")


def test_digest_lists_what_the_folder_holds_now(ledger: Ledger, deliver: Deliver) -> None:
    path = deliver("2024-01-05", TWO_ROWS)
    expected = {"transactions": [("payments/acme_2024-01-05.csv", sha256_file(path))]}
    assert source_digest(ledger.settings) == expected


def test_nothing_stays_in_the_scratch_folder(ledger: Ledger, deliver: Deliver) -> None:
    deliver("2024-01-05", TWO_ROWS)
    land(ledger, "transactions")
    assert list((ledger.settings.home / "incoming").iterdir()) == []


def test_same_bytes_fill_two_datasets_from_one_raw_file(tmp_path: Path) -> None:
    world = write_world(tmp_path / "world", customers=100, terminals=200, days=10, seed=3)
    ledger = Ledger.open(Settings(home=tmp_path / "home", data=world.folder))
    payments, labels = land(ledger, "transactions"), land(ledger, "fraud_labels")
    assert len(payments.batches) == len(labels.batches) == 2
    assert len(ledger.log.leaves(Kind.RAW_FILE)) == 2
    for batch, label_batch in zip(payments.batches, labels.batches, strict=True):
        assert ledger.log.parents(batch) == ledger.log.parents(label_batch)


def test_sandbox_rows_land_with_their_dirt(tmp_path: Path) -> None:
    world = write_world(tmp_path / "world", customers=200, terminals=400, days=30, seed=3)
    ledger = Ledger.open(Settings(home=tmp_path / "home", data=world.folder))
    frames = {}
    for dataset in ("transactions", "fraud_labels"):
        leaves = [ledger.log.get(batch) for batch in land(ledger, dataset).batches]
        assert sum(leaf.identity["unreadable"] for leaf in leaves) == 0
        frames[dataset] = pl.concat(
            [pl.read_parquet(ledger.objects.location(leaf.identity["rows_object"])) for leaf in leaves]
        )
    payments, labels = frames["transactions"], frames["fraud_labels"]
    assert payments.height == labels.height == world.rows
    assert payments["transaction_id"].n_unique() == world.payments
    assert (payments["amount_minor"] < 0).sum() >= world.dirt.negative_amounts
    assert (labels["available_at"] < labels["event_time"]).sum() >= world.dirt.labels_before_payment
    assert labels["is_fraud"].null_count() > 0
    frauds = labels.unique("transaction_id").filter("is_fraud").height
    assert 0 <= sum(world.frauds.values()) - frauds <= world.dirt.nulls


@pytest.mark.parametrize("name", ["acme_2024-01-05.csv.gz", "acme_2024-01-05.tsv"])
def test_other_spellings_of_csv_land_the_same_rows(
    ledger: Ledger, data: Path, deliver: Deliver, landed_rows: Landed, name: str
) -> None:
    plain = deliver("2024-01-05", TWO_ROWS)
    expected = landed_rows(land(ledger, "transactions").batches[0])
    content = plain.read_bytes()
    plain.unlink()
    own = data / "ledgerline.yaml"
    own.write_text(own.read_text().replace("*_{date}.csv", f"*_{{date}}.{name.split('.', 1)[1]}"))
    other = gzip.compress(content) if name.endswith(".gz") else content.replace(b",", b"\t")
    (data / "payments" / name).write_bytes(other)
    assert landed_rows(land(ledger, "transactions").batches[0]).equals(expected)
