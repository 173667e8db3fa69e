"""A whole small line of evidence with a real model at its end: what the tests of promotion and scoring stand on.

Loaded by path from the conftest files beside the tests.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import xgboost

from feature_store.offline import compute
from feature_store.online import recent_events
from feature_store.views import view_named
from ledgerline.audit import Kind, Leaf, Ledger, Parent
from ledgerline.core.clock import Clock, FixedClock, instant_text
from ledgerline.core.identity import canonical_json
from ledgerline.core.settings import PROJECT_ROOT, Settings
from ledgerline.decisions.approval import Statement
from ledgerline.decisions.bundle import ManifestFields, ModelFormat, write_bundle
from ledgerline.decisions.fraud import encode_reason_codes
from ledgerline.decisions.signing_keys import key_in_force, newest_key
from pipelines.promotion import approve, create_key, find_bundle
from pipelines.promotion.keys import open_key
from pipelines.training.leaks import LeakCheckName

AS_OF = datetime(2018, 10, 1, tzinfo=UTC)
NOW = datetime(2018, 10, 2, tzinfo=UTC)
VIEW = view_named("card_spending")
COMMIT = {
    "commit": "0" * 40,
    "commit_authors": [{"name": "Gil Writer", "email": "gil.writer@example.org"}],
    "commit_committer": {"name": "Hal Merger", "email": "hal@example.org"},
}
PASSPHRASE = "correct horse battery staple"
GOOD = {"xgboost": 0.70, "logistic_regression": 0.62, "prior_rate": 0.01}
"""Mean average precision by model; the folds lie around it."""


def settings_in(home: Path, **changes: Any) -> Settings:
    return Settings(home=home, project=changes.pop("project", PROJECT_ROOT), **changes)


def open_ledger(home: Path, clock: Clock | None = None, **changes: Any) -> Ledger:
    return Ledger.open(settings_in(home, **changes), clock or FixedClock(NOW))


def project_with(folder: Path, *, approvals: Mapping[str, Any] | None = None, gates: str | None = None) -> Path:
    """A project folder of its own whose policies differ from the committed ones."""
    policies = folder / "policies"
    policies.mkdir(parents=True)
    committed = PROJECT_ROOT / "policies"
    (policies / "approvals.yaml").write_text(
        json.dumps(approvals) if approvals else (committed / "approvals.yaml").read_text()
    )
    (policies / "gates.yaml").write_text(gates or (committed / "gates.yaml").read_text())
    return folder


def open_live(folder: Path, signers: Mapping[str, list[str]], *, passphrase: str = PASSPHRASE) -> Ledger:
    """A live installation below ``folder`` whose policy names its signers, by role, each with a key of their own."""
    first = open_ledger(folder / "home", profile="live")
    named = {
        name: {"roles": roles, "public_key": create_key(first, name, passphrase=passphrase).identity["public_key"]}
        for name, roles in signers.items()
    }
    entry = {"signatures": {"validator": 1, "risk_owner": 1}, "valid_days": 90, "signers": named}
    project = project_with(folder / "project", approvals={"fraud": {"live": entry}})
    return open_ledger(folder / "home", profile="live", project=project)


@cache
def world() -> tuple[pl.DataFrame, pl.DataFrame]:
    """Transactions and labels of sixty cards over fifty days that end at ``AS_OF``."""
    generator = np.random.default_rng(11)
    count = 3000
    offsets = np.sort(generator.integers(0, 50 * 86_400, count))
    at = [AS_OF - timedelta(days=50) + timedelta(seconds=int(offset)) for offset in offsets]
    amounts = generator.gamma(2.0, 3000.0, count).astype(int)
    is_fraud = (amounts > 14_000) | (generator.random(count) < 0.01)
    instants = pl.Series(at, dtype=pl.Datetime("us", "UTC"))
    transactions = pl.DataFrame(
        {
            "transaction_id": [str(number) for number in range(count)],
            "customer_id": [str(number) for number in generator.integers(0, 60, count)],
            "terminal_id": [str(number) for number in generator.integers(0, 40, count)],
            "amount_minor": pl.Series(amounts, dtype=pl.Int64),
            "currency": ["EUR"] * count,
            "event_time": instants,
            "available_at": instants,
        }
    )
    labels = pl.DataFrame(
        {
            "transaction_id": transactions["transaction_id"],
            "is_fraud": pl.Series(is_fraud, dtype=pl.Boolean),
            "scenario": pl.Series([None] * count, dtype=pl.Int64),
            "event_time": instants,
            "available_at": instants.dt.offset_by("7d"),
        }
    )
    return transactions, labels


@cache
def feature_frame() -> pl.DataFrame:
    transactions, labels = world()
    return compute(VIEW, transactions, labels).join(labels.select("transaction_id", "is_fraud"), on="transaction_id")


@cache
def training_rows() -> bytes:
    return parquet(feature_frame())


@cache
def online_state() -> bytes:
    return parquet(recent_events(VIEW, *world(), AS_OF))


@cache
def model_bytes(trees: int) -> bytes:
    frame = feature_frame()
    rows = frame.select(pl.col(VIEW.feature_names).cast(pl.Float64)).to_numpy()
    matrix = xgboost.DMatrix(rows, frame["is_fraud"].to_numpy(), feature_names=list(VIEW.feature_names), nthread=1)
    settings = {"objective": "binary:logistic", "max_depth": 3, "base_score": 0.5, "nthread": 1, "seed": 0}
    return bytes(xgboost.train(settings, matrix, trees).save_raw("ubj"))


def report(figures: Mapping[str, float] = GOOD, *, folds: int = 4, first: datetime = AS_OF) -> dict[str, Any]:
    """An evaluation report whose average precision lies around ``figures``, fold by fold."""
    wiggle = (-0.004, 0.003, 0.001, 0.0, 0.002, -0.002)
    return {
        "model": "xgboost",
        "metrics": {"average_precision": {"higher_is_better": True}},
        "folds": {
            "test": [
                {
                    "fold": instant_text(first - timedelta(days=7 * (folds - number))),
                    "test_start": instant_text(first - timedelta(days=7 * (folds - number))),
                    "test_end": instant_text(first - timedelta(days=7 * (folds - number - 1))),
                    "metrics": {
                        model: {"average_precision": mean + wiggle[number] * (1 + position)}
                        for position, (model, mean) in enumerate(sorted(figures.items()))
                    },
                }
                for number in range(folds)
            ]
        },
        "leak_checks": [{"check": name.value, "passed": True, "detail": "looked"} for name in LeakCheckName],
    }


def record_feature_version(ledger: Ledger, *, build: int) -> tuple[str, list[str]]:
    """Put raw files, batches, receipts and a feature version on record; return its leaf id and the labels' receipts."""
    transactions, labels = world()
    receipts = {
        "transactions": _receipt(ledger, "transactions", transactions),
        "fraud_labels": _receipt(ledger, "fraud_labels", labels),
    }
    manifest = {
        "view": VIEW.name,
        "fingerprint": VIEW.fingerprint,
        "features": list(VIEW.feature_names),
        "as_of": instant_text(AS_OF),
        "inputs": [{"dataset": name, "receipt": receipt} for name, receipt in receipts.items()],
        "partitions": [],
        "build": build,
        "online_state": ledger.objects.put(online_state()),
    }
    leaf = Leaf(
        Kind.FEATURE_VERSION,
        {
            "view": VIEW.name,
            "fingerprint": VIEW.fingerprint,
            "manifest": ledger.objects.put(canonical_json(manifest)),
        },
        {"rows": transactions.height, "tag": "evidence/card_spending"},
    )
    parents = [Parent(receipt, "accepted") for receipt in receipts.values()]
    return ledger.log.append(leaf, parents), [receipts["fraud_labels"]]


