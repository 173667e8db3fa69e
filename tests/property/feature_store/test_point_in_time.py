"""The join agrees with a plain search through every row, however the history is stored and read."""

import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_store.point_in_time import MEMORY_LIMIT, FeatureSource, point_in_time_join

START = datetime(2024, 1, 1, tzinfo=UTC)
HOURS = 12  # few instants and few keys, so that rows meet: late, restated, at one instant, at the edge of the ttl
INSTANTS = st.integers(0, HOURS).map(lambda hours: START + timedelta(hours=hours))
KEYS = {
    pl.String: st.sampled_from(["a", "b", "", "é", None]),
    pl.Int64: st.sampled_from([0, 1, -1, 2**63 - 1, -(2**63), None]),
    pl.UInt64: st.sampled_from([0, 1, 2**64 - 1, 2**63, None]),
    pl.Int8: st.sampled_from([0, 1, -128, None]),
}
FEATURES = {
    "amount": (pl.Float32, st.sampled_from([0.5, float("inf"), None])),
    "word": (pl.String, st.sampled_from(["", "x", None])),
    "embedding": (pl.Array(pl.Float32, 2), st.sampled_from([[1.0, 2.0], None])),
    "visits": (pl.List(pl.Int16), st.sampled_from([[], [1, 2, 3], [None], None])),
    "active": (pl.Boolean, st.sampled_from([True, False, None])),
}


def frames(columns, most):
    """Frames of some columns, each given as a type and a strategy."""
    row = st.tuples(*(values for _, values in columns.values()))
    schema = {name: kind for name, (kind, _) in columns.items()}
    return st.lists(row, max_size=most).map(lambda rows: pl.DataFrame(rows, schema, orient="row"))


@st.composite
def joins(draw):
    """Entity rows, a history of the same keys, and a ttl."""
    kinds = draw(st.lists(st.sampled_from(list(KEYS)), min_size=1, max_size=3))
    keys = {f"key_{number}": (kind, KEYS[kind]) for number, kind in enumerate(kinds)}
    instant = (pl.Datetime("us", "UTC"), INSTANTS)
    entities = draw(frames({"label": (pl.Int32, st.integers(0, 9)), **keys, "decided_at": instant}, 12))
    history = draw(frames({**keys, "event_time": instant, "available_at": instant, **FEATURES}, 40))
    # Numbered, so that it shows which of two rows was taken that are otherwise alike.
    history = history.with_row_index("number")
    ttl = draw(st.none() | st.integers(0, HOURS).map(lambda hours: timedelta(hours=hours)))
    return entities, history, tuple(keys), ttl


def searched(entities, history, by, ttl):
    """What the join promises, said again as a search."""
    features = [name for name in history.columns if name not in (*by, "event_time", "available_at")]
    nothing = dict.fromkeys(features)
    rows = history.rows(named=True)
    answers = []
    for entity in entities.iter_rows(named=True):
        known = [
            (row["event_time"], row["available_at"], position)
            for position, row in enumerate(rows)
            if all(row[key] is not None and row[key] == entity[key] for key in by)
            and row["available_at"] <= entity["decided_at"]
        ]
        best = max(known, default=None)
        fresh = best is not None and (ttl is None or entity["decided_at"] - best[0] <= ttl)
        answers.append(entity | ({name: rows[best[2]][name] for name in features} if fresh else nothing))
    schema = {**entities.schema, **{name: history.schema[name] for name in features}}
    return pl.DataFrame(answers, schema, orient="row")


