"""Ten thousand random attacks on history older than the last witness: how many are caught, and named.

    python benchmarks/evidence_attacks.py [--attacks 10000] [--seed 1]

The attacker can write to the database and to the object store, and holds the log's own signing key; what the witness
has published is out of reach. After every attack the log is verified, and the first finding must be the first entry
that the attack touched. The last line is JSON: attacks, caught_share.
"""

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy.engine import Connection

from ledgerline.audit import EvidenceLog, Kind, Leaf, Parent, RecordedLeaf
from ledgerline.audit.merkle import leaf_hash
from ledgerline.audit.note import NoteSigner
from ledgerline.audit.schema import CHECKPOINT, EDGE, LEAF, NAME, TREE_NODE
from ledgerline.audit.tree import LogForked, sign_checkpoint
from ledgerline.audit.verify import Trust, check_log
from ledgerline.audit.witness import Witness, observe
from ledgerline.core.clock import FixedClock, instant_text, parse_instant
from ledgerline.core.identity import canonical_json, content_id
from ledgerline.core.storage import ObjectCorrupt, ObjectMissing, ObjectStore

ENTRIES, WITNESSED = 300, 280
CHECKPOINTS = (90, 170, 256, WITNESSED, ENTRIES)
BUNDLES = 12


@dataclass(frozen=True)
class World:
    """An honest log, and what the attacker cannot reach."""

    folder: Path
    url: str
    objects: ObjectStore
    signer: NoteSigner
    trust: Trust
    bundles: dict[int, str]


