"""Views say what they mean, and their fingerprint changes exactly when a value could."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from feature_store.errors import UnknownView, ViewInvalid
from feature_store.features import Aggregation, Measure, RowExpression, Source
from feature_store.offline import compute
from feature_store.transforms import Divided, HourUntil, WeekdayFrom
from feature_store.views import view_named
from feature_store.views.card_spending import CARD_SPENDING
from ledgerline.core.identity import sha256_bytes

FINGERPRINT = "3e555e454251a8c9eb2bf4706abb5359d44674fea92ea4f45f956a537f84fe4f"
PINNED_VALUES = "6b92addd05d2fb2a65ca8c7d46d4da2447e360a3675cb8777efb58d52b9462b1"


def test_card_spending_has_the_fifteen_published_features_in_order():
    assert CARD_SPENDING.feature_names == (
        "amount",
        "is_weekend",
        "is_night",
        "customer_count_1d",
        "customer_mean_amount_1d",
        "customer_count_7d",
        "customer_mean_amount_7d",
        "customer_count_30d",
        "customer_mean_amount_30d",
        "terminal_count_1d",
        "terminal_risk_1d",
        "terminal_count_7d",
        "terminal_risk_7d",
        "terminal_count_30d",
        "terminal_risk_30d",
    )
    assert CARD_SPENDING.horizon == timedelta(days=37)


def test_views_are_found_by_name_and_unknown_ones_name_those_that_exist():
    assert view_named("card_spending") is CARD_SPENDING
    with pytest.raises(UnknownView, match="card_spending"):
        view_named("card_spendings")


def test_fingerprint_is_pinned():
    """A change here rebuilds every partition and parts deployed models from their features: make it on purpose."""
    assert CARD_SPENDING.fingerprint == FINGERPRINT


def test_values_of_a_fixed_history_are_pinned():
    """Values that change without a change of the declaration need a higher ``SEMANTICS_VERSION``."""
    generator = np.random.default_rng(5)
    count = 3_000
    start = int(datetime(2024, 1, 1, tzinfo=UTC).timestamp())
    seconds = start + generator.integers(0, 90 * 86_400, count)
    late = np.where(generator.random(count) < 0.1, generator.integers(0, 40 * 86_400, count), 0)
    labelled = seconds + generator.integers(1, 20 * 86_400, count)

    def instants(values: np.ndarray) -> pl.Series:
        return pl.Series(values * 1_000_000).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")

    events = pl.DataFrame(
        {
            "transaction_id": [str(number) for number in range(count)],
            "customer_id": [str(number) for number in generator.integers(0, 20, count)],
            "terminal_id": [str(number) for number in generator.integers(0, 20, count)],
            "amount_minor": generator.integers(1, 100_000, count),
            "event_time": instants(seconds),
            "available_at": instants(seconds + late),
        }
    )
    labels = events.select(
        "transaction_id",
        "event_time",
        available_at=instants(labelled),
        is_fraud=pl.Series(generator.random(count) < 0.2),
    )

    values = compute(CARD_SPENDING, events, labels).select(pl.col(CARD_SPENDING.feature_names).cast(pl.Float64))

    assert sha256_bytes(values.to_numpy().tobytes(order="C")) == PINNED_VALUES


@pytest.mark.parametrize(
    "change",
    [
        {"over": timedelta(days=2)},
        {"delay": timedelta(days=1)},
        {"empty": -1.0},
        {"by": "terminal_id"},
        {"name": "renamed"},
        {"how": Aggregation.MEAN, "of": Measure(Source.EVENTS, "amount_minor")},
    ],
)
def test_fingerprint_changes_with_anything_that_changes_a_value(change):
    changed = replace(CARD_SPENDING.features[3], **change)
    features = (*CARD_SPENDING.features[:3], changed, *CARD_SPENDING.features[4:])

    assert replace(CARD_SPENDING, features=features).fingerprint != FINGERPRINT


def test_fingerprint_does_not_change_with_words():
    reworded = tuple(replace(feature, description="other words", unit="other") for feature in CARD_SPENDING.features)

    changed = replace(CARD_SPENDING, features=reworded, owner="somebody else", description="other words")

    assert changed.fingerprint == FINGERPRINT


def test_two_features_of_one_name_are_refused(view):
    with pytest.raises(ViewInvalid, match="share a name"):
        replace(view, features=(*view.features, view.features[0]))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"by": "merchant_id"}, "merchant_id"),
        ({"of": None, "how": Aggregation.MEAN}, "measure"),
        ({"over": timedelta(0)}, "length"),
        ({"delay": timedelta(seconds=-1)}, "delay"),
        ({"how": Aggregation.SUM, "of": Measure(Source.EVENTS, "currency")}, "currency"),
        ({"how": Aggregation.SUM, "of": Measure(Source.LABELS, "amount_minor")}, "amount_minor"),
    ],
)
def test_window_that_contradicts_the_contracts_is_refused(view, change, said):
    with pytest.raises(ViewInvalid, match=said):
        replace(view, features=(replace(view.features[1], **change),))


def test_row_feature_over_a_column_that_is_absent_is_refused(view):
    with pytest.raises(ViewInvalid, match="amount_major"):
        replace(view, features=(RowExpression("a", "amount_major", Divided(by=1), "", ""),))


@pytest.mark.parametrize(
    ("transform", "raw", "expected"),
    [
        (Divided(by=100), 1708, 17.08),
        (WeekdayFrom(first=5), datetime(2018, 4, 6, 23, 59, 59, tzinfo=UTC), 0),  # a Friday
        (WeekdayFrom(first=5), datetime(2018, 4, 7, tzinfo=UTC), 1),
        (HourUntil(last=6), datetime(2018, 4, 7, 6, 59, 59, 999_999, tzinfo=UTC), 1),
        (HourUntil(last=6), datetime(2018, 4, 7, 7, tzinfo=UTC), 0),
    ],
)
def test_transform_gives_the_same_for_a_value_and_for_a_column(transform, raw, expected):
    assert transform.value(raw) == expected
    assert transform.column(pl.Series([raw])).to_list() == [expected]
