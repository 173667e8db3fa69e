"""An order's life on record: committed once, sent by one, and never doubled by what is said twice."""

from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from ledgerline.audit import Kind, Ledger
from ledgerline.audit.verify import entries_holding
from ledgerline.decisions.trading.halt import halt_trading
from ledgerline.decisions.trading.order import OrderIntent, Side
from ledgerline.decisions.trading.orders import (
    Fenced,
    SessionPlan,
    all_orders,
    claim,
    commit_session,
    is_decided,
    last_decided,
    open_orders,
    record_refused,
    record_seen,
    record_unknown,
    release,
    take_fence,
)
from ledgerline.decisions.trading.states import OrderState
from ledgerline.decisions.trading.venue import VenueOrder

Make = Callable[..., OrderIntent]
Plan = Callable[..., SessionPlan]
Seen = Callable[..., VenueOrder]
NOW = "2018-10-01"


@pytest.fixture
def token(ledger: Ledger) -> int:
    return take_fence(ledger)


@pytest.fixture
def name(ledger: Ledger, plan: Plan, intent: Make, token: int) -> str:
    """The name of the one order of a committed session."""
    assert commit_session(ledger, plan(intent()), token=token)
    return intent().client_order_id


def state_of(ledger: Ledger, name: str) -> OrderState:
    [order] = [order for order in all_orders(ledger) if order.client_order_id == name]
    return order.state


def take(ledger: Ledger, name: str, token: int, **later: Any) -> bytes | None:
    return claim(ledger, name, token=token, venue_now=ledger.clock.now() + timedelta(**later))


def test_equal_orders_have_equal_names_and_others_do_not(intent: Make) -> None:
    assert intent().client_order_id == intent(quantity=Decimal(7)).client_order_id
    changes = [{"symbol": "MSFT"}, {"session": date(2018, 10, 2)}, {"side": Side.SELL}, {"attempt": 2}]
    assert len({intent(**change).client_order_id for change in [{}, {"bundle": "a" * 64}, *changes]}) == 6


def test_a_session_is_put_on_record_once(ledger: Ledger, plan: Plan, intent: Make, token: int) -> None:
    assert commit_session(ledger, plan(intent()), token=token)
    before = entries_holding(ledger.log)
    assert not commit_session(ledger, plan(intent(quantity=Decimal(99))), token=token)
    assert entries_holding(ledger.log) == before
    assert [order.quantity for order in all_orders(ledger)] == [10]
    assert is_decided(ledger, date(2018, 10, 1))
    assert last_decided(ledger) == date(2018, 10, 1)


def test_an_intent_names_its_decision_its_verdicts_and_the_account(ledger: Ledger, name: str) -> None:
    leaf = ledger.log.latest(Kind.ORDER_INTENT, client_order_id=name)
    assert leaf is not None
    assert leaf.identity["allowed"] is True
    assert [role for role, _ in ledger.log.parents(leaf.id)] == ["decision", "account"]
    assert [parent.kind for _, parent in ledger.log.parents(leaf.id)] == [Kind.DECISION, Kind.REQUEST]


def test_a_denied_order_is_on_record_and_never_leaves(ledger: Ledger, plan: Plan, intent: Make, token: int) -> None:
    commit_session(ledger, plan(intent(), denied=frozenset({"AAPL"})), token=token)
    [order] = all_orders(ledger)
    assert (order.state, order.refusal) == (OrderState.DENIED, "not_enough_cash: said so")
    assert take(ledger, order.client_order_id, token) is None


def test_an_order_is_taken_up_once(ledger: Ledger, name: str, token: int) -> None:
    assert take(ledger, name, token) == b"send AAPL"
    assert take(ledger, name, token) is None
    assert state_of(ledger, name) is OrderState.SENDING


