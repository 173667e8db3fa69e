"""Booleans, written as such or told by a condition."""

from collections.abc import Sequence

import polars as pl

from pipelines.ingestion.column_mapping import ColumnMapping, Scalar
from pipelines.ingestion.columns.converted import Converted, converted, wrong_type
from pipelines.ingestion.columns.numbers import to_numbers
from pipelines.ingestion.columns.texts import to_texts
from pipelines.ingestion.reasons import UnreadableReason

_TRUE = ("true", "t", "yes", "y", "1")
_FALSE = ("false", "f", "no", "n", "0")


def to_booleans(raw: pl.Series, mapped: ColumnMapping) -> Converted:
    """Convert to Boolean by the condition that ``mapped`` states, or else by what the value says.

    Without a condition ``true/false``, ``t/f``, ``yes/no``, ``y/n`` and ``1/0`` are understood, in any case. Nothing in
    the source stays nothing: a missing label is not a false one.
    """
    if mapped.greater_than is not None or mapped.less_than is not None:
        return _from_comparison(raw, mapped)
    if mapped.equals is not None:
        return _from_choices(raw, (mapped.equals,))
    if mapped.one_of is not None:
        return _from_choices(raw, mapped.one_of)
    return _from_words(raw)


def _from_comparison(raw: pl.Series, mapped: ColumnMapping) -> Converted:
    numbers = to_numbers(raw)
    if mapped.greater_than is not None:
        return Converted(numbers.values > mapped.greater_than, numbers.failures)
    return Converted(numbers.values < mapped.less_than, numbers.failures)


def _from_choices(raw: pl.Series, choices: Sequence[Scalar]) -> Converted:
    if all(isinstance(choice, bool) for choice in choices):
        return _among(_from_words(raw), choices)
    if all(isinstance(choice, int | float) for choice in choices):
        return _among(to_numbers(raw), [float(choice) for choice in choices])
    return _among(to_texts(raw), [str(choice) for choice in choices])


def _among(column: Converted, choices: Sequence[Scalar]) -> Converted:
    # is_in answers false for null; a missing value must stay missing.
    answer = column.values.is_in(list(choices))
    return Converted(answer.set(column.values.is_null(), None), column.failures)


def _from_words(raw: pl.Series) -> Converted:
    if raw.dtype == pl.Boolean:
        return converted(raw)
    if not (raw.dtype.is_numeric() or raw.dtype == pl.String):
        raise wrong_type(raw, "booleans")
    words = to_texts(raw)
    lower = words.values.str.strip_chars().str.to_lowercase()
    said_true, said_false = lower.is_in(_TRUE), lower.is_in(_FALSE)
    values = said_true.set(~(said_true | said_false), None)
    return converted(values, (UnreadableReason.NOT_A_BOOLEAN, raw.is_not_null() & values.is_null()))
