from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from ledgerline.sandbox.exchange.engine import START_CASH, Exchange, NewOrder
from ledgerline.sandbox.exchange.journal import OtherWorld, Side, Status, StoredOrder, TimeInForce
from ledgerline.sandbox.exchange.matching import fill_price
from ledgerline.sandbox.exchange.refusals import Refused
from ledgerline.sandbox.exchange.tape import Bar, CorporateAction
from ledgerline.sandbox.sessions import PRESENT, session_dates

FIRST, SECOND, *_ = FUTURE = session_dates(0, 4)
BarsOf = Callable[..., list[Bar]]
Opened = Callable[..., Exchange]


def order(name: str | None, symbol: str = "AAA", quantity: int = 10, **changed: Any) -> NewOrder:
    wanted = {"side": Side.BUY, "time_in_force": TimeInForce.DAY, **changed}
    return NewOrder(client_order_id=name, symbol=symbol, quantity=quantity, **wanted)


def held(exchange: Exchange) -> dict[str, int]:
    return {each.position.symbol: each.position.quantity for each in exchange.standing().holdings}


def steps(exchange: Exchange, count: int = 1) -> None:
    for _ in range(count):
        exchange.pass_session()


def action(kind: str, **values: Any) -> CorporateAction:
    return CorporateAction("AAA", kind, **{"ratio": None, "amount": None, "new_symbol": None} | values)


def test_time_stands_at_the_present_and_goes_from_open_to_close(opened: Opened) -> None:
    exchange = opened()
    assert (exchange.moment().now, exchange.moment().is_open) == (PRESENT, False)
    assert exchange.moment().next_open == datetime(2018, 10, 1, 13, 30, tzinfo=UTC)
    exchange.step()
    assert (exchange.moment().now, exchange.moment().is_open) == (datetime(2018, 10, 1, 13, 30, tzinfo=UTC), True)
    assert exchange.moment().next_close == datetime(2018, 10, 1, 20, tzinfo=UTC)
    exchange.step()
    moment = exchange.moment()
    assert (moment.now, moment.is_open) == (datetime(2018, 10, 1, 20, tzinfo=UTC), False)
    assert (moment.session, moment.passed, moment.left, moment.ended) == (FIRST, 1, 3, False)


def test_market_is_closed_for_good_after_the_last_session(opened: Opened) -> None:
    exchange = opened()
    steps(exchange, 9)
    assert exchange.moment().ended
    assert exchange.moment().session == FUTURE[-1]
    assert not exchange.step()
    with pytest.raises(Refused, match="closed for good") as refused:
        exchange.submit(order("late"))
    assert refused.value.status == 422


def test_world_without_a_future_is_closed_from_the_start(opened: Opened) -> None:
    exchange = opened(future=())
    assert exchange.moment().ended
    with pytest.raises(Refused, match="closed for good"):
        exchange.submit(order("any"))
    assert exchange.standing().cash == START_CASH


def test_market_order_is_filled_at_the_next_open_with_slippage(opened: Opened) -> None:
    exchange = opened()
    taken = exchange.submit(order("one"))
    assert (taken.status, taken.filled) == (Status.ACCEPTED, 0)
    exchange.step()
    filled = exchange.order_named("one")
    price = fill_price(Decimal(50), Side.BUY, filled.id)
    assert (filled.status, filled.filled, filled.paid) == (Status.FILLED, 10, 10 * price)
    assert filled.filled_at == "2018-10-01T13:30:00+00:00"
    assert held(exchange) == {"AAA": 10}
    assert exchange.standing().cash == START_CASH - 10 * price


def test_order_that_comes_while_the_market_is_open_waits_for_the_next_open(opened: Opened) -> None:
    exchange = opened()
    exchange.step()
    exchange.submit(order("late"))
    exchange.step()
    assert exchange.order_named("late").status is Status.ACCEPTED
    exchange.step()
    assert exchange.order_named("late").filled_at == "2018-10-02T13:30:00+00:00"


