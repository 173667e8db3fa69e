"""Alpaca's wire format, and every way in which a venue may fail to answer, over real HTTP."""

import json
import logging
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from types import ModuleType
from typing import Any

import httpx
import pytest

from ledgerline.decisions.trading.order import OrderIntent, OrderReason, Side
from ledgerline.decisions.trading.states import OrderState
from ledgerline.decisions.trading.venue import (
    OrderRefused,
    OutcomeUnknown,
    VenueAnswerMalformed,
    VenueRefused,
    VenueUnavailable,
)
from ledgerline.services.trading.alpaca import AlpacaVenue
from ledgerline.services.trading.wire import Wire

NAME = "ll-" + "0" * 40
ORDER = {
    "id": "61e69015-8549-4bfd-b9c3-01e75843f47d",
    "client_order_id": NAME,
    "status": "accepted",
    "filled_qty": "0",
    "filled_avg_price": None,
    "updated_at": "2018-10-01T20:00:00.123456789Z",
}
ACCOUNT = {
    "status": "ACTIVE",
    "equity": "100123.45",
    "cash": "90000.10",
    "trading_blocked": False,
    "account_blocked": False,
    "trade_suspended_by_user": False,
}
BY_NAME = "/v2/orders:by_client_order_id"


@pytest.fixture
def pauses() -> list[float]:
    return []


@pytest.fixture
def venue(server: Any, pauses: list[float]) -> Iterator[AlpacaVenue]:
    headers = {"APCA-API-KEY-ID": "key-id", "APCA-API-SECRET-KEY": "very-secret"}
    timeout = httpx.Timeout(0.5)
    made = AlpacaVenue(*(Wire(server.url, headers, pause=pauses.append, timeout=timeout) for _ in range(2)))
    yield made
    made.close()


def body(value: Any) -> bytes:
    return json.dumps(value).encode()


def test_the_clock_is_read_in_utc(server: Any, scripted: ModuleType, venue: AlpacaVenue) -> None:
    said = {
        "timestamp": "2018-10-01T09:45:00.123456789-04:00",
        "is_open": True,
        "next_open": "2018-10-02T09:30:00-04:00",
        "next_close": "2018-10-01T16:00:00-04:00",
    }
    server.reply("/v2/clock", scripted.Reply(body=body(said)))
    clock = venue.clock()
    assert clock.now == datetime(2018, 10, 1, 13, 45, 0, 123456, tzinfo=UTC)
    assert clock.next_close == datetime(2018, 10, 1, 20, tzinfo=UTC)
    assert clock.is_open


def test_money_is_read_as_decimals(server: Any, scripted: ModuleType, venue: AlpacaVenue) -> None:
    server.reply("/v2/account", scripted.Reply(body=body(ACCOUNT)))
    account = venue.account()
    assert (account.equity, account.cash, account.blocked) == (Decimal("100123.45"), Decimal("90000.10"), None)


@pytest.mark.parametrize(
    ("change", "blocked"),
    [
        ({"trading_blocked": True}, "trading_blocked"),
        ({"account_blocked": True}, "account_blocked"),
        ({"status": "ACCOUNT_CLOSED"}, "status is 'ACCOUNT_CLOSED'"),
        ({"trade_suspended_by_user": None}, "trade_suspended_by_user"),
    ],
)
def test_an_account_that_does_not_clearly_trade_is_blocked(
    server: Any, scripted: ModuleType, venue: AlpacaVenue, change: dict[str, Any], blocked: str
) -> None:
    server.reply("/v2/account", scripted.Reply(body=body({**ACCOUNT, **change})))
    assert venue.account().blocked == blocked


def test_a_short_position_is_negative(server: Any, scripted: ModuleType, venue: AlpacaVenue) -> None:
    held = [
        {"symbol": "AAPL", "qty": "10", "side": "long", "avg_entry_price": "200.5"},
        {"symbol": "MSFT", "qty": "-3", "side": "short", "avg_entry_price": "100"},
        {"symbol": "TSLA", "qty": "2", "side": "short", "avg_entry_price": "300"},
    ]
    server.reply("/v2/positions", scripted.Reply(body=body(held)))
    assert {each.symbol: each.quantity for each in venue.positions()} == {"AAPL": 10, "MSFT": -3, "TSLA": -2}


