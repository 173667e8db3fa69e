"""Whole numbers of 64 bits."""

import polars as pl

from pipelines.ingestion.columns.converted import Converted, converted, wrong_type
from pipelines.ingestion.reasons import UnreadableReason

_WHOLE = r"^\s*([+-]?[0-9]+)(?:\.0*)?\s*$"
_EXACT_FLOAT = 2.0**53  # beyond it a float does not say which integer it was


def to_whole_numbers(raw: pl.Series) -> Converted:
    """Convert to Int64. ``7``, ``7.0`` and the float 7 are seven; 7.5 is no integer; NaN is nothing."""
    if raw.dtype.is_integer():
        values = raw.cast(pl.Int64, strict=False)
        return converted(values, (UnreadableReason.OUT_OF_RANGE, raw.is_not_null() & values.is_null()))
    if raw.dtype.is_float():
        return _from_floats(raw.cast(pl.Float64).fill_nan(None))
    if raw.dtype == pl.String or raw.dtype == pl.Decimal:
        return _from_texts(raw.cast(pl.String))
    raise wrong_type(raw, "whole numbers")


def _from_floats(present: pl.Series) -> Converted:
    whole = (present == present.round()) & present.is_finite()
    exact = present.abs() <= _EXACT_FLOAT
    values = present.set(~(whole & exact).fill_null(value=False), None).cast(pl.Int64)
    return converted(values, (UnreadableReason.NOT_AN_INTEGER, ~whole), (UnreadableReason.OUT_OF_RANGE, whole & ~exact))


def _from_texts(texts: pl.Series) -> Converted:
    digits = texts.str.extract(_WHOLE)
    values = digits.cast(pl.Int64, strict=False)
    return converted(
        values,
        (UnreadableReason.NOT_AN_INTEGER, texts.is_not_null() & digits.is_null()),
        (UnreadableReason.OUT_OF_RANGE, digits.is_not_null() & values.is_null()),
    )
