"""Bars as they were known: restated, late and missing ones, splits, symbols that change."""

from itertools import pairwise

import polars as pl
import pytest

from feature_store.errors import SourceInvalid
from feature_store.views.equity_daily import EQUITY_DAILY


def prices(row):
    """Return a row's price and volume indicators: everything but ranks and what other sources say."""
    others = ("_rank", "posts", "sentiment", "_share_5d", "market_")
    return {name: value for name, value in row.items() if not any(part in name for part in others)}


def indicators(row):
    keys = ("symbol", "instrument", "event_time", "available_at")
    return {name: value for name, value in prices(row).items() if name not in keys}


def same(one, other):
    """Whether two rows' indicators are equal but for rounding."""
    return all(
        value == (pytest.approx(other[name], rel=1e-9, abs=1e-12) if value is not None else other[name])
        for name, value in indicators(one).items()
    )


@pytest.fixture
def plain(market, walk):
    """Thirty bars of one share, in order."""
    for session, close in enumerate(walk(30)):
        market.bar("AAA", session, close)
    return market


def test_restated_bar_is_invisible_before_it_was_restated(plain):
    before = plain.features()
    plain.bar("AAA", 20, 500.0, known=25)

    after = plain.features()

    assert {session: after["AAA", session] for session in range(25)} == {
        session: before["AAA", session] for session in range(25)
    }
    assert after["AAA", 25]["return_5d"] == pytest.approx(plain.rows["prices_daily"][25]["close"] / 500 - 1)
    assert after["AAA", 20]["available_at"] == before["AAA", 20]["available_at"]
    assert len(after) == len(before)


def test_late_bar_counts_from_its_arrival_and_has_its_own_row_then(market, walk, closes_at):
    closes = walk(12)
    for session, close in enumerate(closes):
        market.bar("AAA", session, close, known=8.5 if session == 6 else session)

    rows = market.features()

    assert rows["AAA", 7]["return_1d"] == pytest.approx(closes[7] / closes[5] - 1)
    assert rows["AAA", 8]["return_2d"] == pytest.approx(closes[8] / closes[5] - 1)
    assert rows["AAA", 9]["return_3d"] == pytest.approx(closes[9] / closes[6] - 1)
    assert rows["AAA", 6]["available_at"] == closes_at(8.5)
    assert rows["AAA", 6]["return_1d"] == pytest.approx(closes[6] / closes[5] - 1)


def test_missing_session_is_simply_absent(market, walk):
    closes = walk(10)
    for session in (0, 1, 2, 3, 5, 6):
        market.bar("AAA", session, closes[session])

    rows = market.features()

    assert ("AAA", 4) not in rows
    assert rows["AAA", 5]["return_1d"] == pytest.approx(closes[5] / closes[3] - 1)


def test_raw_prices_are_adjusted_for_a_split_from_its_ex_date_on(market, walk):
    closes = walk(60)
    for session, close in enumerate(closes):
        market.bar("AAA", session, close, volume=1000.0 + session)
        market.bar(
            "BBB", session, close / 4 if session >= 40 else close,
            volume=(1000.0 + session) * (4 if session >= 40 else 1),
        )  # fmt: skip
    market.action("BBB", "split", 40, ratio=4.0)

    rows = market.features()

    assert all(same(rows["BBB", session], rows["AAA", session]) for session in range(60))


def test_split_that_was_heard_of_late_looks_like_a_fall_until_then(market, walk):
    closes = walk(30)
    for session, close in enumerate(closes):
        market.bar("AAA", session, close / 2 if session >= 20 else close)
    market.action("AAA", "split", 20, ratio=2.0, known=21.5)

    rows = market.features()

    assert rows["AAA", 20]["return_1d"] == pytest.approx(closes[20] / 2 / closes[19] - 1)
    assert rows["AAA", 21]["return_2d"] == pytest.approx(closes[21] / 2 / closes[19] - 1)
    assert rows["AAA", 22]["return_5d"] == pytest.approx(closes[22] / closes[17] - 1)


def test_corrected_ratio_counts_from_the_correction_on(market, walk):
    closes = walk(30)
    for session, close in enumerate(closes):
        market.bar("AAA", session, close / 2 if session >= 20 else close)
    market.action("AAA", "split", 20, ratio=4.0, known=10)
    market.action("AAA", "split", 20, ratio=2.0, known=23)

    rows = market.features()

    assert rows["AAA", 22]["return_5d"] == pytest.approx(closes[22] / 2 / (closes[17] / 4) - 1)
    assert rows["AAA", 23]["return_5d"] == pytest.approx(closes[23] / closes[18] - 1)


def test_prices_that_the_vendor_adjusted_are_not_adjusted_again(market, walk):
    for session, close in enumerate(walk(30)):
        market.bar("AAA", session, close, adjustment="split")
        market.bar("BBB", session, close, adjustment="split")
    market.action("BBB", "split", 15, ratio=2.0)

    rows = market.features()

    assert all(indicators(rows["AAA", session]) == indicators(rows["BBB", session]) for session in range(30))