@pytest.mark.parametrize("said", [b"<html>bad gateway</html>", b"[]", b'{"equity": "lots"}', b"\xff", b'{"cash": NaN}'])
def test_an_answer_that_makes_no_sense_is_no_account(
    server: Any, scripted: ModuleType, venue: AlpacaVenue, said: bytes
) -> None:
    server.reply("/v2/account", scripted.Reply(body=said))
    with pytest.raises(VenueAnswerMalformed):
        venue.account()


def test_bars_come_from_every_page_by_the_exchange_s_date(
    server: Any, scripted: ModuleType, venue: AlpacaVenue
) -> None:
    bar = {"o": 1.1, "h": 2.2, "l": 0.9, "c": 1.25, "v": 100, "n": 3, "vw": 1.2}
    first = {"bars": {"AAPL": [{"t": "2018-10-02T04:00:00Z", **bar}]}, "next_page_token": "more"}
    last = {
        "bars": {"AAPL": [{"t": "2018-10-01T04:00:00Z", **bar}], "MSFT": [{"t": "2018-10-02T04:00:00Z", **bar}]},
        "next_page_token": None,
    }
    server.reply("/v2/stocks/bars", scripted.Reply(body=body(first)), scripted.Reply(body=body(last)))
    answer = venue.bars(["AAPL", "MSFT", "TSLA"], first=date(2018, 9, 28), now=datetime(2018, 10, 2, 21, tzinfo=UTC))
    assert [each.session for each in answer.bars["AAPL"]] == [date(2018, 10, 1), date(2018, 10, 2)]
    assert answer.bars["AAPL"][0].close == Decimal("1.25")
    assert answer.bars["TSLA"] == []
    assert answer.pages == (body(first), body(last))
    assert "page_token=more" in server.asked[-1].query
    assert "adjustment=raw" in server.asked[0].query


def test_pages_that_do_not_end_are_no_answer(server: Any, scripted: ModuleType, venue: AlpacaVenue) -> None:
    server.reply("/v2/stocks/bars", scripted.Reply(body=body({"bars": {}, "next_page_token": "again"})))
    with pytest.raises(VenueAnswerMalformed):
        venue.bars(["AAPL"], first=date(2018, 9, 28), now=datetime(2018, 10, 2, tzinfo=UTC))


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_question_is_repeated_while_the_venue_is_in_trouble(
    server: Any, scripted: ModuleType, venue: AlpacaVenue, status: int
) -> None:
    server.reply("/v2/account", scripted.Reply(status), scripted.Reply(lost=True), scripted.Reply(body=body(ACCOUNT)))
    assert venue.account().equity == Decimal("100123.45")
    assert server.count("GET", "/v2/account") == 3


def test_a_venue_that_asks_for_patience_gets_it(
    server: Any, scripted: ModuleType, venue: AlpacaVenue, pauses: list[float]
) -> None:
    server.reply("/v2/account", scripted.Reply(429, headers={"retry-after": "2"}), scripted.Reply(body=body(ACCOUNT)))
    venue.account()
    assert pauses == [2.0]


def test_a_venue_that_asks_for_too_much_patience_is_asked_later(
    server: Any, scripted: ModuleType, venue: AlpacaVenue, pauses: list[float]
) -> None:
    server.reply("/v2/account", scripted.Reply(429, headers={"retry-after": "600"}))
    with pytest.raises(VenueUnavailable):
        venue.account()
    assert (pauses, server.count("GET", "/v2/account")) == ([], 1)


def test_a_venue_that_stays_down_is_given_up_for_now(server: Any, scripted: ModuleType, venue: AlpacaVenue) -> None:
    server.reply("/v2/clock", scripted.Reply(503))
    with pytest.raises(VenueUnavailable):
        venue.clock()
    assert server.count("GET", "/v2/clock") == 4


@pytest.mark.parametrize("status", [400, 401, 403, 302])
def test_a_refused_question_is_not_repeated(server: Any, scripted: ModuleType, venue: AlpacaVenue, status: int) -> None:
    server.reply("/v2/account", scripted.Reply(status, headers={"location": f"{server.url}/elsewhere"}))
    with pytest.raises(VenueRefused):
        venue.account()
    assert len(server.asked) == 1


