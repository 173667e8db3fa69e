"""Real numbers."""

import polars as pl

from pipelines.ingestion.columns.converted import Converted, converted, wrong_type
from pipelines.ingestion.reasons import UnreadableReason

_NUMBER = r"^\s*[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?\s*$"


def to_numbers(raw: pl.Series) -> Converted:
    """Convert to Float64. NaN is nothing; infinities are no numbers; no thousands separators, no currency signs."""
    if raw.dtype.is_integer() or raw.dtype == pl.Decimal:
        return converted(raw.cast(pl.Float64))
    if raw.dtype.is_float():
        present = raw.cast(pl.Float64).fill_nan(None)
        endless = present.is_infinite()
        return converted(present.set(endless.fill_null(value=False), None), (UnreadableReason.NOT_A_NUMBER, endless))
    if raw.dtype == pl.String:
        return _from_texts(raw)
    raise wrong_type(raw, "numbers")


def _from_texts(texts: pl.Series) -> Converted:
    written = texts.str.contains(_NUMBER)
    values = texts.str.strip_chars().cast(pl.Float64, strict=False)
    usable = written & values.is_finite()
    return converted(
        values.set(~usable.fill_null(value=False), None),
        (UnreadableReason.NOT_A_NUMBER, ~written),
        (UnreadableReason.OUT_OF_RANGE, written & ~values.is_finite().fill_null(value=False)),
    )
