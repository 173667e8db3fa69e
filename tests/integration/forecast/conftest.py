"""Small books from a file to a deployed forecasting model, by the platform's own stages."""

import json
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import yaml

from ledgerline.audit import Ledger
from ledgerline.core.clock import FixedClock
from ledgerline.core.contracts import CONTRACTS
from ledgerline.core.settings import PROJECT_ROOT, Settings
from pipelines.features import build
from pipelines.ingestion import land
from pipelines.promotion import approve, create_key, deploy, evaluate_gates
from pipelines.training import TrainingResult, train
from pipelines.validation import validate_batches

PASSPHRASE = "correct horse battery staple"
BOOKS, MONTHS, HORIZON = 48, 84, 12
MAPPING = """
name: books
as_of: 2024-01-15T00:00:00Z
datasets:
  ledger:
    files: books.csv
    columns:
      entity_id: book
      account: account
      amount: amount
      event_time: {column: month, end_of: month, timezone: UTC}
      available_at: closed_at
"""


@dataclass(frozen=True)
class Deployed:
    """An installation in which a forecasting model was trained, judged, signed for and put in force.

    Attributes:
        ledger: The installation.
        result: What the training came to.
        verdicts: Of the gates, by name: passed, and what was said.
    """

    ledger: Ledger
    result: TrainingResult
    verdicts: dict[str, tuple[bool, str]]


def write_books(folder: Path) -> None:
    """Write books that grow at a pace of their own, with a season of their own, noise and a rare jump to another level.

    One month of one book is restated at the end.
    """
    generator = np.random.default_rng(6)
    month = np.arange(MONTHS)
    lines = ["book,account,month,amount,closed_at"]
    for book in range(BOOKS):
        pace = generator.normal(0.01, 0.02) * month
        jumps = np.cumsum(generator.normal(0, 0.4, MONTHS) * (generator.random(MONTHS) < 0.05))
        season = generator.normal(0, 0.1, 12)[month % 12]
        amounts = generator.uniform(50, 5000) * np.exp(pace + jumps + season + generator.normal(0, 0.02, MONTHS))
        lines += [
            f"book-{book:02d},revenue,{2017 + place // 12}-{place % 12 + 1:02d},{amount:.2f},{closed(place)}"
            for place, amount in zip(month, amounts, strict=True)
        ]
    lines.append(f"book-00,revenue,2022-06,1.00,{closed(MONTHS - 1)}")
    folder.mkdir()
    (folder / "books.csv").write_text("\n".join(lines) + "\n")


def closed(place: int) -> str:
    """Return when the books of a month closed: the fourth of the month after."""
    following = place + 1
    return f"{2017 + following // 12}-{following % 12 + 1:02d}-04T00:00:00Z"


def make_project(folder: Path) -> Path:
    """Make a small project under git: the committed suites and policies, and parameters that ask for less work."""
    suites = folder / "great_expectations" / "expectations"
    suites.mkdir(parents=True)
    for name in CONTRACTS:
        committed = PROJECT_ROOT / "great_expectations" / "expectations" / f"{name}.json"
        lenient = json.dumps({"expectations": [], "meta": {"max_quarantined_share": 1.0}})
        (suites / f"{name}.json").write_text(committed.read_text() if committed.exists() else lenient)
    (folder / "policies").mkdir()
    for policy in ("gates.yaml", "approvals.yaml"):
        (folder / "policies" / policy).write_bytes((PROJECT_ROOT / "policies" / policy).read_bytes())
    parameters = yaml.safe_load((PROJECT_ROOT / "params.yaml").read_text())
    parameters["forecast"] |= {"horizon": HORIZON, "groups": 8}
    parameters["forecast"]["model"] |= {"trees": 60, "least_rows_in_leaf": 50, "seeds": [1, 2]}
    (folder / "params.yaml").write_text(yaml.safe_dump(parameters))
    for command in (
        ("init", "--quiet", "-b", "main"),
        ("add", "."),
        ("-c", "user.name=Quant", "-c", "user.email=quant@example.com", "commit", "--quiet", "-m", "Begin"),
    ):
        subprocess.run(["git", *command], cwd=folder, check=True, capture_output=True)
    return folder


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Ledger, TrainingResult]:
    """Return an installation in which the books were ingested, made into features and trained on."""
    folder = tmp_path_factory.mktemp("forecast")
    write_books(folder / "data")
    (folder / "books.yaml").write_text(MAPPING)
    settings = Settings(
        home=folder / "home",
        project=make_project(folder / "project"),
        data=folder / "data",
        mapping=folder / "books.yaml",
        actor="somebody",
    )
    ledger = Ledger.open(settings, FixedClock(datetime(2024, 1, 16, tzinfo=UTC)))
    report = land(ledger, "ledger")
    validate_batches(ledger, list(report.batches))
    build(ledger, "ledger_monthly")
    return ledger, train(ledger, "forecast")


@pytest.fixture(scope="session")
def deployed(trained: tuple[Ledger, TrainingResult]) -> Deployed:
    """Return the same once the model passed the gates and was signed for and deployed."""
    ledger, result = trained
    evaluation = evaluate_gates(ledger, result.bundle)
    verdicts = {gate["gate"]: (gate["passed"], gate["detail"]) for gate in evaluation.identity["gates"]}
    create_key(ledger, "ada.lovelace", passphrase=PASSPHRASE)
    approve(ledger, result.bundle, approver="ada.lovelace", role="validator", passphrase=PASSPHRASE)
    deploy(ledger, result.bundle)
    return Deployed(ledger, result, verdicts)
