"""How fast the evidence log takes entries durably, and how fast it is verified, beside bare SQLite.

    python benchmarks/evidence_log.py [--entries 100000] [--repeats 3]

The peer is SQLite with nothing around it, through Python's own module, with the same journal, the same full sync and
the same groups, in the same run, one turn each: it inserts the very rows that the log has written (entries with their
hashes, edges) into tables of the same definition. What the log does beside is to encode and hash entries, to look for
doubles and for parents, and to index ids. A second peer shows a table of nothing but positions and bytes. Verification
reads with a process a core, and with one alone in the same turns. *Full* is every hash, signed root, edge and name,
with the grammar of edges, as `ledgerline audit verify --log-only` asks for it. Figures are medians of the turns.

The last line is JSON: batched_per_s, single_per_s, verify_hashes_per_s, verify_full_per_s, each of the last two also
with one_process before per_s, and as ratios ours over the peer's (1 is as fast): batched_vs_sqlite,
batched_vs_bytes_alone.
"""

import argparse
import json
import os
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ledgerline.audit import EvidenceLog, Kind, Leaf, Parent
from ledgerline.audit.graph import EDGES
from ledgerline.audit.log import NewLeaf
from ledgerline.audit.note import NoteSigner
from ledgerline.audit.tree import sign_checkpoint, size_of
from ledgerline.audit.verify import Trust, check_log
from ledgerline.audit.witness import Witness, observe

GROUP, SINGLES = 100, 300
BUNDLE = "b" * 64
SIGN_EVERY = 5_000
PROCESSES = os.cpu_count() or 1


