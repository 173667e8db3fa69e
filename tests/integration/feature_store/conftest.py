"""A workspace with sealed versions of a view over events and of three over tables, made once by the real build."""

import importlib.util
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from feature_store import FeatureStore
from feature_store.sources import empty_rows
from ledgerline.audit import Ledger
from ledgerline.core.clock import FixedClock
from ledgerline.core.contracts import CONTRACTS
from ledgerline.core.settings import Settings
from pipelines.features import FeatureVersion, build

_SHARED = Path(__file__).parents[1] / "features/conftest.py"
_spec = importlib.util.spec_from_file_location("features_fixtures", _SHARED)
_fixtures = sys.modules["features_fixtures"] = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_fixtures)

midnight = _fixtures.midnight
history = _fixtures.history
midnights = _fixtures.midnights

DAYS = (40, 44)
"""The days at whose ends versions of the payments are sealed; more payments come later, and are in none of them."""

REPORTED_AFTER = timedelta(days=3)
LATE_MONTH, LATE_MONTH_KNOWN = datetime(2024, 2, 1, tzinfo=UTC), datetime(2024, 3, 10, tzinfo=UTC)
BARS = 120


@dataclass(frozen=True)
class Installation:
    """A home in which features were built.

    Attributes:
        settings: Its settings.
        transactions: The payments that the newer version was built from.
        labels: Likewise.
        payments: The two versions of ``card_spending``, oldest first.
        ledger: The version of ``ledger_monthly``.
        prices: The version of ``equity_daily``.
        credit: The version of ``credit_application``, whose features are named by its data.
        last_bar: Its last session.
    """

    settings: Settings
    transactions: pl.DataFrame
    labels: pl.DataFrame
    payments: tuple[FeatureVersion, FeatureVersion]
    ledger: FeatureVersion
    prices: FeatureVersion
    credit: FeatureVersion
    last_bar: datetime

    def open(self) -> FeatureStore:
        return FeatureStore.open(self.settings.workspace_path, objects_url=self.settings.objects_url)


@pytest.fixture(scope="session")
def installation(tmp_path_factory: pytest.TempPathFactory, history) -> Installation:
    folder = tmp_path_factory.mktemp("installation")
    settings = Settings(home=folder / "home", project=_fixtures.make_project(folder / "project"))
    ledger = Ledger.open(settings, FixedClock(midnight(100)))
    payments = []
    for first, last in ((0, DAYS[0]), (DAYS[0], DAYS[1])):
        for day in range(first, last, 10):
            _fixtures.deliver_days(ledger, history, day, min(day + 10, last))
        payments.append(build(ledger, "card_spending", as_of=midnight(last)))
    _fixtures.accept_file(ledger, "ledger", figures())
    _fixtures.accept_file(ledger, "prices_daily", bars())
    _fixtures.accept_file(ledger, "applications", applications(), roles={"income": "numeric", "purpose": "categorical"})
    return Installation(
        settings,
        *history.of_days(0, DAYS[1]),
        (payments[0], payments[1]),
        build(ledger, "ledger_monthly", as_of=midnight(45)),
        build(ledger, "equity_daily", as_of=bars()["event_time"].max() + timedelta(days=1)),
        build(ledger, "credit_application", as_of=midnight(45)),
        bars()["event_time"].max(),
    )


@pytest.fixture
def store(installation: Installation) -> FeatureStore:
    return installation.open()


def figures() -> pl.DataFrame:
    """Return sixteen months of one account, each known three days after its end, but that of January a week later."""
    ends = [datetime(2022 + month // 12, month % 12 + 1, 1, tzinfo=UTC) for month in range(12, 28)]
    rows = [
        ("north", "revenue", 100.0 + number, None, end, LATE_MONTH_KNOWN if end == LATE_MONTH else end + REPORTED_AFTER)
        for number, end in enumerate(ends)
    ]
    return pl.DataFrame(rows, schema=empty_rows(CONTRACTS["ledger"]).schema, orient="row")


def applications() -> pl.DataFrame:
    """Return two applications, with what the lender knows of them."""
    at = datetime(2024, 3, 1, 9, tzinfo=UTC)
    rows = [(name, "loans", None, None, False, at, at) for name in ("first", "second")]
    known = pl.DataFrame(rows, schema=empty_rows(CONTRACTS["applications"]).schema, orient="row")
    return known.with_columns(income=pl.Series([2_500.0, None]), purpose=pl.Series(["car", "house"]))


def bars() -> pl.DataFrame:
    """Return daily bars of two shares, each known at its session's close."""
    closes = 50 * np.exp(np.cumsum(np.random.default_rng(2).normal(0, 0.02, BARS)))
    rows = []
    for session, close in enumerate(closes):
        at = datetime(2023, 11, 1, 21, tzinfo=UTC) + timedelta(days=session)
        for number, symbol in enumerate(("AAA", "BBB"), start=1):
            price = dict.fromkeys(("open", "high", "low", "close"), float(close * number))
            rest = {"adjusted_close": None, "volume": 10.0 + session, "adjustment": "raw", "asset_class": "equity"}
            rows.append({"symbol": symbol, **price, **rest, "event_time": at, "available_at": at})
    return pl.DataFrame(rows, schema=empty_rows(CONTRACTS["prices_daily"]).schema)
