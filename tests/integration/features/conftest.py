"""A small project, a few days of accepted payments and labels, and builds of them, with real git and DVC."""

import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from ledgerline.audit import Kind, Leaf, Ledger, Parent
from ledgerline.core.clock import FixedClock, instant_text
from ledgerline.core.contracts import contract_named
from ledgerline.core.identity import sha256_bytes
from ledgerline.core.settings import PROJECT_ROOT, Settings
from ledgerline.core.storage import write_atomically
from pipelines.features import FeatureVersion, build
from pipelines.validation.accepted import parquet_bytes

FIRST_DAY = date(2024, 3, 1)
PAYMENTS_A_DAY = 60


def midnight(day: int) -> datetime:
    """Return the first instant of the n-th day of the history."""
    return datetime(FIRST_DAY.year, FIRST_DAY.month, FIRST_DAY.day, tzinfo=UTC) + timedelta(days=day)


@dataclass(frozen=True)
class History:
    """Payments and labels in the contracts' columns.

    Attributes:
        transactions: Sixty payments a day; one in twenty arrives up to three days late.
        labels: What became of them, known seven days later.
    """

    transactions: pl.DataFrame
    labels: pl.DataFrame

    def of_days(self, first: int, last: int) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Return what became available on some days, the last one excluded."""
        known = pl.col("available_at").is_between(midnight(first), midnight(last), closed="left")
        return self.transactions.filter(known), self.labels.filter(known)


@pytest.fixture(scope="session")
def history() -> History:
    """Return forty-five days of payments, enough for a window to have passed."""
    generator = np.random.default_rng(3)
    days = 45
    count = days * PAYMENTS_A_DAY
    seconds = np.sort(generator.integers(0, days * 86_400, count))
    late = np.where(generator.random(count) < 0.05, generator.integers(1, 3 * 86_400, count), 0)

    def instants(values: np.ndarray) -> pl.Series:
        epoch = int(midnight(0).timestamp())
        return pl.Series((values + epoch) * 1_000_000).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")

    transactions = pl.DataFrame(
        {
            "transaction_id": [str(number) for number in range(count)],
            "customer_id": [str(number) for number in generator.integers(0, 20, count)],
            "terminal_id": [str(number) for number in generator.integers(0, 20, count)],
            "amount_minor": generator.integers(1, 50_000, count),
            "currency": ["EUR"] * count,
            "event_time": instants(seconds),
            "available_at": instants(seconds + late),
        }
    )
    labels = transactions.select(
        "transaction_id",
        is_fraud=pl.Series(generator.random(count) < 0.1),
        scenario=pl.lit(None, pl.Int64),
        event_time="event_time",
        available_at=instants(seconds + 7 * 86_400),
    )
    return History(transactions, labels)


def make_project(folder: Path) -> Path:
    """Make a small project under git, with the committed suites that validation reads."""
    suites = folder / "great_expectations" / "expectations"
    suites.mkdir(parents=True)
    for suite in (PROJECT_ROOT / "great_expectations" / "expectations").glob("*.json"):
        (suites / suite.name).write_bytes(suite.read_bytes())
    (folder / "model.py").write_text("EXPONENT = 1\n")
    (folder / ".gitignore").write_text("*.log\n")
    for command in (
        ("init", "--quiet", "-b", "main"),
        ("add", "."),
        ("-c", "user.name=Quant", "-c", "user.email=quant@example.com", "commit", "--quiet", "-m", "Begin"),
    ):
        subprocess.run(["git", *command], cwd=folder, check=True, capture_output=True)
    return folder


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return make_project(tmp_path / "project")


@pytest.fixture
def open_home(project: Path, tmp_path: Path) -> Callable[..., Ledger]:
    """Open a home beside the project; every name is another installation."""

    def open_(name: str = "home") -> Ledger:
        return Ledger.open(Settings(home=tmp_path / name, project=project), FixedClock(midnight(100)))

    return open_


@pytest.fixture
def ledger(open_home: Callable[..., Ledger]) -> Iterator[Ledger]:
    return open_home()


def accept_file(
    ledger: Ledger,
    dataset: str,
    rows: pl.DataFrame,
    *,
    roles: Mapping[str, str] | None = None,
    feed: str = "tests",
    feeds: Sequence[str] = (),
) -> str:
    """Record a frame as a landed and accepted file, as ingestion and validation leave it; return the receipt's id."""
    contract = contract_named(dataset).with_roles(roles or {})
    landed = rows.select(pl.int_range(1, pl.len() + 1, dtype=pl.Int64).alias("row_number"), *contract.column_names)
    content = parquet_bytes(landed)
    raw = Leaf(Kind.RAW_FILE, {"sha256": sha256_bytes(b"raw" + content)})
    batch = Leaf(
        Kind.LANDED_BATCH,
        {
            "dataset": dataset,
            "contract": contract.fingerprint,
            "mapping": feed,
            "raw": raw.identity["sha256"],
            "rows_object": ledger.objects.put(content),
            "unreadable_object": None,
            "rows": landed.height,
            "unreadable": 0,
        }
        | ({"roles": dict(roles)} if roles else {}),
        {"feeds": list(feeds)} if feeds else {},
    )
    ledger.log.append(raw)
    ledger.log.append(batch, [Parent(raw.id, "raw")])
    path = f"data/accepted/{dataset}/{batch.id[:16]}.parquet"
    write_atomically(ledger.settings.workspace_path / path, content)
    identity = {
        "dataset": dataset,
        "batch": batch.id,
        "suite": "tests",
        "verdict": "accepted",
        "landed": landed.height,
        "accepted": landed.height,
        "quarantined": 0,
        "accepted_sha256": sha256_bytes(content),
        "quarantine_object": None,
        "result_object": "0" * 64,
    }
    detail = {"accepted_path": path} | {
        f"{column}_{bound}": instant_text(getattr(landed[column], bound)())
        for column in ("event_time", "available_at")
        for bound in ("min", "max")
    }
    return ledger.log.append(Leaf(Kind.VALIDATION_RECEIPT, identity, detail), [Parent(batch.id, "batch")])


