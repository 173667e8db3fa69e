"""How much is ordered."""

from decimal import Decimal

import pytest

from ledgerline.decisions.trading import TradingPolicy
from ledgerline.decisions.trading.order import Side
from ledgerline.decisions.trading.signals import Signal
from ledgerline.decisions.trading.sizing import sized, stop_is_reached


def size(
    policy: TradingPolicy, signal: Signal, *, held: str = "0", cash: str = "30000", price: str = "100"
) -> tuple[Side, Decimal] | None:
    return sized(
        signal,
        held=Decimal(held),
        cash=Decimal(cash),
        price=Decimal(price),
        sizing=policy.sizing,
        limits=policy.limits,
    )


def test_a_purchase_is_a_tenth_of_the_cash_in_whole_shares(policy: TradingPolicy) -> None:
    assert size(policy, Signal.BUY, price="7") == (Side.BUY, Decimal(428))


def test_high_risk_halves_a_purchase(policy: TradingPolicy) -> None:
    assert size(policy, Signal.BUY_SMALL) == (Side.BUY, Decimal(15))


def test_no_purchase_is_larger_than_what_its_stop_may_lose(policy: TradingPolicy) -> None:
    assert size(policy, Signal.BUY, cash="1000000") == (Side.BUY, Decimal(50))


def test_one_who_is_long_buys_no_more(policy: TradingPolicy) -> None:
    assert size(policy, Signal.BUY, held="1") is None


def test_one_who_is_short_covers_and_no_more(policy: TradingPolicy) -> None:
    assert size(policy, Signal.BUY, held="-7") == (Side.BUY, Decimal(7))


def test_a_sale_closes_what_is_held(policy: TradingPolicy) -> None:
    assert size(policy, Signal.SELL, held="13") == (Side.SELL, Decimal(13))


def test_a_small_sale_closes_half_rounded_up(policy: TradingPolicy) -> None:
    assert size(policy, Signal.SELL_SMALL, held="13") == (Side.SELL, Decimal(7))
    assert size(policy, Signal.SELL_SMALL, held="1") == (Side.SELL, Decimal(1))


@pytest.mark.parametrize("held", ["0", "-5"])
def test_nothing_is_sold_that_is_not_held(policy: TradingPolicy, held: str) -> None:
    assert size(policy, Signal.SELL, held=held) is None


@pytest.mark.parametrize("cash", ["0", "-500", "999"])
def test_a_share_that_a_tenth_of_the_cash_does_not_pay_for_is_not_bought(policy: TradingPolicy, cash: str) -> None:
    assert size(policy, Signal.BUY, cash=cash) is None


def test_a_hold_orders_nothing(policy: TradingPolicy) -> None:
    assert size(policy, Signal.HOLD, held="5") is None


@pytest.mark.parametrize(
    ("held", "price", "reached"),
    [("5", "98", True), ("5", "98.01", False), ("-5", "102", True), ("-5", "101.99", False), ("0", "1", False)],
)
def test_a_stop_is_reached_at_two_percent_of_the_cost(
    policy: TradingPolicy, held: str, price: str, reached: bool
) -> None:
    found = stop_is_reached(held=Decimal(held), cost=Decimal(100), price=Decimal(price), limits=policy.limits)
    assert found is reached