def test_order_larger_than_its_share_of_volume_is_filled_in_part_and_expires(opened: Opened, bars_of: BarsOf) -> None:
    exchange = opened({"CCC": bars_of("5", volume=400)})
    exchange.submit(order("large", "CCC", 100))
    exchange.step()
    assert exchange.order_named("large").status is Status.PARTIALLY_FILLED
    assert exchange.order_named("large").filled == 40
    exchange.step()
    expired = exchange.order_named("large")
    assert (expired.status, expired.filled, expired.expired_at) == (Status.EXPIRED, 40, "2018-10-01T20:00:00+00:00")
    assert held(exchange) == {"CCC": 40}


def test_order_until_canceled_is_filled_over_several_sessions(opened: Opened, bars_of: BarsOf) -> None:
    exchange = opened({"CCC": bars_of("5", volume=400)})
    exchange.submit(order("patient", "CCC", 100, time_in_force=TimeInForce.UNTIL_CANCELED))
    filled = []
    for _ in range(3):
        steps(exchange)
        filled.append(exchange.order_named("patient").filled)
    assert filled == [40, 80, 100]
    assert exchange.order_named("patient").status is Status.FILLED


def test_two_orders_of_one_symbol_share_its_volume(opened: Opened, bars_of: BarsOf) -> None:
    exchange = opened({"CCC": bars_of("5", volume=400)})
    exchange.submit(order("a", "CCC", 30))
    exchange.submit(order("b", "CCC", 30))
    exchange.step()
    assert [each.filled for each in exchange.orders()] == [30, 10]


def test_symbol_without_a_bar_in_the_session_fills_nothing(opened: Opened, bars_of: BarsOf) -> None:
    days = (*session_dates(2, 0), *FUTURE[1:])
    exchange = opened({"CCC": bars_of("5", days=days)})
    exchange.submit(order("day", "CCC"))
    exchange.submit(order("patient", "CCC", time_in_force=TimeInForce.UNTIL_CANCELED))
    steps(exchange)
    assert [each.status for each in exchange.orders()] == [Status.EXPIRED, Status.ACCEPTED]


def test_second_order_of_one_name_is_refused_and_changes_nothing(opened: Opened) -> None:
    exchange = opened()
    exchange.submit(order("twin"))
    with pytest.raises(Refused, match="must be unique") as refused:
        exchange.submit(order("twin", "BBB", 99))
    assert (refused.value.status, refused.value.code) == (422, 40010001)
    assert [(each.symbol, each.quantity) for each in exchange.orders()] == [("AAA", 10)]


def test_name_stays_taken_when_its_order_is_done(opened: Opened) -> None:
    exchange = opened()
    exchange.submit(order("twin"))
    steps(exchange)
    with pytest.raises(Refused, match="must be unique"):
        exchange.submit(order("twin"))


def test_order_without_a_name_gets_one(opened: Opened) -> None:
    exchange = opened()
    names = {exchange.submit(order(None)).client_order_id for _ in range(2)}
    assert len(names) == 2


def test_purchase_beyond_what_is_free_is_refused(opened: Opened) -> None:
    exchange = opened()
    exchange.submit(order("most", quantity=1_900))  # 95,000 of 100,000
    with pytest.raises(Refused, match="insufficient buying power") as refused:
        exchange.submit(order("more", quantity=101))
    assert (refused.value.status, refused.value.code) == (403, 40310000)
    assert exchange.standing().reserved == 95_000
    exchange.submit(order("less", quantity=100))


def test_cash_is_never_overdrawn_by_a_price_that_rose(opened: Opened, bars_of: BarsOf) -> None:
    bars = [*bars_of("50", days=session_dates(2, 0)), *bars_of("60", days=FUTURE)]
    exchange = opened({"AAA": bars})
    exchange.submit(order("all", quantity=2_000))
    steps(exchange)
    assert exchange.order_named("all").status is Status.EXPIRED
    assert 1_600 < held(exchange)["AAA"] < 1_667
    assert 0 <= exchange.standing().cash < 61


