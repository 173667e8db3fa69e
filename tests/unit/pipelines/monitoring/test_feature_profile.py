"""How a feature's values lie: exact where every row is counted, and even where a sample is drawn."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from feature_store.features import EventSequence, Measure, Source
from feature_store.view import FeatureView
from ledgerline.core.contracts import TRANSACTIONS
from pipelines.monitoring.feature_page.profile import Shape, even_sample, exact_figures, profile
from pipelines.monitoring.stability import stability_index

MONDAY = datetime(2024, 1, 1, tzinfo=UTC)
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


@pytest.fixture
def rows() -> pl.DataFrame:
    """Four weeks: one row an hour, a number, whole numbers, a text and a sequence; some of each missing."""
    count = 4 * 7 * 24
    generator = np.random.default_rng(2)
    places = np.arange(count)
    return pl.DataFrame(
        {
            "available_at": [MONDAY + timedelta(hours=int(place)) for place in places],
            "number": pl.Series(generator.normal(size=count)).set(pl.Series(places % 8 == 0), None),
            "whole": generator.integers(0, 500, count).astype(float),
            "text": [None if place % 4 == 0 else "rare" if place % 100 == 1 else "often" for place in places],
            "sequence": [[1.0] * int(place % 3) + [None] * 2 for place in places],
        },
        schema_overrides={"available_at": pl.Datetime("us", "UTC"), "sequence": pl.List(pl.Float64)},
    )


def test_every_row_is_counted_whatever_lies_in_it(rows: pl.DataFrame) -> None:
    found = exact_figures(rows.lazy(), ["number", "text", "sequence"])
    assert (found["number"].rows, found["number"].nulls) == (rows.height, rows.height // 8)
    assert (found["number"].low, found["number"].mean) == (rows["number"].min(), pytest.approx(rows["number"].mean()))
    assert (found["text"].nulls, found["text"].low) == (rows.height // 4, None)
    assert (found["sequence"].low, found["sequence"].high) == (0.0, 2.0)  # elements that are there


def test_sample_is_even_and_the_same_each_time_also_over_several_files(rows: pl.DataFrame, tmp_path: Path) -> None:
    for number in range(4):
        rows.slice(number * 168, 168).write_parquet(tmp_path / f"{number}.parquet")
    lazy = pl.scan_parquet(sorted(tmp_path.glob("*.parquet")))
    sample = even_sample(lazy, 56)
    gaps = sample["available_at"].diff().drop_nulls()
    assert sample.height == 56
    assert set(gaps) == {timedelta(hours=12)}
    assert sample.equals(even_sample(lazy, 56))
    assert even_sample(lazy, 10_000).height == rows.height


def test_whole_numbers_have_bars_of_equally_many_of_them(rows: pl.DataFrame) -> None:
    exact = exact_figures(rows.lazy(), ["whole"])["whole"]
    bars = profile("whole", exact, rows, None, None, bins=10).bars
    spans = {1 + int(high) - int(low) for low, high in (bar.label.split(" to ") for bar in bars)}
    assert len(spans) == 1
    assert sum(bar.share for bar in bars) == pytest.approx(1.0)


def test_texts_are_shown_by_frequency_and_sequences_by_length(rows: pl.DataFrame) -> None:
    exact = exact_figures(rows.lazy(), ["text", "sequence"])
    text = profile("text", exact["text"], rows, rows, rows, bins=10)
    assert (text.shape, [bar.label for bar in text.bars]) == (Shape.TEXT, ["often", "rare"])
    assert (text.weeks, dict(text.quantiles), text.psi) == ((), {}, 0.0)
    sequence = profile("sequence", exact["sequence"], rows, None, None, bins=10)
    assert [(bar.at, round(bar.share, 3)) for bar in sequence.bars] == [(0.0, 0.333), (1.0, 0.333), (2.0, 0.333)]


def test_sequence_that_a_view_computes_is_shown_by_its_length_also_once_sealed(tmp_path: Path) -> None:
    instants = pl.Series([MONDAY + timedelta(hours=hour) for hour in range(10)]).cast(pl.Datetime("us", "UTC"))
    names = [str(number) for number in range(10)]
    payments = pl.DataFrame({"transaction_id": names, "customer_id": ["c"] * 10, "amount_minor": range(10)})
    computed = SEQUENCE_VIEW.compute(
        {"transactions": payments.with_columns(event_time=instants, available_at=instants)}
    )
    computed.write_parquet(tmp_path / "sealed.parquet")
    sealed = pl.scan_parquet(tmp_path / "sealed.parquet")

    exact = exact_figures(sealed, ["amounts"])["amounts"]
    found = profile("amounts", exact, even_sample(sealed, 100), computed, computed, bins=10)

    assert (found.shape, exact.nulls, exact.low, exact.high) == (Shape.LENGTH, 0, 1.0, 3.0)
    assert [(bar.at, round(bar.share, 1)) for bar in found.bars] == [(1.0, 0.1), (2.0, 0.1), (3.0, 0.8)]


def test_index_is_that_of_the_newest_rows_against_those_trained_on(rows: pl.DataFrame) -> None:
    exact = exact_figures(rows.lazy(), ["number"])["number"]
    moved = rows.with_columns(pl.col("number") + 1)
    found = profile("number", exact, rows, rows, moved, bins=10)
    assert found.psi == pytest.approx(stability_index(rows["number"], moved["number"], bins=10))
    assert found.psi > 0.25
    assert profile("number", exact, rows, rows, None, bins=10).psi is None
    assert profile("number", exact, rows, rows.drop("number"), moved, bins=10).psi is None


def test_weeks_have_their_own_median_band_and_share_of_missing_values(rows: pl.DataFrame) -> None:
    exact = exact_figures(rows.lazy(), ["number"])["number"]
    weeks = profile("number", exact, rows, None, None, bins=10).weeks
    first = rows.head(168)["number"]
    assert [week.begins for week in weeks] == [(MONDAY + timedelta(weeks=number)).date() for number in range(4)]
    assert weeks[0].median == pytest.approx(first.median())
    assert weeks[0].high == pytest.approx(first.quantile(0.95, "linear"))
    assert weeks[0].nulls == pytest.approx(1 / 8)


@pytest.mark.parametrize("values", [[None, None], [float("nan"), None], [float("inf"), 1.0], [3.0, 3.0]])
def test_columns_without_a_shape_are_described_all_the_same(values: list[float | None]) -> None:
    frame = pl.DataFrame({"number": pl.Series(values, dtype=pl.Float64), "available_at": [MONDAY, MONDAY]})
    exact = exact_figures(frame.lazy(), ["number"])["number"]
    found = profile("number", exact, frame, frame, frame, bins=10)
    assert sum(bar.share for bar in found.bars) == pytest.approx(1.0 if found.bars else 0.0)
