"""What a lender delivers: applications by quarter, with what became of them, and the dirt of a real back office."""

from collections.abc import Callable
from datetime import date, timedelta

import numpy as np
import polars as pl

from ledgerline.sandbox.draw import Draw
from ledgerline.sandbox.lending import NUMERIC
from ledgerline.sandbox.market_files import parquet_bytes
from ledgerline.sandbox.parts import Files
from ledgerline.sandbox.sessions import PRESENT

DAYS = 1_096
"""Over so many days before the present applications came in: three years of quarters."""

_BEGIN = PRESENT - timedelta(days=DAYS)
_OUTCOME = timedelta(days=365)
_LATE_OUTCOME_SHARE = 0.03
_LATEST_OUTCOME_DAYS = 60
_NULL_SHARE = 4e-3
_DIRTY_SHARE = 5e-4  # of each kind
_NULLABLE = ("income", "employment_years", "utilisation", "housing")
_UNSEEN = "cryptocurrency"
_FEWEST_APPLICATIONS = 200


def deliver_applications(
    applications: pl.DataFrame, generator: np.random.Generator
) -> tuple[pl.DataFrame, dict[str, int]]:
    """Return the applications as delivered, with the quarter of the file, in order of time; and the dirt.

    What became of an application is known twelve months later, of a few up to two months after that; of those that came
    in during the last year it is not known yet.

    Args:
        applications: What :func:`ledgerline.sandbox.lending.simulate_applications` returns.
        generator: Where all randomness comes from.
    """
    times, outcomes, dirt = generator.spawn(3)
    count = applications.height
    applied = np.sort(times.integers(0, DAYS * 86_400, count))
    late = np.where(outcomes.random(count) < _LATE_OUTCOME_SHARE, outcomes.integers(1, _LATEST_OUTCOME_DAYS, count), 0)
    known = pl.col("OUTCOME_AT") < PRESENT
    dated = (
        applications.with_columns(
            APPLICATION_ID=pl.Series([f"A{number:07d}" for number in range(count)]),
            APPLIED_AT=pl.lit(_BEGIN) + pl.duration(seconds=pl.lit(pl.Series(applied))),
        )
        .with_columns(OUTCOME_AT=pl.col("APPLIED_AT") + _OUTCOME + pl.duration(days=pl.lit(pl.Series(late))))
        .with_columns(
            DEFAULTED=pl.when(known).then("defaults"),
            OUTCOME_AT=pl.when(known).then("OUTCOME_AT"),
            quarter=pl.col("APPLIED_AT").dt.truncate("1q").dt.date(),
        )
        .select(
            "APPLICATION_ID",
            "APPLIED_AT",
            "DEFAULTED",
            "OUTCOME_AT",
            "GROUP",
            *NUMERIC,
            "purpose",
            "housing",
            "quarter",
        )
    )
    return _spoilt(dated, Draw(count, dirt)) if count >= _FEWEST_APPLICATIONS else (dated, {})


def application_files(delivered: pl.DataFrame) -> Files:
    """Yield the applications as Parquet, a file a quarter, named by its last day."""
    for file in delivered.partition_by("quarter", maintain_order=True):
        begin: date = file["quarter"][0]
        following = date(begin.year + (begin.month == 10), (begin.month + 2) % 12 + 1, 1)
        last = following - timedelta(days=1)
        yield f"applications/applications_{last:%Y-%m-%d}.parquet", parquet_bytes(file.drop("quarter"))


def _spoilt(rows: pl.DataFrame, draw: Draw) -> tuple[pl.DataFrame, dict[str, int]]:
    lacking = draw.rows(_NULL_SHARE)
    negative, unseen, twice, future, tiny = (draw.rows(_DIRTY_SHARE) for _ in range(5))
    changed = _blank(rows, lacking).with_columns(
        income=_where(rows, negative, lambda: -pl.col("income"), "income"),
        purpose=_where(rows, unseen, lambda: pl.lit(_UNSEEN), "purpose"),
        APPLIED_AT=_where(rows, future, lambda: pl.col("APPLIED_AT").dt.offset_by("10y"), "APPLIED_AT"),
        age=_where(rows, tiny, lambda: pl.lit(7.0), "age"),
    )
    delivered = pl.concat([changed, rows[twice]]).sort("quarter", "APPLICATION_ID", maintain_order=True)
    return delivered, {
        "nulls": lacking.size,
        "negative_income": negative.size,
        "unseen_category": unseen.size,
        "duplicates": twice.size,
        "future_dates": future.size,
        "impossible_age": tiny.size,
    }


def _where(rows: pl.DataFrame, chosen: np.ndarray, value: Callable[[], pl.Expr], otherwise: str) -> pl.Expr:
    flags = np.zeros(rows.height, dtype=np.bool_)
    flags[chosen] = True
    return pl.when(pl.lit(pl.Series(flags))).then(value()).otherwise(pl.col(otherwise))


def _blank(rows: pl.DataFrame, lacking: np.ndarray) -> pl.DataFrame:
    """Remove one value from each of the ``lacking`` rows, each column in turn."""
    columns = [
        _where(rows, lacking[place :: len(_NULLABLE)], lambda: pl.lit(None), name).alias(name)
        for place, name in enumerate(_NULLABLE)
    ]
    return rows.with_columns(columns)
