"""What was posted about a share lately: how much, and in what mood by VADER (Hutto and Gilbert 2014)."""

from datetime import timedelta
from functools import cache, lru_cache
from importlib.metadata import version
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from feature_store.histories import Integers
from feature_store.lookback import Values, ratio
from feature_store.table_view import TableFeature

DAY = timedelta(days=1)
LONG = timedelta(days=5)
LEXICON = f"vaderSentiment {version('vaderSentiment')}"
"""What the scores depend on beside the texts."""

_TEN_THOUSANDTHS = 10_000  # VADER rounds its scores to four digits: as whole numbers their sums are exact
_KEPT_SCORES = 500_000
_MOOD = 500  # ten-thousandths from which VADER's authors call a text positive, or negative below minus that

_FEATURES = (
    TableFeature("posts_1d", "Posts that name the symbol in the day before the decision.", "posts"),
    TableFeature("posts_5d", "Posts that name the symbol in the five days before the decision.", "posts"),
    TableFeature("sentiment_1d", "Mean mood of the posts of a day.", "-1 to 1"),
    TableFeature("sentiment_5d", "Mean mood of the posts of five days.", "-1 to 1"),
    TableFeature("positive_share_5d", "Share of the posts of five days that are positive.", "share"),
    TableFeature("negative_share_5d", "Share of the posts of five days that are negative.", "share"),
    TableFeature("posts_surge", "Posts of a day over the daily mean of five.", "ratio"),
)


def sentiment_features() -> tuple[TableFeature, ...]:
    """Return what :func:`post_sentiment` computes, in order."""
    return _FEATURES


def post_sentiment(decisions: pl.DataFrame, posts: pl.DataFrame) -> pl.DataFrame:
    """Return every sentiment feature of every decision, in the decisions' order.

    Posts count by their ``available_at`` in ``(t - span, t]``, for the symbol that they name. Where nothing at all, of
    any symbol, was posted in the last five days there is no source to hear from, and every feature is null.

    Args:
        decisions: Any frame with ``symbol`` and ``available_at``.
        posts: Accepted rows of ``posts``.
    """
    scores = compound_scores(posts["text"])
    codes = {symbol: code for code, symbol in enumerate(decisions["symbol"].unique().sort())}
    ours = posts["symbol"].replace_strict(codes, default=len(codes), return_dtype=pl.Int64).to_numpy()
    heard = _Heard(ours, _instants(posts), scores, width=len(codes) + 1)
    asked = decisions["symbol"].replace_strict(codes, return_dtype=pl.Int64).to_numpy()
    at = _instants(decisions)
    day, long = heard.window(asked, at, DAY), heard.window(asked, at, LONG)
    columns = {
        "posts_1d": day.posts,
        "posts_5d": long.posts,
        "sentiment_1d": ratio(day.mood / _TEN_THOUSANDTHS, day.posts),
        "sentiment_5d": ratio(long.mood / _TEN_THOUSANDTHS, long.posts),
        "positive_share_5d": ratio(long.positive, long.posts),
        "negative_share_5d": ratio(long.negative, long.posts),
        "posts_surge": ratio(5 * day.posts, long.posts),
    }
    silent = heard.anything(at, LONG) == 0
    return pl.DataFrame({name: np.where(silent, np.nan, values) for name, values in columns.items()})


def compound_scores(texts: pl.Series) -> Integers:
    """Return VADER's compound score of each text, in ten-thousandths; each distinct text is scored once."""
    distinct = texts.unique(maintain_order=True)
    scores = pl.Series([_score(text) for text in distinct], dtype=pl.Int64)
    return (
        texts.replace_strict(distinct, scores, return_dtype=pl.Int64).to_numpy()
        if texts.len()
        else np.empty(0, np.int64)
    )


class _Heard:
    """Posts by symbol and time, with running totals.

    Args:
        symbol: A number for each post's symbol.
        at: When each became available, in microseconds.
        score: Ten-thousandths.
        width: How many numbers of symbols there are.
    """

    def __init__(self, symbol: Integers, at: Integers, score: Integers, *, width: int) -> None:
        order = np.lexsort((at, symbol))
        self._at, self._all = at[order], np.sort(at)
        self._begin = np.searchsorted(symbol[order], np.arange(width + 1))
        self._totals = [_running(values[order]) for values in (score, score >= _MOOD, score <= -_MOOD)]

    def window(self, symbol: Integers, until: Integers, span: timedelta) -> "_Window":
        """Return what was posted about each symbol in ``(until - span, until]``."""
        start, end = self._places(symbol, until - span // timedelta(microseconds=1)), self._places(symbol, until)
        mood, positive, negative = (total[end] - total[start] for total in self._totals)
        return _Window(*(values.astype(np.float64) for values in (end - start, mood, positive, negative)))

    def anything(self, until: Integers, span: timedelta) -> Integers:
        """Return how much was posted about any symbol in ``(until - span, until]``."""
        start = until - span // timedelta(microseconds=1)
        return np.searchsorted(self._all, until, side="right") - np.searchsorted(self._all, start, side="right")

    def _places(self, symbol: Integers, until: Integers) -> Integers:
        """Return the place behind the last post of each symbol up to an instant."""
        places = np.empty(symbol.size, np.int64)
        for code in np.unique(symbol):
            asked = symbol == code
            begin, end = self._begin[code], self._begin[code + 1]
            places[asked] = begin + np.searchsorted(self._at[begin:end], until[asked], side="right")
        return places


class _Window:
    def __init__(self, posts: Values, mood: Values, positive: Values, negative: Values) -> None:
        self.posts, self.mood, self.positive, self.negative = posts, mood, positive, negative


def _running(values: NDArray[Any]) -> Integers:
    return np.concatenate([[0], np.cumsum(values, dtype=np.int64)])


def _instants(frame: pl.DataFrame) -> Integers:
    return frame["available_at"].to_physical().to_numpy()


@cache
def _analyzer() -> Any:
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer  # type: ignore[import-untyped]

    return SentimentIntensityAnalyzer()


@lru_cache(_KEPT_SCORES)
def _score(text: str) -> int:
    compound: float = _analyzer().polarity_scores(text)["compound"]
    return round(compound * _TEN_THOUSANDTHS)
