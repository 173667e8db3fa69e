"""A training on leaking features ends in a report that says so, and the gate refuses the model."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl

from feature_store.offline import compute
from feature_store.views import view_named
from ledgerline.core.settings import PROJECT_ROOT
from ledgerline.decisions.bundle import EVALUATION_FILE, load_bundle
from pipelines.promotion import evaluate_gates
from pipelines.training import train
from pipelines.training.leaks import LeakCheckName


def test_training_on_leaks_reports_them_and_the_gate_refuses_the_model(
    seal: Callable[..., Any], world: Any, project: Path, tmp_path: Path
) -> None:
    """The amount is the label under another name, and disputes count before they are known."""
    shutil.copytree(PROJECT_ROOT / "policies", project / "policies", dirs_exist_ok=True)
    said = world.labels["is_fraud"].cast(pl.Int64) * 10_000 + 100
    leaking = replace(
        world,
        transactions=world.transactions.with_columns(amount_minor=said),
        labels=world.labels.with_columns(available_at=pl.col("event_time") + timedelta(days=7, hours=12)),
    )
    early = leaking.labels.with_columns(available_at="event_time")
    features = compute(view_named("card_spending"), leaking.transactions, early)
    sealed = seal(tmp_path / "home", features, leaking)

    result = train(sealed.ledger, feature_version=sealed.version)

    report = json.loads(load_bundle(sealed.ledger.objects, result.bundle).files[EVALUATION_FILE])
    failed = {check["check"]: check["detail"] for check in report["leak_checks"] if not check["passed"]}
    assert failed.keys() == {
        LeakCheckName.HISTORY_REPRODUCED,
        LeakCheckName.FUTURE_SCRAMBLED,
        LeakCheckName.NO_TELLTALE,
    }
    assert "terminal_risk_30d" in failed[LeakCheckName.FUTURE_SCRAMBLED]
    gates = {gate["gate"]: gate for gate in evaluate_gates(sealed.ledger, result.bundle).identity["gates"]}
    assert not gates["no_leak"]["passed"]
    assert all(name in gates["no_leak"]["detail"] for name in failed)
