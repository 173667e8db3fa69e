"""Sliding windows over card events beside bare polars and pandas, and beside the published card features.

    python benchmarks/rolling_windows.py [--quick] [--repeats 3]

Ten windows over 5,000,000 simulated payments of 50,000 cards at 20,000 terminals in half a year: sum, mean and count of
a customer's amounts over 1, 7 and 30 days, and a terminal's risk, the share of frauds over 30 days that ended 7 days
before. Each engine runs in a process of its own, which first answers a tiny task (imports and compilation count for
nobody) and then works on the same frame in memory, with text for keys. Ours checks the rows against their contract and
puts ids and arrival in order first, for it may be given late and repeated rows; the peers are told that rows are in
order. Polars is given its best of two ways: sorted by key and time once a key and then `rolling`, or `rolling` on the
frame as it is. Their results, put in our order, must be ours to 1e-9: so nothing here was late.

What ten times the events cost, built span by span from files of a day, is in `benchmarks/incremental_features.py`.

Last, where the published 1.75 million card transactions lie beside the project: every feature of `card_spending` beside
the published transformation, kept in `tests/unit/feature_store/test_published_features.py`, over all of them.

The last line is JSON: wall_s, and as ratios polars (ours over its time) and pandas (its time over ours).
"""

import argparse
import json
import multiprocessing
import os
import platform
import resource
import statistics
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

DAY = 86_400_000_000
DAYS = 183
CARDS, TERMINALS = 50_000, 20_000
SPANS = (1, 7, 30)
RISK_DAYS, DELAY_DAYS = 30, 7
FRAUD = 0.0085
INSTANT = pl.Datetime("us", "UTC")
COMPARED = 200_000  # rows whose values are compared


def simulate(rows: int, seed: int = 1) -> pl.DataFrame:
    """Return payments in the order of their time, with what their label will say."""
    chance = np.random.default_rng(seed)
    made = np.sort(chance.integers(0, DAYS * DAY, rows))
    return pl.DataFrame(
        {
            "transaction_id": pl.Series(np.arange(rows)).cast(pl.String),
            "customer_id": pl.Series(chance.integers(0, CARDS, rows)).cast(pl.String),
            "terminal_id": pl.Series(chance.integers(0, TERMINALS, rows)).cast(pl.String),
            "amount_minor": chance.integers(1, 100_000, rows),
            "event_time": pl.Series(made).cast(INSTANT),
            "is_fraud": chance.random(rows) < FRAUD,
        }
    )


def ledgerline(payments: pl.DataFrame) -> pl.DataFrame:
    """Compute the windows by ours; every label is there after a week."""
    from feature_store.offline import compute

    events = payments.with_columns(available_at=pl.col("event_time"))
    labels = events.filter("is_fraud").select(
        "transaction_id", "event_time", "is_fraud", available_at=pl.col("event_time") + timedelta(days=DELAY_DAYS)
    )
    return compute(_view(), events, labels)


def _view() -> Any:
    from feature_store.features import Aggregation, Measure, Source, WindowAggregate
    from feature_store.view import FeatureView
    from ledgerline.core.contracts import FRAUD_LABELS, TRANSACTIONS

    amount, fraud = Measure(Source.EVENTS, "amount_minor", divide_by=100), Measure(Source.LABELS, "is_fraud")
    told = {"empty": 0.0, "description": "", "unit": ""}
    windows = [
        WindowAggregate(name=f"{how}_{days}", by="customer_id", how=how, of=of, over=timedelta(days=days), **told)
        for days in SPANS
        for how, of in ((Aggregation.SUM, amount), (Aggregation.MEAN, amount), (Aggregation.COUNT, None))
    ]
    risk = WindowAggregate(
        name="risk",
        by="terminal_id",
        how=Aggregation.MEAN,
        of=fraud,
        over=timedelta(days=RISK_DAYS),
        delay=timedelta(days=DELAY_DAYS),
        **told,
    )
    entities = ("customer_id", "terminal_id")
    return FeatureView("windows", "", "", TRANSACTIONS, FRAUD_LABELS, entities, (*windows, risk))


def polars_sorted(payments: pl.DataFrame) -> list[pl.DataFrame]:
    """Compute the windows by `rolling` on frames sorted by key and time."""
    return _polars(payments.sort("customer_id", "event_time"), payments.sort("terminal_id", "event_time"))


def polars_as_given(payments: pl.DataFrame) -> list[pl.DataFrame]:
    """Compute the windows by `rolling` on the frame as it is."""
    return _polars(payments, payments)


def _polars(by_customer: pl.DataFrame, by_terminal: pl.DataFrame) -> list[pl.DataFrame]:
    amount = pl.col("amount_minor")
    windows = [
        by_customer.rolling("event_time", period=f"{days}d", group_by="customer_id").agg(
            amount.sum().alias("sum") / 100, amount.mean().alias("mean") / 100, pl.len().alias("count")
        )
        for days in SPANS
    ]
    risk = by_terminal.rolling(
        "event_time", period=f"{RISK_DAYS}d", offset=f"-{RISK_DAYS + DELAY_DAYS}d", group_by="terminal_id"
    ).agg(pl.col("is_fraud").mean())
    return [*windows, risk]