def deliver_days(ledger: Ledger, history: History, first: int, last: int) -> None:
    """Accept what became available on some days: one file of payments, and one of labels where there are any."""
    for dataset, rows in zip(("transactions", "fraud_labels"), history.of_days(first, last), strict=True):
        if rows.height:
            accept_file(ledger, dataset, rows)


@pytest.fixture
def accept() -> Callable[[Ledger, str, pl.DataFrame], str]:
    return accept_file


@pytest.fixture
def deliver(history: History) -> Callable[[Ledger, int, int], None]:
    return lambda ledger, first, last: deliver_days(ledger, history, first, last)


@pytest.fixture(scope="session")
def two_versions(tmp_path_factory: pytest.TempPathFactory, history: History) -> tuple[Path, list[FeatureVersion]]:
    """Seal two versions once; the days of the first are among those of the second."""
    folder = tmp_path_factory.mktemp("two_versions")
    settings = Settings(home=folder / "home", project=make_project(folder / "project"))
    ledger = Ledger.open(settings, FixedClock(midnight(100)))
    versions = []
    for first, last in ((0, 4), (4, 8)):
        deliver_days(ledger, history, first, last)
        versions.append(build(ledger, "card_spending", as_of=midnight(last)))
    return folder, versions


@pytest.fixture
def midnights() -> Callable[[int], datetime]:
    """Return the first instant of the n-th day of the history."""
    return midnight


@pytest.fixture(scope="session")
def day_of() -> Callable[[int], datetime]:
    """Return the first instant of the n-th day of the history, for installations that several tests look at."""
    return midnight


@pytest.fixture(scope="session")
def files_of() -> Callable[[Ledger, pl.DataFrame, pl.DataFrame], None]:
    """Accept payments and, where there are any, their labels."""

    def accept_both(ledger: Ledger, transactions: pl.DataFrame, labels: pl.DataFrame) -> None:
        for dataset, rows in (("transactions", transactions), ("fraud_labels", labels)):
            if rows.height:
                accept_file(ledger, dataset, rows)

    return accept_both


@pytest.fixture
def fingerprints() -> Callable[[Path], dict[str, str]]:
    """Return the SHA-256 of every file below a folder by its path."""

    def fingerprints_(folder: Path) -> dict[str, str]:
        files = (path for path in sorted(folder.rglob("*")) if path.is_file())
        return {path.relative_to(folder).as_posix(): sha256_bytes(path.read_bytes()) for path in files}

    return fingerprints_