def stored(history, folder, files, row_group):
    """Write a history into some Parquet files, one behind the other."""
    size = -(-max(1, history.height) // files)
    paths = [folder / f"{number}.parquet" for number in range(files)]
    for number, path in enumerate(paths):
        history.slice(number * size, size).write_parquet(path, row_group_size=row_group)
    return paths


@settings(max_examples=120, deadline=None)
@given(joins(), st.sampled_from([1, 200, MEMORY_LIMIT]))
def test_join_gives_what_a_search_through_every_row_gives(join, memory_limit):
    entities, history, by, ttl = join
    features = ("number", *FEATURES)

    joined = point_in_time_join(
        entities,
        [FeatureSource("view", history, by, features, ttl)],
        decided_at="decided_at",
        memory_limit=memory_limit,
    )

    assert joined.equals(searched(entities, history, by, ttl))
    assert joined.schema == entities.schema | {name: history.schema[name] for name in features}


@settings(max_examples=30, deadline=None)
@given(joins(), st.integers(1, 3), st.sampled_from([1, 7, 100]), st.sampled_from([1, 500, MEMORY_LIMIT]))
def test_how_the_history_is_stored_and_read_does_not_show(join, files, row_group, memory_limit):
    entities, history, by, ttl = join
    with tempfile.TemporaryDirectory() as folder:
        paths = stored(history, Path(folder), files, row_group)
        joined = [
            point_in_time_join(
                entities,
                [FeatureSource("view", rows, by, ("number", *FEATURES), ttl)],
                decided_at="decided_at",
                memory_limit=memory_limit,
            )
            for rows in (paths, history.lazy())
        ]

    expected = searched(entities, history, by, ttl)
    for each in joined:
        assert each.equals(expected)
        assert each.schema == expected.schema


@settings(max_examples=20, deadline=None)
@given(joins(), joins())
def test_sources_joined_together_are_those_joined_one_by_one(one, other):
    entities, history, by, ttl = one
    _, further, _, further_ttl = other
    further = further.select(
        pl.col(name) if name in further.columns else pl.lit(None, history.schema[name]).alias(name)
        for name in history.columns
        if name in further.columns or name in by
    ).cast({key: history.schema[key] for key in by}, strict=False)
    sources = [
        FeatureSource("one", history, by, ("number", "word"), ttl),
        FeatureSource("other", further, by, ("number", "amount"), further_ttl),
        FeatureSource("part", history, by[:1], ("number",), ttl),
    ]

    together = point_in_time_join(entities, sources, decided_at="decided_at", prefix=True)

    alone = [point_in_time_join(entities, [each], decided_at="decided_at", prefix=True) for each in sources]
    parts = [each.drop(entities.columns) for each in alone]
    assert together.equals(pl.concat([entities, *parts], how="horizontal"))


@pytest.mark.parametrize("seed", range(3))
def test_many_keys_over_many_pieces_agree_with_a_sort_and_a_search(seed):
    """Larger than a piece, so that threads, pieces and row groups all divide it; the slow twin is polars' own join.

    Its join knows neither late rows nor restatements: here every row is known as it happens.
    """
    size, keys = 200_000, 5_000
    numbers = pl.select(pl.int_range(size).sample(size, shuffle=True, seed=seed).alias("number"))
    mixed = pl.col("number").hash(seed)
    happened = pl.from_epoch(pl.col("number") * 7, "us").dt.replace_time_zone("UTC")
    history = numbers.with_columns(key=mixed % keys, event_time=happened, available_at=happened)
    entities = numbers.head(20_000).select(key=mixed % (keys + 50), decided_at=happened + pl.duration(microseconds=3))

    source = FeatureSource("view", history, ("key",), ("number",), timedelta(milliseconds=100))
    with tempfile.TemporaryDirectory() as folder:
        paths = stored(history, Path(folder), 3, 10_000)
        filed = FeatureSource("files", paths, ("key",), ("number",), source.ttl)
        joined = point_in_time_join(
            entities, [source, filed], decided_at="decided_at", prefix=True, memory_limit=1 << 20
        )

    expected = (
        entities.with_row_index("row")
        .sort("decided_at")
        .join_asof(
            history.sort("event_time"),
            left_on="decided_at",
            right_on="event_time",
            by="key",
            tolerance="100ms",
            check_sortedness=False,
        )
        .sort("row")
    )
    assert 0 < expected["number"].null_count() < entities.height
    assert joined["view__number"].equals(expected["number"].alias("view__number"))
    assert joined["files__number"].equals(expected["number"].alias("files__number"))
