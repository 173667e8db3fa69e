"""A small lender, and a real credit model of its applications on record. Loaded by path from the conftest files."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import cache
from types import ModuleType
from typing import Any

import numpy as np
import polars as pl
import xgboost

from feature_store.views import view_named
from ledgerline.audit import Kind, Leaf, Ledger, Parent
from ledgerline.core.clock import instant_text
from ledgerline.core.identity import canonical_json
from ledgerline.decisions.bundle import ManifestFields, ModelFormat, write_bundle
from ledgerline.decisions.credit import (
    FAMILY,
    Attribute,
    AttributeKind,
    Calibration,
    CreditInputs,
    Encoding,
    Scorecard,
    encode_reason_codes,
)
from ledgerline.decisions.signing_keys import key_in_force
from pipelines.promotion import approve, create_key
from pipelines.training.credit.fit import encoding_of

VIEW = view_named("credit_application")
PORTFOLIO = "small-loans"
SCORECARD = Scorecard(base_score=600, base_odds=30, points_to_double_odds=20, lowest=300, highest=850)

SAFE: dict[str, Any] = {
    "age": 52.0,
    "income": 110_000.0,
    "debt_to_income": 0.1,
    "loan_amount": 9_000.0,
    "utilisation": 0.2,
    "purpose": "car",
}
MIDDLING: dict[str, Any] = {**SAFE, "debt_to_income": 0.25}
RISKY: dict[str, Any] = {
    "age": 24.0,
    "income": 21_000.0,
    "debt_to_income": 0.78,
    "loan_amount": 38_000.0,
    "utilisation": 0.97,
    "purpose": "holiday",
}
"""What applications say: one that is approved, one approved with conditions, one denied."""


@cache
def applications(as_of: Any) -> pl.DataFrame:
    """Two thousand applications of the hundred days before ``as_of``, and what became of them."""
    generator = np.random.default_rng(5)
    count = 2000
    at = pl.Series(
        [as_of - timedelta(days=100 * (1 - number / count)) for number in range(count)],
        dtype=pl.Datetime("us", "UTC"),
    )
    debt, used = generator.uniform(0, 0.8, count), generator.uniform(0, 1, count)
    purpose = generator.choice(["car", "holiday", "home"], count)
    odds = -11 + 18 * debt + 9 * used + 3 * (purpose == "holiday")
    known = generator.random(count) > 0.05
    return pl.DataFrame(
        {
            "application_id": [f"past-{number}" for number in range(count)],
            "portfolio": [PORTFOLIO] * count,
            "defaulted": generator.random(count) < 1 / (1 + np.exp(-odds)),
            "outcome_at": at.dt.offset_by("365d"),
            "dated": [True] * count,
            "event_time": at,
            "available_at": at,
            "age": generator.integers(20, 70, count).astype(float),
            "income": [
                value if given else None
                for value, given in zip(generator.uniform(15_000, 120_000, count).tolist(), known, strict=True)
            ],
            "debt_to_income": debt,
            "loan_amount": generator.uniform(1_000, 40_000, count),
            "utilisation": used,
            "purpose": purpose.tolist(),
        }
    )


@cache
def features(as_of: Any) -> pl.DataFrame:
    """The view over all of them at once."""
    return VIEW.compute({VIEW.primary.name: applications(as_of)})


@cache
def trained(as_of: Any, trees: int) -> tuple[bytes, Encoding]:
    frame = features(as_of)
    encoding = encoding_of(frame, VIEW.features_of(frame), most_categories=10)
    defaulted = frame.select("application_id").join(applications(as_of), on="application_id")["defaulted"].to_numpy()
    matrix = xgboost.DMatrix(encoding.matrix(frame), defaulted, feature_names=list(encoding.columns), nthread=1)
    settings = {"objective": "binary:logistic", "max_depth": 3, "eta": 0.3, "nthread": 1, "seed": 0}
    return bytes(xgboost.train(settings, matrix, trees).save_raw("ubj")), encoding


def approved_model(
    line: ModuleType,
    ledger: Ledger,
    *,
    trees: int = 60,
    version: int = 1,
    approver: str = "bob",
    accepted: Sequence[str] = (),
) -> str:
    """Put a small credit model and all behind it on record, let it pass, and sign for it; return its digest."""
    digest = _train(line, ledger, trees=trees, version=version, accepted=accepted)
    line.pass_gates(ledger, digest)
    if key_in_force(ledger, approver) is None:
        create_key(ledger, approver, passphrase=line.PASSPHRASE)
    approve(ledger, digest, approver=approver, role="validator", passphrase=line.PASSPHRASE)
    return digest


def application(line: ModuleType, number: int, said: Mapping[str, Any] = SAFE, **changes: Any) -> dict[str, Any]:
    """A request about an application on the day after the line's ``AS_OF``."""
    return {
        "application_id": f"asked-{number}",
        "portfolio": PORTFOLIO,
        "event_time": instant_text(line.AS_OF + timedelta(minutes=1, seconds=number)),
        "attributes": dict(said),
        **changes,
    }


