"""Money is exact for every amount that a source can write."""

from decimal import ROUND_HALF_EVEN, Context, Decimal
from fractions import Fraction

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.ingestion.column_mapping import Unit
from pipelines.ingestion.columns.money import minor_units, to_minor_units
from pipelines.ingestion.reasons import UnreadableReason

DIGITS = st.text("0123456789", min_size=1, max_size=15)
# Half a minor unit, exactly, is what rounding is about, and too rare among random digits.
FRACTION = st.one_of(DIGITS, st.text("0123456789", max_size=4).map(lambda digits: f"{digits}500"))


def half_even(value: Fraction) -> int:
    """Round by whole-number arithmetic alone."""
    floor, rest = divmod(value.numerator, value.denominator)
    twice = 2 * rest
    if twice > value.denominator or (twice == value.denominator and floor % 2):
        floor += 1
    return floor


@settings(deadline=None)
@given(sign=st.sampled_from(["", "-", "+"]), whole=DIGITS, rest=FRACTION, decimals=st.integers(0, 4))
def test_text_converts_as_exact_fractions_round(sign: str, whole: str, rest: str, decimals: int) -> None:
    exact = Fraction(f"{sign}{whole}.{rest}") * 10**decimals
    expected = half_even(exact)
    answer = minor_units(f"{sign}{whole}.{rest}", decimals)
    assert answer == (expected if abs(expected) < 2**63 else UnreadableReason.OUT_OF_RANGE)


@settings(deadline=None)
@given(st.integers(-(10**15), 10**15))
def test_cents_survive_the_way_through_major_units(cents: int) -> None:
    text = str(Decimal(cents).scaleb(-2))
    assert minor_units(text, 2) == cents


@settings(deadline=None)
@given(st.lists(st.integers(-(10**11), 10**11), min_size=1))
def test_floats_of_whole_cents_give_those_cents(cents: list[int]) -> None:
    floats = pl.Series([value / 100 for value in cents])
    assert to_minor_units(floats, unit=Unit.MAJOR, decimals=2).values.to_list() == cents


@settings(deadline=None)
@given(st.floats(-1e12, 1e12))
def test_float_converts_as_the_decimal_that_it_prints_as(amount: float) -> None:
    shortest = Decimal(repr(amount)).scaleb(2, Context(prec=60))
    expected = int(shortest.to_integral_value(ROUND_HALF_EVEN))
    assert to_minor_units(pl.Series([amount]), unit=Unit.MAJOR, decimals=2).values.to_list() == [expected]


@settings(deadline=None)
@given(st.lists(st.one_of(st.none(), st.text(max_size=8), DIGITS, st.decimals(-1000, 1000, places=3).map(str))))
def test_column_converts_as_its_values_do_one_by_one(texts: list[str | None]) -> None:
    column = to_minor_units(pl.Series(texts, dtype=pl.String), unit=Unit.MAJOR, decimals=2)
    failed = {row: failure.reason for failure in column.failures for row in failure.rows.arg_true()}
    for row, text in enumerate(texts):
        one = None if text is None else minor_units(text, 2)
        if isinstance(one, UnreadableReason):
            assert (column.values[row], failed[row]) == (None, one)
        else:
            assert column.values[row] == one
            assert row not in failed
