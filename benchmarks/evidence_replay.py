"""Decides again, after a whole run: how many of the live decisions and orders come out the same, reasons included.

`python benchmarks/evidence_replay.py`: `ledgerline run --once` on a small simulated world in a home of its own, thirty
sessions traded, some four minutes (`--home HOME` takes one that a run has been through, and adds decisions to it). Then
600 payments and 600 credit applications (`--quick`: 60) go through the real scoring job, eight at a time: some of
cards, shops and categories that training had not seen, some that leave attributes out. Of these 1,000, chosen by
chance, and every price decision, those behind the orders among them, are then made again: the features from the data
behind the model, the decisions before and the request; the answer from the model's bytes.
"""

import argparse
import json
import os
import platform
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
# As small as a world can be in which all four families pass their gates (docs/measurements.md).
SMALL_WORLD = {
    "LEDGERLINE_SANDBOX_CUSTOMERS": "2000",
    "LEDGERLINE_SANDBOX_TERMINALS": "4000",
    "LEDGERLINE_SANDBOX_SEED": "2",
    "LEDGERLINE_SANDBOX_ENTITIES": "40",
}
AT_ONCE = 8
SEED = 20181001
SECONDS = 120
SHOWN = 20

Request = tuple[str, dict[str, Any]]
"""Where it is sent, and what."""


def run(home: Path) -> None:
    """Let a newcomer's command run through; what it prints is shown."""
    command = [sys.executable, "-m", "ledgerline.cli.main", "run", "--once"]
    environment = {**os.environ, **SMALL_WORLD, "LEDGERLINE_HOME": str(home)}
    if status := subprocess.run(command, env=environment, cwd=ROOT, check=False).returncode:
        raise SystemExit(f"the run ended with status {status}")


def newest_rows(ledger: Any, dataset: str, count: int) -> list[dict[str, Any]]:
    """Return the newest accepted rows of a dataset, oldest first."""
    import polars as pl

    from pipelines.validation import accepted_receipts

    receipts = sorted(accepted_receipts(ledger, dataset), key=lambda leaf: str(leaf.detail["event_time_max"]))
    frames: list[pl.DataFrame] = []
    while receipts and sum(frame.height for frame in frames) < count:
        frames.append(pl.read_parquet(ledger.settings.workspace_path / receipts.pop().detail["accepted_path"]))
    return pl.concat(frames, how="diagonal").sort("event_time").tail(count).to_dicts()


def payments(ledger: Any, count: int, chance: random.Random) -> Iterator[Request]:
    """Yield payments after the newest: known cards at known shops, some unknown, some large."""
    from ledgerline.core.clock import instant_text

    rows = newest_rows(ledger, "transactions", count)
    for number, row in enumerate(rows):
        unknown = chance.random()
        yield (
            "/v1/fraud/score",
            {
                "transaction_id": f"again-{number}-{chance.getrandbits(64):x}",
                "customer_id": f"new-{number % 7}" if unknown < 0.1 else row["customer_id"],
                "terminal_id": f"new-{number % 5}" if 0.05 < unknown < 0.15 else row["terminal_id"],
                "amount_minor": row["amount_minor"] * (20 if chance.random() < 0.2 else 1),
                "currency": row["currency"],
                # In quick succession, so that what is sent at once arrives out of order too.
                "event_time": instant_text(rows[-1]["event_time"] + timedelta(seconds=1 + number)),
            },
        )


def applications(ledger: Any, count: int, chance: random.Random) -> Iterator[Request]:
    """Yield applications like the newest: some leave out much of it, some say what training had not seen."""
    from ledgerline.decisions.bundle import INPUTS_FILE, load_bundle
    from ledgerline.decisions.credit import AttributeKind, CreditInputs
    from ledgerline.decisions.deployment import current

    deployment = current(ledger, "credit")
    if deployment is None:
        raise SystemExit("no credit model is in force")
    takes = CreditInputs.from_bytes(load_bundle(ledger.objects, deployment.bundle).files[INPUTS_FILE])
    texts = [name for name, each in takes.attributes.items() if each.kind is AttributeKind.CATEGORICAL]
    for number, row in enumerate(newest_rows(ledger, "applications", count)):
        said = {name: row[name] for name in takes.attributes if row.get(name) is not None}
        if chance.random() < 0.3:
            said = {name: value for name, value in said.items() if chance.random() < 0.6} or said
        if texts and chance.random() < 0.2:
            said[chance.choice(texts)] = "never heard of"
        name = f"again-{number}-{chance.getrandbits(64):x}"
        yield "/v1/credit/decide", {"application_id": name, "attributes": said}


