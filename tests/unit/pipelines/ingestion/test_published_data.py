"""The published card payments, row by row."""

import os
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from ledgerline.audit import Kind, Ledger
from ledgerline.core.settings import PROJECT_ROOT, Settings
from pipelines.ingestion import land, mapped_datasets, source_as_of

SHARED = Path(os.environ.get("LEDGERLINE_SHARED_DATA", PROJECT_ROOT.parent / "shared" / "data"))
PUBLISHED = SHARED / "transactions" / "card_transactions_2018.parquet"

pytestmark = [
    pytest.mark.real_data,
    pytest.mark.skipif(not PUBLISHED.exists(), reason=f"the published card payments are not at {PUBLISHED}"),
]


def test_published_file_lands_in_both_datasets_exactly(tmp_path: Path) -> None:
    ledger = Ledger.open(Settings(home=tmp_path, data=SHARED))
    assert mapped_datasets(ledger.settings)[:2] == ["transactions", "fraud_labels"]
    assert source_as_of(ledger.settings).isoformat() == "2018-10-01T00:00:00+00:00"
    (payments_batch,) = land(ledger, "transactions").batches
    (labels_batch,) = land(ledger, "fraud_labels").batches
    assert len(ledger.log.leaves(Kind.RAW_FILE)) == 1
    for batch in (payments_batch, labels_batch):
        identity = ledger.log.get(batch).identity
        assert (identity["rows"], identity["unreadable"]) == (1_754_155, 0)

    published = pl.read_parquet(PUBLISHED).with_row_index("n")
    start = pl.datetime(2018, 4, 1, time_unit="us", time_zone="UTC")
    time = start + pl.duration(seconds=pl.col("TX_TIME_SECONDS").cast(pl.Int64), time_unit="us")
    with ledger.objects.local(ledger.log.get(payments_batch).identity["rows_object"]) as path:
        assert_frame_equal(
            pl.read_parquet(path),
            published.select(
                row_number=pl.col("n").cast(pl.Int64) + 1,
                transaction_id=pl.col("n").cast(pl.String),
                customer_id=pl.col("CUSTOMER_ID").cast(pl.String),
                terminal_id=pl.col("TERMINAL_ID").cast(pl.String),
                amount_minor=pl.col("AMOUNT_CENTS").cast(pl.Int64),
                currency=pl.lit("USD"),
                event_time=time,
                available_at=time,
            ),
        )
    with ledger.objects.local(ledger.log.get(labels_batch).identity["rows_object"]) as path:
        labels = pl.read_parquet(path)
    assert labels["is_fraud"].sum() == 14_681
    assert labels["scenario"].value_counts().sort("scenario")["count"].to_list() == [1_739_474, 973, 9_077, 4_631]
    assert (labels["available_at"] - labels["event_time"]).unique().to_list() == [pl.select(pl.duration(days=7)).item()]
