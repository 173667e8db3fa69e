"""The area under the ROC curve is what scikit-learn and counting pairs say, and tells an outcome from a feature."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from feature_store.features import EventSequence, Measure, Source
from feature_store.telltale import LEAST_OF_EACH, auc, telltales
from feature_store.view import FeatureView
from ledgerline.core.contracts import TRANSACTIONS

SEQUENCE_VIEW = FeatureView(
    name="newest_amounts",
    description="",
    owner="",
    events=TRANSACTIONS,
    labels=None,
    entities=("customer_id",),
    features=(
        EventSequence(
            name="amounts",
            by="customer_id",
            of=Measure(Source.EVENTS, "amount_minor"),
            rows=3,
            over=timedelta(days=2),
            description="",
            unit="",
        ),
    ),
)
_VALUES = st.lists(st.tuples(st.integers(-3, 3), st.booleans()), min_size=25, max_size=60)


@given(_VALUES)
@settings(max_examples=60, deadline=None)
def test_area_is_the_share_of_pairs_in_the_right_order(drawn):
    values, positive = np.array([float(value) for value, _ in drawn]), np.array([said for _, said in drawn])
    found = auc(values, positive)
    if min(positive.sum(), (~positive).sum()) < LEAST_OF_EACH:
        assert found is None
        return
    pairs = [
        1.0 if one > other else 0.5 if one == other else 0.0 for one in values[positive] for other in values[~positive]
    ]
    assert found == pytest.approx(sum(pairs) / len(pairs), abs=1e-12)
    assert found == pytest.approx(roc_auc_score(positive, values), abs=1e-12)


@pytest.fixture
def rows():
    generator = np.random.default_rng(5)
    said = generator.random(400) < 0.2
    return pl.DataFrame(
        {
            "noise": generator.random(400),
            "copy": said.astype(float) * 7.0,
            "negative": -said.astype(float),
            "missing_tells": pl.Series([None if each else 1.0 for each in said], dtype=pl.Float64),
            "word": ["bad" if each else "good" for each in said],
            "name": [f"customer {number}" for number in range(400)],
            "last": [[0.5, float(each)] for each in said],
            "said": said,
        }
    )


def test_every_disguise_of_the_outcome_is_found_and_noise_is_not(rows):
    found = {each.feature: each.auc for each in telltales(rows, rows.columns[:-1], "said")}
    assert {name for name, area in found.items() if area >= 0.995} == {
        "copy", "negative", "missing_tells", "word", "last[1]",
    }  # fmt: skip
    assert found["noise"] < 0.6
    assert found["name"] == 0.5  # a name that was never seen says nothing, however well it would tell its own row


def test_rows_whose_outcome_is_not_known_are_left_out(rows):
    unknown = rows.with_columns(said=pl.when(pl.int_range(pl.len()) >= 100).then("said"))
    assert {each.rows for each in telltales(unknown, ["noise", "copy"], "said")} == {300}


def test_outcome_within_a_sequence_is_found_as_a_view_computes_it_and_as_it_is_sealed(tmp_path):
    generator = np.random.default_rng(7)
    instants = pl.Series([datetime(2024, 1, 1, tzinfo=UTC) + timedelta(hours=hour) for hour in range(200)])
    events = pl.DataFrame(
        {
            "transaction_id": [str(number) for number in range(200)],
            "customer_id": generator.choice(["a", "b", "c"], 200),
            "amount_minor": generator.integers(1, 500, 200),
            "event_time": instants,
            "available_at": instants,
        }
    ).with_columns(pl.col("event_time", "available_at").cast(pl.Datetime("us", "UTC")))
    computed = SEQUENCE_VIEW.compute({"transactions": events})
    computed.write_parquet(tmp_path / "sealed.parquet")

    for rows in (computed, pl.read_parquet(tmp_path / "sealed.parquet")):
        said = rows.with_columns(said=pl.col("amounts").arr.get(2) > 300)
        (found,) = telltales(said, ["amounts"], "said")
        assert (found.feature, found.auc) == ("amounts[2]", 1.0)


def test_few_outcomes_are_not_ranked(rows):
    assert telltales(rows.head(20), ["copy"], "said") == []
