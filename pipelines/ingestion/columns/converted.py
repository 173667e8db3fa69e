"""What converting one column gives: the values, and which rows have none because theirs could not be read."""

from dataclasses import dataclass

import polars as pl

from pipelines.ingestion.reasons import FileRefused, RefusalReason, UnreadableReason


@dataclass(frozen=True, slots=True)
class Failure:
    """Rows whose value could not be converted, for one reason.

    Attributes:
        reason: Why.
        rows: Boolean, true for these rows, as long as the column.
    """

    reason: UnreadableReason
    rows: pl.Series


@dataclass(frozen=True, slots=True)
class Converted:
    """One typed column.

    Attributes:
        values: Null where the source has nothing, and where it could not be converted.
        failures: The latter, by reason; no row fails for two reasons.
    """

    values: pl.Series
    failures: tuple[Failure, ...] = ()


def converted(values: pl.Series, *failures: tuple[UnreadableReason, pl.Series]) -> Converted:
    """Return ``values`` with those ``failures`` that any row has; a null in a failure's rows counts as no."""
    masks = [(reason, rows.fill_null(value=False)) for reason, rows in failures]
    return Converted(values, tuple(Failure(reason, rows) for reason, rows in masks if rows.any()))


def wrong_type(raw: pl.Series, expected: str) -> FileRefused:
    """Return the error for a source column whose declared type can never become ``expected``."""
    return FileRefused(
        f"column {raw.name!r} holds {raw.dtype}, which cannot be read as {expected}",
        reason=RefusalReason.WRONG_TYPE,
        column=raw.name,
    )
