"""Money: integers of the currency's smallest unit, exact whatever the source wrote."""

import decimal
import re
from decimal import Decimal

import polars as pl

from pipelines.ingestion.column_mapping import Unit
from pipelines.ingestion.columns.converted import Converted, converted, wrong_type
from pipelines.ingestion.columns.whole_numbers import to_whole_numbers
from pipelines.ingestion.reasons import UnreadableReason

_NUMBER = re.compile(r"\s*[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?\s*")
_MOST_DIGITS = 19  # of a 64-bit integer
_INT64 = range(-(2**63), 2**63)
_USUAL_DECIMALS = 2


def to_minor_units(raw: pl.Series, *, unit: Unit, decimals: int | None) -> Converted:
    """Convert amounts to Int64 minor units.

    Amounts in major units are read as decimals, never as binary fractions: a float stands for the shortest decimal that
    denotes it (``0.29`` is 29 cents, not 28). What is finer than the minor unit is rounded half to even.

    Args:
        raw: Text, integers, floats or decimals.
        unit: What ``raw`` counts.
        decimals: Decimal places of the major unit; 2 if None.
    """
    if unit is Unit.MINOR:
        return to_whole_numbers(raw)
    if not (raw.dtype.is_numeric() or raw.dtype == pl.String):
        raise wrong_type(raw, "amounts of money")
    present = raw.fill_nan(None) if raw.dtype.is_float() else raw
    return _from_texts(present.cast(pl.String), _USUAL_DECIMALS if decimals is None else decimals)


def minor_units(text: str, decimals: int) -> int | UnreadableReason:
    """Return the amount that ``text`` writes in major units, in minor units, or why it is none.

    >>> minor_units("12.345", 2), minor_units("12.355", 2), minor_units("-0.29", 2)
    (1234, 1236, -29)
    """
    if not _NUMBER.fullmatch(text):
        return UnreadableReason.NOT_A_NUMBER
    amount = Decimal(text.strip())
    if amount and amount.adjusted() + decimals >= _MOST_DIGITS:
        return UnreadableReason.OUT_OF_RANGE
    exact = decimal.Context(prec=len(text) + _MOST_DIGITS + decimals, rounding=decimal.ROUND_HALF_EVEN)
    minor = int(amount.scaleb(decimals, exact).to_integral_value(context=exact))
    return minor if minor in _INT64 else UnreadableReason.OUT_OF_RANGE


def _from_texts(texts: pl.Series, decimals: int) -> Converted:
    # Amounts repeat: each distinct text is converted once, then looked up.
    distinct = texts.drop_nulls().unique(maintain_order=True)
    answers = [minor_units(text, decimals) for text in distinct]
    table = pl.DataFrame(
        {
            "text": distinct,
            "minor": pl.Series([None if isinstance(a, UnreadableReason) else a for a in answers], dtype=pl.Int64),
            "reason": pl.Series(
                [a.value if isinstance(a, UnreadableReason) else None for a in answers], dtype=pl.String
            ),
        }
    )
    found = pl.DataFrame({"text": texts}).join(table, on="text", how="left", maintain_order="left")
    return converted(
        found["minor"],
        *(
            (reason, found["reason"] == reason.value)
            for reason in (UnreadableReason.NOT_A_NUMBER, UnreadableReason.OUT_OF_RANGE)
        ),
    )
