"""Our own book, the high-water mark, HALT, and the report over all of it."""

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from ledgerline.audit import Kind, Ledger
from ledgerline.core.clock import FixedClock
from ledgerline.core.settings import Settings
from ledgerline.decisions.trading.book import book_of, differences, trading_status
from ledgerline.decisions.trading.halt import HaltRefused, clear_halt, halt_in_force, halt_trading
from ledgerline.decisions.trading.marks import day_start, record_mark, record_standing, standing
from ledgerline.decisions.trading.order import OrderIntent, Side
from ledgerline.decisions.trading.orders import (
    SessionPlan,
    all_orders,
    claim,
    commit_session,
    record_seen,
    take_fence,
)
from ledgerline.decisions.trading.performance import performance
from ledgerline.decisions.trading.states import OrderState
from ledgerline.decisions.trading.venue import Account, VenueOrder, VenuePosition

Trade = Callable[[date, str, Side, str, str], None]


@pytest.fixture
def trade(
    ledger: Ledger,
    plan: Callable[..., SessionPlan],
    intent: Callable[..., OrderIntent],
    seen: Callable[..., VenueOrder],
) -> Trade:
    """Orders and fills something in a session of its own."""
    token = take_fence(ledger)

    def make(session: date, symbol: str, side: Side, quantity: str, price: str) -> None:
        order = intent(symbol=symbol, session=session, side=side, quantity=Decimal(quantity))
        commit_session(ledger, plan(order, session=session), token=token)
        claim(ledger, order.client_order_id, token=token, venue_now=ledger.clock.now())
        record_seen(ledger, seen(order.client_order_id, OrderState.FILLED, filled=quantity, price=price))

    return make


def account(equity: str, cash: str = "0") -> Account:
    return Account(Decimal(equity), Decimal(cash), None, f"{equity} {cash}".encode())


def test_fills_add_up_to_positions_at_average_cost_and_to_gains(ledger: Ledger, trade: Trade) -> None:
    trade(date(2018, 10, 1), "AAPL", Side.BUY, "10", "100")
    trade(date(2018, 10, 2), "AAPL", Side.BUY, "10", "110")
    trade(date(2018, 10, 3), "AAPL", Side.SELL, "15", "120")
    trade(date(2018, 10, 4), "MSFT", Side.BUY, "3", "50")
    book = book_of(all_orders(ledger))
    assert {symbol: (held.quantity, held.cost) for symbol, held in book.holdings.items()} == {
        "AAPL": (5, 105),
        "MSFT": (3, 50),
    }
    assert book.gains == (225,)


def test_the_venue_is_compared_symbol_by_symbol(ledger: Ledger, trade: Trade) -> None:
    trade(date(2018, 10, 1), "AAPL", Side.BUY, "10", "100")
    book = book_of(all_orders(ledger))
    ours = VenuePosition("AAPL", Decimal("10.0"), Decimal(100))
    stranger = VenuePosition("TSLA", Decimal(1), Decimal(300))
    assert differences(book, [ours]) is None
    assert differences(book, [ours, stranger]) == "positions differ: TSLA: ours 0, the venue's 1"
    assert differences(book, []) == "positions differ: AAPL: ours 10, the venue's 0"


def test_the_high_water_mark_survives_a_restart(tmp_path: Path, ledger: Ledger) -> None:
    record_mark(ledger, date(2018, 10, 1), account("120000"))
    again = Ledger.open(Settings(home=ledger.settings.home), FixedClock(ledger.clock.now()))
    assert record_mark(again, date(2018, 10, 2), account("100000")).high_water == 120_000


def test_a_high_within_a_session_counts_although_its_mark_is_replaced(ledger: Ledger) -> None:
    record_mark(ledger, date(2018, 10, 1), account("120000"))
    record_mark(ledger, date(2018, 10, 1), account("100000"))
    assert record_mark(ledger, date(2018, 10, 2), account("99000")).high_water == 120_000
    assert day_start(ledger, date(2018, 10, 2), otherwise=Decimal(0)) == 100_000


