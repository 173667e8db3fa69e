"""The economy by vintage, and posts by when they were posted."""

from datetime import UTC, datetime, timedelta

import pytest
from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

from feature_store.views.equity_daily.post_sentiment import compound_scores


def quarter(number):
    return datetime(2018 + number // 4, 3 * (number % 4) + 1, 1, tzinfo=UTC)


@pytest.fixture
def thirty_sessions(market):
    for session in range(30):
        market.bar("AAA", session, 100.0)
    return market


def test_restated_gdp_is_invisible_before_its_vintage(thirty_sessions, closes_at):
    market = thirty_sessions
    for number in range(8):
        market.figure("GDP", quarter(number), 1000.0, closes_at(-100))
    market.figure("GDP", quarter(7), 1100.0, closes_at(10) + timedelta(microseconds=1))

    rows = market.features()

    assert rows["AAA", 10]["gdp_yoy"] == 0.0
    assert rows["AAA", 11]["gdp_yoy"] == pytest.approx(0.1)


def test_inflation_compares_what_was_known_of_both_months(thirty_sessions, closes_at):
    market = thirty_sessions
    months = [datetime(2018, 11, 1, tzinfo=UTC), datetime(2018, 12, 1, tzinfo=UTC), datetime(2019, 11, 1, tzinfo=UTC)]
    for month, value in zip(months, (200.0, 201.0, 210.0), strict=True):
        market.figure("CPI", month, value, closes_at(-5))
    market.figure("CPI", months[0], 205.0, closes_at(5))  # the year-ago month is revised
    market.figure("CPI", datetime(2019, 12, 1, tzinfo=UTC), 221.1, closes_at(9))

    rows = market.features()

    assert rows["AAA", 4]["cpi_yoy"] == pytest.approx(210 / 200 - 1)
    assert rows["AAA", 5]["cpi_yoy"] == pytest.approx(210 / 205 - 1)
    assert rows["AAA", 9]["cpi_yoy"] == pytest.approx(0.1)


def test_revision_of_an_old_period_does_not_pass_for_the_newest(thirty_sessions, closes_at):
    market = thirty_sessions
    for session in range(-10, 5):
        market.figure("VIX", closes_at(session), 20.0 + session, closes_at(session))
    market.figure("VIX", closes_at(-3), 90.0, closes_at(6))

    rows = market.features()

    assert rows["AAA", 7]["vix"] == 24.0
    assert rows["AAA", 4]["vix_change_5d"] == 5.0


def test_daily_series_that_ended_is_not_carried_on_for_ever(thirty_sessions, closes_at):
    thirty_sessions.figure("VIX", closes_at(-20), 20.0, closes_at(-20))
    thirty_sessions.figure("TREASURY_10Y", closes_at(-20), 3.0, closes_at(-20))
    thirty_sessions.figure("TREASURY_2Y", closes_at(-20), 2.0, closes_at(-20))

    rows = thirty_sessions.features()

    assert (rows["AAA", 10]["vix"], rows["AAA", 10]["term_spread"]) == (20.0, 1.0)
    assert (rows["AAA", 11]["vix"], rows["AAA", 11]["term_spread"]) == (None, None)


def test_posts_count_up_to_the_decision_and_back_over_whole_days(thirty_sessions, closes_at):
    market, instant = thirty_sessions, timedelta(microseconds=1)
    for at in (closes_at(9), closes_at(9) + instant, closes_at(10), closes_at(10) + instant, closes_at(5)):
        market.post("AAA", at, "good")
    market.post("BBB", closes_at(10), "awful")

    rows = market.features()

    assert (rows["AAA", 10]["posts_1d"], rows["AAA", 10]["posts_5d"]) == (2.0, 3.0)
    assert rows["AAA", 10]["sentiment_1d"] == pytest.approx(0.4404)
    assert rows["AAA", 10]["positive_share_5d"] == 1.0


def test_silence_about_a_share_is_zero_and_silence_about_all_is_unknown(thirty_sessions, closes_at):
    market = thirty_sessions
    market.post("BBB", closes_at(10), "good")

    rows = market.features()

    assert (rows["AAA", 12]["posts_5d"], rows["AAA", 12]["sentiment_5d"]) == (0.0, None)
    assert rows["AAA", 9]["posts_5d"] is None
    assert rows["AAA", 15]["posts_5d"] is None


def test_scores_are_vaders_and_each_text_is_scored_once(market, monkeypatch):
    texts = ["I love it!", "VERY bad :(", "so so", "", "I love it!"] * 20
    calls = []
    polarity = SentimentIntensityAnalyzer.polarity_scores
    monkeypatch.setattr(
        SentimentIntensityAnalyzer, "polarity_scores", lambda self, text: calls.append(text) or polarity(self, text)
    )
    for number, text in enumerate(texts):
        market.post("AAA", datetime(2020, 1, 1, tzinfo=UTC) + timedelta(hours=number), f"{text} once")

    scores = compound_scores(market.sources["posts"]["text"])
    compound_scores(market.sources["posts"]["text"])

    analyzer = SentimentIntensityAnalyzer()
    assert sorted(calls) == sorted(f"{text} once" for text in set(texts))
    assert scores.tolist() == [round(polarity(analyzer, f"{text} once")["compound"] * 10_000) for text in texts]
