"""Texts, such as ids: kept exactly as written."""

import polars as pl

from pipelines.ingestion.columns.converted import Converted, converted, wrong_type
from pipelines.ingestion.reasons import UnreadableReason

_EXACT_FLOAT = 2.0**53  # beyond it a float does not say which integer it was


def to_texts(raw: pl.Series) -> Converted:
    """Convert to String.

    Whole numbers are written in decimal. Floats are accepted where they stand for whole numbers, since ids with gaps
    come out of spreadsheets and pandas that way; NaN is nothing.
    """
    if raw.dtype == pl.String:
        return converted(raw)
    if raw.dtype.is_integer() or raw.dtype in (pl.Boolean, pl.Decimal):
        return converted(raw.cast(pl.String))
    if raw.dtype.is_float():
        present = raw.cast(pl.Float64).fill_nan(None)
        whole = (present == present.round()) & (present.abs() <= _EXACT_FLOAT)
        ids = present.set(~whole.fill_null(value=False), None).cast(pl.Int64).cast(pl.String)
        return converted(ids, (UnreadableReason.NOT_TEXT, ~whole))
    raise wrong_type(raw, "text")
