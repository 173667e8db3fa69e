"""Dirt that one row alone does not show: bars, sessions and books that do not fit together, by name."""

from datetime import UTC, datetime, timedelta

import pytest

from pipelines.validation import validate_batches

SESSIONS = [datetime(2018, 9, day, 20, tzinfo=UTC) for day in (17, 18, 19, 20, 21, 24, 25, 26, 27, 28)]


def bars(symbol: str = "ABC", *, adjustment: str = "raw") -> list[dict[str, object]]:
    """Two weeks of good bars, a little higher every session."""
    return [
        {
            "symbol": symbol,
            "open": 100.0 + number,
            "high": 102.0 + number,
            "low": 99.0 + number,
            "close": 101.0 + number,
            "adjusted_close": None,
            "volume": 1_000.0,
            "adjustment": adjustment,
            "asset_class": "equity",
            "event_time": session,
            "available_at": session,
        }
        for number, session in enumerate(SESSIONS)
    ]


def halve(rows: list[dict[str, object]]) -> None:
    for row in rows:
        row.update({name: row[name] / 2 for name in ("open", "high", "low", "close")})


@pytest.fixture
def judged(landing, ledger):
    """Judge rows of a dataset and return the receipt."""

    def judge(rows: list[dict[str, object]], dataset: str = "prices_daily"):
        batch = landing.land(ledger, rows, dataset=dataset)
        return validate_batches(ledger, [batch.id], as_of=landing.AS_OF)[0]

    return judge


def test_good_bars_enter_without_a_word(judged):
    receipt = judged(bars())
    assert (receipt.accepted, dict(receipt.reasons), dict(receipt.warnings)) == (10, {}, {})


def test_a_high_below_the_close_is_quarantined_as_out_of_order(judged):
    rows = [*bars(), *bars("DEF"), *bars("GHI")]
    rows[3]["high"] = 50.0
    assert dict(judged(rows).reasons) == {"ohlc_order": 1}


def test_a_bar_without_prices_is_quarantined_as_a_null_bar_and_blocks_nothing(judged):
    rows = bars()
    rows[4] |= dict.fromkeys(("open", "high", "low", "close", "volume"))
    receipt = judged(rows)
    assert (receipt.accepted, dict(receipt.reasons)) == (9, {"null_bar": 1})


def test_a_missing_session_of_one_share_is_named(judged):
    rows = [*bars(), *bars("DEF")]
    del rows[13]
    receipt = judged(rows)
    assert dict(receipt.warnings) == {"calendar_gap": 1}
    assert list(receipt.examples["calendar_gap"]) == ["DEF 2018-09-21T20:00:00.000000Z"]


def test_a_weekend_is_no_gap(judged):
    assert "calendar_gap" not in judged(bars()[4:6]).warnings


def test_a_price_that_stands_still_for_five_sessions_is_stale(judged):
    rows = bars()
    for row in rows[2:]:
        row.update(open=103.0, high=104.0, low=102.0, close=103.0)
    assert judged(rows).warnings["stale_price"] == 3


def test_a_split_in_adjusted_prices_is_named_and_in_raw_ones_only_a_jump(judged):
    adjusted, raw = bars(adjustment="split"), bars()
    halve(adjusted[6:])
    halve(raw[6:])
    assert set(judged(adjusted).warnings) == {"price_jump", "split_not_reflected"}
    assert set(judged(raw).warnings) == {"price_jump"}


def test_a_bar_of_no_volume_enters_with_a_warning(judged):
    rows = bars()
    rows[0]["volume"] = 0.0
    receipt = judged(rows)
    assert (receipt.accepted, dict(receipt.warnings)) == (10, {"zero_volume": 1})


def test_books_that_do_not_add_up_are_quarantined_whole(judged):
    rows = [
        {
            "entity_id": entity,
            "account": account,
            "amount": amount + month,
            "category": None,
            "event_time": datetime(2018, 1 + month, 28, tzinfo=UTC),
            "available_at": datetime(2018, 1 + month, 28, tzinfo=UTC) + timedelta(days=9),
        }
        for entity in map(str, range(20))
        for month in range(6)
        for account, amount in (("revenue", 100.0 + month), ("cost", 60.0), ("profit", 40.0))
    ]
    rows[2]["amount"] = 999.0
    receipt = judged(rows, "ledger")
    assert (receipt.landed - receipt.accepted, dict(receipt.reasons)) == (3, {"ledger_identity": 3})


def test_a_change_of_name_without_a_new_name_is_quarantined(judged):
    action = {
        "symbol": "ABC",
        "action": "dividend",
        "ratio": None,
        "amount": 0.5,
        "new_symbol": None,
        "available_at": SESSIONS[0],
    }
    rows = [{**action, "event_time": SESSIONS[0] + timedelta(days=number)} for number in range(40)]
    rows[5] |= {"action": "symbol_change", "amount": None}
    rows[9] |= {"action": "split", "amount": None, "ratio": 0.0}
    assert dict(judged(rows, "corporate_actions").reasons) == {"action_incomplete": 1, "ratio_not_positive": 1}


def test_an_empty_value_of_a_series_is_named_and_the_series_enters(judged):
    rows = [
        {"series_id": "TREASURY_1M", "value": value, "vintage": "none", "event_time": session, "available_at": session}
        for session, value in zip(SESSIONS, [None, None, None, *range(7)], strict=True)
    ]
    receipt = judged(rows, "macro_series")
    assert (receipt.accepted, dict(receipt.reasons)) == (7, {"empty_value": 3})
