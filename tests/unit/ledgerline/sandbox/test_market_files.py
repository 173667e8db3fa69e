import io
from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from ledgerline.sandbox.market import simulate_market
from ledgerline.sandbox.market_files import SESSION_FILES, announced_actions, bar_files, deliver_bars
from ledgerline.sandbox.quotes import Quotes, quote
from ledgerline.sandbox.sessions import PRESENT, session_dates

PRICES = ("open", "high", "low", "close")
SESSIONS, FUTURE = 300, 25


@pytest.fixture(scope="module")
def quotes() -> Quotes:
    seed, quoting = np.random.default_rng(5).spawn(2)
    market = simulate_market(symbols=40, sessions=SESSIONS, future=FUTURE, signal=1.0, generator=seed)
    return quote(market, quoting)


@pytest.fixture(scope="module")
def delivery(quotes: Quotes) -> tuple[pl.DataFrame, dict[str, int]]:
    return deliver_bars(quotes, np.random.default_rng(6))


@pytest.fixture(scope="module")
def files(delivery: tuple[pl.DataFrame, dict[str, int]]) -> dict[str, pl.DataFrame]:
    return {path: pl.read_csv(io.BytesIO(content), try_parse_dates=True) for path, content in bar_files(delivery[0])}


def test_quotes_are_coherent_and_on_sessions_alone(quotes: Quotes) -> None:
    bars = quotes.bars
    assert (bars["high"] >= bars.select(pl.max_horizontal("open", "close")).to_series()).all()
    assert (bars["low"] <= bars.select(pl.min_horizontal("open", "close")).to_series()).all()
    assert (bars["low"] > 0).all()
    assert not bars.select("symbol", "session").is_duplicated().any()
    assert bars["session"].unique().sort().to_list() == list(session_dates(SESSIONS, FUTURE))


def test_raw_price_falls_on_the_ex_date_of_a_split_and_volume_rises(quotes: Quotes) -> None:
    splits = quotes.actions.filter(pl.col("action") == "split")
    assert splits.height >= 5
    for symbol, ex_date, ratio in splits.select("symbol", "ex_date", "ratio").iter_rows():
        own = quotes.bars.filter(pl.col("symbol") == symbol)
        before, after = (
            own.filter(pl.col("session") < ex_date).tail(20),
            own.filter(pl.col("session") >= ex_date).head(20),
        )
        assert before["close"][-1] / after["close"][0] == pytest.approx(ratio, rel=0.2)
        assert after["volume"].median() > before["volume"].median()


def test_actions_are_announced_before_their_ex_date(quotes: Quotes) -> None:
    ex_dates = quotes.actions["ex_date"].cast(pl.Datetime("us", "UTC"))
    assert (quotes.actions["announced_at"] < ex_dates).all()


def test_price_falls_by_the_dividend_on_its_ex_date(quotes: Quotes) -> None:
    falls = []
    for symbol, ex_date, amount in (
        quotes.actions.filter(pl.col("action") == "dividend").select("symbol", "ex_date", "amount").iter_rows()
    ):
        before = quotes.bars.filter((pl.col("symbol") == symbol) & (pl.col("session") < ex_date))["close"]
        falls.append(amount / before[-1])
    assert np.median(falls) == pytest.approx(0.004, rel=0.05)


def test_one_share_changes_its_name_one_comes_late_and_one_leaves(quotes: Quotes) -> None:
    change = quotes.actions.filter(pl.col("action") == "symbol_change")
    assert change.height == 1
    old, new, when = change.select("symbol", "new_symbol", "ex_date").row(0)
    spans = {
        symbol: (first, last)
        for symbol, first, last in quotes.bars.group_by("symbol")
        .agg(pl.col("session").min().alias("first"), pl.col("session").max().alias("last"))
        .iter_rows()
    }
    assert spans[old][1] < when == spans[new][0]
    whole = session_dates(SESSIONS, FUTURE)
    assert sum(first > whole[0] and symbol != new for symbol, (first, _) in spans.items()) == 1
    assert sum(last < PRESENT.date() and symbol != old for symbol, (_, last) in spans.items()) == 1
    assert {old, new} <= set(quotes.instruments["symbol"])


