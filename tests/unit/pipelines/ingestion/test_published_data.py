"""The published card payments, row by row."""

import os
from datetime import timedelta
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


@pytest.fixture(scope="module")
def landed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, pl.DataFrame]:
    """Every family but the card payments: all rows by dataset, and who refused what."""
    ledger = Ledger.open(Settings(home=tmp_path_factory.mktemp("home"), data=SHARED))
    found = {}
    for dataset in mapped_datasets(ledger.settings)[2:]:
        report = land(ledger, dataset)
        assert (report.refused, report.left) == ((), ())
        leaves = [ledger.log.get(batch) for batch in report.batches]
        assert [leaf.detail["path"] for leaf in leaves if leaf.identity["unreadable"]] == []
        frames = []
        for leaf in leaves:
            with ledger.objects.local(leaf.identity["rows_object"]) as path:
                frames.append(pl.read_parquet(path))
        found[dataset] = pl.concat(frames, how="diagonal")
    return found


def test_every_family_s_files_land_whole(landed: dict[str, pl.DataFrame]) -> None:
    assert {name: rows.height for name, rows in landed.items()} == {
        "prices_daily": 108_592 + 17_356,
        "instruments": 88,
        "macro_series": 9_235 + 10_226 + 6_816 * 11 + 1_360,
        "posts": 106_338,
        "applications": 30_000 + 1_000 + 160_338,
        "ledger": 167_562,
    }


def test_each_family_ends_at_its_own_present(landed: dict[str, pl.DataFrame]) -> None:
    settings = Settings(home=SHARED, data=SHARED)
    equity = pl.col("asset_class") == "equity"
    families = landed | {"prices_daily": landed["prices_daily"].filter(equity)}
    behind = {
        dataset: source_as_of(settings, dataset) - families[dataset]["available_at"].max()
        for dataset in ("prices_daily", "macro_series", "posts", "applications", "ledger")
    }
    assert {dataset: span for dataset, span in behind.items() if not timedelta(0) <= span <= timedelta(days=1)} == {}


def test_null_bars_zero_volumes_and_empty_maturities_are_there_to_be_judged(landed: dict[str, pl.DataFrame]) -> None:
    shares = landed["prices_daily"].filter(pl.col("asset_class") == "equity")
    without = shares.filter(pl.col("close").is_null())
    assert sorted(without["symbol"]) == ["PTR", "REX", "SNP"]
    assert {str(instant)[:16] for instant in without["event_time"]} == {"2016-06-29 20:00"}
    assert shares.filter(pl.col("volume") == 0).height == 111
    empty = landed["macro_series"].filter(pl.col("value").is_null())
    assert dict(empty.group_by("series_id").len().iter_rows()) == {
        "TREASURY_1M": 2_899,
        "TREASURY_20Y": 939,
        "TREASURY_30Y": 994,
    }


def test_symbols_are_called_alike_by_prices_instruments_and_posts(landed: dict[str, pl.DataFrame]) -> None:
    shares = landed["prices_daily"].filter(pl.col("asset_class") == "equity")
    assert set(landed["instruments"]["symbol"]) == set(shares["symbol"])
    assert set(landed["posts"]["symbol"]) <= set(shares["symbol"])
    assert landed["posts"]["post_id"].n_unique() == 106_338


def test_consumer_prices_are_known_about_the_middle_of_the_next_month(landed: dict[str, pl.DataFrame]) -> None:
    prices = landed["macro_series"].filter(pl.col("series_id") == "CPI")
    months = prices["available_at"].dt.month() - prices["event_time"].dt.month()
    assert set(months) == {1, -11}
    assert prices["available_at"].dt.day().is_between(17, 21).all()


def test_each_lender_has_its_own_columns_and_its_share_of_defaults(landed: dict[str, pl.DataFrame]) -> None:
    by_portfolio = landed["applications"].partition_by("portfolio", as_dict=True)
    shares = {name: round(rows["defaulted"].mean(), 4) for (name,), rows in by_portfolio.items()}
    assert shares["taiwan_cards"] == 0.2212
    assert shares["german"] == 0.3
    taiwan = by_portfolio[("taiwan_cards",)]
    assert taiwan["status_account"].null_count() == taiwan.height
    assert taiwan["AGE"].null_count() == 2
    assert not landed["applications"]["dated"].any()