def decisions(seed: int, deployment: str) -> Iterator[list[NewLeaf]]:
    """Yield groups of requests and the decisions on them, as the scoring job records them."""
    chance = np.random.default_rng(seed)
    while True:
        group = []
        for _ in range(GROUP // 2):
            words = [chance.bytes(32).hex() for _ in range(6)]
            request = Leaf(Kind.REQUEST, {"sha256": words[0]}, {"bytes": 212})
            identity = {"family": "fraud", "decision_id": words[1], "request": words[0]}
            detail = {"decided_at": "2026-01-01T00:00:00.000000Z", "deployment": deployment, "subject": words[2][:16]}
            decision = Leaf(
                Kind.DECISION,
                {**identity, "bundle": BUNDLE, "answer": words[3]},
                {**detail, "vector": words[4], "event": words[5]},
            )
            parents = [Parent(request.id, "request"), Parent(deployment, "deployment")]
            group += [NewLeaf(request), NewLeaf(decision, parents)]
        yield group


def deployed(log: EvidenceLog) -> str:
    """Record a deployment and what stands behind it, so that every edge of the log fits the grammar; return its id."""

    def add(kind: Kind, identity: dict[str, object], *parents: tuple[str, str], **detail: object) -> str:
        return log.append(Leaf(kind, identity, detail), [Parent(parent, role) for parent, role in parents])

    raw = add(Kind.RAW_FILE, {"sha256": "a" * 64})
    batch = add(Kind.LANDED_BATCH, {"raw": "a" * 64}, (raw, "raw"))
    receipt = add(Kind.VALIDATION_RECEIPT, {"batch": batch}, (batch, "batch"))
    features = add(Kind.FEATURE_VERSION, {"manifest": "c" * 64}, (receipt, "accepted"))
    training_set = add(Kind.TRAINING_SET, {"feature_version": features, "labels": []}, (features, "features"))
    run = add(Kind.TRAINING_RUN, {"training_set": training_set}, (training_set, "training_set"))
    bundle = add(Kind.MODEL_BUNDLE, {"digest": BUNDLE}, (run, "run"), training_run=run)
    evaluation = add(Kind.EVALUATION, {"bundle": BUNDLE}, (bundle, "bundle"))
    key = add(Kind.SIGNING_KEY, {"name": "maria"})
    approval = add(Kind.APPROVAL, {"evaluation": evaluation, "key": key}, (evaluation, "evaluation"), (key, "key"))
    behind = ((bundle, "bundle"), (approval, "approval"), (features, "online_state"))
    return add(Kind.DEPLOYMENT, {"bundle": BUNDLE, "approvals": [approval]}, *behind)


def append_grouped(log: EvidenceLog, groups: list[list[NewLeaf]]) -> float:
    """Append groups, each in a transaction of its own; return entries per second."""
    began = time.perf_counter()
    for group in groups:
        with log.transaction() as transaction:
            log.record_all(transaction, group)
    return len(groups) * GROUP / (time.perf_counter() - began)


def append_one_by_one(log: EvidenceLog, leaves: list[NewLeaf]) -> float:
    """Append entries, each in a transaction of its own; return entries per second."""
    began = time.perf_counter()
    for each in leaves:
        log.append(each.leaf, each.parents)
    return len(leaves) / (time.perf_counter() - began)


def verified(log: EvidenceLog, trust: Trust, repeats: int, *, hashes_only: bool) -> dict[int, list[float]]:
    """Verify in turns with a process a core and with one; return entries per second by processes, in their order.

    The first turn of all starts the server that starts processes.
    """
    speeds: dict[int, list[float]] = {PROCESSES: [], 1: []}
    for _ in range(repeats):
        for processes, found in speeds.items():
            began = time.perf_counter()
            verification = check_log(log, trust, hashes_only=hashes_only, grammar=EDGES, processes=processes)
            found.append(verification.entries / (time.perf_counter() - began))
            assert verification.holds, verification.findings[0]
    return speeds


class BareSqlite:
    """A peer: rows into tables, and nothing else.

    Args:
        path: Its database.
        tables: What to create, as SQL.
    """

    def __init__(self, path: Path, tables: str) -> None:
        self.connection = sqlite3.connect(path, isolation_level=None)
        for pragma in ("journal_mode=WAL", "synchronous=FULL"):
            self.connection.execute(f"PRAGMA {pragma}")
        self.connection.executescript(tables)

    def insert(self, groups: list[dict[str, list[tuple[object, ...]]]]) -> float:
        """Insert groups of rows by table, each in a transaction of its own; return entries per second."""
        statements = {
            table: f"INSERT INTO {table} VALUES ({', '.join('?' * len(rows[0]))})"  # noqa: S608  (our own tables)
            for table, rows in groups[0].items()
        }
        began = time.perf_counter()
        for group in groups:
            self.connection.execute("BEGIN IMMEDIATE")
            for table, rows in group.items():
                self.connection.executemany(statements[table], rows)
            self.connection.execute("COMMIT")
        return sum(len(group["leaf"]) for group in groups) / (time.perf_counter() - began)


def same_tables(path: Path) -> str:
    """Return the SQL that made the log's own tables of entries and edges."""
    connection = sqlite3.connect(path)
    made = connection.execute("SELECT sql FROM sqlite_master WHERE tbl_name IN ('leaf', 'edge') AND sql IS NOT NULL")
    return ";\n".join(sql for (sql,) in made)


def rows_after(path: Path, sequence: int, *, group: int) -> list[dict[str, list[tuple[object, ...]]]]:
    """Return the log's rows after a position, in groups as they were written."""
    connection = sqlite3.connect(path)
    leaves = connection.execute("SELECT * FROM leaf WHERE sequence > ? ORDER BY sequence", (sequence,)).fetchall()
    edges = connection.execute("SELECT * FROM edge WHERE child > ? ORDER BY child, position", (sequence,)).fetchall()
    groups = []
    for begin in range(0, len(leaves), group):
        part = leaves[begin : begin + group]
        within = [edge for edge in edges if part[0][0] <= edge[0] <= part[-1][0]] if group > 1 else []
        groups.append({"leaf": part, **({"edge": within} if within else {})})
    return groups


def bytes_alone(groups: list[dict[str, list[tuple[object, ...]]]]) -> list[dict[str, list[tuple[object, ...]]]]:
    """Return positions and bytes of the same entries."""
    return [{"leaf": [(row[0], row[4]) for row in group["leaf"]]} for group in groups]


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--entries", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        database = folder / "evidence.db"
        log = EvidenceLog(f"sqlite:///{database}")
        same = BareSqlite(folder / "same.db", same_tables(database))
        alone = BareSqlite(folder / "alone.db", "CREATE TABLE leaf (sequence INTEGER PRIMARY KEY, entry BLOB NOT NULL)")
        deployment = deployed(log)
        same.insert(rows_after(database, 0, group=GROUP))
        signer = NoteSigner.of("ledgerline.log/benchmark", Ed25519PrivateKey.generate())
        vouching = NoteSigner.of("ledgerline.witness/1", Ed25519PrivateKey.generate(), cosigns=True)
        witness = Witness(folder / "witness", vouching, signer.key)
        made = decisions(1, deployment)
        # Small turns, ours and theirs one after the other, so that whatever else the machine does falls on all.
        turns = max(arguments.repeats, arguments.entries // SIGN_EVERY)
        ours: list[float] = []
        theirs: list[float] = []
        bytes_only: list[float] = []
        with log.reading() as connection:
            size = size_of(connection)
        for _ in range(turns):
            groups = [next(made) for _ in range(arguments.entries // turns // GROUP)]
            ours.append(append_grouped(log, groups))
            written = rows_after(database, size, group=GROUP)
            theirs.append(same.insert(written))
            bytes_only.append(alone.insert(bytes_alone(written)))
            size += len(groups) * GROUP
            sign_checkpoint(log, signer, datetime.now(UTC))
            observe(witness, log, datetime.now(UTC))
            print(
                f"{size:>10,} entries: {ours[-1]:>9,.0f}/s, bare {theirs[-1]:>9,.0f}/s, bytes {bytes_only[-1]:>9,.0f}/s"
            )
        single = append_one_by_one(log, [leaf for _ in range(SINGLES // GROUP) for leaf in next(made)])
        single_bare = alone.insert(bytes_alone(rows_after(database, size, group=1)))
        sign_checkpoint(log, signer, datetime.now(UTC))
        observe(witness, log, datetime.now(UTC))
        trust = Trust(signer.key, witness.published, (vouching.key,))
        hashes = verified(log, trust, arguments.repeats, hashes_only=True)
        full = verified(log, trust, arguments.repeats, hashes_only=False)
    batched = statistics.median(ours)
    ratio = statistics.median(one / other for one, other in zip(ours, theirs, strict=True))
    to_bytes = statistics.median(one / other for one, other in zip(ours, bytes_only, strict=True))
    print(f"groups of {GROUP}: {batched:,.0f}/s")
    print(f"    bare SQLite, the same rows: {statistics.median(theirs):,.0f}/s, ratio {ratio:.2f}")
    print(f"    a table of bytes alone: {statistics.median(bytes_only):,.0f}/s, ratio {to_bytes:.2f}")
    print(f"one by one: {single:,.0f}/s; a table of bytes alone: {single_bare:,.0f}/s")
    for what, speeds in (("hashes alone", hashes), ("everything", full)):
        several, alone = (", ".join(f"{speed:,.0f}" for speed in speeds[each]) for each in (PROCESSES, 1))
        print(f"verified, {what}: {PROCESSES} processes {several}/s; one {alone}/s")
    figures = {
        "batched_per_s": batched,
        "single_per_s": single,
        "verify_hashes_per_s": statistics.median(hashes[PROCESSES]),
        "verify_full_per_s": statistics.median(full[PROCESSES]),
        "verify_hashes_one_process_per_s": statistics.median(hashes[1]),
        "verify_full_one_process_per_s": statistics.median(full[1]),
        "batched_vs_sqlite": ratio,
        "batched_vs_bytes_alone": to_bytes,
    }
    print(json.dumps({name: round(value, 3) for name, value in figures.items()}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
