"""A small real line with a decision at its end, its export, and what somebody could do to an export.

Loaded by path from the tests of exports.
"""

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any

import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ledgerline.audit import Kind, Leaf, Ledger
from ledgerline.audit.checkpoint import Checkpoint, SignedCheckpoint
from ledgerline.audit.export import export_evidence
from ledgerline.audit.keeper import log_signer
from ledgerline.audit.merkle import (
    consistency_proof,
    frontier_of,
    inclusion_proof,
    leaf_hash,
    perfect_root,
)
from ledgerline.audit.note import NoteSigner
from ledgerline.audit.schema import LEAF
from ledgerline.audit.tree import sign_checkpoint
from ledgerline.audit.verify_export import Key, Problem, manifest_bytes, verify
from ledgerline.audit.witness import Witness, observe
from ledgerline.core.clock import FixedClock, instant_text
from ledgerline.core.identity import canonical_json, sha256_bytes
from ledgerline.decisions.bundle import load_bundle
from ledgerline.decisions.deployment import record_deployment
from ledgerline.decisions.export import evidence_parts
from ledgerline.decisions.fraud import FraudModel
from ledgerline.decisions.fraud_answer import judge_payment
from ledgerline.decisions.record import NewDecision, record_decision
from ledgerline.decisions.schema import ensure_tables
from ledgerline.decisions.trading.order import OrderIntent, OrderReason, Side
from ledgerline.decisions.trading.orders import JudgedIntent, SessionPlan, commit_session, take_fence
from ledgerline.decisions.trading.risk import DenyReason, RuleName, Verdict
from ledgerline.decisions.trading.schema import ensure_trading_tables
from pipelines.promotion import approve, create_key

MINUTE = timedelta(minutes=1)
APPROVER, TRAINER = "bob", "ada"
Entries = list[dict[str, Any]]


@dataclass(frozen=True)
class Installation:
    """An installation in which a model was approved, deployed and asked once.

    Attributes:
        ledger: It.
        clock: Its clock, which stands still.
        log: The log's own key.
        witness_key: The witness's key.
        witness: The witness, which has looked twice after the approval and once after the decision.
        digest: The bundle.
        decision: The decision's id.
    """

    ledger: Ledger
    clock: FixedClock
    log: NoteSigner
    witness_key: NoteSigner
    witness: Witness
    digest: str
    decision: str

    def look(self) -> None:
        """Let the log sign what it is, and the witness see it."""
        sign_checkpoint(self.ledger.log, self.log, self.clock.now())
        observe(self.witness, self.ledger.log, self.clock.now())

    def export(self, folder: Path, *names: str, **options: Any) -> Path:
        """Export what stands behind some things, or else behind the decision."""
        parts = evidence_parts(self.ledger)
        return export_evidence(self.ledger, names or (self.decision,), folder, parts=parts, **options).folder

    def entries(self) -> Entries:
        """Every entry of the log."""
        with self.ledger.log.reading() as connection:
            contents = connection.execute(sa.select(LEAF.c.entry).order_by(LEAF.c.sequence)).scalars()
            return [json.loads(content) for content in contents]


def installation(line: ModuleType, home: Path) -> Installation:
    """Make an installation, from raw files to one decision, under the eyes of its witness."""
    clock = FixedClock(line.NOW)
    ledger = line.open_ledger(home, clock)
    log = log_signer(ledger.settings)
    (ledger.settings.keys_path / "log.vkey").write_text(f"{log.key.text}\n")
    witness_key = NoteSigner.of("witness.example/1", Ed25519PrivateKey.generate(), cosigns=True)
    witness = Witness(ledger.settings.witness_path, witness_key, log.key)

    def tick() -> None:
        clock.instant += MINUTE

    digest = line.train(ledger, trained_by=TRAINER)
    tick()
    line.pass_gates(ledger, digest)
    create_key(ledger, APPROVER, passphrase=line.PASSPHRASE)
    tick()
    approve(ledger, digest, approver=APPROVER, role="validator", passphrase=line.PASSPHRASE)
    for _ in range(2):
        sign_checkpoint(ledger.log, log, clock.now())
        observe(witness, ledger.log, clock.now())
        clock.instant += 10 * MINUTE
    deployment = record_deployment(ledger, digest).id
    tick()
    decision = decide(ledger, line, digest, deployment, subject="t1")
    made = Installation(ledger, clock, log, witness_key, witness, digest, decision)
    tick()
    made.look()
    return made


