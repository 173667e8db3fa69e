"""Walks over a large evidence log: back from a decision, and down from a raw file to everything that was made from it.

`python benchmarks/evidence_graph.py`: one whole line over some 200 landed batches, a deployment, and below it one
million decisions with their requests (`--decisions N`; `--full` measures ten million besides, some 20 GB of disk that
are given back at the end; `--quick` measures 50,000). Every hundredth decision leads to an order with two venue events.
Entries are written as the log writes them, but without its locks and its disk syncs.
"""

import argparse
import gc
import json
import os
import platform
import random
import shutil
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ledgerline.audit import EvidenceLog, Kind, Leaf, Parent
from ledgerline.audit.entry import encode_entry
from ledgerline.audit.graph import EDGES
from ledgerline.audit.impact import impact
from ledgerline.audit.log import NewLeaf
from ledgerline.audit.merkle import leaf_hash
from ledgerline.audit.schema import EDGE, LEAF
from ledgerline.audit.trace import resolve, trace
from ledgerline.audit.verify import check_log
from ledgerline.core.clock import FixedClock, instant_text
from ledgerline.core.identity import canonical_json, sha256_bytes

BATCHES = 200
TRACES = 200
ORDER_EVERY = 100  # decisions
VENUE_EVENTS = 2
GROUP = 20_000  # decisions written at once
WELL_FORMED = 10_000  # entries that the verifier looks at before anything is measured
START = datetime(2018, 10, 1, tzinfo=UTC)
BUNDLE = sha256_bytes(b"bundle")

Row = tuple[object, ...]


class Form:
    """A kind of entry of which millions are written: encoded once as the log does, then filled in.

    Args:
        leaf: The leaf, with ``%(name)b`` where something is to be filled in; parents' ids are ``%(parent 0)b``, ...
        name: What the leaf is called; empty for nothing.
        roles: What its parents are to it.
    """

    def __init__(self, leaf: Leaf, name: str, *roles: str) -> None:
        parents = [Parent(f"%(parent {position})b", role) for position, role in enumerate(roles)]
        self.kind, self.name, self.roles = leaf.kind.value, name.encode(), roles
        self.content = canonical_json({"identity": dict(leaf.identity), "kind": leaf.kind.value})
        leaf_id, entry = encode_entry(leaf, parents, "%(at)b")
        self.entry = entry.replace(leaf_id.encode(), b"%(id)b")


SHA256 = {"sha256": "%(request)b"}
REQUEST = Form(Leaf(Kind.REQUEST, SHA256, {"bytes": 212}), "%(request)b")
DECISION = Form(
    Leaf(
        Kind.DECISION,
        {
            "family": "fraud",
            "decision_id": "%(decision)b",
            "request": "%(request)b",
            "bundle": BUNDLE,
            "answer": "%(answer)b",
        },
        {
            "decided_at": "%(at)b",
            "deployment": "%(deployment)b",
            "subject": "%(number)d",
            "vector": "%(answer)b",
            "event": "%(request)b",
        },
    ),
    "%(decision)b",
    "request",
    "deployment",
)
ORDER = {"client_order_id": "order-%(number)d"}
INTENT = Form(
    Leaf(Kind.ORDER_INTENT, {**ORDER, "symbol": "AAPL", "bundle": BUNDLE, "quantity": "3"}),
    "order-%(number)d",
    "decision",
    "account",
)
EVENT = Form(Leaf(Kind.VENUE_EVENT, {**ORDER, "status": "filled", "filled": "%(event)d"}), "", "intent")


class Group:
    """Leaves about to be written, with their edges and names, as the log would."""

    def __init__(self, sequence: int) -> None:
        self.sequence = sequence
        self.leaves: list[Row] = []
        self.edges: list[Row] = []
        self.names: list[Row] = []

    def add(self, form: Form, values: dict[bytes, object], *parents: tuple[bytes, int]) -> tuple[bytes, int]:
        """Fill a form in and return the leaf's id and sequence, which is what ``parents`` are."""
        for position, (parent, _) in enumerate(parents):
            values[b"parent %d" % position] = parent
        leaf_id = sha256_bytes(form.content % values)
        values[b"id"] = leaf_id.encode()
        entry = form.entry % values
        self.sequence += 1
        at = str(values[b"at"], "ascii")  # type: ignore[call-overload]
        self.leaves.append((self.sequence, leaf_id, form.kind, at, entry, leaf_hash(entry)))
        for position, (role, (_, parent)) in enumerate(zip(form.roles, parents, strict=True)):
            self.edges.append((self.sequence, position, parent, role))
        if form.name:
            self.names.append((str(form.name % values, "ascii"), self.sequence))
        return values[b"id"], self.sequence  # type: ignore[return-value]


