"""However the exchange fails, an order of one name is there once or not at all, and whoever asks learns which."""

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest

from ledgerline.decisions.trading.order import OrderIntent, OrderReason, Side
from ledgerline.decisions.trading.states import OrderState
from ledgerline.decisions.trading.venue import OutcomeUnknown, VenueAnswerMalformed, VenueOrder, VenueUnavailable
from ledgerline.services.trading.alpaca import AlpacaVenue
from ledgerline.services.trading.wire import Wire

TIMEOUT = httpx.Timeout(0.5)


def intent(attempt: int, symbol: str = "ALAR", quantity: int = 3) -> OrderIntent:
    return OrderIntent(
        symbol=symbol,
        session=date(2018, 9, 28),
        side=Side.BUY,
        quantity=Decimal(quantity),
        reference_price=Decimal(50),
        reason=OrderReason.SIGNAL,
        bundle="0" * 64,
        attempt=attempt,
    )


@pytest.fixture
def venue(exchange: Any, exchanges: ModuleType) -> Iterator[AlpacaVenue]:
    headers = {"APCA-API-KEY-ID": exchanges.KEY_ID, "APCA-API-SECRET-KEY": exchanges.SECRET_KEY}
    wires = [Wire(exchange.url, headers, pause=lambda _: None, timeout=TIMEOUT) for _ in range(2)]
    venue = AlpacaVenue(*wires)
    yield venue
    venue.close()
    exchange.sandbox("DELETE", "faults")


@pytest.fixture
def fail(exchange: Any) -> Callable[..., None]:
    def ordered(kind: str, path: str = "/v2/orders", **more: Any) -> None:
        exchange.sandbox("POST", "faults", {"kind": kind, "path": path, **more})

    return ordered


def submit(venue: AlpacaVenue, wanted: OrderIntent) -> VenueOrder:
    return venue.submit(wanted.client_order_id, venue.encode(wanted))


def names(exchange: Any, exchanges: ModuleType) -> list[str]:
    headers = {"APCA-API-KEY-ID": exchanges.KEY_ID, "APCA-API-SECRET-KEY": exchanges.SECRET_KEY}
    url = f"{exchange.url}/v2/orders?status=all&limit=500"
    return [order["client_order_id"] for order in httpx.get(url, headers=headers, trust_env=False).json()]


def test_error_before_the_effect_leaves_no_order_and_it_may_be_sent_again(
    exchange: Any, exchanges: ModuleType, venue: AlpacaVenue, fail: Callable[..., None]
) -> None:
    wanted = intent(1)
    fail("500", method="POST")
    with pytest.raises(OutcomeUnknown, match="HTTP 500"):
        submit(venue, wanted)
    assert venue.find_order(wanted.client_order_id) is None
    assert submit(venue, wanted).state is OrderState.ACCEPTED
    assert names(exchange, exchanges).count(wanted.client_order_id) == 1


@pytest.mark.parametrize(
    ("attempt", "fault"), [(2, {"kind": "timeout", "seconds": 1.0}), (3, {"kind": "drop_after_commit"})]
)
def test_order_whose_answer_is_lost_is_there_once(
    exchange: Any,
    exchanges: ModuleType,
    venue: AlpacaVenue,
    fail: Callable[..., None],
    attempt: int,
    fault: dict[str, Any],
) -> None:
    wanted = intent(attempt)
    fail(method="POST", **fault)
    with pytest.raises(OutcomeUnknown, match="no answer"):
        submit(venue, wanted)
    found = venue.find_order(wanted.client_order_id)
    assert found is not None
    assert found.state is OrderState.ACCEPTED
    with pytest.raises(OutcomeUnknown, match="must be unique"):  # sending it blindly again is not a second order
        submit(venue, wanted)
    assert names(exchange, exchanges).count(wanted.client_order_id) == 1
    exchange.sandbox("POST", "clock", {"steps": 1})
    filled = venue.find_order(wanted.client_order_id)
    assert filled is not None
    assert (filled.state, filled.filled) == (OrderState.FILLED, 3)


