"""Write a simulated world to a folder, once: the same arguments always give the same bytes."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ledgerline.core.errors import LedgerlineError
from ledgerline.core.identity import canonical_json, sha256_bytes, sha256_file
from ledgerline.core.lock import exclusive
from ledgerline.core.settings import Settings
from ledgerline.core.storage import write_atomically
from ledgerline.sandbox.card_files import card_part
from ledgerline.sandbox.deliveries import Dirt
from ledgerline.sandbox.families import books_part, lending_part, market_part
from ledgerline.sandbox.frauds import Scenario
from ledgerline.sandbox.parts import Part

WORLD_FILE = ".world.json"
_SIMULATOR = 1  # raised when the same arguments give other card payments

Progress = Callable[[str], None]


class FolderTaken(LedgerlineError):
    """The folder holds another world, or files that are not the sandbox's."""


@dataclass(frozen=True, slots=True)
class WorldReport:
    """What a simulated world holds.

    Attributes:
        folder: Where it lies.
        files: Its data files' paths below ``folder`` and their SHA-256, family by family.
        rows: Rows in all files that are delivered, dirt included.
        payments: Distinct card payments.
        frauds: Fraudulent payments by scenario number, ``1`` to ``3``.
        dirt: Dirty rows of the card payments by kind.
        planted: Dirty rows of every dataset, by dataset and kind.
        written: How many files this call wrote; 0 when the world was there already.
    """

    folder: Path
    files: Mapping[str, str]
    rows: int
    payments: int
    frauds: Mapping[int, int]
    dirt: Dirt
    planted: Mapping[str, Mapping[str, int]]
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
    symbols: int = 0,
    sessions: int = 1_250,
    future_sessions: int = 30,
    signal: float = 1.0,
    applications: int = 0,
    entities: int = 0,
    progress: Progress | None = None,
) -> WorldReport:
    """Simulate a world and write it as the files that its providers would deliver.

    Card payments are always there; the market with the economy and posts, the lender and the books only where their
    size is not zero. More of one family changes nothing in another. A world that is there already, whole, is left as it
    is, and one that lacks a family gets it. A call that was killed is finished by the next one, with the same bytes.

    Args:
        folder: Where to write.
        customers: How many card holders; the published size is 5,000.
        terminals: How many terminals; published 10,000.
        days: How many days from 2018-04-01; published 183.
        seed: Any non-negative integer; equal arguments give equal bytes.
        symbols: How many shares; 0 for no market.
        sessions: Sessions of the market before the world's present, 2018-10-01.
        future_sessions: Sessions after it, which only the sandbox's exchange knows.
        signal: Strength of what is planted in the prices; at 0 they follow nothing but chance.
        applications: How many credit applications; 0 for no lender.
        entities: How many business units; 0 for no books.
        progress: Told, in a sentence, what is being done.

    Raises:
        ValueError: A size is not positive.
        FolderTaken: ``folder`` holds another world, or files that the sandbox did not write.
    """
    if min(customers, terminals, days) < 1 or seed < 0:
        raise ValueError(f"a world needs positive sizes: {customers=}, {terminals=}, {days=}, {seed=}")
    if min(symbols, future_sessions, applications, entities) < 0 or (symbols and sessions < 1):
        raise ValueError(
            f"no size may be negative, and a market needs sessions: {symbols=}, {sessions=}, {future_sessions=}, "
            f"{applications=}, {entities=}"
        )
    parts = [card_part(customers=customers, terminals=terminals, days=days, seed=seed)]
    if symbols:
        parts.append(
            market_part(symbols=symbols, sessions=sessions, future_sessions=future_sessions, signal=signal, seed=seed)
        )
    if applications:
        parts.append(lending_part(applications=applications, seed=seed))
    if entities:
        parts.append(books_part(entities=entities, seed=seed))
    return _write(folder, parts, seed=seed, tell=progress or (lambda _: None))


def write_world_of(settings: Settings, progress: Progress | None = None) -> WorldReport:
    """Write the world that an installation's settings describe, where they say that it lies.

    Args:
        settings: The installation's.
        progress: Told, in a sentence, what is being done.

    Raises:
        ValueError: A size is not positive.
        FolderTaken: Another world lies there, or files that the sandbox did not write.
    """
    return write_world(
        settings.data_path,
        customers=settings.sandbox_customers,
        terminals=settings.sandbox_terminals,
        days=settings.sandbox_days,
        seed=settings.sandbox_seed,
        symbols=settings.sandbox_symbols,
        sessions=settings.sandbox_sessions,
        future_sessions=settings.sandbox_future_sessions,
        signal=settings.sandbox_signal,
        applications=settings.sandbox_applications,
        entities=settings.sandbox_entities,
        progress=progress,
    )


