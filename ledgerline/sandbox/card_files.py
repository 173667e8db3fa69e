"""Card payments as one Parquet file a week."""

import io
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from ledgerline.sandbox.cards import simulate_payments
from ledgerline.sandbox.deliveries import WEEK_SECONDS, deliver
from ledgerline.sandbox.frauds import Scenario, commit_frauds
from ledgerline.sandbox.parts import Part, Simulated

WORLD_START = datetime(2018, 4, 1, tzinfo=UTC)


def card_part(*, customers: int, terminals: int, days: int, seed: int) -> Part:
    """Return the card payments of a world."""

    def simulate() -> Simulated:
        # One stream each: more dirt must not change who pays where.
        paying, frauds, dirt = (np.random.default_rng(child) for child in np.random.SeedSequence(seed).spawn(3))
        payments = simulate_payments(customers=customers, terminals=terminals, days=days, generator=paying)
        cents, scenario = commit_frauds(payments, customers=customers, terminals=terminals, days=days, generator=frauds)
        table = pl.DataFrame(
            {
                "TRANSACTION_ID": np.arange(cents.size, dtype=np.int32),
                "CUSTOMER_ID": payments.customer,
                "TERMINAL_ID": payments.terminal,
                "AMOUNT_CENTS": cents,
                "TX_TIME_SECONDS": payments.seconds,
                "TX_FRAUD_SCENARIO": scenario,
            }
        )
        rows, dirty = deliver(table, days=days, generator=dirt)
        counts = np.bincount(scenario, minlength=len(Scenario))
        return Simulated(
            files=_weekly_files(rows, days),
            rows=rows.height,
            dirt={"transactions": asdict(dirty)},
            facts={"payments": table.height, "frauds": [int(count) for count in counts[1:]]},
        )

    return Part(
        name="cards",
        asked={"customers": customers, "terminals": terminals, "days": days},
        folders=("transactions",),
        said=f"simulating {customers:,} customers and {terminals:,} terminals over {days} days",
        simulate=simulate,
    )


def _weekly_files(rows: pl.DataFrame, days: int) -> Iterator[tuple[str, bytes]]:
    """Yield each week's path and Parquet bytes; ``rows`` are in order of receipt."""
    received = rows["RECEIVED_TIME_SECONDS"].to_numpy()
    weeks = -(-days // 7)
    bounds = np.searchsorted(received, np.arange(weeks + 1) * WEEK_SECONDS)
    for week in range(weeks):
        start = WORLD_START + timedelta(weeks=week)
        buffer = io.BytesIO()
        rows[int(bounds[week]) : int(bounds[week + 1])].write_parquet(buffer, compression="zstd")
        yield f"transactions/card_transactions_{start:%Y-%m-%d}.parquet", buffer.getvalue()
