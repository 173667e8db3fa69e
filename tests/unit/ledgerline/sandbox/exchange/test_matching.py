from decimal import Decimal

import pytest

from ledgerline.sandbox.exchange.journal import Side
from ledgerline.sandbox.exchange.matching import LARGEST_SLIPPAGE_BP, fill_price, fill_quantity, slippage_bp

PLENTY = {"volume": 10_000, "taken": 0, "price": Decimal(10), "cash": Decimal(1_000_000), "held": 1_000_000}


def test_slippage_follows_from_the_order_s_id_and_is_never_in_its_favour() -> None:
    found = [slippage_bp(f"order {number}") for number in range(500)]
    assert found == [slippage_bp(f"order {number}") for number in range(500)]
    assert 0 <= min(found) < 1 < LARGEST_SLIPPAGE_BP - 1 < max(found) <= LARGEST_SLIPPAGE_BP
    for name in ("one", "two", "three"):
        assert (
            fill_price(Decimal("50.00"), Side.SELL, name)
            <= Decimal("50.00")
            <= fill_price(Decimal("50.00"), Side.BUY, name)
        )


def test_price_is_worse_by_exactly_the_slippage() -> None:
    share = slippage_bp("x") / 10_000
    assert fill_price(Decimal(100), Side.BUY, "x") == (100 * (1 + share)).quantize(Decimal("0.0001"))


@pytest.mark.parametrize(
    ("side", "changed", "filled"),
    [
        (Side.BUY, {}, 700),
        (Side.BUY, {"volume": 5_000}, 500),
        (Side.BUY, {"taken": 900}, 100),
        (Side.BUY, {"taken": 1_000}, 0),
        (Side.BUY, {"cash": Decimal("1234.99")}, 123),
        (Side.BUY, {"held": 0}, 700),
        (Side.SELL, {"cash": Decimal(0)}, 700),
        (Side.SELL, {"held": 30}, 30),
        (Side.BUY, {"volume": 0}, 0),
        (Side.BUY, {"volume": 9}, 0),
    ],
)
def test_quantity_is_limited_by_volume_by_cash_and_by_what_is_held(
    side: Side, changed: dict[str, int], filled: int
) -> None:
    assert fill_quantity(wanted=700, side=side, **PLENTY | changed) == filled