def test_changed_symbol_goes_on_with_its_past_under_its_first_name(market, walk):
    closes = walk(40)
    for session, close in enumerate(closes):
        market.bar("AAA", session, close)
        market.bar("OLD" if session < 20 else "NEW", session, close)
    market.action("OLD", "symbol_change", 20, new="NEW")

    rows = market.features()

    assert {row["instrument"] for (symbol, _), row in rows.items() if symbol in ("OLD", "NEW")} == {"OLD"}
    assert all(indicators(rows["NEW", session]) == indicators(rows["AAA", session]) for session in range(20, 40))


def test_change_that_was_heard_of_late_leaves_the_new_symbol_without_a_past_until_then(market, walk):
    closes = walk(40)
    for session, close in enumerate(closes):
        market.bar("OLD" if session < 20 else "NEW", session, close)
    market.action("OLD", "symbol_change", 20, new="NEW", known=24.5)

    rows = market.features()

    assert [rows["NEW", session]["instrument"] for session in (23, 24, 25)] == ["NEW", "NEW", "OLD"]
    assert rows["NEW", 24]["return_5d"] is None
    assert rows["NEW", 25]["return_20d"] == pytest.approx(closes[25] / closes[5] - 1)


def test_symbol_that_another_share_gave_up_names_another_instrument(market, walk):
    closes = walk(40)
    for session, close in enumerate(closes):
        market.bar("OLD" if session < 20 else "NEW", session, close)
        if session >= 30:
            market.bar("OLD", session, 7.0)
    market.action("OLD", "symbol_change", 20, new="NEW")

    rows = market.features()

    assert rows["OLD", 30]["instrument"] == "OLD@2020-01-21"
    assert rows["OLD", 30]["return_1d"] is None
    assert rows["NEW", 39]["instrument"] == "OLD"


def test_split_of_a_share_that_changed_its_name_is_found_under_the_new_name(market, walk):
    closes = walk(40)
    for session, close in enumerate(closes):
        market.bar("OLD" if session < 20 else "NEW", session, close / 2 if session >= 30 else close)
    market.action("OLD", "symbol_change", 20, new="NEW")
    market.action("NEW", "split", 30, ratio=2.0)

    assert market.features()["NEW", 35]["return_20d"] == pytest.approx(closes[35] / closes[15] - 1)


def test_share_is_ranked_among_those_of_its_session_that_had_arrived(market):
    for session in range(3):
        for number, symbol in enumerate(("AAA", "BBB", "CCC")):
            late = 0.5 if (symbol, session) == ("BBB", 2) else 0
            market.bar(symbol, session, 100.0 + session * (number + 1), known=session + late)

    rows = market.features()

    assert [rows[symbol, 1]["return_1d_rank"] for symbol in ("AAA", "BBB", "CCC")] == pytest.approx([1 / 6, 0.5, 5 / 6])
    assert [rows[symbol, 2]["return_1d_rank"] for symbol in ("AAA", "CCC")] == pytest.approx([0.25, 0.75])
    assert rows["BBB", 2]["return_1d_rank"] == pytest.approx(0.5)


def test_index_gives_no_row_but_is_the_market_of_the_shares(market, walk):
    levels = walk(10, seed=4)
    for session in range(10):
        market.bar("AAA", session, 100.0)
        market.bar("INDEX", session, levels[session], asset_class="index", known=session + 0.5)

    rows = market.features()

    assert {symbol for symbol, _ in rows} == {"AAA"}
    assert rows["AAA", 9]["market_return_5d"] == pytest.approx(levels[8] / levels[3] - 1)


def test_of_two_indexes_the_first_by_symbol_counts_from_when_it_is_known(market, walk):
    levels = {name: walk(10, seed=seed) for seed, name in enumerate(("INDEX", "BROAD"), start=4)}
    for session in range(10):
        market.bar("AAA", session, 100.0)
        market.bar("INDEX", session, levels["INDEX"][session], asset_class="index")
        if session >= 4:
            market.bar("BROAD", session, levels["BROAD"][session], asset_class="index", known=max(session, 6))

    rows = market.features()

    changes = {name: [None, *(b / a - 1 for a, b in pairwise(closes))] for name, closes in levels.items()}
    assert rows["AAA", 5]["market_return_1d"] == pytest.approx(changes["INDEX"][5])
    assert rows["AAA", 6]["market_return_1d"] == pytest.approx(changes["BROAD"][6])


def test_prices_alone_are_enough(plain):
    computed = EQUITY_DAILY.compute({"prices_daily": plain.sources["prices_daily"]})

    assert computed.height == 30
    assert computed["vix"].is_null().all()
    assert computed["posts_1d"].is_null().all()


def test_missing_primary_and_missing_columns_are_refused(plain):
    sources = plain.sources
    with pytest.raises(SourceInvalid, match="prices_daily"):
        EQUITY_DAILY.compute({"posts": sources["posts"]})
    with pytest.raises(SourceInvalid, match="volume is absent"):
        EQUITY_DAILY.compute({"prices_daily": sources["prices_daily"].drop("volume")})
    with pytest.raises(SourceInvalid, match="nulls"):
        EQUITY_DAILY.compute({"prices_daily": sources["prices_daily"].with_columns(close=pl.lit(None, pl.Float64))})
