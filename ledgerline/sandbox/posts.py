"""Simulated public posts about shares, in plain English: their mood is that of the session, roughly.

What the market's simulation lets follow from the mood (:mod:`ledgerline.sandbox.market`) can be read from the texts, as
well as a lexicon can read them.
"""

import gzip
import json
from datetime import date, datetime, timedelta

import numpy as np
import polars as pl

from ledgerline.sandbox.draw import Draw
from ledgerline.sandbox.market import Market
from ledgerline.sandbox.parts import Files
from ledgerline.sandbox.quotes import Quotes
from ledgerline.sandbox.sessions import PRESENT, session_close

POST_COLUMNS = ("post_id", "symbol", "created_at", "text")

_OWN_MOOD = 0.2  # how far a post's mood is from its session's, as a standard deviation
_MORE_POSTS = 0.6  # mean number of further posts about a share in a session that has one
_EARLIEST, _LATEST = 20 * 3600, 300  # seconds before the close
_BOUNDS = (-0.55, -0.15, 0.15, 0.55)
_DIRTY_SHARE = 3e-4

_OPENINGS = (
    "{symbol} today:",
    "About {symbol},",
    "${symbol}",
    "Been reading up on {symbol}.",
    "{symbol} again.",
    "Notes on {symbol}:",
    "Quick look at {symbol}.",
    "Our desk on {symbol}:",
)
_SAID = (
    (
        "terrible numbers, the outlook is awful and I fear worse.",
        "a disaster of a quarter, margins collapsed, I hate what I see.",
        "fraud rumours and a horrible call, this is a catastrophe.",
        "the losses are devastating, holders are furious.",
        "worst report in years, a complete failure of management.",
        "the lawsuit is a nightmare and the damage is severe.",
    ),
    (
        "weak orders, I am worried about the next quarter.",
        "costs are a problem and guidance looks poor.",
        "disappointing sales, I would rather avoid it here.",
        "the delay hurts, and demand is at risk.",
        "analysts doubt the plan, and the stock may suffer.",
        "losing customers to rivals, not a good sign.",
    ),
    (
        "the meeting is on Thursday, the slides are online.",
        "volume is as usual, nothing to report from the call.",
        "they publish after the close, the conference is next week.",
        "the filing lists the same suppliers as last year.",
        "moved the office to another street, the number stays.",
        "average day, the book looks as it did on Monday.",
    ),
    (
        "solid orders, I like the direction.",
        "guidance improved and demand looks healthy.",
        "a good quarter, margins are better than I thought.",
        "the new product is promising, customers seem happy.",
        "cash flow is strong, worth a look here.",
        "nice progress on costs, and the plan makes sense.",
    ),
    (
        "fantastic numbers, the outlook is excellent and I love it.",
        "a brilliant quarter, record profit, superb execution.",
        "amazing growth, the best report in years, great team.",
        "huge win in court, holders are delighted, a triumph.",
        "outstanding margins and a wonderful product, very happy holder.",
        "incredible demand, they are winning everywhere, awesome.",
    ),
)
_CLOSINGS = ("", "", " Not advice.", " Let me know what you see.", " More after the close.", " Chart in the thread.")


def write_posts(market: Market, quotes: Quotes, generator: np.random.Generator) -> pl.DataFrame:
    """Return the posts before the present: ``POST_COLUMNS``, by time."""
    counts, moods, times, words = generator.spawn(4)
    past = market.mood[: market.present]
    posted = ~np.isnan(past) & quotes.listed[: market.present]
    place, share = np.nonzero(np.where(posted, 1, 0))
    often = 1 + counts.poisson(_MORE_POSTS, place.size)
    place, share = np.repeat(place, often), np.repeat(share, often)
    own = past[place, share] + _OWN_MOOD * moods.standard_normal(place.size)
    closes = np.array([session_close(day).timestamp() for day in market.sessions[: market.present]], dtype=np.int64)
    at = closes[place] - times.integers(_LATEST, _EARLIEST, place.size)
    symbols = quotes.symbols[place, share]
    order = np.lexsort((symbols, at))
    level = np.searchsorted(_BOUNDS, own)
    picks = words.integers(0, 1 << 30, (place.size, 3))
    texts = [_text(symbol, int(level[row]), picks[row]) for row, symbol in enumerate(symbols.tolist())]
    return pl.DataFrame(
        {
            "post_id": [f"p{number:07d}" for number in range(place.size)],
            "symbol": symbols[order],
            "created_at": [datetime.fromtimestamp(at[row], tz=PRESENT.tzinfo) for row in order],
            "text": [texts[row] for row in order],
        },
        schema_overrides={"created_at": pl.Datetime("us", "UTC")},
    )


def deliver_posts(posts: pl.DataFrame, generator: np.random.Generator) -> tuple[pl.DataFrame, dict[str, int]]:
    """Return the posts as delivered, in order of delivery, with the quarter of the file; and the dirt."""
    delivered = posts.with_columns(quarter=pl.col("created_at").dt.truncate("1q").dt.date())
    if posts.height < 500:
        return delivered, {}
    draw = Draw(posts.height, generator)
    mute, twice, future = draw.rows(_DIRTY_SHARE), draw.rows(_DIRTY_SHARE), draw.rows(_DIRTY_SHARE / 3)
    flags = np.zeros((2, posts.height), dtype=np.bool_)
    flags[0, mute], flags[1, future] = True, True
    without, ahead = (pl.lit(pl.Series(each)) for each in flags)
    changed = delivered.with_columns(
        text=pl.when(without).then(None).otherwise("text"),
        created_at=pl.when(ahead).then(pl.col("created_at").dt.offset_by("10y")).otherwise("created_at"),
    )
    spoilt = pl.concat([changed, delivered[twice]]).sort("quarter", "post_id", maintain_order=True)
    return spoilt, {"without_text": mute.size, "duplicates": twice.size, "future_dates": future.size}


def post_files(delivered: pl.DataFrame) -> Files:
    """Yield the posts as compressed JSON lines, a file a quarter, named by its last day."""
    for file in delivered.partition_by("quarter", maintain_order=True):
        begin: date = file["quarter"][0]
        last = min(_quarter_end(begin), PRESENT.date() - timedelta(days=1))
        rows = file.select(
            "post_id", "symbol", pl.col("created_at").dt.strftime("%Y-%m-%dT%H:%M:%SZ"), "text"
        ).iter_rows(named=True)
        lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        # The time in the header is the only thing in the bytes that would differ from one day to the next.
        yield f"alternative/posts_{last:%Y-%m-%d}.jsonl.gz", gzip.compress(lines.encode(), compresslevel=6, mtime=0)


def _text(symbol: str, level: int, picks: np.ndarray) -> str:
    opening, said, closing = (
        options[int(pick) % len(options)]
        for options, pick in zip((_OPENINGS, _SAID[level], _CLOSINGS), picks, strict=True)
    )
    return f"{opening.format(symbol=symbol)} {said}{closing}"


def _quarter_end(begin: date) -> date:
    month = begin.month + 3
    return date(begin.year + month // 13, (month - 1) % 12 + 1, 1) - timedelta(days=1)
