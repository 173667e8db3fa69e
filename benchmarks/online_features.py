"""How fast a decision gets its features online: in process, from SQLite and from Redis, beside Feast's SQLite store.

    python benchmarks/online_features.py [--redis redis://127.0.0.1:6379/0] [--quick]

The view is `card_spending`, all fifteen features, computed from the events of a customer and a terminal as each
decision knows them. The simulated payments of the Fraud Detection Handbook's city (5,000 customers, 10,000 terminals)
fill each store with the last 38 days that can matter, some 0.36 M payments, each with its label a week later. Then the
payments that follow are decided on, one by one, by one process:

*read* is `vector(payment)`, as the scoring job asks for it: look up, compute, return. *update and read* is
`take(payments)`: that, and each is seen by the next; one at a time, and 32 at a time, as a consumer of a stream is
handed them. Durable as the engine is set up (SQLite: WAL and synchronous NORMAL in a temporary folder; Redis:
whatever it runs with). The vectors of all stores are compared to the last bit. The peer, Feast, reads fifteen numbers
that were computed before, of one entity.

Feast runs in an environment of its own (`benchmarks/peers/feast.txt`, made by uv, which asks a package index); where
that fails, or no Redis listens, they are left out, and the last line says so. What is written to Redis is deleted.

The last line is JSON: for each of inprocess, sqlite and redis p50_ms and p99_ms of a read, update_p99_ms of an update
and read, events_per_s of those 32 at a time and events_one_by_one_per_s, bootstrap_s; as a ratio feast_sqlite, the
peer's p99 over that of our SQLite.
"""

import argparse
import gc
import json
import os
import platform
import secrets
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import polars as pl
from peers.feast_environment import feast_python

from feature_store.errors import StoreUnavailable
from feature_store.online import OnlineFeatures, recent_events
from feature_store.stores import OnlineStore, StateName, open_store
from feature_store.stores.redis import RedisStore
from feature_store.views.card_spending import CARD_SPENDING
from ledgerline.sandbox.cards import simulate_payments

START = datetime(2026, 1, 1, tzinfo=UTC)
STATE_DAYS = 38  # the horizon, and a day of disorder
LIVE_DAYS = 2
FRAUD_SHARE = 0.01
INSTANT = pl.Datetime("us", "UTC")
HANDED_OVER = 32  # events at a time
WARM_UP = 200
PEER = Path(__file__).parent / "peers" / "feast_online.py"


@dataclass(frozen=True)
class World:
    """The state that a store begins with, and the payments that follow."""

    state: pl.DataFrame
    as_of: datetime
    live: list[dict[str, Any]]


def world(customers: int, terminals: int, reads: int) -> World:
    """Simulate payments and labels, and part them into past and present."""
    chance = np.random.default_rng(20260101)
    drawn = simulate_payments(customers=customers, terminals=terminals, days=STATE_DAYS + LIVE_DAYS, generator=chance)
    instants = (pl.Series(drawn.seconds).cast(pl.Int64) * 1_000_000 + _micros(START)).cast(INSTANT)
    payments = pl.DataFrame(
        {
            "transaction_id": pl.Series(range(drawn.seconds.size)).cast(pl.String),
            "customer_id": pl.Series(drawn.customer).cast(pl.String),
            "terminal_id": pl.Series(drawn.terminal).cast(pl.String),
            "amount_minor": pl.Series(drawn.cents).cast(pl.Int64),
            "event_time": instants,
            "available_at": instants,
        }
    )
    labels = payments.select(
        "transaction_id",
        pl.Series("is_fraud", chance.random(payments.height) < FRAUD_SHARE),
        "event_time",
        available_at=pl.col("event_time") + timedelta(days=7),
    )
    as_of = START + timedelta(days=STATE_DAYS)
    live = payments.filter(pl.col("available_at") > as_of).head(2 * reads + WARM_UP)
    return World(recent_events(CARD_SPENDING, payments, labels, as_of), as_of, live.to_dicts())


def _micros(instant: datetime) -> int:
    return int(instant.timestamp()) * 1_000_000


