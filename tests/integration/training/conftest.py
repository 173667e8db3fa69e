"""A small card world, its features sealed as a feature version, and one training of it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import yaml

from feature_store.offline import compute
from feature_store.versions.git import Git
from feature_store.versions.manifest import InputFile, Manifest, Partition, manifest_path
from feature_store.views import view_named
from ledgerline.audit import Kind, Leaf, Ledger, Parent
from ledgerline.core.clock import FixedClock, instant_text
from ledgerline.core.contracts import contract_named
from ledgerline.core.identity import sha256_file
from ledgerline.core.settings import PROJECT_ROOT, Settings
from ledgerline.core.storage import write_atomically
from pipelines.training import TrainingResult, train
from pipelines.validation.accepted import parquet_bytes

AS_OF = datetime(2018, 10, 1, tzinfo=UTC)
DAYS = 130
_CARDS, _TERMINALS, _PAYMENTS_A_DAY = 400, 100, 260


@dataclass(frozen=True)
class World:
    """A small card world in the contracts' columns.

    Attributes:
        transactions: Payments of ``DAYS`` days before ``AS_OF``.
        labels: What became of them, known seven days later.
    """

    transactions: pl.DataFrame
    labels: pl.DataFrame


@pytest.fixture(scope="session")
def world() -> World:
    """Frauds are most payments at a terminal in the 24 days after it turned bad, and some that are oddly large."""
    generator = np.random.default_rng(11)
    count = DAYS * _PAYMENTS_A_DAY
    day = np.repeat(np.arange(DAYS), _PAYMENTS_A_DAY)
    seconds = np.sort(day * 86_400 + generator.integers(1, 86_400, count))
    card, terminal = generator.integers(0, _CARDS, count), generator.integers(0, _TERMINALS, count)
    usual = generator.uniform(1_000, 8_000, _CARDS)
    cents = np.maximum(1, generator.normal(usual[card], usual[card] / 2)).astype(np.int64)
    bad = np.zeros((DAYS + 24, _TERMINALS), dtype=bool)
    for start in range(0, DAYS, 12):
        bad[start : start + 24, generator.integers(0, _TERMINALS)] = True
    large = generator.random(count) < 0.004
    cents[large] *= 4
    fraud = large | (bad[seconds // 86_400, terminal] & (generator.random(count) < 0.7))
    first = int((AS_OF - timedelta(days=DAYS)).timestamp())
    moments = pl.Series((seconds + first) * 1_000_000).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    transactions = pl.DataFrame(
        {
            "transaction_id": [str(number) for number in range(count)],
            "customer_id": [str(number) for number in card],
            "terminal_id": [str(number) for number in terminal],
            "amount_minor": cents,
            "currency": ["EUR"] * count,
            "event_time": moments,
            "available_at": moments,
        }
    )
    labels = transactions.select(
        "transaction_id",
        is_fraud=pl.Series(fraud),
        scenario=pl.Series(fraud.astype(np.int64)),
        event_time="event_time",
        available_at=pl.col("event_time") + timedelta(days=7),
    )
    return World(transactions, labels)


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project folder whose ``params.yaml`` asks for less work than the real one."""
    folder = tmp_path_factory.mktemp("project")
    parameters = yaml.safe_load((PROJECT_ROOT / "params.yaml").read_text())
    parameters["fraud"]["model"]["trees"] = 20
    parameters["fraud"]["bootstrap"]["replicates"] = 50
    parameters["fraud"]["card_precision_top"] = 10
    (folder / "params.yaml").write_text(yaml.safe_dump(parameters))
    git = Git(folder)  # it commits under a name of its own, whoever runs the tests
    for words in (("init", "--quiet"), ("add", "."), ("commit", "--quiet", "-m", "Ask for less work")):
        git.run(*words)
    return folder


@dataclass(frozen=True)
class Sealed:
    """An installation that holds one sealed feature version.

    Attributes:
        ledger: The installation.
        version: Leaf id of the feature version.
    """

    ledger: Ledger
    version: str


