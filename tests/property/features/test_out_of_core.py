"""Builds in spans, from files that come in any order, against the plain definition over all rows at once."""

import tempfile
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_store.expressions import feature
from feature_store.features import Aggregation, Derived, EventSequence, Measure, RowExpression, Source, WindowAggregate
from feature_store.offline import compute
from feature_store.state import recent_events
from feature_store.transforms import Divided
from feature_store.versions.manifest import InputFile
from feature_store.view import FeatureView
from ledgerline.audit import Kind, RecordedLeaf
from ledgerline.core.contracts import FRAUD_LABELS, TRANSACTIONS
from ledgerline.core.frames import INSTANT
from ledgerline.core.identity import content_id, sha256_file
from pipelines.features.arrivals import history_of
from pipelines.features.event_views import Inputs, arrivals_of, here, write_features
from pipelines.features.inputs import AcceptedFile
from pipelines.features.known_files import KnownFiles
from pipelines.features.online_state import online_state

START = datetime(2024, 2, 27, tzinfo=UTC)
AS_OF = START + timedelta(days=9, microseconds=-1)
CENTS = Measure(Source.EVENTS, "amount_minor", divide_by=100)


def window(name: str, by: str, how: Aggregation, of: Measure | None, hours: int, delay: int = 0) -> WindowAggregate:
    spans = {"over": timedelta(hours=hours), "delay": timedelta(hours=delay)}
    return WindowAggregate(name=name, by=by, how=how, of=of, **spans, description="", unit="")


VIEW = FeatureView(
    name="out_of_core",
    description="",
    owner="",
    events=TRANSACTIONS,
    labels=FRAUD_LABELS,
    entities=("customer_id", "terminal_id"),
    features=(
        RowExpression("amount", "amount_minor", Divided(by=100), "", ""),
        window("count", "customer_id", Aggregation.COUNT, None, 30),
        window("mean", "customer_id", Aggregation.MEAN, CENTS, 30),
        window("highest", "terminal_id", Aggregation.MAX, CENTS, 20),
        window("risk", "terminal_id", Aggregation.SUM, Measure(Source.LABELS, "is_fraud"), 40, delay=10),
        EventSequence(
            name="last", by="customer_id", of=CENTS, rows=3, over=timedelta(hours=9), description="", unit=""
        ),
        Derived(name="ratio", expression=feature("amount") / feature("mean"), description="", unit=""),
    ),
    ttl=timedelta(hours=45),
)


@dataclass(frozen=True)
class Delivery:
    """Rows that come in one file."""

    dataset: str
    rows: tuple[dict[str, Any], ...]


@st.composite
def deliveries(draw: st.DrawFn) -> list[Delivery]:
    """Draw a few files of payments and labels: late, repeated, of one instant, about nothing, restated."""
    hours = st.integers(0, 8 * 24 - 1)
    lateness = st.sampled_from((0, 0, 0, 5, 30, 70))
    files = []
    for _ in range(draw(st.integers(1, 5))):
        rows = []
        for _ in range(draw(st.integers(1, 12))):
            made = draw(hours)
            rows.append(
                {
                    "transaction_id": str(draw(st.integers(0, 40))),
                    "customer_id": draw(st.sampled_from("abcd")),
                    "terminal_id": draw(st.sampled_from("xyz")),
                    "amount_minor": draw(st.integers(1, 9_999)),
                    "currency": "EUR",
                    "event_time": START + timedelta(hours=made),
                    "available_at": START + timedelta(hours=made + draw(lateness)),
                }
            )
        files.append(Delivery("transactions", tuple(rows)))
    for _ in range(draw(st.integers(0, 3))):
        rows = []
        for _ in range(draw(st.integers(1, 10))):
            made = draw(hours)
            rows.append(
                {
                    "transaction_id": str(draw(st.integers(0, 45))),
                    "is_fraud": draw(st.booleans()),
                    "scenario": None,
                    "event_time": START + timedelta(hours=made + draw(st.sampled_from((0, 0, -900)))),
                    "available_at": START + timedelta(hours=made + draw(st.integers(0, 60))),
                }
            )
        files.append(Delivery("fraud_labels", tuple(rows)))
    return files


SCHEMAS = {
    "transactions": {
        **dict.fromkeys(("transaction_id", "customer_id", "terminal_id"), pl.String),
        "amount_minor": pl.Int64,
        "currency": pl.String,
        "event_time": INSTANT,
        "available_at": INSTANT,
    },
    "fraud_labels": {
        "transaction_id": pl.String,
        "is_fraud": pl.Boolean,
        "scenario": pl.Int64,
        "event_time": INSTANT,
        "available_at": INSTANT,
    },
}


def accepted(root: Path, number: int, delivery: Delivery) -> AcceptedFile:
    """Write a file in row groups of three rows."""
    rows = pl.DataFrame(delivery.rows, schema=SCHEMAS[delivery.dataset])
    path = f"data/accepted/{delivery.dataset}/{number}.parquet"
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    rows.write_parquet(root / path, row_group_size=3)
    receipt = RecordedLeaf(number, f"receipt{number}", Kind.VALIDATION_RECEIPT, {}, {}, START, "")
    file = InputFile(delivery.dataset, receipt.id, sha256_file(root / path), path)
    return AcceptedFile(file, receipt, rows["available_at"].min(), rows["available_at"].max())


