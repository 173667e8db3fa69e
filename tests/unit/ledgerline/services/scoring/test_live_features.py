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
    return LiveFeatures(line.VIEW, recent_events(line.VIEW, *line.world(), line.AS_OF), as_of=line.AS_OF)


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


def test_a_payment_after_the_newest_but_long_before_the_version_is_refused_not_answered_from_half_a_history(
    line: ModuleType,
) -> None:
    as_of = line.AS_OF + timedelta(days=20)
    late = LiveFeatures(line.VIEW, recent_events(line.VIEW, *line.world(), as_of), as_of=as_of)
    for days in (1, 18.9):
        with pytest.raises(OutOfSpan, match="no longer kept"):
            late.vector(at(line, days=days))
    transactions, labels = line.world()
    payment = at(line, days=19.1) | {"customer_id": "7", "terminal_id": "9"}
    made = pl.col("event_time").str.to_datetime(time_unit="us", time_zone="UTC")
    row = pl.DataFrame([payment]).with_columns(made).with_columns(available_at="event_time")
    offline = compute(line.VIEW, pl.concat([transactions, row.select(transactions.columns)]), labels).tail(1)
    assert late.vector(payment) == offline.select(line.VIEW.feature_names).row(0, named=True)
    assert late.vector(payment)["customer_count_30d"] > 1


def test_a_payment_long_before_a_version_without_any_recent_payment_is_refused(line: ModuleType) -> None:
    as_of = line.AS_OF + timedelta(days=40)
    empty = LiveFeatures(line.VIEW, recent_events(line.VIEW, *line.world(), as_of), as_of=as_of)
    assert len(empty) == 0
    with pytest.raises(OutOfSpan, match="no longer kept"):
        empty.vector(at(line, days=1))
    assert empty.vector(at(line, days=40))["customer_count_30d"] == 1.0


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
    empty = LiveFeatures(line.VIEW, recent_events(line.VIEW, transactions, labels, line.AS_OF), as_of=line.AS_OF)
    assert empty.newest is None
    assert empty.vector(at(line, days=400))["customer_count_30d"] == 1.0
    empty.observe(at(line, days=400))
    assert isinstance(empty.newest, datetime)