def record_line(path: Path) -> tuple[str, int]:
    """Make the log, record everything behind the decisions and return id and sequence of the deployment."""
    log = EvidenceLog(f"sqlite:///{path}", FixedClock(START))
    new: list[NewLeaf] = []

    def add(kind: Kind, identity: dict[str, object], detail: dict[str, object], *parents: tuple[str, str]) -> str:
        leaf = Leaf(kind, identity, detail)
        new.append(NewLeaf(leaf, [Parent(parent, role) for parent, role in parents]))
        return leaf.id

    receipts = []
    for number in range(BATCHES):
        raw, path = sha256_bytes(b"raw %d" % number), f"transactions/{number:04d}.csv"
        file = add(Kind.RAW_FILE, {"sha256": raw}, {"path": path, "bytes": 1_000_000})
        landed = {"raw": raw, "dataset": "transactions", "rows": 9_000, "unreadable": 0, "mapping": "m" * 64}
        batch = add(Kind.LANDED_BATCH, landed, {"path": path, "source": "folder"}, (file, "raw"))
        judged = {"batch": batch, "dataset": "transactions", "verdict": "accepted", "accepted": 9_000, "quarantined": 0}
        receipts.append(add(Kind.VALIDATION_RECEIPT, judged, {"path": path, "suite": "s" * 64}, (batch, "batch")))
    view = {"view": "card_transactions", "fingerprint": "f" * 64, "manifest": sha256_bytes(b"manifest")}
    accepted = [(receipt, "accepted") for receipt in receipts]
    features = add(Kind.FEATURE_VERSION, view, {"tag": "card-v1", "rows": 1_800_000, "commit": "c" * 40}, *accepted)
    labels = [(receipt, "labels") for receipt in receipts[::2]]
    trained_on = {"family": "fraud", "feature_version": features, "labels": [each for each, _ in labels]}
    trained_on |= {"as_of": instant_text(START), "rows": 1_800_000}
    training_set = add(Kind.TRAINING_SET, trained_on, {}, (features, "features"), *labels)
    run = add(Kind.TRAINING_RUN, {"training_set": training_set}, {"trained_by": "joe"}, (training_set, "training_set"))
    made = {"family": "fraud", "model_version": 1, "training_run": run, "training_set": training_set}
    bundle = add(Kind.MODEL_BUNDLE, {"digest": BUNDLE}, {**made, "feature_version": features}, (run, "run"))
    evaluation = add(Kind.EVALUATION, {"bundle": BUNDLE, "gates": [], "passed": True}, {}, (bundle, "bundle"))
    approvals = []
    for person in ("maria", "ada"):
        key = add(Kind.SIGNING_KEY, {"name": person, "public_key": sha256_bytes(person.encode())}, {})
        statement = {"bundle": BUNDLE, "evaluation": evaluation, "key": key, "approver": person}
        approvals.append(add(Kind.APPROVAL, statement, {}, (evaluation, "evaluation"), (key, "key")))
    place = {"family": "fraud", "job": "scoring", "environment": "sandbox", "bundle": BUNDLE, "approvals": approvals}
    signed = [(approval, "approval") for approval in approvals]
    deployment = add(Kind.DEPLOYMENT, place, {}, (bundle, "bundle"), *signed, (features, "online_state"))
    with log.transaction() as transaction:
        log.record_all(transaction, new)
    return deployment, log.get(deployment).sequence


def decision_id(number: int) -> str:
    """Return what the ``number``-th decision is called."""
    return sha256_bytes(b"decision %d" % number)


def groups(deployment: tuple[str, int], decisions: int) -> Iterator[Group]:
    """Yield the decisions and what hangs on them, many at a time."""
    served = (deployment[0].encode(), deployment[1])
    sequence = deployment[1]
    for begin in range(0, decisions, GROUP):
        group = Group(sequence)
        for number in range(begin, min(decisions, begin + GROUP)):
            values: dict[bytes, object] = {
                b"number": number,
                b"at": instant_text(START + timedelta(milliseconds=10 * number)).encode(),
                b"deployment": served[0],
                b"decision": decision_id(number).encode(),
                b"request": sha256_bytes(b"request %d" % number).encode(),
                b"answer": sha256_bytes(b"answer %d" % number).encode(),
            }
            request = group.add(REQUEST, values)
            decision = group.add(DECISION, values, request, served)
            if number % ORDER_EVERY:
                continue
            order = group.add(INTENT, values, decision, request)
            for event in range(VENUE_EVENTS):
                group.add(EVENT, {**values, b"event": event}, order)
        sequence = group.sequence
        yield group


