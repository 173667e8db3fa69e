"""A small view with windows of minutes, and short ways to write histories for it."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from feature_store.features import Aggregation, Measure, RowExpression, Source, WindowAggregate
from feature_store.offline import compute
from feature_store.transforms import Divided
from feature_store.view import FeatureView
from ledgerline.core.contracts import FRAUD_LABELS, TRANSACTIONS

START = datetime(2024, 1, 1, tzinfo=UTC)


def at(minute: float) -> datetime:
    return START + timedelta(minutes=minute)


@pytest.fixture
def view() -> FeatureView:
    """Counts and means over 10 minutes, and over the 10 minutes that ended 5 minutes ago."""

    def window(name: str, by: str, of: Measure | None, delay: float = 0.0) -> WindowAggregate:
        return WindowAggregate(
            name=name,
            by=by,
            how=Aggregation.MEAN if of else Aggregation.COUNT,
            of=of,
            over=timedelta(minutes=10),
            delay=timedelta(minutes=delay),
            empty=0.0,
            description="",
            unit="",
        )

    return FeatureView(
        name="small",
        description="",
        owner="",
        events=TRANSACTIONS,
        labels=FRAUD_LABELS,
        entities=("customer_id", "terminal_id"),
        features=(
            RowExpression("amount", "amount_minor", Divided(by=100), "", ""),
            window("count", "customer_id", None),
            window("mean", "customer_id", Measure(Source.EVENTS, "amount_minor", divide_by=100)),
            window("delayed_count", "terminal_id", None, delay=5.0),
            window("risk", "terminal_id", Measure(Source.LABELS, "is_fraud"), delay=5.0),
        ),
    )


@pytest.fixture
def payment() -> Callable[..., dict[str, Any]]:
    """Write one payment: its id, the minute it was made, and what differs from the usual."""

    def write(
        name: str,
        minute: float,
        *,
        known: float | None = None,
        customer: str = "c",
        terminal: str = "t",
        cents: int = 100,
    ) -> dict[str, Any]:
        return {
            "transaction_id": name,
            "customer_id": customer,
            "terminal_id": terminal,
            "amount_minor": cents,
            "currency": "EUR",
            "event_time": at(minute),
            "available_at": at(minute if known is None else known),
        }

    return write


@pytest.fixture
def label() -> Callable[..., dict[str, Any]]:
    """Write one label: its payment's id and minute, and the minute from which it was known."""

    def write(name: str, minute: float, *, known: float, fraud: bool = True) -> dict[str, Any]:
        return {
            "transaction_id": name,
            "is_fraud": fraud,
            "scenario": None,
            "event_time": at(minute),
            "available_at": at(known),
        }

    return write


@pytest.fixture
def frames() -> Callable[..., tuple[pl.DataFrame, pl.DataFrame]]:
    """Return payments and labels as the frames of their contracts."""

    def make(
        payments: list[dict[str, Any]], labels: list[dict[str, Any]] | None = None
    ) -> tuple[pl.DataFrame, pl.DataFrame]:
        instants = {"event_time": pl.Datetime("us", "UTC"), "available_at": pl.Datetime("us", "UTC")}
        text = dict.fromkeys(("transaction_id", "customer_id", "terminal_id"), pl.String)
        events = pl.DataFrame(payments, schema={**text, "amount_minor": pl.Int64, "currency": pl.String, **instants})
        known = {"transaction_id": pl.String, "is_fraud": pl.Boolean, "scenario": pl.Int64, **instants}
        return events, pl.DataFrame(labels or [], schema=known)

    return make


@pytest.fixture
def computed(
    view: FeatureView, frames: Callable[..., tuple[pl.DataFrame, pl.DataFrame]]
) -> Callable[..., dict[str, dict[str, Any]]]:
    """Compute the small view offline; return each payment's row by its id."""

    def run(payments: list[dict[str, Any]], labels: list[dict[str, Any]] | None = None) -> dict[str, dict[str, Any]]:
        rows = compute(view, *frames(payments, labels)).to_dicts()
        return {row["transaction_id"]: row for row in rows}

    return run