def decide(ledger: Ledger, line: ModuleType, digest: str, deployment: str, *, subject: str) -> str:
    """Let a bundle decide on a payment and record it; return the decision's id."""
    ensure_tables(ledger)
    row = line.feature_frame().select(line.VIEW.feature_names).row(-1, named=True)
    vector = {name: float(value) for name, value in row.items()}
    event = {"transaction_id": subject, "event_time": instant_text(ledger.clock.now())}
    new = NewDecision(
        family="fraud",
        subject=subject,
        body=canonical_json(event) + b"\n",
        event=event,
        vector=vector,
        answer=judge_payment(FraudModel.load(load_bundle(ledger.objects, digest)), vector),
        bundle=digest,
        deployment=deployment,
        decided_at=ledger.clock.now(),
    )
    with ledger.log.transaction() as transaction:
        record_decision(ledger, transaction, new)
    return new.decision_id


def order(made: Installation) -> str:
    """Let the deployed model's decision lead to two orders, one of them denied; return the name of the other."""
    ledger = made.ledger
    ensure_trading_tables(ledger)
    [deployment] = ledger.log.leaves(Kind.DEPLOYMENT)
    shared = {"session": made.clock.now().date(), "side": Side.BUY, "quantity": Decimal(10), "bundle": made.digest}
    wanted = [
        OrderIntent(symbol=symbol, reference_price=Decimal(200), reason=OrderReason.SIGNAL, **shared)
        for symbol in ("AAPL", "MSFT")
    ]
    judged = [
        JudgedIntent(
            intent, (Verdict(RuleName.CASH, denied, "said so"),), made.decision, b"buy " + intent.symbol.encode()
        )
        for intent, denied in zip(wanted, (None, DenyReason.NOT_ENOUGH_CASH), strict=True)
    ]
    plan = SessionPlan(
        session=shared["session"],
        bundle=made.digest,
        deployment=deployment.id,
        policy="c" * 64,
        decisions=[],
        intents=judged,
        evidence={"account": b'{"equity": "100000"}'},
        good_until=made.clock.now() + timedelta(days=1),
    )
    commit_session(ledger, plan, token=take_fence(ledger))
    return wanted[0].client_order_id


def found(folder: Path, made: Installation | None = None) -> list[tuple[str, Problem]]:
    """Verify an export and return where what was found; with the keys that ``made``'s owners would tell."""
    keys = (Key.parse(made.log.key.text), [Key.parse(made.witness_key.key.text)]) if made else (None, [])
    return [(finding.where, finding.problem) for finding in verify(folder, *keys).findings]


def problems(folder: Path, made: Installation | None = None) -> set[Problem]:
    """Verify an export and return what kinds of things were found."""
    return {problem for _, problem in found(folder, made)}