def generate(path: Path, decisions: int) -> None:
    """Write the log."""
    deployment = record_line(path)
    gc.collect()  # the log's connections, or the journal cannot be left out
    began = time.perf_counter()
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        assert database.execute("PRAGMA journal_mode=DELETE").fetchone() == ("delete",)
        for pragma in ("journal_mode=OFF", "synchronous=OFF", "locking_mode=EXCLUSIVE", "cache_size=-3000000"):
            database.execute(f"PRAGMA {pragma}").fetchall()
        indexes = [*LEAF.indexes, *EDGE.indexes]
        for index in indexes:  # made anew at the end: in order is faster than one by one
            database.execute(f"DROP INDEX {index.name}")
        done = 0
        for group in groups(deployment, decisions):
            database.execute("BEGIN")
            database.executemany("INSERT INTO leaf VALUES (?, ?, ?, ?, ?, ?)", group.leaves)
            database.executemany("INSERT INTO edge VALUES (?, ?, ?, ?)", group.edges)
            database.executemany("INSERT INTO name VALUES (?, ?)", sorted(group.names))
            database.execute("COMMIT")
            done += min(GROUP, decisions - done)
            if done % (10 * GROUP) == 0 or done == decisions:
                print(f"  {done:,} decisions written, {time.perf_counter() - began:.0f} s", flush=True)
        for index in indexes:
            columns = ", ".join(column.name for column in index.columns)
            database.execute(f"CREATE INDEX {index.name} ON {index.table.name} ({columns})")
    print(f"  {path.stat().st_size / 1e9:.1f} GB after {time.perf_counter() - began:.0f} s", flush=True)


def measure(path: Path, decisions: int) -> dict[str, float | int]:
    """Walk the log both ways and return seconds and milliseconds."""
    log = EvidenceLog(f"sqlite:///{path}")
    assert check_log(log, last=WELL_FORMED, grammar=EDGES).findings == ()
    numbers = random.Random(7).sample(range(decisions), TRACES)  # noqa: S311 (which decisions, no secret)
    gc.freeze()  # as a process that lives long does, or Python walks every imported module now and then, some 70 ms
    milliseconds, behind = [], 0
    for number in numbers:
        began = time.perf_counter()
        start = trace(log, resolve(log, decision_id(number)))
        milliseconds.append(1000 * (time.perf_counter() - began))
        behind = len({step.leaf.sequence for step in start.walk()})
    percentiles = statistics.quantiles(milliseconds, n=100)
    print(
        f"  {TRACES} traces through {behind:,} leaves each: p50 {percentiles[49]:.1f} ms, p99 {percentiles[98]:.1f} ms"
    )
    began = time.perf_counter()
    below = impact(log, f"transactions/{BATCHES // 2:04d}.csv")
    seconds = time.perf_counter() - began
    print(
        f"  impact of one raw file: {seconds:.2f} s, {', '.join(f'{n:,} {kind}' for kind, n in below.counts.items())}"
    )
    assert below.counts[Kind.DECISION] == decisions
    assert below.counts[Kind.VENUE_EVENT] == VENUE_EVENTS * below.counts[Kind.ORDER_INTENT]
    return {
        "decisions": decisions,
        "leaves_behind": behind,
        "trace_p50_ms": round(percentiles[49], 2),
        "trace_p99_ms": round(percentiles[98], 2),
        "impact_s": round(seconds, 3),
    }


def main() -> None:
    """Generate and measure, one size after the other."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--decisions", type=int, default=1_000_000)
    parser.add_argument("--full", action="store_true", help="ten million decisions besides")
    parser.add_argument("--quick", action="store_true", help="50,000 decisions")
    parser.add_argument("--folder", type=Path, help="where the temporary database lies")
    options = parser.parse_args()
    sizes = [50_000 if options.quick else options.decisions, *([10_000_000] if options.full else [])]
    measured = []
    for decisions in sizes:
        print(f"== {decisions:,} decisions", flush=True)
        folder = Path(tempfile.mkdtemp(prefix="evidence-graph-", dir=options.folder))
        try:
            generate(folder / "evidence.db", decisions)
            measured.append(measure(folder / "evidence.db", decisions))
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    machine = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
    print(json.dumps({"benchmark": "evidence_graph", **measured[-1], "sizes": measured, "machine": machine}))


if __name__ == "__main__":
    main()