def record_training_set(ledger: Ledger, *, build: int = 1) -> str:
    """Put a training set and all behind it on record; another ``build`` is another feature version of the same rows."""
    feature_version, labels = record_feature_version(ledger, build=build)
    content = training_rows()
    leaf = Leaf(
        Kind.TRAINING_SET,
        {
            "family": "fraud",
            "feature_version": feature_version,
            "labels": labels,
            "as_of": instant_text(AS_OF),
            "spec": "0" * 64,
            "rows": feature_frame().height,
            "sha256": ledger.objects.put(content),
        },
    )
    parents = [Parent(feature_version, "features"), *(Parent(receipt, "labels") for receipt in labels)]
    return ledger.log.append(leaf, parents)


def train(
    ledger: Ledger,
    *,
    trained_by: str = "ada",
    trees: int = 20,
    threshold: float = 0.5,
    version: int | None = 1,
    fingerprint: str = VIEW.fingerprint,
    figures: Mapping[str, Any] | None = None,
    training_set: str | None = None,
    commit: Mapping[str, Any] = COMMIT,
) -> str:
    """Train a small real model and put its bundle on record; return the digest."""
    training_set = training_set or record_training_set(ledger)
    run = Leaf(
        Kind.TRAINING_RUN,
        {
            "family": "fraud",
            "training_set": training_set,
            "parameters": {"trees": trees, "threshold": threshold, "fingerprint": fingerprint},
            "code": "0" * 64,
        },
        {"trained_by": trained_by, **commit},
    )
    run_id = ledger.log.append(run, [Parent(training_set, "training_set")])
    fields = ManifestFields(
        family="fraud",
        feature_view=VIEW.name,
        feature_fingerprint=fingerprint,
        features=VIEW.feature_names,
        threshold=threshold,
        model_format=ModelFormat.XGBOOST_UBJ,
        training_set=training_set,
        training_run=run_id,
    )
    files = {
        "model.ubj": model_bytes(trees),
        "evaluation.json": canonical_json(figures or report()),
        "card.md": b"# a small model\n",
        "reason_codes.json": encode_reason_codes(VIEW.feature_names),
    }
    digest = write_bundle(ledger.objects, fields, files)
    set_leaf = ledger.log.get(training_set)
    detail = {
        "family": "fraud",
        "model_version": version,
        "trained_by": trained_by,
        "training_run": run_id,
        "training_set": training_set,
        "feature_version": set_leaf.identity["feature_version"],
    }
    ledger.log.append(Leaf(Kind.MODEL_BUNDLE, {"digest": digest}, detail), [Parent(run_id, "run")])
    return digest


