import gzip
import json

import numpy as np
import polars as pl
import pytest
from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

from ledgerline.sandbox.market import Market, simulate_market
from ledgerline.sandbox.posts import deliver_posts, post_files, write_posts
from ledgerline.sandbox.quotes import Quotes, quote
from ledgerline.sandbox.sessions import PRESENT, session_close


@pytest.fixture(scope="module")
def told() -> tuple[Market, Quotes, pl.DataFrame]:
    generators = np.random.default_rng(8).spawn(3)
    market = simulate_market(symbols=20, sessions=200, future=10, signal=1.0, generator=generators[0])
    quotes = quote(market, generators[1])
    return market, quotes, write_posts(market, quotes, generators[2])


def test_mood_of_a_session_can_be_read_from_its_posts(told: tuple[Market, Quotes, pl.DataFrame]) -> None:
    market, quotes, posts = told
    analyzer = SentimentIntensityAnalyzer()
    moods = {}
    for place, session in enumerate(market.sessions):
        for share, symbol in enumerate(quotes.symbols[place].tolist()):
            moods[symbol, session] = market.mood[place, share]
    closes = {session_close(session): session for session in market.sessions}
    next_close = pl.DataFrame({"close": sorted(closes)}, schema={"close": pl.Datetime("us", "UTC")})
    dated = posts.sort("created_at").join_asof(
        next_close, left_on="created_at", right_on="close", strategy="forward", check_sortedness=False
    )
    pairs = [
        (moods[symbol, closes[close]], analyzer.polarity_scores(text)["compound"])
        for symbol, text, close in dated.head(1_500).select("symbol", "text", "close").iter_rows()
    ]
    assert np.isfinite([mood for mood, _ in pairs]).all()
    assert np.corrcoef(np.array(pairs).T)[0, 1] > 0.8


def test_posts_name_shares_that_are_listed_and_are_written_before_the_present(
    told: tuple[Market, Quotes, pl.DataFrame],
) -> None:
    _, quotes, posts = told
    first = quotes.bars.group_by("symbol").agg(pl.col("session").min(), pl.col("session").max().alias("last"))
    named = posts.join(first, on="symbol", how="left")
    assert named["session"].null_count() == 0
    assert (named["created_at"].dt.date() >= named["session"].dt.offset_by("-1d")).all()
    assert posts["created_at"].max() < PRESENT
    assert posts["post_id"].is_unique().all()
    assert posts["created_at"].is_sorted()


def test_posts_are_delivered_a_file_a_quarter_with_the_dirt_that_is_counted(
    told: tuple[Market, Quotes, pl.DataFrame],
) -> None:
    delivered, dirt = deliver_posts(told[2], np.random.default_rng(1))
    files = {path: gzip.decompress(content).decode().splitlines() for path, content in post_files(delivered)}
    assert list(files) == [
        "alternative/posts_2017-12-31.jsonl.gz",
        "alternative/posts_2018-03-31.jsonl.gz",
        "alternative/posts_2018-06-30.jsonl.gz",
        "alternative/posts_2018-09-30.jsonl.gz",
    ]
    rows = [json.loads(line) for lines in files.values() for line in lines]
    assert list(rows[0]) == ["post_id", "symbol", "created_at", "text"]
    assert sum(row["text"] is None for row in rows) == dirt["without_text"] > 0
    assert len(rows) - len({row["post_id"] for row in rows}) == dirt["duplicates"] > 0
    assert sum(row["created_at"] > "2018-10-01" for row in rows) == dirt["future_dates"] > 0
