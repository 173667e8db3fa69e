from datetime import UTC, datetime, timedelta
from io import BytesIO

import polars as pl
import pytest

from pipelines.training.errors import TrainingRefused
from pipelines.training.fraud.dataset import feature_names, join_labels
from pipelines.training.sealed import decode_training_set, encode_training_set

AS_OF = datetime(2018, 10, 1, tzinfo=UTC)
PAID = datetime(2018, 9, 1, 12, tzinfo=UTC)
MOMENT = pl.Datetime("us", "UTC")


def _features(*ids: str, available_at: datetime = PAID) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "transaction_id": list(ids),
            "customer_id": ["1"] * len(ids),
            "terminal_id": ["2"] * len(ids),
            "event_time": [PAID] * len(ids),
            "available_at": [available_at] * len(ids),
            "amount": [float(len(ids) - place) for place in range(len(ids))],
            "unused": [0] * len(ids),
        },
        schema_overrides={"event_time": MOMENT, "available_at": MOMENT},
    )


def _labels(*rows: tuple[str, bool, datetime], event_time: datetime = PAID) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "transaction_id": [row[0] for row in rows],
            "event_time": [event_time] * len(rows),
            "is_fraud": [row[1] for row in rows],
            "available_at": [row[2] for row in rows],
        },
        schema_overrides={"event_time": MOMENT, "available_at": MOMENT, "is_fraud": pl.Boolean},
    )


def _join(features: pl.DataFrame, labels: pl.DataFrame) -> pl.DataFrame:
    return join_labels(features, labels, as_of=AS_OF, names=["amount"])


def test_every_feature_row_stays_in_its_order_with_or_without_a_label():
    joined = _join(_features("9", "10", "3"), _labels(("3", True, PAID), ("9", False, PAID)))

    assert joined["transaction_id"].to_list() == ["9", "10", "3"]
    assert joined["is_fraud"].to_list() == [False, None, True]
    assert feature_names(joined) == ["amount"]


def test_label_known_exactly_at_as_of_counts_and_one_known_a_microsecond_later_does_not():
    labels = _labels(("1", True, AS_OF), ("2", True, AS_OF + timedelta(microseconds=1)))
    assert _join(_features("1", "2"), labels)["is_fraud"].to_list() == [True, None]


def test_feature_row_known_after_as_of_is_left_out():
    late = _features("1", available_at=AS_OF + timedelta(seconds=1))
    assert _join(late, _labels(("1", True, AS_OF))).height == 0


def test_restated_label_holds_from_its_own_availability():
    first, second = PAID + timedelta(days=7), PAID + timedelta(days=20)
    restated = _labels(("1", True, second), ("1", False, first))
    joined = _join(_features("1"), restated)
    assert (joined["is_fraud"].to_list(), joined["label_available_at"].to_list()) == ([True], [second])

    not_yet = _labels(("1", True, AS_OF + timedelta(days=1)), ("1", False, first))
    assert _join(_features("1"), not_yet)["is_fraud"].to_list() == [False]


def test_of_two_labels_known_at_one_instant_fraud_holds_in_either_order():
    for rows in ((("1", True, PAID), ("1", False, PAID)), (("1", False, PAID), ("1", True, PAID))):
        assert _join(_features("1"), _labels(*rows))["is_fraud"].to_list() == [True]


def test_dispute_that_states_another_time_still_labels_its_payment():
    labels = _labels(("1", True, PAID), event_time=PAID - timedelta(days=1))
    joined = _join(_features("1"), labels)
    assert (joined["is_fraud"].to_list(), joined["event_time"].to_list()) == ([True], [PAID])


def test_transaction_with_two_feature_rows_is_refused():
    with pytest.raises(TrainingRefused, match="1 transactions have two feature rows"):
        _join(_features("1", "1"), _labels(("1", True, PAID)))


def test_encoded_training_set_comes_back_whole_and_twice_the_same():
    joined = _join(_features("1", "2"), _labels(("1", True, PAID)))
    encoded = encode_training_set(joined, as_of=AS_OF)

    decoded, as_of = decode_training_set(encoded)
    assert decoded.equals(joined)
    assert as_of == AS_OF
    assert encode_training_set(joined, as_of=AS_OF) == encoded


def test_parquet_of_something_else_is_no_training_set():
    buffer = BytesIO()
    pl.DataFrame({"a": [1]}).write_parquet(buffer)
    with pytest.raises(TrainingRefused, match="no training set"):
        decode_training_set(buffer.getvalue())