def inputs_of(root: Path, files: list[AcceptedFile]) -> Inputs:
    known = [file for file in files if file.first_available <= AS_OF]
    key = {contract.name: place for place, contract in enumerate(VIEW.sources)}
    known.sort(key=lambda each: (key[each.file.dataset], each.first_available, each.last_available, each.receipt.id))
    return Inputs(VIEW, known, AS_OF, lambda path: root / path)


def built(root: Path, memory: Path, files: list[AcceptedFile]) -> dict[str, str]:
    """Build, and return the hash of each day's file by its path."""
    known_files = KnownFiles(memory / "files.json")
    partitions, _ = write_features(
        inputs_of(root, files),
        root,
        memory=memory,
        sealed={},
        known_files=known_files,
        say=lambda _: None,
        computer=here,
    )
    known_files.save()
    return {partition.path: partition.sha256 for partition in partitions}


def rows_of(root: Path, files: list[AcceptedFile], dataset: str) -> pl.DataFrame:
    """Return every known row of a dataset with its file, in the order of the inputs."""
    frames = [pl.DataFrame(schema=SCHEMAS[dataset]).with_columns(path=pl.lit("", pl.String))]
    for each in inputs_of(root, files).files:
        if each.file.dataset == dataset:
            frames.append(pl.read_parquet(root / each.file.path).with_columns(path=pl.lit(each.file.path)))
    return pl.concat(frames).filter(pl.col("available_at") <= AS_OF)


def plainly_known(root: Path, files: list[AcceptedFile]) -> tuple[dict[Any, int], dict[str, str], dict[str, datetime]]:
    """Return dates, contents and newest events as their definitions say, row by row."""
    first: dict[str, dict[str, Any]] = {}
    ignored = defaultdict(list)
    for row in rows_of(root, files, "transactions").sort("available_at", maintain_order=True).to_dicts():
        if row["transaction_id"] in first:
            ignored[row["path"]].append(row["transaction_id"])
        else:
            first[row["transaction_id"]] = row
    dates: dict[Any, int] = defaultdict(int)
    newest: dict[str, datetime] = {}
    for row in first.values():
        dates[row["available_at"].date()] += 1
        newest[row["path"]] = max(row["event_time"], newest.get(row["path"], row["event_time"]))
    for row in rows_of(root, files, "fraud_labels").to_dicts():
        if (event := first.get(row["transaction_id"])) is not None:
            newest[row["path"]] = max(event["event_time"], newest.get(row["path"], event["event_time"]))
    contents = {
        each.file.path: content_id([each.file.sha256, content_id(sorted(ignored[each.file.path]))])
        if ignored[each.file.path]
        else each.file.sha256
        for each in inputs_of(root, files).files
    }
    return dict(sorted(dates.items())), contents, newest


@settings(max_examples=12, deadline=None)
@given(files=deliveries(), order=st.randoms(use_true_random=False), pairs=st.sampled_from((0, 1_000)))
def test_files_in_any_order_and_spans_of_any_size_end_in_the_features_of_all_rows_at_once(files, order, pairs):
    """Ids are compared file by file, or, with no pairs allowed, all together in ranges of hashes."""
    compared = patch.multiple("pipelines.features.arrivals", _PAIRS_A_PIECE=pairs, _SORTED_AT_ONCE=7)
    with tempfile.TemporaryDirectory() as folder, compared:
        root, elsewhere = Path(folder, "one"), Path(folder, "other")
        written = [accepted(root, number, each) for number, each in enumerate(files)]
        if not any(file.file.dataset == "transactions" and file.first_available <= AS_OF for file in written):
            return
        arriving = list(written)
        order.shuffle(arriving)
        with (
            patch("pipelines.features.partitions.SPAN_ROWS", 5),
            patch("pipelines.features.units.UNIT_ROWS", 4),
        ):
            for count in range(1, len(arriving) + 1):
                built(root, root / "memory", arriving[:count])
            built(root, root / "memory", arriving[1:])  # a file was restated: the old one no longer counts
            step_by_step = built(root, root / "memory", arriving)

        at_once = built(elsewhere, elsewhere / "memory", [accepted(elsewhere, n, each) for n, each in enumerate(files)])
        transactions, labels = (rows_of(root, written, each).drop("path") for each in SCHEMAS)
        expected = compute(VIEW, transactions, labels)
        inputs = inputs_of(root, written)
        arrivals = arrivals_of(inputs, root / "memory", lambda _: None)
        history = history_of(arrivals, inputs.hashes)

        assert step_by_step == at_once
        if expected.height:
            assert pl.concat([pl.read_parquet(root / path) for path in at_once]).equals(expected)
        assert (dict(history.dates), history.contents, history.last_event) == plainly_known(root, written)
        assert online_state(inputs, arrivals).equals(recent_events(VIEW, transactions, labels, AS_OF))