def test_nothing_is_sold_that_is_not_held(opened: Opened) -> None:
    exchange = opened()
    with pytest.raises(Refused, match="insufficient qty available"):
        exchange.submit(order("short", side=Side.SELL))
    exchange.submit(order("buy"))
    steps(exchange)
    exchange.submit(order("some", quantity=6, side=Side.SELL))
    assert exchange.standing().holdings[0].available == 4
    with pytest.raises(Refused, match=r"requested: 5, available: 4"):
        exchange.submit(order("more", quantity=5, side=Side.SELL))


def test_sale_takes_its_share_of_the_cost_and_closes_the_position(opened: Opened) -> None:
    exchange = opened()
    exchange.submit(order("buy"))
    steps(exchange)
    (before,) = exchange.standing().holdings
    exchange.submit(order("some", quantity=4, side=Side.SELL))
    steps(exchange)
    (after,) = exchange.standing().holdings
    assert after.position.quantity == 6
    assert after.position.cost / 6 == before.position.cost / 10
    exchange.submit(order("rest", quantity=6, side=Side.SELL))
    steps(exchange)
    assert held(exchange) == {}


def test_money_is_neither_made_nor_lost_in_trading_but_by_slippage(opened: Opened) -> None:
    exchange = opened()
    exchange.submit(order("a", quantity=100))
    exchange.submit(order("b", "BBB", 200))
    steps(exchange)
    exchange.submit(order("c", quantity=100, side=Side.SELL))
    steps(exchange)
    fills = exchange.orders()
    bought = sum(each.paid for each in fills if each.side is Side.BUY)
    sold = sum(each.paid for each in fills if each.side is Side.SELL)
    standing = exchange.standing()
    assert standing.cash == START_CASH - bought + sold
    lost = START_CASH - standing.cash - standing.invested
    assert 0 < lost < (bought + sold) * Decimal("0.0008") + 1


@pytest.mark.parametrize(
    ("symbol", "said"), [("NONE", "not found"), ("GONE", "is not active"), ("", "not found"), ("NEXT", "not found")]
)
def test_what_is_not_traded_cannot_be_ordered(opened: Opened, bars_of: BarsOf, symbol: str, said: str) -> None:
    past = session_dates(2, 0)
    exchange = opened({"GONE": bars_of("5", days=past[:1]), "NEXT": bars_of("5", days=FUTURE)})
    with pytest.raises(Refused, match=said) as refused:
        exchange.submit(order("x", symbol))
    assert refused.value.status == 422
    assert refused.value.code != 40010001  # that would say that the order is there already


def test_canceled_order_is_never_filled_and_a_filled_one_cannot_be_canceled(opened: Opened) -> None:
    exchange = opened()
    first, second = exchange.submit(order("first")), exchange.submit(order("second"))
    assert exchange.cancel(first.id).status is Status.CANCELED
    steps(exchange)
    assert exchange.order(first.id).filled == 0
    with pytest.raises(Refused, match='already in "filled" state'):
        exchange.cancel(second.id)
    with pytest.raises(Refused, match="order not found") as refused:
        exchange.cancel("no such order")
    assert refused.value.status == 404


def test_everything_that_waits_is_canceled_at_once(opened: Opened) -> None:
    exchange = opened()
    exchange.submit(order("first"))
    exchange.submit(order("second"))
    assert [each.client_order_id for each in exchange.cancel_all()] == ["first", "second"]
    assert exchange.cancel_all() == []
    assert exchange.standing().reserved == 0


def test_split_multiplies_shares_keeps_their_cost_and_pays_for_fractions(opened: Opened, bars_of: BarsOf) -> None:
    bars = [*bars_of("50", days=(*session_dates(2, 0), FIRST)), *bars_of("20", days=FUTURE[1:])]
    split = {SECOND: [action("split", ratio=Decimal("2.5"))]}
    exchange = opened({"AAA": bars}, split)
    exchange.submit(order("buy", quantity=5))
    steps(exchange)
    before = exchange.standing()
    steps(exchange)
    after = exchange.standing()
    assert held(exchange) == {"AAA": 12}
    assert after.cash - before.cash == 10  # half a share at 50 / 2.5
    assert after.cash + after.invested == before.cash + before.invested
    unit = before.holdings[0].position.cost / 5
    assert after.holdings[0].position.cost / 12 == pytest.approx(unit / Decimal("2.5"))