@pytest.fixture(scope="session")
def seal(world: World, project: Path) -> Callable[..., Sealed]:
    """Make an installation in a folder, with the world's features sealed in it, or others, or another world's."""
    honest = compute(view_named("card_spending"), world.transactions, world.labels)

    def make(home: Path, features: pl.DataFrame = honest, of: World = world) -> Sealed:
        settings = Settings(home=home, project=project, actor="somebody")
        ledger = Ledger.open(settings, FixedClock(datetime(2026, 1, 1, tzinfo=UTC)))
        return Sealed(ledger, _seal(ledger, of, features))

    return make


@dataclass(frozen=True)
class Trained:
    """An installation in which one training was done.

    Attributes:
        ledger: The installation.
        version: Leaf id of the feature version.
        result: What the training came to.
    """

    ledger: Ledger
    version: str
    result: TrainingResult


@pytest.fixture(scope="session")
def trained(seal: Callable[[Path], Sealed], tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """One training, for every test that only looks at it."""
    sealed = seal(tmp_path_factory.mktemp("home"))
    result = train(sealed.ledger, feature_version=sealed.version, dag_run="manual__1")
    return Trained(sealed.ledger, sealed.version, result)


def _seal(ledger: Ledger, world: World, features: pl.DataFrame) -> str:
    """Write what ingestion, validation and the feature stage would have left behind."""
    view = view_named("card_spending")
    datasets = {"transactions": world.transactions, "fraud_labels": world.labels}
    inputs = tuple(_accept(ledger, dataset, rows) for dataset, rows in datasets.items())
    days = features.group_by(features["available_at"].dt.date().alias("day"), maintain_order=True)
    manifest = Manifest(
        view=view.name,
        fingerprint=view.fingerprint,
        features=view.feature_names,
        as_of=AS_OF,
        inputs=inputs,
        partitions=tuple(_partition(ledger, str(day), rows.drop("day", strict=False)) for (day,), rows in days),
        online_state="0" * 64,
    )
    (ledger.settings.workspace_path / manifest_path(view.name)).write_bytes(manifest.to_bytes())
    ledger.objects.put(manifest.to_bytes())
    leaf = Leaf(Kind.FEATURE_VERSION, manifest.identity, {"tag": "evidence/features"})
    return ledger.log.append(leaf, [Parent(file.receipt, "accepted") for file in inputs])


def _accept(ledger: Ledger, dataset: str, rows: pl.DataFrame) -> InputFile:
    landed = parquet_bytes(rows.with_row_index("row_number", offset=1).cast({"row_number": pl.Int64}))
    sha256 = ledger.objects.put(landed)
    raw = ledger.log.append(Leaf(Kind.RAW_FILE, {"sha256": ledger.objects.put(f"file of {dataset}".encode())}))
    identity = {
        "dataset": dataset,
        "contract": contract_named(dataset).fingerprint,
        "mapping": "0" * 64,
        "raw": raw,
        "rows_object": sha256,
        "unreadable_object": None,
        "rows": rows.height,
        "unreadable": 0,
    }
    batch = ledger.log.get(ledger.log.append(Leaf(Kind.LANDED_BATCH, identity), [Parent(raw, "raw")]))
    path = f"data/accepted/{dataset}/{batch.id[:16]}.parquet"
    write_atomically(ledger.settings.workspace_path / path, landed)
    verdict = {"dataset": dataset, "batch": batch.id, "verdict": "accepted", "accepted_sha256": sha256}
    bounds = {f"available_at_{bound}": instant_text(getattr(rows["available_at"], bound)()) for bound in ("min", "max")}
    leaf = Leaf(Kind.VALIDATION_RECEIPT, verdict | {"quarantine_object": None}, {"accepted_path": path, **bounds})
    return InputFile(dataset, ledger.log.append(leaf, [Parent(batch.id, "batch")]), sha256, path)


def _partition(ledger: Ledger, day: str, rows: pl.DataFrame) -> Partition:
    relative = f"data/features/card_spending/{day}-{'0' * 12}.parquet"
    path = ledger.settings.workspace_path / relative
    path.parent.mkdir(parents=True, exist_ok=True)
    rows.write_parquet(path)
    return Partition(day, relative, sha256_file(path), rows.height)
