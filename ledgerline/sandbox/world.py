"""Write a simulated world to a folder, once: the same arguments always give the same bytes."""

import io
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from ledgerline.core.errors import LedgerlineError
from ledgerline.core.identity import canonical_json, sha256_bytes, sha256_file
from ledgerline.core.lock import exclusive
from ledgerline.core.storage import write_atomically
from ledgerline.sandbox.cards import simulate_payments
from ledgerline.sandbox.deliveries import WEEK_SECONDS, Dirt, deliver
from ledgerline.sandbox.frauds import Scenario, commit_frauds

WORLD_START = datetime(2018, 4, 1, tzinfo=UTC)
WORLD_FILE = ".world.json"
_SIMULATOR = 1  # raised when the same arguments give other bytes


class FolderTaken(LedgerlineError):
    """The folder holds another world, or files that are not the sandbox's."""


@dataclass(frozen=True, slots=True)
class WorldReport:
    """What a simulated world holds.

    Attributes:
        folder: Where it lies.
        files: Its data files' paths below ``folder`` and their SHA-256, in order of time.
        rows: Rows in all files, dirt included.
        payments: Distinct payments.
        frauds: Fraudulent payments by scenario number, ``1`` to ``3``.
        dirt: Dirty rows by kind.
        written: How many files this call wrote; 0 when the world was there already.
    """

    folder: Path
    files: Mapping[str, str]
    rows: int
    payments: int
    frauds: Mapping[int, int]
    dirt: Dirt
    written: int

    @property
    def fraud_rate(self) -> float:
        """Share of payments that are fraudulent."""
        return sum(self.frauds.values()) / self.payments


def write_world(
    folder: Path,
    *,
    customers: int,
    terminals: int,
    days: int,
    seed: int,
    progress: Callable[[str], None] | None = None,
) -> WorldReport:
    """Simulate card payments and write them as one Parquet file a week, ``transactions/card_transactions_<date>``.

    A world that is there already, whole, is left as it is. A call that was killed is finished by the next one, with the
    same bytes.

    Args:
        folder: Where to write.
        customers: How many card holders; the published size is 5,000.
        terminals: How many terminals; published 10,000.
        days: How many days from 2018-04-01; published 183.
        seed: Any non-negative integer; equal arguments give equal bytes.
        progress: Told, in a sentence, what is being done.

    Raises:
        ValueError: A size is not positive.
        FolderTaken: ``folder`` holds another world, or card files that the sandbox did not write.
    """
    if min(customers, terminals, days) < 1 or seed < 0:
        raise ValueError(f"a world needs positive sizes: {customers=}, {terminals=}, {days=}, {seed=}")
    tell = progress or (lambda _: None)
    asked = {"simulator": _SIMULATOR, "customers": customers, "terminals": terminals, "days": days, "seed": seed}
    folder.mkdir(parents=True, exist_ok=True)
    with exclusive(folder):
        if (found := _existing(folder, asked)) is not None:
            return found
        write_atomically(folder / WORLD_FILE, canonical_json({"asked": asked}))
        tell(f"simulating {customers:,} customers and {terminals:,} terminals over {days} days")
        rows, facts = _simulate(customers=customers, terminals=terminals, days=days, seed=seed)
        hashes: dict[str, str] = {}
        written = 0
        for path, content in _weekly_files(rows, days):
            hashes[path] = sha256_bytes(content)
            if not _holds(folder / path, hashes[path]):
                write_atomically(folder / path, content)
                written += 1
            tell(f"wrote {path}")
        _remove_remains(folder)
        write_atomically(folder / WORLD_FILE, canonical_json({"asked": asked, "files": hashes, "facts": facts}))
        return _report(folder, hashes, facts, written=written)


def _remove_remains(folder: Path) -> None:
    """Remove the temporary files of a call that was killed while it wrote."""
    for remains in (*folder.glob(f".{WORLD_FILE}.*"), *(folder / "transactions").glob(".*")):
        remains.unlink()


def _simulate(*, customers: int, terminals: int, days: int, seed: int) -> tuple[pl.DataFrame, dict[str, Any]]:
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
    return rows, {
        "rows": rows.height,
        "payments": table.height,
        "frauds": [int(count) for count in counts[1:]],
        "dirt": asdict(dirty),
    }


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


def _existing(folder: Path, asked: dict[str, int]) -> WorldReport | None:
    """Return the world in ``folder`` if it is whole and the one asked for; None if it must be (re)written.

    Raises:
        FolderTaken: Something else is there.
    """
    record = folder / WORLD_FILE
    if not record.exists():
        if any((folder / "transactions").glob("*")):
            raise FolderTaken(
                f"{folder}/transactions holds files that the sandbox did not write; choose another folder"
            )
        return None
    world = json.loads(record.read_bytes())
    if world["asked"] != asked:
        raise FolderTaken(
            f"{folder} holds another simulated world ({world['asked']}); remove it or choose another folder"
        )
    files = world.get("files")
    if files is None or any(not _holds(folder / path, sha256) for path, sha256 in files.items()):
        return None
    return _report(folder, files, world["facts"], written=0)


def _holds(path: Path, sha256: str) -> bool:
    return path.exists() and sha256_file(path) == sha256


def _report(folder: Path, files: Mapping[str, str], facts: Mapping[str, Any], *, written: int) -> WorldReport:
    return WorldReport(
        folder=folder,
        files=files,
        rows=facts["rows"],
        payments=facts["payments"],
        frauds={Scenario(number).value: count for number, count in enumerate(facts["frauds"], start=1)},
        dirt=Dirt(**facts["dirt"]),
        written=written,
    )