def _write(folder: Path, parts: Sequence[Part], *, seed: int, tell: Progress) -> WorldReport:
    cards, *others = parts
    asked: dict[str, Any] = {"simulator": _SIMULATOR, **cards.asked, "seed": seed}
    asked |= {part.name: dict(part.asked) for part in others}
    folder.mkdir(parents=True, exist_ok=True)
    with exclusive(folder):
        known = _known(folder, asked, parts)
        whole = {part.name: found for part in parts if _is_whole(folder, found := known.get(part.name))}
        if len(whole) == len(parts):
            return _report(folder, whole, written=0)
        write_atomically(folder / WORLD_FILE, canonical_json({"asked": asked, "parts": whole}))
        written = 0
        for part in parts:
            if part.name not in whole:
                whole[part.name], new = _write_part(folder, part, tell)
                written += new
        _remove_remains(folder, parts)
        write_atomically(folder / WORLD_FILE, canonical_json({"asked": asked, "parts": whole}))
        return _report(folder, whole, written=written)


def _write_part(folder: Path, part: Part, tell: Progress) -> tuple[dict[str, Any], int]:
    """Write the files of a family that are not there yet; return what is kept on record, and how many they were."""
    tell(part.said)
    simulated = part.simulate()
    hashes: dict[str, str] = {}
    written = 0
    for path, content in simulated.files:
        hashes[path] = sha256_bytes(content)
        if not _holds(folder / path, hashes[path]):
            write_atomically(folder / path, content)
            written += 1
        tell(f"wrote {path}")
    dirt = {dataset: dict(kinds) for dataset, kinds in simulated.dirt.items()}
    return {"files": hashes, "rows": simulated.rows, "dirt": dirt, "facts": dict(simulated.facts)}, written


def _remove_remains(folder: Path, parts: Sequence[Part]) -> None:
    """Remove the temporary files of a call that was killed while it wrote."""
    for remains in folder.glob(f".{WORLD_FILE}.*"):
        remains.unlink()
    for name in (name for part in parts for name in part.folders):
        for remains in (folder / name).glob(".*"):
            remains.unlink()


def _known(folder: Path, asked: Mapping[str, Any], parts: Sequence[Part]) -> dict[str, Any]:
    """Return what is on record of each family that is there, whole or not.

    Raises:
        FolderTaken: Something else is there.
    """
    record = folder / WORLD_FILE
    world = json.loads(record.read_bytes()) if record.exists() else None
    if world is not None and any(asked.get(name) != value for name, value in world["asked"].items()):
        raise FolderTaken(
            f"{folder} holds another simulated world ({world['asked']}); remove it or choose another folder"
        )
    cards, *others = parts
    ours = set() if world is None else {cards.name, *world["asked"]}
    for name in (name for part in (cards, *others) if part.name not in ours for name in part.folders):
        if any((folder / name).glob("*")):
            raise FolderTaken(f"{folder}/{name} holds files that the sandbox did not write; choose another folder")
    known: dict[str, Any] = {} if world is None else world.get("parts", {})
    return known


def _is_whole(folder: Path, found: Mapping[str, Any] | None) -> bool:
    return found is not None and all(_holds(folder / path, sha256) for path, sha256 in found["files"].items())


def _holds(path: Path, sha256: str) -> bool:
    return path.exists() and sha256_file(path) == sha256


def _report(folder: Path, parts: Mapping[str, Any], *, written: int) -> WorldReport:
    cards = parts["cards"]
    return WorldReport(
        folder=folder,
        files={path: sha256 for part in parts.values() for path, sha256 in part["files"].items()},
        rows=sum(part["rows"] for part in parts.values()),
        payments=cards["facts"]["payments"],
        frauds={Scenario(number).value: count for number, count in enumerate(cards["facts"]["frauds"], start=1)},
        dirt=Dirt(**cards["dirt"]["transactions"]),
        planted={dataset: kinds for part in parts.values() for dataset, kinds in part["dirt"].items() if kinds},
        written=written,
    )