def _train(line: ModuleType, ledger: Ledger, *, trees: int, version: int, accepted: Sequence[str]) -> str:
    feature_version, training_set = _record_training_set(line, ledger, accepted)
    identity = {"family": FAMILY, "training_set": training_set, "parameters": {"trees": trees}, "code": "0" * 64}
    run = ledger.log.append(
        Leaf(Kind.TRAINING_RUN, identity, {"trained_by": "ada"}), [Parent(training_set, "training_set")]
    )
    model, encoding = trained(line.AS_OF, trees)
    fields = ManifestFields(
        family=FAMILY,
        feature_view=VIEW.name,
        feature_fingerprint=VIEW.fingerprint,
        features=encoding.columns,
        threshold=None,
        model_format=ModelFormat.XGBOOST_UBJ,
        training_set=training_set,
        training_run=run,
    )
    files = {
        "model.ubj": model,
        "evaluation.json": canonical_json({"model": "xgboost"}),
        "card.md": b"# a small model\n",
        "reason_codes.json": encode_reason_codes(encoding.inputs),
        "inputs.json": CreditInputs(
            PORTFOLIO, _attributes(line), encoding, Calibration(1.0, 0.0), SCORECARD
        ).to_bytes(),
    }
    digest = write_bundle(ledger.objects, fields, files)
    detail = {
        "family": FAMILY,
        "model_version": version,
        "trained_by": "ada",
        "training_run": run,
        "training_set": training_set,
        "feature_version": feature_version,
    }
    ledger.log.append(Leaf(Kind.MODEL_BUNDLE, {"digest": digest}, detail), [Parent(run, "run")])
    return digest


def _attributes(line: ModuleType) -> dict[str, Attribute]:
    rows = applications(line.AS_OF)
    return {
        name: Attribute(
            AttributeKind.CATEGORICAL if rows.schema[name] == pl.String else AttributeKind.NUMERIC,
            rows[name].null_count() / rows.height,
        )
        for name in SAFE
    }


def _record_training_set(line: ModuleType, ledger: Ledger, accepted: Sequence[str]) -> tuple[str, str]:
    manifest = {"view": VIEW.name, "fingerprint": VIEW.fingerprint, "as_of": instant_text(line.AS_OF)}
    version = Leaf(
        Kind.FEATURE_VERSION,
        {
            "view": VIEW.name,
            "fingerprint": VIEW.fingerprint,
            "manifest": ledger.objects.put(canonical_json(manifest)),
        },
    )
    feature_version = ledger.log.append(version, [Parent(receipt, "accepted") for receipt in accepted])
    content = line.parquet(features(line.AS_OF))
    identity = {
        "family": FAMILY,
        "feature_version": feature_version,
        "labels": [],
        "as_of": instant_text(line.AS_OF),
        "spec": "0" * 64,
        "rows": features(line.AS_OF).height,
        "sha256": ledger.objects.put(content),
    }
    training_set = ledger.log.append(Leaf(Kind.TRAINING_SET, identity), [Parent(feature_version, "features")])
    return feature_version, training_set