def test_an_order_whose_fate_is_unknown_is_not_taken_up_until_it_was_asked_about(
    ledger: Ledger, name: str, token: int
) -> None:
    take(ledger, name, token)
    record_unknown(ledger, name)
    assert take(ledger, name, token) is None
    release(ledger, name, token=token)
    assert take(ledger, name, token) == b"send AAPL"


def test_a_job_that_was_outdated_commits_and_sends_nothing(
    ledger: Ledger, plan: Plan, intent: Make, name: str, token: int
) -> None:
    newer = take_fence(ledger)
    for act in (
        lambda: take(ledger, name, token),
        lambda: release(ledger, name, token=token),
        lambda: commit_session(ledger, plan(session=date(2018, 10, 2)), token=token),
    ):
        with pytest.raises(Fenced):
            act()
    assert take(ledger, name, newer) == b"send AAPL"


def test_an_order_whose_session_has_passed_is_not_sent(ledger: Ledger, name: str, token: int) -> None:
    assert take(ledger, name, token, days=1) is None
    assert state_of(ledger, name) is OrderState.NOT_SENT


def test_a_purchase_that_was_not_sent_before_a_halt_is_not_sent_after_it(ledger: Ledger, name: str, token: int) -> None:
    halt_trading(ledger, person="Ada Lovelace", reason="prices look wrong")
    assert take(ledger, name, token) is None
    assert state_of(ledger, name) is OrderState.NOT_SENT


def test_what_the_venue_repeats_is_recorded_once(ledger: Ledger, name: str, token: int, seen: Seen) -> None:
    take(ledger, name, token)
    answers = [
        seen(name, OrderState.ACCEPTED),
        seen(name, OrderState.PARTIALLY_FILLED, filled="4", price="200.10"),
        seen(name, OrderState.FILLED, filled="10", price="200.20"),
    ]
    assert [record_seen(ledger, answer) for answer in answers] == [True, True, True]
    assert [record_seen(ledger, answer) for answer in answers] == [False, False, False]
    assert len(ledger.log.leaves(Kind.VENUE_EVENT)) == 3
    [order] = all_orders(ledger)
    assert (order.state, order.filled, order.average_price) == (OrderState.FILLED, 10, Decimal("200.20"))
    assert open_orders(ledger) == []


def test_a_fill_that_overtakes_its_acceptance_stands(ledger: Ledger, name: str, token: int, seen: Seen) -> None:
    take(ledger, name, token)
    assert record_seen(ledger, seen(name, OrderState.FILLED, filled="10", price="200"))
    assert not record_seen(ledger, seen(name, OrderState.ACCEPTED))
    assert state_of(ledger, name) is OrderState.FILLED


def test_an_order_canceled_after_part_of_it_was_filled_keeps_that_part(
    ledger: Ledger, name: str, token: int, seen: Seen
) -> None:
    take(ledger, name, token)
    record_seen(ledger, seen(name, OrderState.PARTIALLY_FILLED, filled="4", price="200"))
    assert record_seen(ledger, seen(name, OrderState.CANCELED, filled="4", price="200"))
    [order] = all_orders(ledger)
    assert (order.state, order.filled) == (OrderState.CANCELED, 4)


def test_an_order_given_up_that_the_venue_has_after_all_is_believed(
    ledger: Ledger, name: str, token: int, seen: Seen
) -> None:
    take(ledger, name, token, days=1)
    assert record_seen(ledger, seen(name, OrderState.FILLED, filled="10", price="200"))
    assert state_of(ledger, name) is OrderState.FILLED


def test_a_refusal_of_the_venue_ends_an_order_and_is_on_record(ledger: Ledger, name: str, token: int) -> None:
    take(ledger, name, token)
    record_refused(ledger, name, "HTTP 403 insufficient buying power")
    [order] = all_orders(ledger)
    assert (order.state, order.refusal) == (OrderState.REJECTED, "HTTP 403 insufficient buying power")
    assert len(ledger.log.leaves(Kind.VENUE_EVENT, client_order_id=name)) == 1