def pandas(payments: pl.DataFrame) -> list[Any]:
    """Compute the windows by pandas' grouped rolling windows."""
    frame = payments.to_pandas().set_index("event_time")
    of_customers = frame.groupby("customer_id", sort=False)["amount_minor"]
    windows = [of_customers.rolling(f"{days}D").agg(["sum", "mean", "count"]) for days in SPANS]
    of_terminals = frame.groupby("terminal_id", sort=False)["is_fraud"]
    longer = of_terminals.rolling(f"{RISK_DAYS + DELAY_DAYS}D").agg(["sum", "count"])
    shorter = of_terminals.rolling(f"{DELAY_DAYS}D").agg(["sum", "count"])
    return [*windows, (longer["sum"] - shorter["sum"]) / (longer["count"] - shorter["count"])]


ENGINES: dict[str, Callable[[pl.DataFrame], Any]] = {
    "ledgerline": ledgerline,
    "polars_sorted": polars_sorted,
    "polars_as_given": polars_as_given,
    "pandas": pandas,
}


def measured(engine: str, rows: int, turns: int, found: Any) -> None:
    """Run one engine in this process: median seconds of its turns, and the peak of memory."""
    compute = ENGINES[engine]
    compute(simulate(2_000))
    payments, took = simulate(rows), []
    for _ in range(turns):
        start = time.perf_counter()
        result = compute(payments)
        took.append(time.perf_counter() - start)
        del result
    found.put((statistics.median(took), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024))


def in_a_process(work: Callable[..., None], *arguments: Any) -> Any:
    """Return what a fresh process puts into the queue that it is given last."""
    context = multiprocessing.get_context("spawn")
    found = context.Queue()
    process = context.Process(target=work, args=(*arguments, found))
    process.start()
    answer = found.get()
    process.join()
    return answer


def differences(rows: int) -> float:
    """Return the greatest difference between ours and polars' values, put in one order."""
    payments = simulate(rows, seed=2).unique(["customer_id", "event_time"], keep="first", maintain_order=True)
    payments = payments.unique(["terminal_id", "event_time"], keep="first", maintain_order=True)
    ours = ledgerline(payments)
    *customers, risk = polars_sorted(payments)
    greatest = 0.0
    for days, window in zip(SPANS, customers, strict=True):
        named = window.rename({name: f"their_{name}" for name in ("sum", "mean", "count")})
        both = ours.join(named, on=["customer_id", "event_time"], how="left")
        apart = [(pl.col(f"{name}_{days}") - pl.col(f"their_{name}")).abs().max() for name in ("sum", "mean", "count")]
        greatest = max(greatest, *both.select(pl.max_horizontal(apart)).row(0))
    both = ours.join(risk, on=["terminal_id", "event_time"], how="left")
    apart = (pl.col("risk") - pl.col("is_fraud").fill_null(0.0)).abs().max()
    return max(greatest, both.select(apart).item())


def published_difference() -> float | None:
    """Return the greatest difference to the published card features; None where the data is not there."""
    import importlib.util

    path = Path(__file__).parents[1] / "tests" / "unit" / "feature_store" / "test_published_features.py"
    spec = importlib.util.spec_from_file_location("published_features", path)
    if spec is None or spec.loader is None:
        return None
    twin = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(twin)
    return twin.greatest_difference() if twin.PUBLISHED.exists() else None


def main() -> None:
    """Measure every engine, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a tenth of the payments, one turn, nothing published")
    parser.add_argument("--repeats", type=int, default=3, help="turns of each engine; pandas has one")
    options = parser.parse_args()
    rows, turns = (500_000, 1) if options.quick else (5_000_000, options.repeats)
    apart = differences(COMPARED)
    print(f"greatest difference to polars over {COMPARED:,} payments: {apart:.2e}", flush=True)
    took, peak = {}, {}
    for engine in ENGINES:
        took[engine], peak[engine] = in_a_process(measured, engine, rows, 1 if engine == "pandas" else turns)
        print(f"{engine:<16} {took[engine]:8.2f} s  {peak[engine]:8,.0f} MB", flush=True)
    published = None if options.quick else published_difference()
    print(f"greatest difference to the published transformation, all features: {published}", flush=True)
    ours, best = took["ledgerline"], min(took["polars_sorted"], took["polars_as_given"])
    print(
        json.dumps(
            {
                "benchmark": "rolling_windows",
                "figures": {
                    "wall_s": round(ours, 3),
                    "peak_mb": round(peak["ledgerline"]),
                    "max_difference": apart,
                    "published_max_difference": published,
                },
                "peers": {f"{name}_s": round(each, 3) for name, each in took.items() if name != "ledgerline"},
                "ratios": {"polars": round(ours / best, 3), "pandas": round(took["pandas"] / ours, 1)},
                "seeds": 1,
                "data": f"{rows:,} simulated payments, 10 windows",
                "quick": options.quick,
                "machine": f"{os.cpu_count()} cores, {platform.machine()}",
            }
        ),
        flush=True,
    )


if __name__ == "__main__":
    main()