def test_an_order_is_sent_as_decimals_in_text(server: Any, scripted: ModuleType, venue: AlpacaVenue) -> None:
    intent = OrderIntent(
        symbol="AAPL",
        session=date(2018, 10, 1),
        side=Side.BUY,
        quantity=Decimal(12),
        reference_price=Decimal("227.26"),
        reason=OrderReason.SIGNAL,
        bundle="b" * 64,
    )
    answered = {**ORDER, "client_order_id": intent.client_order_id}
    server.reply("/v2/orders", scripted.Reply(body=body(answered)))
    seen = venue.submit(intent.client_order_id, venue.encode(intent))
    assert json.loads(server.asked[0].body) == {
        "symbol": "AAPL",
        "qty": "12",
        "side": "buy",
        "type": "market",
        "time_in_force": "day",
        "client_order_id": intent.client_order_id,
    }
    assert (seen.state, seen.venue_id) == (OrderState.ACCEPTED, ORDER["id"])


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504, 404, 302])
def test_an_order_that_was_not_clearly_refused_is_sent_once_and_unknown(
    server: Any, scripted: ModuleType, venue: AlpacaVenue, status: int
) -> None:
    server.reply("/v2/orders", scripted.Reply(status, headers={"location": "/v2/elsewhere"}))
    with pytest.raises(OutcomeUnknown):
        venue.submit(NAME, b"{}")
    assert len(server.asked) == 1


@pytest.mark.parametrize("said", [b"", b"<html>", b"{}", body({**ORDER, "client_order_id": "another"})])
def test_an_order_whose_answer_makes_no_sense_is_unknown(
    server: Any, scripted: ModuleType, venue: AlpacaVenue, said: bytes
) -> None:
    server.reply("/v2/orders", scripted.Reply(body=said))
    with pytest.raises(OutcomeUnknown):
        venue.submit(NAME, b"{}")


def test_an_order_whose_answer_is_lost_is_sent_once_and_unknown(
    server: Any, scripted: ModuleType, venue: AlpacaVenue
) -> None:
    server.reply("/v2/orders", scripted.Reply(lost=True))
    with pytest.raises(OutcomeUnknown):
        venue.submit(NAME, b"{}")
    assert server.count("POST", "/v2/orders") == 1


def test_a_name_that_is_taken_already_is_asked_about_and_no_refusal(
    server: Any, scripted: ModuleType, venue: AlpacaVenue
) -> None:
    taken = {"code": 40010001, "message": "client_order_id must be unique"}
    server.reply("/v2/orders", scripted.Reply(422, body=body(taken)))
    with pytest.raises(OutcomeUnknown):
        venue.submit(NAME, b"{}")


@pytest.mark.parametrize(("status", "code"), [(403, 40310000), (422, 42210000), (400, 40010000), (401, 40110000)])
def test_a_clear_refusal_is_one(server: Any, scripted: ModuleType, venue: AlpacaVenue, status: int, code: int) -> None:
    server.reply("/v2/orders", scripted.Reply(status, body=body({"code": code, "message": "insufficient"})))
    with pytest.raises(OrderRefused):
        venue.submit(NAME, b"{}")


def test_an_order_that_the_venue_does_not_know_is_none(server: Any, scripted: ModuleType, venue: AlpacaVenue) -> None:
    server.reply(BY_NAME, scripted.Reply(404, body=body({"code": 40410000})))
    assert venue.find_order(NAME) is None


def test_no_answer_about_an_order_is_not_the_same_as_none(
    server: Any, scripted: ModuleType, venue: AlpacaVenue
) -> None:
    server.reply(BY_NAME, scripted.Reply(500))
    with pytest.raises(VenueUnavailable):
        venue.find_order(NAME)


def test_fills_are_read_as_decimals(server: Any, scripted: ModuleType, venue: AlpacaVenue) -> None:
    filled = {**ORDER, "status": "partially_filled", "filled_qty": "4", "filled_avg_price": "227.2613"}
    server.reply(BY_NAME, scripted.Reply(body=body(filled)))
    seen = venue.find_order(NAME)
    assert seen is not None
    assert (seen.state, seen.filled, seen.average_price) == (
        OrderState.PARTIALLY_FILLED,
        Decimal(4),
        Decimal("227.2613"),
    )


def test_secrets_are_sent_and_never_said(
    server: Any, scripted: ModuleType, venue: AlpacaVenue, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server.reply("/v2/account", scripted.Reply(500), scripted.Reply(403, body=b"forbidden"))
    with pytest.raises(VenueRefused) as refused:
        venue.account()
    assert server.asked[0].headers["apca-api-secret-key"] == "very-secret"
    assert "very-secret" not in caplog.text + str(refused.value)
