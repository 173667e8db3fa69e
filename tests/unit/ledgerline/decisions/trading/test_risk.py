"""Every rule denies what it must, says with which figures, and lets through what only reduces a position."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from ledgerline.decisions.trading import TradingPolicy
from ledgerline.decisions.trading.order import OrderIntent, Side
from ledgerline.decisions.trading.risk import (
    RULES,
    DenyReason,
    Holding,
    MarkedBook,
    only_reduces,
    verdicts,
)

Make = Callable[..., OrderIntent]
SESSION = date(2018, 10, 1)
CALM = MarkedBook(
    equity=Decimal(100_000),
    cash=Decimal(100_000),
    high_water=Decimal(100_000),
    day_start=Decimal(100_000),
    session=SESSION,
    last_session={"AAPL": SESSION},
    previous_close={"AAPL": Decimal(199)},
)
LONG = {"AAPL": Holding(Decimal(20), Decimal(210))}


def denied(intent: OrderIntent, book: MarkedBook, policy: TradingPolicy) -> set[DenyReason]:
    return {verdict.denied for verdict in verdicts(intent, book, policy.limits) if verdict.denied}


def test_an_ordinary_purchase_passes_every_rule(intent: Make, policy: TradingPolicy) -> None:
    found = verdicts(intent(), CALM, policy.limits)
    assert [verdict.rule for verdict in found] == list(RULES)
    assert denied(intent(), CALM, policy) == set()


@pytest.mark.parametrize(
    ("book", "reason"),
    [
        ({"open_orders": frozenset({"AAPL"})}, DenyReason.ORDER_OPEN),
        ({"account_blocked": "trading_blocked"}, DenyReason.ACCOUNT_BLOCKED),
        ({"halted": "halted by ada"}, DenyReason.HALTED),
        ({"differs": "AAPL: ours 0, the venue's 5"}, DenyReason.BOOK_DIFFERS),
        ({"last_session": {"AAPL": date(2018, 9, 28)}}, DenyReason.STALE_DATA),
        ({"last_session": {}}, DenyReason.STALE_DATA),
        ({"previous_close": {}}, DenyReason.PRICE_NOT_CREDIBLE),
        ({"previous_close": {"AAPL": Decimal(100)}}, DenyReason.PRICE_NOT_CREDIBLE),
        ({"cash": Decimal("1999.99")}, DenyReason.NOT_ENOUGH_CASH),
        ({"equity": Decimal("19999"), "high_water": Decimal("19999"), "day_start": Decimal("19999")},
         DenyReason.POSITION_LIMIT),
        ({"day_start": Decimal(101_000), "high_water": Decimal(101_000)}, DenyReason.LOSS_PER_DAY),
        ({"high_water": Decimal("111111.12")}, DenyReason.DRAWDOWN),
        ({"holdings": LONG}, DenyReason.STOP_LOSS),
    ],
)  # fmt: skip
def test_a_purchase_is_denied_for_the_one_reason_there_is(
    intent: Make, policy: TradingPolicy, book: dict[str, Any], reason: DenyReason
) -> None:
    assert denied(intent(), replace(CALM, **book), policy) == {reason}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"quantity": Decimal(0)}, DenyReason.NO_QUANTITY),
        ({"quantity": Decimal("1.5")}, DenyReason.NO_QUANTITY),
        ({"quantity": Decimal("NaN")}, DenyReason.NO_QUANTITY),
        ({"reference_price": Decimal(0)}, DenyReason.PRICE_NOT_CREDIBLE),
        ({"reference_price": Decimal("NaN")}, DenyReason.PRICE_NOT_CREDIBLE),
        ({"quantity": Decimal(126)}, DenyReason.NOTIONAL_TOO_LARGE),
        ({"quantity": Decimal(26)}, DenyReason.LOSS_PER_TRADE),
        ({"side": Side.SELL}, DenyReason.SHORT_SALE),
    ],
)
def test_an_order_that_makes_no_sense_is_denied(
    intent: Make, policy: TradingPolicy, change: dict[str, Any], reason: DenyReason
) -> None:
    assert reason in denied(intent(**change), CALM, policy)


@pytest.mark.parametrize(
    "trouble",
    [
        {"halted": "halted by ada"},
        {"differs": "positions differ"},
        {"day_start": Decimal(150_000)},
        {"high_water": Decimal(150_000)},
        {"last_session": {}},
        {"previous_close": {}},
        {"cash": Decimal(0)},
    ],
)
def test_an_order_that_only_reduces_a_position_passes_every_limit(
    intent: Make, policy: TradingPolicy, trouble: dict[str, Any]
) -> None:
    book = replace(CALM, holdings=LONG, **trouble)
    assert denied(intent(side=Side.SELL, quantity=Decimal(20)), book, policy) == set()


def test_a_sale_beyond_what_is_held_reduces_nothing(intent: Make, policy: TradingPolicy) -> None:
    sale = intent(side=Side.SELL, quantity=Decimal(21))
    book = replace(CALM, holdings=LONG)
    assert not only_reduces(sale, book)
    assert DenyReason.SHORT_SALE in denied(sale, book, policy)


def test_a_second_order_of_a_symbol_is_denied_even_if_it_reduces(intent: Make, policy: TradingPolicy) -> None:
    book = replace(CALM, holdings=LONG, open_orders=frozenset({"AAPL"}))
    assert denied(intent(side=Side.SELL, quantity=Decimal(20)), book, policy) == {DenyReason.ORDER_OPEN}


def test_a_verdict_names_the_value_and_the_limit(intent: Make, policy: TradingPolicy) -> None:
    found = verdicts(intent(quantity=Decimal(126)), CALM, policy.limits)
    said = {verdict.denied: verdict.detail for verdict in found}
    assert said[DenyReason.NOTIONAL_TOO_LARGE] == "notional 25,200.00 > 25,000"