def test_old_bars_are_in_a_file_a_year_and_recent_ones_in_a_file_a_session(files: dict[str, pl.DataFrame]) -> None:
    recent = session_dates(SESSION_FILES, 0)
    assert list(files)[-SESSION_FILES:] == [f"market/prices_daily_{day}.csv" for day in recent]
    older = session_dates(SESSIONS, 0)[:-SESSION_FILES]
    last_of_year = {day.year: day for day in older}
    assert list(files)[:-SESSION_FILES] == [f"market/prices_daily_{day}.csv" for day in last_of_year.values()]


def test_file_holds_no_session_after_its_name_but_those_dated_wrongly(files: dict[str, pl.DataFrame]) -> None:
    wrong = sum((table["session"] > date.fromisoformat(path[-14:-4])).sum() for path, table in files.items())
    assert wrong == 1
    assert max(files) < f"market/prices_daily_{PRESENT:%Y-%m-%d}.csv"


def test_no_bar_of_the_future_is_delivered(files: dict[str, pl.DataFrame]) -> None:
    seen = pl.concat(files.values())["session"]
    assert not ((seen >= PRESENT.date()) & (seen < PRESENT.date() + timedelta(days=365))).any()


def test_dirt_is_in_the_files_as_it_is_counted(
    files: dict[str, pl.DataFrame], delivery: tuple[pl.DataFrame, dict[str, int]], quotes: Quotes
) -> None:
    counts = delivery[1]
    rows = pl.concat([table.with_columns(file=pl.lit(path)) for path, table in files.items()])
    assert counts["null_bars"] == rows.filter(pl.all_horizontal(pl.col(PRICES).is_null())).height
    assert counts["high_below_low"] == rows.filter(pl.col("high") < pl.col("low")).height
    twice = rows.filter(pl.struct("symbol", "session").is_duplicated())
    same_file = twice.group_by("symbol", "session").agg(
        pl.col("file").n_unique(), pl.col("close").n_unique().alias("c")
    )
    assert counts["duplicates"] == same_file.filter(pl.col("file") == 1, pl.col("c") == 1).height
    assert counts["restated"] == same_file.filter(pl.col("file") == 2, pl.col("c") == 2).height
    assert counts["future_dates"] == rows.filter(pl.col("session") > PRESENT.date()).height
    still = rows.filter(pl.col("volume") == 0)
    assert counts["stale_prices"] == still.height
    assert still["close"].n_unique() == still["symbol"].n_unique() == 1
    expected = quotes.bars.filter(pl.col("session") < PRESENT.date()).select("symbol", "session")
    lacking = expected.join(rows, on=["symbol", "session"], how="anti")
    assert lacking.height == counts["missing_sessions"] + counts["future_dates"]


def test_every_file_is_nearly_clean(files: dict[str, pl.DataFrame]) -> None:
    for table in files.values():
        bad = table.select(
            pl.any_horizontal(
                pl.col("close").is_null(), pl.col("high") < pl.col("low"), pl.col("session") > PRESENT.date()
            ).sum()
        ).item()
        assert bad / table.height < 0.03


def test_split_that_nobody_announces_is_in_the_prices_and_not_in_the_actions(quotes: Quotes) -> None:
    assert quotes.silent_split is not None
    ex_date, symbol = quotes.silent_split
    same: Any = (pl.col("action") == "split") & (pl.col("symbol") == symbol) & (pl.col("ex_date") == ex_date)
    assert quotes.actions.filter(same).height == 1
    assert announced_actions(quotes).filter(same).height == 0
    closes = quotes.bars.filter(pl.col("symbol") == symbol)
    before, after = (closes.filter(pl.col("session") < ex_date), closes.filter(pl.col("session") >= ex_date))
    assert after["close"][0] / before["close"][-1] < 0.6


def test_action_announced_after_the_present_is_not_delivered(quotes: Quotes) -> None:
    assert announced_actions(quotes)["announced_at"].max() <= PRESENT
    assert quotes.actions["announced_at"].max() > PRESENT


def test_market_of_few_shares_is_clean(quotes: Quotes) -> None:
    seed, quoting = np.random.default_rng(5).spawn(2)
    small = quote(simulate_market(symbols=3, sessions=60, future=0, signal=0.0, generator=seed), quoting)
    delivered, dirt = deliver_bars(small, np.random.default_rng(1))
    assert dirt == {}
    assert delivered.height == 180