def files_of(folder: Path) -> list[str]:
    """Every file of an export, by its path."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def list_again(folder: Path) -> None:
    """Make the manifest fit the files."""
    path = folder / "manifest.json"
    manifest = json.loads(path.read_bytes())
    listed = (name for name in files_of(folder) if name != "manifest.json")
    manifest["files"] = {name: sha256_bytes((folder / name).read_bytes()) for name in listed}
    path.write_bytes(manifest_bytes(manifest))


def entry_path(folder: Path, kind: Kind) -> Path:
    """Where the last entry of one kind lies."""
    return [path for path in sorted((folder / "entries").iterdir()) if json.loads(path.read_bytes())["kind"] == kind][
        -1
    ]


def of_kind(entries: Entries, kind: Kind) -> dict[str, Any]:
    """Return the last entry of one kind."""
    return [entry for entry in entries if entry["kind"] == kind.value][-1]


def forge(
    made: Installation,
    folder: Path,
    edit: Callable[[Entries], None],
    *,
    log: NoteSigner | None = None,
    witness: NoteSigner | None = None,
    files: Mapping[str, bytes | None] | None = None,
    add: int = 0,
) -> None:
    """Rewrite history in an export: edit the log's entries, then compute every id, hash, root, proof and list anew.

    Args:
        made: The installation whose log it is.
        folder: The export.
        edit: Changes the entries in place; ids are computed afterwards, and whoever names an id names the new one.
        log: Who signs the new root; None keeps the old checkpoint.
        witness: Who cosigns it, at the times of before; None keeps what the witness has cosigned.
        files: Other files to be written, or removed where None.
        add: How many of the last entries are to be put into the export besides.
    """
    entries = made.entries()
    edit(entries)
    contents = _encoded(entries)
    exported = {int(path.stem) for path in (folder / "entries").iterdir()}
    exported |= set(range(len(contents) - add + 1, len(contents) + 1))
    for sequence in exported:
        (folder / f"entries/{sequence:010d}.json").write_bytes(contents[sequence - 1])
    for name, content in (files or {}).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content) if content is not None else (folder / name).unlink()
    if log is not None:
        _seal(folder, contents, sorted(exported), log, witness, made.clock.now())
    manifest = json.loads((folder / "manifest.json").read_bytes())
    for start in manifest["starts"]:
        start["id"] = json.loads(contents[start["sequence"] - 1])["id"]
    (folder / "manifest.json").write_bytes(manifest_bytes(manifest))
    list_again(folder)


def _encoded(entries: Entries) -> list[bytes]:
    new_ids: dict[str, str] = {}
    contents = []
    for entry in entries:
        text = json.dumps(entry)
        for old, new in new_ids.items():
            text = text.replace(old, new)
        fresh = json.loads(text)
        leaf_id = Leaf(Kind(fresh["kind"]), fresh["identity"]).id
        new_ids[entry["id"]] = fresh["id"] = leaf_id
        contents.append(canonical_json(fresh))
    return contents


def _seal(
    folder: Path,
    contents: list[bytes],
    exported: list[int],
    log: NoteSigner,
    witness: NoteSigner | None,
    at: datetime,
) -> None:
    """Sign what the forged log is, at the sizes at which it was signed before, and prove it."""
    hashes = [leaf_hash(content) for content in contents]

    def perfect(level: int, index: int) -> bytes:
        return perfect_root(hashes[index << level : (index + 1) << level])

    def signed(size: int, seen_at: datetime) -> bytes:
        checkpoint = SignedCheckpoint.sign(Checkpoint(log.key.name, size, frontier_of(perfect, size).root()), log)
        return str((checkpoint.cosigned(witness, seen_at) if witness else checkpoint).note).encode()

    size, consistency = len(contents), {}
    (folder / "checkpoint.txt").write_bytes(signed(size, at))
    (folder / "keys/log.vkey").write_text(f"{log.key.text}\n")
    if witness:
        (folder / "keys/witness.vkey").write_text(f"{witness.key.text}\n")
    for path in sorted((folder / "witness").iterdir()):
        old, seconds = (int(part) for part in path.stem.split("-"))
        if witness:
            path.write_bytes(signed(old, datetime.fromtimestamp(seconds, UTC)))
        consistency[f"witness/{path.name}"] = [part.hex() for part in consistency_proof(perfect, old, size)]
    inclusion = {str(each): [part.hex() for part in inclusion_proof(perfect, each - 1, size)] for each in exported}
    (folder / "proofs.json").write_text(json.dumps({"consistency": consistency, "inclusion": inclusion}))


def copy(folder: Path, to: Path) -> Path:
    """A copy of an export to do something to."""
    shutil.copytree(folder, to)
    return to
