import io

import numpy as np
import polars as pl
import pytest

from ledgerline.sandbox.books import MONTHS, book_files, deliver_books, keep_books
from ledgerline.sandbox.sessions import PRESENT

ENTITIES = 12


@pytest.fixture(scope="module")
def books() -> pl.DataFrame:
    return keep_books(ENTITIES, np.random.default_rng(4))


def wide(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.unique(["entity_id", "account", "period"], keep="first").pivot(
        "account", index=["entity_id", "period"], values="amount"
    )


def test_profit_is_revenue_less_cost_to_the_cent(books: pl.DataFrame) -> None:
    accounts = wide(books)
    assert accounts.height == ENTITIES * MONTHS
    assert ((accounts["revenue"] - accounts["cost"] - accounts["profit"]).abs() < 0.005).all()
    assert (accounts["profit"] > 0).all()


def test_every_month_was_closed_after_its_end_and_before_the_present(books: pl.DataFrame) -> None:
    end = (books["period"] + "-01").str.to_date().dt.offset_by("1mo").cast(pl.Datetime("us", "UTC"))
    assert (books["closed_at"] > end).all()
    assert books["closed_at"].max() < PRESENT
    assert books["period"].max() == "2018-08"


def test_each_unit_has_a_season_of_its_own(books: pl.DataFrame) -> None:
    shares = []
    for unit in books.filter(pl.col("account") == "revenue").partition_by("entity_id"):
        log = np.log(unit.sort("period")["amount"].to_numpy())
        yearly = (log - np.convolve(log, np.ones(12) / 12, "same"))[12:-12].reshape(-1, 12)
        shares.append(yearly.mean(axis=0).var() / yearly.var())
    assert np.median(shares) > 0.5


def test_books_are_delivered_a_file_a_year_with_the_dirt_that_is_counted(books: pl.DataFrame) -> None:
    delivered, dirt = deliver_books(books, np.random.default_rng(5))
    files = {path: pl.read_csv(io.BytesIO(content)) for path, content in book_files(delivered)}
    assert [path[-14:-4] for path in files] == [f"{year}-12-31" for year in range(2010, 2018)] + ["2018-08-31"]
    rows = pl.concat(files.values())
    assert rows.columns == ["entity_id", "account", "period", "amount", "closed_at", "category"]
    assert rows["amount"].null_count() == dirt["missing_amounts"] > 0
    assert rows.filter(pl.col("period") == "2028-01").height == dirt["future_dates"] > 0
    assert rows.filter(pl.struct("entity_id", "account", "period").is_duplicated()).height == 2 * dirt["duplicates"]
    accounts = wide(rows).drop_nulls()
    broken = (accounts["revenue"] - accounts["cost"] - accounts["profit"]).abs() > 0.005
    assert broken.sum() == dirt["identity_broken"] > 0
