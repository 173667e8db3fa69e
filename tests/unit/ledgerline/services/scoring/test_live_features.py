"""Online features of a running job: they grow with what is decided, and refuse what they cannot answer exactly."""

from datetime import datetime, timedelta
from types import ModuleType
from typing import Any

import polars as pl
import pytest

from feature_store.offline import compute
from feature_store.online import recent_events
from ledgerline.core.clock import instant_text
from ledgerline.services.scoring.live_features import LiveFeatures, OutOfSpan


@pytest.fixture
def features(line: ModuleType) -> LiveFeatures:
    return LiveFeatures(line.VIEW, recent_events(line.VIEW, *line.world(), line.AS_OF))


def at(line: ModuleType, **after: float) -> dict[str, Any]:
    payment: dict[str, Any] = line.payment(1, event_time=instant_text(line.AS_OF + timedelta(**after)))
    return payment


def test_live_features_equal_those_of_the_history_that_holds_the_payment(
    line: ModuleType, features: LiveFeatures
) -> None:
    transactions, labels = line.world()
    payments = [line.payment(number, customer_id="7", terminal_id="9") for number in range(5)]
    live = []
    for payment in payments:
        live.append(features.vector(payment))
        features.observe(payment)
    rows = pl.DataFrame(payments).with_columns(
        pl.col("event_time").str.to_datetime(time_unit="us", time_zone="UTC"),
    )
    history = pl.concat([transactions, rows.with_columns(available_at="event_time").select(transactions.columns)])
    offline = compute(line.VIEW, history, labels).tail(5).select(line.VIEW.feature_names).to_dicts()
    assert live == offline


def test_a_payment_before_what_is_kept_is_refused(line: ModuleType, features: LiveFeatures) -> None:
    features.vector(at(line, hours=-20))
    with pytest.raises(OutOfSpan, match="no longer kept"):
        features.vector(at(line, days=-2))


def test_a_payment_that_no_known_event_could_count_for_is_refused(line: ModuleType, features: LiveFeatures) -> None:
    features.vector(at(line, days=36))
    with pytest.raises(OutOfSpan, match="no history"):
        features.vector(at(line, days=38))


def test_the_span_moves_on_with_what_is_observed(line: ModuleType, features: LiveFeatures) -> None:
    features.observe(at(line, days=30))
    with pytest.raises(OutOfSpan):
        features.vector(at(line, hours=1))
    features.vector(at(line, days=60))


def test_without_any_history_every_instant_can_be_asked_about(line: ModuleType) -> None:
    transactions, labels = (frame.clear() for frame in line.world())
    empty = LiveFeatures(line.VIEW, recent_events(line.VIEW, transactions, labels, line.AS_OF))
    assert empty.newest is None
    assert empty.vector(at(line, days=400))["customer_count_30d"] == 1.0
    empty.observe(at(line, days=400))
    assert isinstance(empty.newest, datetime)