def test_dividend_is_paid_in_cash_on_its_ex_date(opened: Opened) -> None:
    exchange = opened(actions={SECOND: [action("dividend", amount=Decimal("0.25"))]})
    exchange.submit(order("buy"))
    steps(exchange)
    before = exchange.standing().cash
    steps(exchange)
    assert exchange.standing().cash - before == Decimal("2.50")


def test_share_that_changes_its_name_is_held_under_the_new_one(opened: Opened, bars_of: BarsOf) -> None:
    renamed = {SECOND: [action("symbol_change", new_symbol="ZZZ")]}
    days = (*session_dates(2, 0), *FUTURE)
    exchange = opened({"AAA": bars_of("50", days=days[:3]), "ZZZ": bars_of("50", days=days[3:])}, renamed)
    exchange.submit(order("buy"))
    steps(exchange)
    exchange.submit(order("waits", time_in_force=TimeInForce.UNTIL_CANCELED))
    before = exchange.standing().invested
    steps(exchange)
    assert held(exchange) == {"ZZZ": 10}
    assert exchange.standing().invested == before
    assert exchange.order_named("waits").status is Status.CANCELED


def test_last_equity_is_that_of_the_close_before(opened: Opened, bars_of: BarsOf) -> None:
    prices = zip((*session_dates(2, 0), *FUTURE), ("50", "50", "50", "55", "60", "60"), strict=True)
    exchange = opened({"AAA": [bars_of(price, days=[day])[0] for day, price in prices]})
    exchange.submit(order("buy", quantity=100))
    equities = []
    for _ in range(4):
        steps(exchange)
        standing = exchange.standing()
        equities.append((standing.last_equity, standing.cash + standing.invested))
    assert [last for last, _ in equities] == [START_CASH, *(equity for _, equity in equities[:-1])]
    assert equities[1][1] - equities[0][1] == 500


def test_books_outlive_the_process(opened: Opened) -> None:
    exchange = opened()
    exchange.submit(order("first"))
    steps(exchange)
    exchange.submit(order("waits"))
    exchange.step()
    exchange.close()
    again = opened()
    assert again.moment().now == datetime(2018, 10, 2, 13, 30, tzinfo=UTC)
    assert held(again) == {"AAA": 20}
    assert [each.client_order_id for each in again.orders()] == ["first", "waits"]


def test_equal_orders_lead_to_equal_books(opened: Opened, tmp_path: Any) -> None:
    def played(exchange: Exchange) -> list[StoredOrder]:
        for day in range(4):
            exchange.submit(order(f"order {day}", quantity=7 * (day + 1)))
            steps(exchange)
        return exchange.orders()

    one = played(opened())
    other = played(Exchange(opened().tape, tmp_path / "other.db"))
    assert one == other


def test_books_of_another_world_are_refused(opened: Opened) -> None:
    opened().close()
    with pytest.raises(OtherWorld, match="another world"):
        opened(identity="elsewhere")


def test_step_that_fails_leaves_the_books_as_they_were(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    exchange = opened()
    exchange.submit(order("one"))
    exchange.submit(order("two", "BBB"))
    before = exchange.orders()

    def broken(*_: object) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr(exchange.journal, "put_position", broken)
    with pytest.raises(OSError, match="disk"):
        exchange.step()
    monkeypatch.undo()
    assert (exchange.orders(), exchange.moment().is_open, exchange.standing().cash) == (before, False, START_CASH)
    exchange.step()
    assert [each.status for each in exchange.orders()] == [Status.FILLED, Status.FILLED]