def measured(name: str, store: OnlineStore, world: World, reads: int) -> tuple[dict[str, float], list[Any]]:
    """Return a store's figures, and some of the vectors that it answered."""
    online = OnlineFeatures(CARD_SPENDING, store.events(CARD_SPENDING, StateName("benchmark")))
    began = time.perf_counter()
    online.bootstrap(world.state, as_of=world.as_of, progress=_said(name))
    figures = {"bootstrap_s": time.perf_counter() - began}
    gc.collect()
    gc.freeze()  # as the scoring job does: a full collection stops every answer
    for payment in world.live[:WARM_UP]:
        online.take([payment])
    first, second = world.live[WARM_UP : WARM_UP + reads], world.live[WARM_UP + reads :]
    took, vectors = [], []
    for payment in first:
        began = time.perf_counter()
        vector = online.vector(payment)
        took.append(time.perf_counter() - began)
        vectors.append(vector)
    figures |= {"p50_ms": _percentile(took, 50), "p99_ms": _percentile(took, 99)}
    written = []
    began = time.perf_counter()
    half = len(second) // 2
    for payment in second[:half]:
        begun = time.perf_counter()
        vectors += online.take([payment])
        written.append(time.perf_counter() - begun)
    figures["events_one_by_one_per_s"] = half / (time.perf_counter() - began)
    began = time.perf_counter()
    for some in range(half, len(second), HANDED_OVER):
        vectors += online.take(second[some : some + HANDED_OVER])
    figures["events_per_s"] = (len(second) - half) / (time.perf_counter() - began)
    figures["update_p99_ms"] = _percentile(written, 99)
    gc.unfreeze()
    print(f"{name}: " + ", ".join(f"{what} {value:,.3f}" for what, value in figures.items()), flush=True)
    return figures, vectors


def _said(name: str) -> Any:
    def say(done: int, of: int) -> None:
        if done % 50_000 == 0 or done == of:
            print(f"{name}: {done:,} of {of:,} rows bootstrapped", flush=True)

    return say


def _percentile(seconds: list[float], percent: float) -> float:
    return float(np.percentile(seconds, percent)) * 1_000


@contextmanager
def opened_redis(address: str) -> Iterator[RedisStore | None]:
    """Open a namespace of its own; None where nobody listens."""
    parts = urlsplit(address)
    password = os.environ.get("LEDGERLINE_ONLINE_STORE_PASSWORD")
    database = int(parts.path.strip("/") or 0)
    name = f"benchmark-{secrets.token_hex(4)}"
    try:
        store = RedisStore(parts.hostname or "", parts.port or 6379, database, password=password, namespace=name)
    except StoreUnavailable as silent:
        print(f"{silent}: Redis is left out", flush=True)
        yield None
        return
    try:
        yield store
    finally:
        store.delete_namespace()
        store.close()


def feast(entities: int, reads: int) -> dict[str, float] | None:
    """Return the peer's figures, if it can be had."""
    python = feast_python()
    if python is None:
        return None
    ran = subprocess.run([python, PEER, str(entities), str(reads)], stdout=subprocess.PIPE, text=True, check=False)
    if ran.returncode:
        print("Feast failed and is left out", flush=True)
        return None
    took = [each / 1_000 for each in json.loads(ran.stdout.splitlines()[-1])["read_ms"]]
    figures = {"feast_sqlite_p50_ms": _percentile(took, 50), "feast_sqlite_p99_ms": _percentile(took, 99)}
    print(", ".join(f"{what} {value:,.3f}" for what, value in figures.items()), flush=True)
    return figures


def main() -> None:
    """Measure every store and the peer."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--redis", default="redis://127.0.0.1:6379/0", help="address of a Redis, without a login")
    parser.add_argument("--quick", action="store_true", help="a tenth of the city")
    options = parser.parse_args()
    customers, terminals, reads = (500, 1_000, 1_000) if options.quick else (5_000, 10_000, 5_000)
    simulated = world(customers, terminals, reads)
    print(f"{simulated.state.height:,} rows of state, {len(simulated.live):,} payments after it", flush=True)

    figures: dict[str, float] = {}
    answers: dict[str, list[Any]] = {}
    left_out = []

    def measure(name: str, store: OnlineStore) -> None:
        found, answers[name] = measured(name, store, simulated, reads)
        figures.update({f"{name}_{what}": round(value, 4) for what, value in found.items()})

    measure("inprocess", open_store(None))
    with tempfile.TemporaryDirectory(prefix="online-features-") as folder:
        store = open_store(f"sqlite:///{Path(folder) / 'online.db'}")
        measure("sqlite", store)
        store.close()
    with opened_redis(options.redis) as redis:
        if redis:
            measure("redis", redis)
        else:
            left_out.append("redis")
    for name, vectors in answers.items():
        assert vectors == answers["inprocess"], f"{name} answered otherwise"
    peers = feast(customers, reads) or {}
    if not peers:
        left_out.append("feast")
    ratios = {"feast_sqlite": peers["feast_sqlite_p99_ms"] / figures["sqlite_p99_ms"]} if peers else {}
    print(
        json.dumps(
            {
                "benchmark": "online_features",
                "figures": figures,
                "peers": {name: round(value, 4) for name, value in peers.items()},
                "ratios": {name: round(value, 2) for name, value in ratios.items()},
                "left_out": left_out,
                "seeds": 1,
                "data": f"simulated cards, {customers:,} x {terminals:,}, {simulated.state.height:,} rows of state",
                "quick": options.quick,
                "machine": f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}",
            }
        )
    )


if __name__ == "__main__":
    main()
