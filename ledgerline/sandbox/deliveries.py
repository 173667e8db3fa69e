"""What the acquirer delivers: the payments as received, with the seeded dirt of a real feed."""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ledgerline.sandbox.cards import DAY_SECONDS
from ledgerline.sandbox.draw import Draw

WEEK_SECONDS = 7 * DAY_SECONDS
LABEL_DELAY_SECONDS = 7 * DAY_SECONDS
_TEN_YEARS_SECONDS = 3_652 * DAY_SECONDS

_LATE_SHARE = 1e-3
_DUPLICATE_SHARE = 5e-4  # in the same file, and as much again in a later one
_NULL_SHARE = 4e-4
_IMPOSSIBLE_SHARE = 1e-4  # of each kind
_NULLABLE = ("CUSTOMER_ID", "TERMINAL_ID", "AMOUNT_CENTS", "TX_FRAUD_SCENARIO")


@dataclass(frozen=True, slots=True)
class Dirt:
    """How many delivered rows are dirty, by kind; no row is of two kinds.

    Attributes:
        late: Received 1 to 6 days after the payment, in a later file.
        duplicates_same_file: A second copy in the same file.
        duplicates_later_file: A second copy in the next file, received a week later.
        nulls: One of the customer, the terminal, the amount or the label is missing.
        negative_amounts: Amount below zero.
        future_dates: Ten years ahead of when the row was received.
        labels_before_payment: The label is dated a day before the payment.
    """

    late: int
    duplicates_same_file: int
    duplicates_later_file: int
    nulls: int
    negative_amounts: int
    future_dates: int
    labels_before_payment: int

    @property
    def total(self) -> int:
        """All dirty rows."""
        return (
            self.late
            + self.duplicates_same_file
            + self.duplicates_later_file
            + self.nulls
            + self.negative_amounts
            + self.future_dates
            + self.labels_before_payment
        )


def deliver(payments: pl.DataFrame, *, days: int, generator: np.random.Generator) -> tuple[pl.DataFrame, Dirt]:
    """Return the rows as received, in order of receipt, and how dirty they are.

    Args:
        payments: ``TRANSACTION_ID, CUSTOMER_ID, TERMINAL_ID, AMOUNT_CENTS, TX_TIME_SECONDS, TX_FRAUD_SCENARIO``; times
            in seconds since the start of the world.
        days: Length of the world; nothing is received after it.
        generator: Where all randomness comes from.

    Returns:
        The same columns with ``RECEIVED_TIME_SECONDS`` (when the acquirer delivered the row) and
        ``LABEL_TIME_SECONDS`` (when its label was known), and the counts.
    """
    true_time = payments["TX_TIME_SECONDS"].to_numpy()
    end = days * DAY_SECONDS
    draw = Draw(payments.height, generator)

    delayed = true_time + generator.integers(DAY_SECONDS, 6 * DAY_SECONDS, payments.height)
    late = draw.rows(_LATE_SHARE, (delayed // WEEK_SECONDS > true_time // WEEK_SECONDS) & (delayed < end))
    received = true_time.copy()
    received[late] = delayed[late]

    twice = draw.rows(_DUPLICATE_SHARE)
    again = draw.rows(_DUPLICATE_SHARE, true_time + WEEK_SECONDS < end)
    lacking = draw.rows(_NULL_SHARE)
    negative = draw.rows(_IMPOSSIBLE_SHARE)
    future = draw.rows(_IMPOSSIBLE_SHARE)
    too_early = draw.rows(_IMPOSSIBLE_SHARE)

    cents = payments["AMOUNT_CENTS"].to_numpy().copy()
    cents[negative] = -np.maximum(cents[negative], 1)
    stated_time = true_time.copy()
    stated_time[future] += _TEN_YEARS_SECONDS
    label_time = stated_time + LABEL_DELAY_SECONDS
    label_time[too_early] = stated_time[too_early] - DAY_SECONDS

    rows = payments.with_columns(
        pl.Series("AMOUNT_CENTS", cents, dtype=pl.Int32),
        pl.Series("TX_TIME_SECONDS", stated_time, dtype=pl.Int32),
        pl.Series("RECEIVED_TIME_SECONDS", received, dtype=pl.Int32),
        pl.Series("LABEL_TIME_SECONDS", label_time, dtype=pl.Int32),
    )
    rows = _blank(rows, lacking)
    resent = rows[again].with_columns(pl.col("RECEIVED_TIME_SECONDS") + WEEK_SECONDS)
    delivered = pl.concat([rows, rows[twice], resent]).sort(
        "RECEIVED_TIME_SECONDS", "TRANSACTION_ID", maintain_order=True
    )
    return delivered, Dirt(
        late=late.size,
        duplicates_same_file=twice.size,
        duplicates_later_file=again.size,
        nulls=lacking.size,
        negative_amounts=negative.size,
        future_dates=future.size,
        labels_before_payment=too_early.size,
    )


def _blank(rows: pl.DataFrame, lacking: NDArray[np.int64]) -> pl.DataFrame:
    """Remove one value from each of the ``lacking`` rows, each column in turn."""
    columns = []
    for position, name in enumerate(_NULLABLE):
        missing = np.zeros(rows.height, dtype=np.bool_)
        missing[lacking[position :: len(_NULLABLE)]] = True
        columns.append(pl.when(pl.lit(pl.Series(missing))).then(None).otherwise(pl.col(name)).alias(name))
    return rows.with_columns(columns)
