"""Simulated books of business units: revenue, cost and profit by month, with trend, season and sudden changes.

Each unit grows at a pace of its own, has a season of its own shape, and sometimes wins or loses a large customer for
good. Profit is revenue less cost, to the cent.
"""

from datetime import UTC, date, datetime, time, timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ledgerline.sandbox.draw import Draw
from ledgerline.sandbox.market_files import csv_bytes
from ledgerline.sandbox.parts import Files

LEDGER_COLUMNS = ("entity_id", "account", "period", "amount", "closed_at", "category")
MONTHS = 96
"""Months in the books; the last of them, August 2018, was closed before the present."""

_FIRST = date(2010, 9, 1)
_CATEGORIES = ("retail", "wholesale", "services", "online")
_FEWEST_ENTITIES = 8

Floats = NDArray[np.float64]


def keep_books(entities: int, generator: np.random.Generator) -> pl.DataFrame:
    """Return the books: ``LEDGER_COLUMNS``, by period, entity and account.

    Args:
        entities: How many business units.
        generator: Where all randomness comes from.
    """
    kinds, sales, spending, closing = generator.spawn(4)
    revenue = _level(entities, sales, noise=0.03) * np.exp(kinds.uniform(np.log(2e4), np.log(2e6), (entities, 1)))
    ratio = kinds.uniform(0.62, 0.82, (entities, 1)) * np.exp(0.35 * _ratio_wander(entities, spending))
    cents = np.round(revenue * 100).astype(np.int64)
    cost = np.round(cents * np.clip(ratio, 0.4, 0.93)).astype(np.int64)
    category = kinds.integers(0, len(_CATEGORIES), entities)
    periods = [_month(place) for place in range(MONTHS)]
    closed = [
        datetime.combine(_month(place + 1) + timedelta(days=int(days)), time(17, tzinfo=UTC))
        for place, days in enumerate(closing.integers(4, 10, MONTHS))
    ]
    tables = []
    for account, amounts in (("revenue", cents), ("cost", cost), ("profit", cents - cost)):
        tables.append(
            pl.DataFrame(
                {
                    "entity_id": np.repeat([f"U{number:03d}" for number in range(1, entities + 1)], MONTHS),
                    "account": account,
                    "period": [f"{period:%Y-%m}" for period in periods] * entities,
                    "amount": amounts.ravel() / 100,
                    "closed_at": closed * entities,
                    "category": np.repeat(np.array(_CATEGORIES)[category], MONTHS),
                },
                schema_overrides={"closed_at": pl.Datetime("us", "UTC")},
            )
        )
    order = pl.col("account").replace_strict({"revenue": 0, "cost": 1, "profit": 2})
    return pl.concat(tables).sort("period", "entity_id", order, maintain_order=True)


def deliver_books(books: pl.DataFrame, generator: np.random.Generator) -> tuple[pl.DataFrame, dict[str, int]]:
    """Return the books as delivered, with the year of the file; and the dirt."""
    rows = books.with_columns(year=pl.col("period").str.slice(0, 4))
    if books["entity_id"].n_unique() < _FEWEST_ENTITIES:
        return rows, {}
    draw = Draw(rows.height, generator)
    profit = (rows["account"] == "profit").to_numpy()
    broken, lacking, twice, future = draw.some(3, profit), draw.some(2), draw.some(2), draw.some(1)
    flags = np.zeros((3, rows.height), dtype=np.bool_)
    for kind, chosen in enumerate((broken, lacking, future)):
        flags[kind, chosen] = True
    off, missing, ahead = (pl.lit(pl.Series(each)) for each in flags)
    changed = rows.with_columns(
        amount=pl.when(off).then((pl.col("amount") * 1.1).round(2)).when(missing).then(None).otherwise("amount"),
        period=pl.when(ahead).then(pl.lit("2028-01")).otherwise("period"),
    )
    delivered = pl.concat([changed, rows[twice]]).sort("year", maintain_order=True)
    return delivered, {
        "identity_broken": broken.size,
        "missing_amounts": lacking.size,
        "duplicates": twice.size,
        "future_dates": future.size,
    }


def book_files(delivered: pl.DataFrame) -> Files:
    """Yield the books as CSV, a file a year, named by the last day of its last month."""
    for file in delivered.partition_by("year", maintain_order=True):
        year = int(file["year"][0])
        last = min(date(year, 12, 31), _month(MONTHS) - timedelta(days=1))
        yield f"ledger/ledger_{last:%Y-%m-%d}.csv", csv_bytes(file.drop("year"))


def _level(entities: int, generator: np.random.Generator, *, noise: float) -> Floats:
    """Return relative sizes, shape (entities, months): trend, season, lasting jumps and noise."""
    place = np.arange(MONTHS)
    pace = generator.normal(0.006, 0.012, (entities, 1)) * place
    jumps = np.where(
        generator.random((entities, MONTHS)) < 0.01, generator.normal(0, 0.3, (entities, MONTHS)), 0.0
    ).cumsum(axis=1)
    shape = generator.normal(0, 0.2, (entities, 12))
    season = (shape - shape.mean(axis=1, keepdims=True))[:, place % 12]
    return np.exp(pace + jumps + season + generator.normal(0, noise, (entities, MONTHS)))


def _ratio_wander(entities: int, generator: np.random.Generator) -> Floats:
    """Return how the cost ratio wanders: it is pulled back to where the unit belongs."""
    shocks, path, now = (
        0.03 * generator.standard_normal((MONTHS, entities)),
        np.empty((entities, MONTHS)),
        np.zeros(entities),
    )
    for place in range(MONTHS):
        now = 0.9 * now + shocks[place]
        path[:, place] = now
    return path


def _month(place: int) -> date:
    month = _FIRST.year * 12 + _FIRST.month - 1 + place
    return date(month // 12, month % 12 + 1, 1)