def test_a_halt_holds_over_a_restart_until_a_person_clears_it(ledger: Ledger) -> None:
    halt_trading(ledger, person="Ada Lovelace", reason="prices look wrong")
    again = Ledger.open(Settings(home=ledger.settings.home), FixedClock(ledger.clock.now()))
    halt = halt_in_force(again)
    assert halt is not None
    assert (halt.person, halt.reason) == ("Ada Lovelace", "prices look wrong")
    clear_halt(again, person="Grace Hopper", reason="the vendor has corrected them")
    assert halt_in_force(ledger) is None
    actions = [(leaf.identity["action"], leaf.identity["person"]) for leaf in ledger.log.leaves(Kind.HALT)]
    assert actions == [("halt", "Ada Lovelace"), ("clear", "Grace Hopper")]


def test_the_same_halt_twice_in_a_row_is_one_and_after_a_clearance_another(ledger: Ledger) -> None:
    for _ in range(2):
        halt_trading(ledger, person="Ada", reason="test")
    clear_halt(ledger, person="Ada", reason="done")
    halt_trading(ledger, person="Ada", reason="test")
    assert len(ledger.log.leaves(Kind.HALT)) == 3
    assert halt_in_force(ledger) is not None


@pytest.mark.parametrize(("person", "reason"), [("", "why"), ("  ", "why"), ("Ada", ""), ("Ada", " ")])
def test_nobody_halts_or_clears_without_name_and_reason(ledger: Ledger, person: str, reason: str) -> None:
    with pytest.raises(HaltRefused):
        halt_trading(ledger, person=person, reason=reason)
    halt_trading(ledger, person="Ada", reason="test")
    with pytest.raises(HaltRefused):
        clear_halt(ledger, person=person, reason=reason)
    assert halt_in_force(ledger) is not None


def test_what_is_not_halted_is_not_cleared(ledger: Ledger) -> None:
    with pytest.raises(HaltRefused):
        clear_halt(ledger, person="Ada", reason="test")


def test_the_job_s_last_word_is_kept(ledger: Ledger) -> None:
    record_standing(ledger, code="model_refused", message="price@1 was refused", model=None, bundle=None)
    found = standing(ledger)
    assert found is not None
    assert (found.code, found.message) == ("model_refused", "price@1 was refused")


def test_status_tells_orders_positions_gains_and_performance(ledger: Ledger, trade: Trade) -> None:
    trade(date(2018, 10, 1), "AAPL", Side.BUY, "10", "100")
    trade(date(2018, 10, 2), "AAPL", Side.SELL, "4", "110")
    for day, equity in ((1, "100000"), (2, "101000"), (3, "99990")):
        record_mark(ledger, date(2018, 10, day), account(equity, "99390"))
    found = trading_status(ledger)
    assert found["order_counts"] == {"filled": 2}
    assert found["positions"] == [{"symbol": "AAPL", "quantity": "6", "cost": "100.00"}]
    assert (found["realised"], found["unrealised"]) == ("40.00", "0.00")
    assert found["total_return"] == pytest.approx(-0.0001)
    assert found["max_drawdown"] == pytest.approx(0.01)
    assert (found["win_rate"], found["trades"], found["session"]) == (1.0, 1, "2018-10-02")


def test_status_before_anything_happened_says_nothing(ledger: Ledger) -> None:
    found = trading_status(ledger)
    assert (found["standing"], found["account"], found["orders"], found["sharpe"]) == (None, None, [], None)


def test_performance_is_that_of_the_marks() -> None:
    found = performance([100, 110, 99, 121], [5.0, -1.0])
    assert found.total_return == pytest.approx(0.21)
    assert found.max_drawdown == pytest.approx(0.1)
    assert found.win_rate == 0.5
    assert found.sharpe == pytest.approx(7.229, abs=1e-3)