def test_repeated_answer_about_another_order_is_not_taken_for_this_one(
    exchange: Any, exchanges: ModuleType, venue: AlpacaVenue, fail: Callable[..., None]
) -> None:
    first, second = intent(4), intent(5)
    submit(venue, first)
    fail("repeat", method="POST")
    with pytest.raises(OutcomeUnknown, match="told about"):
        submit(venue, second)
    assert venue.find_order(first.client_order_id) is not None
    fail("repeat", "/v2/orders:by_client_order_id")
    with pytest.raises(VenueAnswerMalformed, match="told about"):
        venue.find_order(second.client_order_id)
    assert venue.find_order(second.client_order_id) is None
    assert submit(venue, second).state is OrderState.ACCEPTED
    assert names(exchange, exchanges).count(second.client_order_id) == 1


def test_order_that_a_repeated_answer_denies_is_sent_again_and_is_still_there_once(
    exchange: Any, exchanges: ModuleType, venue: AlpacaVenue, fail: Callable[..., None]
) -> None:
    wanted = intent(7)
    assert venue.find_order(wanted.client_order_id) is None
    submit(venue, wanted)
    fail("repeat", "/v2/orders:by_client_order_id")
    assert venue.find_order(wanted.client_order_id) is None  # an answer from before the order was sent
    with pytest.raises(OutcomeUnknown, match="must be unique"):
        submit(venue, wanted)
    assert names(exchange, exchanges).count(wanted.client_order_id) == 1


def test_repeated_fill_is_the_same_fill(exchange: Any, venue: AlpacaVenue, fail: Callable[..., None]) -> None:
    wanted = intent(6, "BIAH")
    submit(venue, wanted)
    exchange.sandbox("POST", "clock", {"steps": 1})
    once = venue.find_order(wanted.client_order_id)
    fail("repeat", "/v2/orders:by_client_order_id")
    assert venue.find_order(wanted.client_order_id) == once
    held = {position.symbol: position.quantity for position in venue.positions()}
    assert held["BIAH"] == 3


def test_questions_are_asked_again_until_they_are_answered(
    venue: AlpacaVenue, exchange: Any, fail: Callable[..., None]
) -> None:
    fail("500", "/v2/clock", times=2)
    assert venue.clock().now >= datetime(2018, 10, 1, tzinfo=UTC)
    fail("drop_after_commit", "/v2/positions", times=1)
    venue.positions()
    fail("500", "/v2/*", times=4)
    with pytest.raises(VenueUnavailable, match="HTTP 500"):
        venue.account()
    assert exchange.sandbox("GET", "faults") == []
    assert venue.account().blocked is None


def test_faults_touch_the_venue_alone_and_are_listed_until_they_have_happened(
    exchange: Any, fail: Callable[..., None]
) -> None:
    fail("500", "/v2/*", times=2)
    assert exchange.sandbox("GET", "clock")["ended"] is False
    assert exchange.sandbox("GET", "faults") == [
        {"path": "/v2/*", "kind": "500", "times": 2, "method": None, "seconds": 30.0}
    ]
    assert exchange.sandbox("DELETE", "faults") == []
    elsewhere = {"path": "/sandbox/clock", "kind": "500"}
    response = httpx.post(f"{exchange.url}/sandbox/faults", json=elsewhere, trust_env=False)
    assert response.status_code == 400


def test_exchange_that_is_told_to_stop_does_not_wait_for_an_answer_that_is_held_back(
    start: Callable[[Path, Path], Any], exchanges: ModuleType, world: Path, tmp_path: Path
) -> None:
    exchange = start(world, tmp_path / "exchange.db")
    exchange.sandbox("POST", "faults", {"path": "/v2/account", "kind": "timeout", "seconds": 600})
    headers = {"APCA-API-KEY-ID": exchanges.KEY_ID, "APCA-API-SECRET-KEY": exchanges.SECRET_KEY}
    with pytest.raises(httpx.TimeoutException):
        httpx.get(f"{exchange.url}/v2/account", headers=headers, timeout=0.3, trust_env=False)
    exchange.process.terminate()
    assert exchange.process.wait(20) == 0
