"""The how-to's own commands in a clone of this project's workspace: pull, repro, one experiment, the difference."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from ledgerline.audit import Ledger
from ledgerline.core.clock import FixedClock
from ledgerline.core.settings import PROJECT_ROOT, Settings
from pipelines.features import build

DAYS = 125  # the earliest validation fold begins 103 days before as_of, and windows reach 37 days further
PAYMENTS_A_DAY = 200
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:_NoneStep:DeprecationWarning")]


@pytest.fixture
def payments(midnights) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return payments of which the large ones are mostly fraudulent, and their labels."""
    generator = np.random.default_rng(29)
    count = DAYS * PAYMENTS_A_DAY
    seconds = np.sort(generator.integers(0, DAYS * 86_400, count)) + int(midnights(0).timestamp())
    cents = generator.integers(100, 10_000, count)
    large = generator.random(count) < 0.03
    cents[large] += 20_000
    moments = pl.Series(seconds * 1_000_000).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    transactions = pl.DataFrame(
        {
            "transaction_id": [str(number) for number in range(count)],
            "customer_id": [str(number) for number in generator.integers(0, 400, count)],
            "terminal_id": [str(number) for number in generator.integers(0, 100, count)],
            "amount_minor": cents,
            "currency": ["EUR"] * count,
            "event_time": moments,
            "available_at": moments,
        }
    )
    labels = transactions.select(
        "transaction_id",
        is_fraud=pl.Series(large & (generator.random(count) < 0.8)),
        scenario=pl.lit(None, pl.Int64),
        event_time="event_time",
        available_at=pl.col("event_time") + pl.duration(days=7),
    )
    return transactions, labels


def run(folder: Path, *command: str) -> str:
    """Run a command as the how-to's reader does, the environment's programs first on the path."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    identity = {f"GIT_{who}_{what}": "quant" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    completed = subprocess.run(
        command, cwd=folder, env={**os.environ, **identity, "PATH": path}, capture_output=True, text=True, check=False
    )
    assert completed.returncode == 0, f"{command}: {completed.stdout}{completed.stderr}"
    return completed.stdout


def test_clone_pulls_reproduces_and_compares_an_experiment(tmp_path, payments, accept, midnights):
    ledger = Ledger.open(Settings(home=tmp_path / "home", project=PROJECT_ROOT), FixedClock(midnights(200)))
    for dataset, rows in zip(("transactions", "fraud_labels"), payments, strict=True):
        accept(ledger, dataset, rows)
    version = build(ledger, "card_spending", as_of=midnights(DAYS))
    clone = tmp_path / "my-research"
    run(tmp_path, "git", "clone", "--quiet", "-b", "data", str(ledger.settings.workspace_path), str(clone))

    run(clone, "dvc", "pull")
    run(clone, "dvc", "repro")
    run(clone, "git", "add", ".")
    run(clone, "git", "commit", "--quiet", "-m", "Baseline")
    run(clone, "dvc", "exp", "run", "-S", "fraud.model.trees=3")
    changed = json.loads(run(clone, "dvc", "params", "diff", "--json"))
    metrics = json.loads(run(clone, "dvc", "metrics", "diff", "--json"))

    assert pl.scan_parquet(clone / "data/research/fraud/training_set.parquet").select(pl.len()).collect().item() > 0
    assert changed["params.yaml"]["fraud.model.trees"]["new"] == 3
    figures = metrics["data/research/fraud/metrics.json"]
    assert figures["validation.xgboost.average_precision"]["diff"] != 0
    assert version.tag in run(clone, "git", "tag")
    assert run(clone, "dvc", "status", "--json").strip() == "{}"