def make_world(folder: Path) -> World:
    """Record a log of bundles, requests and decisions; a witness sees most of it."""
    clock = FixedClock(datetime(2018, 10, 1, tzinfo=UTC))
    url = f"sqlite:///{folder / 'evidence.db'}"
    log, objects = EvidenceLog(url, clock), ObjectStore(folder / "objects")
    signer = NoteSigner.of("ledgerline.log/attacked", Ed25519PrivateKey.generate())
    vouching = NoteSigner.of("ledgerline.witness/1", Ed25519PrivateKey.generate(), cosigns=True)
    witness = Witness(folder / "witness", vouching, signer.key)
    bundles: dict[int, str] = {}
    deployment = request = ""
    for number in range(1, ENTRIES + 1):
        clock.instant += timedelta(seconds=20)
        if number % (ENTRIES // BUNDLES) == 1:
            digest = objects.put(f"the bytes of bundle {number}".encode())
            bundles[number] = digest
            bundle = log.append(
                Leaf(Kind.MODEL_BUNDLE, {"digest": digest}, {"family": "fraud", "model_version": number})
            )
        elif number % (ENTRIES // BUNDLES) == 2:
            deployment = log.append(Leaf(Kind.DEPLOYMENT, {"bundle": digest}), [Parent(bundle, "bundle")])
        elif number % 2:
            request = log.append(Leaf(Kind.REQUEST, {"sha256": content_id(number)}, {"bytes": number}))
        else:
            parents = [Parent(each, role) for each, role in ((request, "request"), (deployment, "deployment")) if each]
            identity = {"decision_id": content_id([number]), "answer": content_id([number, "answer"])}
            log.append(Leaf(Kind.DECISION, identity, {"subject": f"payment {number}"}), parents)
        if number in CHECKPOINTS:
            sign_checkpoint(log, signer, clock.now())
            if number <= WITNESSED:
                observe(witness, log, clock.now())
    trust = Trust(signer.key, witness.published, (vouching.key,))
    return World(folder, url, objects, signer, trust, bundles)


class Attacker:
    """Changes one copy of the database, with the log's own key in hand."""

    def __init__(self, world: World, connection: Connection, chance: np.random.Generator) -> None:
        self.world, self.connection, self.chance = world, connection, chance

    def below(self, end: int) -> int:
        """Choose an entry older than the witness's last look."""
        return int(self.chance.integers(1, end + 1))

    def entry(self, sequence: int) -> dict[str, Any]:
        """Read an entry."""
        statement = sa.select(LEAF.c.entry).where(LEAF.c.sequence == sequence)
        return dict(json.loads(self.connection.execute(statement).scalar_one()))

    def write(self, sequence: int, entry: dict[str, Any], *, thorough: int) -> None:
        """Write an entry: the bytes alone (0), with their hash (1), or with everything stored of them (2)."""
        content = canonical_json(entry)
        values: dict[str, Any] = {"entry": content}
        if thorough:
            values["hash"] = leaf_hash(content)
        if thorough > 1:
            values |= {"id": entry["id"], "kind": entry["kind"], "recorded_at": entry["recorded_at"]}
        self.connection.execute(sa.update(LEAF).where(LEAF.c.sequence == sequence).values(values))

    def move(self, old: int, new: int) -> None:
        """Give an entry and its edges another place."""
        for column in (LEAF.c.sequence, EDGE.c.child, EDGE.c.parent, NAME.c.leaf):
            self.connection.execute(sa.update(column.table).where(column == old).values({column.name: new}))

    def shift(self, first: int, by: int) -> None:
        """Move everything from ``first`` on by some places."""
        for column in (LEAF.c.sequence, EDGE.c.child, EDGE.c.parent, NAME.c.leaf):
            away = sa.update(column.table).where(column >= first).values({column.name: -(column + by)})
            back = sa.update(column.table).where(column < 0).values({column.name: -column})
            self.connection.execute(away)
            self.connection.execute(back)

    def remove(self, sequence: int) -> None:
        """Delete an entry and everything stored of it."""
        for column in (EDGE.c.child, EDGE.c.parent, NAME.c.leaf, LEAF.c.sequence):
            self.connection.execute(sa.delete(column.table).where(column == sequence))

    def insert(self, sequence: int, leaf: Leaf, recorded_at: str) -> None:
        """Write an entry that fits itself in every way."""
        entry = {
            "id": leaf.id,
            "kind": leaf.kind.value,
            "identity": leaf.identity,
            "detail": leaf.detail,
            "parents": [],
        }
        content = canonical_json({**entry, "recorded_at": recorded_at})
        row = {"sequence": sequence, "id": leaf.id, "kind": leaf.kind.value, "recorded_at": recorded_at}
        self.connection.execute(sa.insert(LEAF).values({**row, "entry": content, "hash": leaf_hash(content)}))
        for name in leaf.names:
            self.connection.execute(sa.insert(NAME).values(name=name, leaf=sequence))

    def forge(self) -> Leaf:
        """Make up a leaf."""
        return Leaf(Kind.REQUEST, {"sha256": content_id(float(self.chance.random()))}, {"bytes": 1})


def edit(attacker: Attacker) -> int:
    """Change what an entry says, as thoroughly as it goes."""
    sequence = attacker.below(WITNESSED)
    entry = attacker.entry(sequence)
    part = str(attacker.chance.choice(["identity", "detail", "parents", "kind", "more"]))
    if part in ("identity", "detail"):
        name = str(attacker.chance.choice([*entry[part], "new"]))
        entry[part][name] = content_id(float(attacker.chance.random()))
    elif part == "parents":
        entry["parents"] = entry["parents"][:-1] or [["0" * 64, "made up"]]
    elif part == "kind":
        entry["kind"] = "halt"
    else:
        entry["more"] = 1
    if attacker.chance.random() < 0.5 and part in ("identity", "kind"):
        entry["id"] = Leaf(Kind(entry["kind"]), entry["identity"]).id
    attacker.write(sequence, entry, thorough=int(attacker.chance.integers(0, 3)))
    return sequence


def drop(attacker: Attacker) -> int:
    """Remove an entry, and perhaps close the gap."""
    sequence = attacker.below(WITNESSED)
    attacker.remove(sequence)
    if attacker.chance.random() < 0.5:
        attacker.shift(sequence + 1, -1)
    return sequence


def insert(attacker: Attacker) -> int:
    """Put an entry that never was between others."""
    sequence = attacker.below(WITNESSED)
    recorded_at = attacker.entry(sequence)["recorded_at"]
    attacker.shift(sequence, 1)
    attacker.insert(sequence, attacker.forge(), recorded_at)
    return sequence


def reorder(attacker: Attacker) -> int:
    """Let two entries change places."""
    first, second = sorted(int(each) for each in attacker.chance.choice(WITNESSED, 2, replace=False) + 1)
    for old, new in ((first, 0), (second, first), (0, second)):
        attacker.move(old, new)
    return first


def truncate(attacker: Attacker) -> int:
    """Cut the log short."""
    size = attacker.below(WITNESSED - 1)
    for column in (EDGE.c.child, NAME.c.leaf, LEAF.c.sequence):
        attacker.connection.execute(sa.delete(column.table).where(column > size))
    return size + 1


def fork(attacker: Attacker) -> int:
    """Cut the log short and let it go on otherwise, to the length that it had."""
    first = truncate(attacker)
    at = attacker.entry(first - 1)["recorded_at"]
    for sequence in range(first, ENTRIES + 1):
        at = instant_text(parse_instant(at) + timedelta(seconds=20))
        attacker.insert(sequence, attacker.forge(), at)
    return first


def back_date(attacker: Attacker) -> int:
    """Let an entry say that it was recorded at another time."""
    sequence = attacker.below(WITNESSED)
    entry = attacker.entry(sequence)
    moved = parse_instant(entry["recorded_at"]) - timedelta(seconds=float(attacker.chance.uniform(1, 86_400)))
    entry["recorded_at"] = instant_text(moved)
    attacker.write(sequence, entry, thorough=int(attacker.chance.integers(0, 3)))
    return sequence


def swap_bundle_byte(attacker: Attacker) -> int:
    """Change one byte of a bundle where it is stored."""
    sequence = int(attacker.chance.choice([each for each in attacker.world.bundles if each <= WITNESSED]))
    path = Path(attacker.world.objects.location(attacker.world.bundles[sequence]))
    content = bytearray(path.read_bytes())
    content[int(attacker.chance.integers(len(content)))] ^= 1 << int(attacker.chance.integers(8))
    path.chmod(0o600)
    path.write_bytes(bytes(content))
    return sequence


ATTACKS: dict[str, Callable[[Attacker], int]] = {
    attack.__name__: attack for attack in (edit, drop, insert, reorder, truncate, fork, back_date, swap_bundle_byte)
}


def sign_again(log: EvidenceLog, world: World) -> None:
    """Sign what the log is now with its own key, as if it had never signed for anything else."""
    with log.transaction() as transaction:
        transaction.execute(sa.delete(CHECKPOINT))
        transaction.execute(sa.delete(TREE_NODE))
    with suppress(LogForked):  # an attacker who has left a gap has nothing to sign
        sign_checkpoint(log, world.signer, datetime(2018, 10, 2, tzinfo=UTC))


def attacked(world: World, pristine: Path, name: str, chance: np.random.Generator) -> tuple[bool, str]:
    """Attack a copy of the world once; return whether the first touched entry is the first finding, and what it is."""
    database = world.folder / "evidence.db"
    for left in world.folder.glob("evidence.db*"):
        left.unlink()
    shutil.copyfile(pristine, database)
    tool = sa.create_engine(world.url)  # one that keeps no foreign keys
    with tool.begin() as connection:
        expected = ATTACKS[name](Attacker(world, connection, chance))
    tool.dispose()
    log = EvidenceLog(world.url)
    if chance.random() < 0.5:
        sign_again(log, world)
        name += ", signed again"

    def bundle(leaf: RecordedLeaf) -> str | None:
        try:
            world.objects.get(leaf.identity["digest"])
        except (ObjectCorrupt, ObjectMissing) as error:
            return str(error)
        return None

    findings = check_log(log, world.trust, checks={Kind.MODEL_BUNDLE: bundle}).findings
    log.dispose()
    if name.startswith("swap"):
        path = Path(world.objects.location(world.bundles[expected]))
        path.write_bytes(f"the bytes of bundle {expected}".encode())
    caught = bool(findings) and findings[0].sequence == expected
    return caught, f"{name} at {expected}: {findings[0] if findings else 'nothing found'}"


def main() -> int:
    """Attack, verify, count."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--attacks", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    chance = np.random.default_rng(arguments.seed)
    caught: Counter[str] = Counter()
    tried: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as name:
        world = make_world(Path(name))
        assert check_log(EvidenceLog(world.url), world.trust).holds
        with sa.create_engine(world.url).connect() as connection:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        pristine = Path(name) / "pristine.db"
        shutil.copyfile(Path(name) / "evidence.db", pristine)
        began = time.perf_counter()
        for number in range(arguments.attacks):
            attack = list(ATTACKS)[number % len(ATTACKS)]
            found, said = attacked(world, pristine, attack, chance)
            tried[attack] += 1
            caught[attack] += found
            if not found:
                print(f"NOT NAMED: {said}")
            if sys.stderr.isatty() and number % 50 == 0:
                print(f"\r{number:,} of {arguments.attacks:,}", end="", file=sys.stderr)
        seconds = time.perf_counter() - began
    for attack, count in tried.items():
        print(f"{attack:<18}{caught[attack]:>7,} of {count:>7,} caught and named")
    share = sum(caught.values()) / max(1, sum(tried.values()))
    print(f"{seconds:.0f} s")
    print(json.dumps({"attacks": sum(tried.values()), "caught_share": share}))
    return 0 if share == 1 else 1


if __name__ == "__main__":
    sys.exit(main())