def ask(ledger: Any, requests: list[Request]) -> list[dict[str, Any]]:
    """Send requests to the scoring job, several at a time, and return the answers."""
    from fastapi.testclient import TestClient

    from ledgerline.services.scoring.app import create_app

    with TestClient(create_app(ledger), base_url="http://127.0.0.1") as client:
        deadline = time.monotonic() + SECONDS
        while client.get("/readyz").status_code != 200:
            if time.monotonic() > deadline:
                raise SystemExit(f"the scoring job is not ready: {client.get('/readyz').text}")
            time.sleep(0.1)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            responses = list(pool.map(lambda request: client.post(request[0], json=request[1]), requests))
    if refused := [response.text for response in responses if response.status_code != 200]:
        raise SystemExit(f"{len(refused)} of {len(requests)} requests were refused, the first: {refused[0]}")
    return [response.json() for response in responses]


def replayed(ledger: Any, decisions: Iterable[Any], count: int, what: str) -> list[Any]:
    """Decide again, saying how far it is, and name what differs."""
    from ledgerline.decisions.replay import replay_all
    from ledgerline.services.rebuilding import rebuilds

    began, found = time.perf_counter(), []
    for each in replay_all(ledger, decisions, rebuilds(ledger)):
        found.append(each)
        if len(found) % 100 == 0 or len(found) == count:
            print(f"  {len(found):,} of {count:,} {what}, {time.perf_counter() - began:.1f} s", flush=True)
    different = [each for each in found if not each.identical]
    for each in different[:SHOWN]:
        print(f"  DIFFERENT {each.decision_id}: {each.difference}", flush=True)
    for why in sorted({each.not_rebuilt for each in found if each.not_rebuilt})[:SHOWN]:
        print(f"  features not made again: {why}", flush=True)
    return found


def measure(ledger: Any, live: int, sample: int) -> dict[str, Any]:
    """Ask the live job, decide again, and return how much was the same."""
    from ledgerline.audit import Kind
    from ledgerline.decisions.record import decisions_after, sampled_decisions

    chance = random.Random(SEED)  # noqa: S311 (which requests, no secret)
    requests = [*payments(ledger, live, chance), *applications(ledger, live, chance)]
    chance.shuffle(requests)
    print(f"== {len(requests):,} requests to the scoring job", flush=True)
    answers = ask(ledger, requests)
    reasons = sum(bool(answer["reasons"]) for answer in answers)
    warned = sum(bool(answer.get("warnings")) for answer in answers)
    print(f"  answered; {reasons:,} with reasons, {warned:,} of what was missing or unseen", flush=True)
    print("== decided again", flush=True)
    began = time.perf_counter()
    chosen = sampled_decisions(ledger, sample, families=("fraud", "credit"), seed=SEED)
    live_found = replayed(ledger, chosen, min(sample, len(requests)), "payments and applications")
    seconds = time.perf_counter() - began
    every = list(decisions_after(ledger, "price"))
    price = {each.decision_id: each for each in replayed(ledger, every, len(every), "price decisions")}
    names = {recorded.leaf: recorded.decision_id for recorded in every}
    behind = [ledger.log.parents(leaf.id) for leaf in ledger.log.leaves(Kind.ORDER_INTENT)]
    orders = [names[parent.id] for parents in behind for role, parent in parents if role == "decision"]
    return {
        "decisions": len(requests),
        "replayed": len(live_found),
        "identical_share": share([each.identical for each in live_found]),
        "features_made_again_share": share([each.rebuilt for each in live_found]),
        "with_reasons": reasons,
        "replayed_per_s": round(len(live_found) / seconds, 1),
        "price_decisions": len(price),
        "price_identical_share": share([each.identical for each in price.values()]),
        "orders": len(orders),
        "orders_identical_share": share([price[name].identical for name in orders]),
    }


def share(same: list[bool]) -> float:
    """Return how many of them; nothing at all is no success."""
    return sum(same) / len(same) if same else 0.0


def main() -> None:
    """Run, ask, decide again; exit status 1 if anything came out otherwise."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, help="a home that a run has been through; decisions are added to it")
    parser.add_argument("--sample", type=int, default=1_000, help="payments and applications that are decided again")
    parser.add_argument("--quick", action="store_true", help="60 of each are asked, and 100 decided again")
    options = parser.parse_args()
    home = options.home or Path(tempfile.mkdtemp(prefix="evidence-replay-"))
    os.environ["LEDGERLINE_HOME"] = str(home)
    try:
        if options.home is None:
            run(home)
        from ledgerline.audit import Ledger

        found = measure(Ledger.open(), *((60, 100) if options.quick else (600, options.sample)))
    finally:
        if options.home is None:
            shutil.rmtree(home, ignore_errors=True)
    machine = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
    print(json.dumps({"benchmark": "evidence_replay", **found, "machine": machine}))
    if not all(found[name] == 1 for name in found if name.endswith("_share")):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
