"""What came of orders: fills as the venue told of them, and gains once nothing more can change them."""

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from ledgerline.audit import Kind, Ledger, RecordedLeaf
from ledgerline.audit.graph import EDGES
from ledgerline.audit.verify import check_log, entries_holding
from ledgerline.decisions.trading.book import book_of
from ledgerline.decisions.trading.order import OrderIntent, Side
from ledgerline.decisions.trading.orders import SessionPlan, all_orders, claim, commit_session, record_seen, take_fence
from ledgerline.decisions.trading.outcomes import newest_event, record_trade_outcomes
from ledgerline.decisions.trading.states import OrderState
from ledgerline.decisions.trading.venue import VenueOrder

Place = Callable[..., str]
Seen = Callable[..., VenueOrder]


@pytest.fixture
def place(ledger: Ledger, plan: Callable[..., SessionPlan], intent: Callable[..., OrderIntent]) -> Place:
    """Sends an order in a session of its own and returns its name."""
    token = take_fence(ledger)

    def make(day: int, side: Side, quantity: str, symbol: str = "AAPL") -> str:
        session = date(2018, 10, day)
        order = intent(symbol=symbol, session=session, side=side, quantity=Decimal(quantity))
        commit_session(ledger, plan(order, session=session), token=token)
        claim(ledger, order.client_order_id, token=token, venue_now=ledger.clock.now())
        return order.client_order_id

    return make


@pytest.fixture
def fill(ledger: Ledger, seen: Seen) -> Callable[..., None]:
    def tell(name: str, filled: str, price: str, state: OrderState = OrderState.FILLED) -> None:
        record_seen(ledger, seen(name, state, filled=filled, price=price))

    return tell


def came(ledger: Ledger) -> list[dict[str, Any]]:
    return [dict(leaf.identity["came"]) for leaf in ledger.log.leaves(Kind.OUTCOME)]


def gains(ledger: Ledger) -> list[tuple[str, str]]:
    return [(each["closed"], each["gain"]) for each in came(ledger) if "gain" in each]


def parents(ledger: Ledger, leaf: RecordedLeaf) -> dict[str, Kind]:
    return {role: parent.kind for role, parent in ledger.log.parents(leaf.id)}


def test_every_fill_is_an_outcome_of_its_decision_its_order_and_the_venue_s_word(
    ledger: Ledger, place: Place, fill: Callable[..., None]
) -> None:
    name = place(1, Side.BUY, "10")
    fill(name, "4", "100", OrderState.PARTIALLY_FILLED)
    fill(name, "10", "102.5")
    assert record_trade_outcomes(ledger) == 2
    assert came(ledger) == [
        {"filled": "4", "average_price": "100", "quantity": "4"},
        {"filled": "10", "average_price": "102.5", "quantity": "6"},
    ]
    for leaf, status in zip(ledger.log.leaves(Kind.OUTCOME), ("partially_filled", "filled"), strict=True):
        assert parents(ledger, leaf) == {
            "decision": Kind.DECISION,
            "intent": Kind.ORDER_INTENT,
            "event": Kind.VENUE_EVENT,
        }
        assert ledger.log.get(leaf.identity["intent"]).identity["client_order_id"] == name
        assert ledger.log.get(leaf.identity["event"]).identity["status"] == status


def test_a_closed_quantity_has_its_gain_against_the_average_cost_to_the_cent_and_beyond(
    ledger: Ledger, place: Place, fill: Callable[..., None]
) -> None:
    fill(place(1, Side.BUY, "10"), "10", "100.10")
    fill(place(2, Side.BUY, "10"), "10", "110.30")
    fill(place(3, Side.SELL, "15"), "15", "120.00")
    record_trade_outcomes(ledger)
    assert gains(ledger) == [("15", "222.00")]
    assert sum(Decimal(gain) for _, gain in gains(ledger)) == book_of(all_orders(ledger)).realised


def test_an_order_that_turns_a_position_gains_on_what_it_closed_alone(
    ledger: Ledger, place: Place, fill: Callable[..., None]
) -> None:
    fill(place(1, Side.BUY, "5"), "5", "100")
    fill(place(2, Side.SELL, "8"), "8", "110")
    fill(place(3, Side.BUY, "3"), "3", "105")
    record_trade_outcomes(ledger)
    assert gains(ledger) == [("5", "50"), ("3", "15")]


def test_a_gain_is_not_told_while_more_may_come_of_the_order_or_of_one_before_it(
    ledger: Ledger, place: Place, fill: Callable[..., None]
) -> None:
    first = place(1, Side.BUY, "10")
    fill(first, "4", "100", OrderState.PARTIALLY_FILLED)
    last = place(2, Side.SELL, "4")
    fill(last, "3", "110", OrderState.PARTIALLY_FILLED)
    record_trade_outcomes(ledger)
    fill(last, "4", "110")
    record_trade_outcomes(ledger)
    assert gains(ledger) == []
    fill(first, "4", "100", OrderState.CANCELED)
    record_trade_outcomes(ledger)
    assert gains(ledger) == [("4", "40")]


def test_what_was_recorded_is_recorded_once_and_only_what_moved_is_looked_at_again(
    ledger: Ledger, place: Place, fill: Callable[..., None]
) -> None:
    fill(place(1, Side.BUY, "10"), "10", "100")
    record_trade_outcomes(ledger)
    before, looked = entries_holding(ledger.log), newest_event(ledger)
    assert record_trade_outcomes(ledger) == 0
    assert entries_holding(ledger.log) == before
    fill(place(2, Side.SELL, "10"), "10", "90")
    fill(place(3, Side.BUY, "1", "MSFT"), "1", "50")
    assert record_trade_outcomes(ledger, after=looked) == 3
    assert gains(ledger) == [("10", "-100")]


def test_a_fill_that_the_venue_tells_after_the_last_word_is_a_second_outcome_and_the_first_stays(
    ledger: Ledger, place: Place, fill: Callable[..., None]
) -> None:
    fill(place(1, Side.BUY, "10"), "10", "100")
    last = place(2, Side.SELL, "10")
    fill(last, "6", "110", OrderState.CANCELED)
    record_trade_outcomes(ledger)
    fill(last, "10", "112")
    record_trade_outcomes(ledger)
    assert gains(ledger) == [("6", "60"), ("10", "120")]


def test_an_order_of_which_nothing_was_filled_has_no_outcome(ledger: Ledger, place: Place, seen: Seen) -> None:
    record_seen(ledger, seen(place(1, Side.BUY, "10"), OrderState.CANCELED))
    assert record_trade_outcomes(ledger) == 0
    assert came(ledger) == []


def test_outcomes_fit_the_grammar_and_the_log_holds(ledger: Ledger, place: Place, fill: Callable[..., None]) -> None:
    fill(place(1, Side.BUY, "10"), "10", "100")
    fill(place(2, Side.SELL, "10"), "10", "90")
    record_trade_outcomes(ledger)
    broken = {finding.sequence for finding in check_log(ledger.log, grammar=EDGES).findings}
    assert not broken & {leaf.sequence for leaf in ledger.log.leaves(Kind.OUTCOME)}
