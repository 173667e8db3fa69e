"""Reading only the accepted rows that decisions can see changes no decision."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from feature_store.accepted import accepted_rows
from feature_store.features import Aggregation, Measure, Source, WindowAggregate
from feature_store.offline import decide
from feature_store.view import FeatureView
from ledgerline.core.contracts import FRAUD_LABELS, TRANSACTIONS

START = datetime(2024, 2, 27, tzinfo=UTC)
INSTANT = pl.Datetime("us", "UTC")
HOURS = st.integers(0, 24)


def _window(name: str, by: str, how: Aggregation, of: Measure | None, delay: int = 0) -> WindowAggregate:
    span = {"over": timedelta(hours=6), "delay": timedelta(hours=delay)}
    return WindowAggregate(name=name, by=by, how=how, of=of, **span, description="", unit="")


VIEW = FeatureView(
    name="random",
    description="",
    owner="",
    events=TRANSACTIONS,
    labels=FRAUD_LABELS,
    entities=("customer_id", "terminal_id"),
    features=(
        _window("count", "customer_id", Aggregation.COUNT, None),
        _window("largest", "customer_id", Aggregation.MAX, Measure(Source.EVENTS, "amount_minor")),
        _window("fraud", "terminal_id", Aggregation.SUM, Measure(Source.LABELS, "is_fraud"), delay=4),
    ),
    ttl=timedelta(hours=12),  # longer than any window: the event that is just not too old is read too
)
EVENTS = st.lists(
    st.tuples(st.integers(0, 4), st.integers(0, 1), st.integers(0, 1), st.integers(1, 9), HOURS, st.integers(0, 12)),
    min_size=4,
    max_size=14,
)
LABELS = st.lists(st.tuples(st.integers(0, 6), st.booleans(), HOURS), max_size=8)
DECISIONS = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1), st.integers(12, 36)), min_size=1, max_size=3)


def _at(hours: int) -> datetime:
    return START + timedelta(hours=hours)


@settings(max_examples=100, deadline=None)
@given(events=EVENTS, labels=LABELS, decisions=DECISIONS, split=st.integers(0, 14), as_of=st.integers(20, 40))
def test_rows_within_reach_decide_as_all_rows_do(events, labels, decisions, split, as_of):
    payments = pl.DataFrame(
        [(str(i), str(c), str(t), cents, _at(at), _at(at + late)) for i, c, t, cents, at, late in events],
        schema={
            **dict.fromkeys(("transaction_id", "customer_id", "terminal_id"), pl.String),
            "amount_minor": pl.Int64,
            "event_time": INSTANT,
            "available_at": INSTANT,
        },
        orient="row",
    )
    said = pl.DataFrame(
        [(str(i), fraud, _at(0), _at(at)) for i, fraud, at in labels],
        schema={"transaction_id": pl.String, "is_fraud": pl.Boolean, "event_time": INSTANT, "available_at": INSTANT},
        orient="row",
    )
    asked = pl.DataFrame(
        [(str(c), str(t), _at(at)) for c, t, at in decisions],
        schema={"customer_id": pl.String, "terminal_id": pl.String, "at": INSTANT},
        orient="row",
    )
    first, last = asked["at"].min(), asked["at"].max()
    known = pl.col("available_at") <= _at(as_of)

    with TemporaryDirectory() as folder:
        files = {"transactions": (payments[:split], payments[split:]), "fraud_labels": (said,)}
        read = accepted_rows(
            VIEW,
            {name: _written(Path(folder), name, frames) for name, frames in files.items()},
            oldest=first - VIEW.horizon,
            latest=min(last, _at(as_of)),
        )

    assert_frame_equal(
        decide(VIEW, *read, asked),
        decide(VIEW, payments.filter(known), said.filter(known), asked),
    )


def _written(folder: Path, name: str, frames: tuple[pl.DataFrame, ...]) -> list[Path]:
    paths = [folder / f"{name}-{number}.parquet" for number in range(len(frames))]
    for path, frame in zip(paths, frames, strict=True):
        frame.write_parquet(path, row_group_size=3)
    return paths