def pass_gates(ledger: Ledger, digest: str, *, passed: bool = True) -> str:
    """Record a verdict without looking, for tests that are about what comes after the gates; return its leaf id."""
    bundle = ledger.log.latest(Kind.MODEL_BUNDLE, digest=digest)
    assert bundle is not None
    gates = [{"gate": "bundle_scan", "passed": passed, "detail": "not looked at"}]
    leaf = Leaf(Kind.EVALUATION, {"bundle": digest, "report": "0" * 64, "gates": gates, "passed": passed})
    return ledger.log.append(leaf, [Parent(bundle.id, "bundle")])


def approved_model(ledger: Ledger, *, approver: str = "bob", **training: Any) -> str:
    """Train a model, let it pass, and sign for it; return its digest."""
    digest = train(ledger, **training)
    pass_gates(ledger, digest)
    if key_in_force(ledger, approver) is None:
        create_key(ledger, approver, passphrase=PASSPHRASE)
    approve(ledger, digest, approver=approver, role="validator", passphrase=PASSPHRASE)
    return digest


def sign_past_checks(ledger: Ledger, digest: str, *, approver: str) -> str:
    """Record a genuine signature that ``approve`` would refuse to make, with the key on the disk."""
    bundle = find_bundle(ledger, digest)
    evaluation = ledger.log.latest(Kind.EVALUATION, bundle=digest)
    key = newest_key(ledger, approver) or create_key(ledger, approver, passphrase=PASSPHRASE)
    assert evaluation is not None
    now = ledger.clock.now()
    statement = Statement(
        family="fraud",
        bundle=digest,
        training_set=bundle.detail["training_set"],
        evaluation=evaluation.id,
        environment=ledger.settings.profile.value,
        approver=approver,
        role="validator",
        signed_at=instant_text(now),
        expires_at=instant_text(now + timedelta(days=30)),
    )
    signature = open_key(ledger, approver, passphrase=PASSPHRASE).sign(statement.content).hex()
    return ledger.log.append(Leaf(Kind.APPROVAL, {**asdict(statement), "key": key.id, "signature": signature}))


def payment(number: int, **changes: Any) -> dict[str, Any]:
    """A request about a payment on the day after ``AS_OF``."""
    return {
        "transaction_id": f"live-{number}",
        "customer_id": str(number % 60),
        "terminal_id": str(number % 40),
        "amount_minor": 1000 + 37 * number,
        "currency": "EUR",
        "event_time": instant_text(AS_OF + timedelta(minutes=1, seconds=number)),
        **changes,
    }


def parquet(frame: pl.DataFrame) -> bytes:
    buffer = BytesIO()
    frame.write_parquet(buffer)
    return buffer.getvalue()


def _receipt(ledger: Ledger, dataset: str, rows: pl.DataFrame, verdict: str = "accepted") -> str:
    content = parquet(rows)
    raw = ledger.log.append(
        Leaf(Kind.RAW_FILE, {"sha256": ledger.objects.put(content)}, {"path": f"{dataset}.parquet"})
    )
    batch = ledger.log.append(
        Leaf(Kind.LANDED_BATCH, {"dataset": dataset, "raw": raw, "rows": rows.height}), [Parent(raw, "raw")]
    )
    receipt = Leaf(Kind.VALIDATION_RECEIPT, {"dataset": dataset, "batch": batch, "verdict": verdict})
    return ledger.log.append(receipt, [Parent(batch, "batch")])
