"""What the point-in-time join promises, one promise a test."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from feature_store.errors import SourceInvalid
from feature_store.point_in_time import FeatureSource, point_in_time_join

START = datetime(2024, 1, 1, tzinfo=UTC)
INSTANT = pl.Datetime("us", "UTC")


def day(number):
    return START + timedelta(days=number)


def decisions(*rows, key=pl.String):
    """Rows of a card and the day of a decision about it."""
    cards, days = zip(*rows, strict=True)
    return pl.DataFrame(
        {"card": cards, "decided_at": [day(each) for each in days]}, schema={"card": key, "decided_at": INSTANT}
    )


def history(*rows, key=pl.String):
    """Rows of a card, the day that a row is about, the day from when it was known, and the amount spent."""
    schema = {"card": key, "event_time": pl.Int64, "available_at": pl.Int64, "spent": pl.Float64}
    days = pl.lit(START).cast(INSTANT) + pl.duration(days=pl.col("event_time", "available_at"))
    return pl.DataFrame(rows, schema, orient="row").with_columns(days.name.keep().cast(INSTANT))


def spending(rows, ttl=None, **changes):
    return FeatureSource(
        **{"name": "spending", "rows": rows, "by": ("card",), "features": ("spent",), "ttl": ttl} | changes
    )


def spent(entities, rows, ttl=None):
    return point_in_time_join(entities, [spending(rows, ttl)], decided_at="decided_at")["spent"].to_list()


def test_newest_row_known_at_the_decision_counts_the_decision_s_own_instant_included():
    rows = history(("a", 1, 1, 1.0), ("a", 2, 2, 2.0), ("a", 3, 3, 3.0))

    assert spent(decisions(("a", 0), ("a", 1), ("a", 2.5), ("a", 9)), rows) == [None, 1.0, 2.0, 3.0]


def test_row_is_invisible_before_it_was_available():
    assert spent(decisions(("a", 4), ("a", 5)), history(("a", 1, 5, 1.0))) == [None, 1.0]


def test_restatement_replaces_a_value_from_its_own_arrival_on():
    rows = history(("a", 1, 6, 1.5), ("a", 1, 1, 1.0))

    assert spent(decisions(("a", 5), ("a", 6)), rows) == [1.0, 1.5]


def test_late_row_about_an_older_moment_never_overrides_a_newer_one():
    rows = history(("a", 3, 3, 3.0), ("a", 1, 5, 1.0))

    assert spent(decisions(("a", 6)), rows) == [3.0]


def test_late_row_counts_where_nothing_newer_is_known():
    rows = history(("a", 3, 8, 3.0), ("a", 1, 5, 1.0))

    assert spent(decisions(("a", 6), ("a", 8)), rows) == [1.0, 3.0]


def test_last_stored_of_rows_alike_in_both_instants_counts():
    rows = history(("a", 1, 1, 1.0), ("a", 1, 1, 2.0))

    assert spent(decisions(("a", 1)), rows) == [2.0]
    assert spent(decisions(("a", 1)), rows.reverse()) == [1.0]


def test_last_file_counts_of_rows_alike_in_both_instants(tmp_path):
    paths = [tmp_path / name for name in ("z.parquet", "a.parquet")]
    for path, value in zip(paths, (1.0, 2.0), strict=True):
        history(("a", 1, 1, value)).write_parquet(path)

    assert spent(decisions(("a", 1)), paths) == [2.0]
    assert spent(decisions(("a", 1)), paths[::-1]) == [1.0]


def test_row_about_the_future_counts_once_it_is_available():
    """A dividend is announced before its day."""
    rows = history(("a", 9, 1, 1.0))

    assert spent(decisions(("a", 1)), rows, ttl=timedelta(0)) == [1.0]


def test_value_older_than_the_ttl_is_null_and_its_row_is_kept():
    rows = history(("a", 1, 1, 1.0))
    entities = decisions(("a", 3), ("a", 3.000001))

    assert spent(entities, rows, ttl=timedelta(days=2)) == [1.0, None]


def test_stale_newest_value_does_not_give_way_to_an_older_one():
    rows = history(("a", 1, 9, 1.0), ("a", 2, 3, 2.0))

    assert spent(decisions(("a", 10)), rows, ttl=timedelta(days=8)) == [2.0]
    assert spent(decisions(("a", 10)), rows, ttl=timedelta(days=7)) == [None]


def test_ttl_longer_than_time_itself_is_none():
    assert spent(decisions(("a", 3)), history(("a", -500_000, 1, 1.0)), ttl=timedelta.max) == [1.0]


def test_value_without_a_ttl_counts_from_the_earliest_instant_that_a_type_holds():
    kind = pl.Datetime("ns", "UTC")
    earliest = pl.Series([-(2**63) + 1]).cast(kind)
    rows = history(("a", 1, 1, 1.0)).with_columns(event_time=earliest, available_at=earliest)
    entities = decisions(("a", 3)).cast({"decided_at": kind})

    assert spent(entities, rows) == [1.0]
    assert spent(entities, rows, ttl=timedelta(days=100 * 365)) == [None]


def test_null_in_a_feature_is_a_value_like_another():
    rows = history(("a", 1, 1, 1.0), ("a", 2, 2, None))

    assert spent(decisions(("a", 3)), rows) == [None]


def test_unknown_and_null_keys_keep_their_rows_with_nulls():
    rows = history(("a", 1, 1, 1.0), (None, 1, 1, 2.0))

    assert spent(decisions(("b", 3), (None, 3), ("a", 3)), rows) == [None, None, 1.0]


def test_rows_of_the_same_key_and_instant_all_get_values():
    assert spent(decisions(("a", 3), ("b", 3), ("a", 3)), history(("a", 1, 1, 1.0))) == [1.0, None, 1.0]


def test_entity_rows_keep_their_order_and_their_other_columns():
    entities = decisions(("b", 9), ("a", 2), ("b", 3)).with_columns(label=pl.Series([True, None, False]))
    rows = history(("a", 1, 1, 1.0), ("b", 2, 2, 2.0), ("b", 4, 4, 4.0))

    joined = point_in_time_join(entities, [spending(rows)], decided_at="decided_at")

    assert joined.drop("spent").equals(entities)
    assert joined["spent"].to_list() == [4.0, 1.0, 2.0]


def test_keys_of_several_columns_match_as_a_whole():
    entities = decisions(("a", 3), ("a", 3), ("b", 3)).with_columns(shop=pl.Series([1, 2, 1], dtype=pl.Int32))
    rows = history(("a", 1, 1, 1.0), ("b", 1, 1, 2.0)).with_columns(shop=pl.Series([2, 1], dtype=pl.Int32))

    joined = point_in_time_join(entities, [spending(rows, by=("card", "shop"))], decided_at="decided_at")

    assert joined["spent"].to_list() == [None, 1.0, 2.0]


@pytest.mark.parametrize("entities", [decisions(("a", 1)).clear(), decisions((None, 1)), decisions(("a", 1))])
def test_nothing_to_find_gives_nulls_of_the_features_own_types(entities, tmp_path):
    rows = history().with_columns(vector=pl.lit(None, pl.Array(pl.Float32, 3)))
    path = tmp_path / "empty.parquet"
    rows.write_parquet(path)

    for stored in (rows, [path], rows.lazy()):
        source = spending(stored, features=("spent", "vector"))
        joined = point_in_time_join(entities, [source], decided_at="decided_at")

        expected = entities.with_columns(spent=pl.lit(None, pl.Float64), vector=pl.lit(None, pl.Array(pl.Float32, 3)))
        assert joined.equals(expected)
        assert joined.schema == expected.schema


def test_features_keep_their_types(tmp_path):
    features = {
        "float": pl.Series([1.5], dtype=pl.Float32),
        "small": pl.Series([1], dtype=pl.UInt8),
        "word": pl.Series(["é"]),
        "kind": pl.Series(["x"], dtype=pl.Enum(["y", "x"])),
        "group": pl.Series(["x"], dtype=pl.Categorical),
        "day": pl.Series([START.date()]),
        "price": pl.Series(["1.25"]).cast(pl.Decimal(12, 2)),
        "list": pl.Series([["x", None]]),
        "array": pl.Series([[1, 2]], dtype=pl.Array(pl.Int16, 2)),
        "struct": pl.Series([{"a": 1, "b": "x"}]),
        "raw": pl.Series([b"\0"]),
    }
    rows = history(("a", 1, 1, 1.0)).with_columns(**features)
    path = tmp_path / "rows.parquet"
    rows.write_parquet(path)

    for stored in (rows, [path], rows.lazy()):
        source = spending(stored, features=tuple(features))
        joined = point_in_time_join(decisions(("a", 2)), [source], decided_at="decided_at", memory_limit=1)

        assert joined.drop("card", "decided_at").equals(rows.select(features.keys()))
        assert joined.drop("card", "decided_at").schema == rows.select(features.keys()).schema


def test_whole_numbers_beyond_the_signed_range_are_told_apart():
    rows = history((2**64 - 1, 1, 1, 1.0), (2**63, 1, 1, 2.0), (0, 1, 1, 3.0), key=pl.UInt64)
    entities = decisions((2**63, 2), (2**64 - 1, 2), (1, 2), key=pl.UInt64)

    assert spent(entities, rows) == [2.0, 1.0, None]


def test_lazy_frame_is_run_once():
    runs = []

    def counted(frame):
        runs.append(frame.height)
        return frame

    rows = history(("a", 1, 1, 1.0))

    assert spent(decisions(("a", 2)), rows.lazy().map_batches(counted, schema=rows.schema)) == [1.0]
    assert runs == [1]


def test_progress_names_the_source_and_counts_the_rows_read():
    said = []
    rows = history(("a", 1, 1, 1.0), ("a", 2, 2, 2.0), ("b", 1, 1, 2.0))

    point_in_time_join(decisions(("a", 9)), [spending(rows)], decided_at="decided_at", progress=said.append)

    assert said == ["spending: 3 rows of history matched", "spending: reading the features of 1 rows"]


def test_features_of_two_sources_with_one_name_are_told_apart_by_prefix():
    sources = [spending(history(("a", 1, 1, 1.0))), spending(history(("a", 1, 1, 2.0)), name="shops")]
    entities = decisions(("a", 2))

    joined = point_in_time_join(entities, sources, decided_at="decided_at", prefix=True)

    assert joined.drop(entities.columns).to_dicts() == [{"spending__spent": 1.0, "shops__spent": 2.0}]
    with pytest.raises(SourceInvalid, match=r"shops\.spent: there is a column spent of spending; pass prefix=True"):
        point_in_time_join(entities, sources, decided_at="decided_at")


def test_feature_named_like_a_column_of_the_entity_rows_is_refused():
    entities = decisions(("a", 2)).with_columns(spent=1)

    with pytest.raises(SourceInvalid, match=r"spending\.spent: there is a column spent of the entity rows; pass"):
        spent(entities, history(("a", 1, 1, 1.0)))


def test_decision_without_an_instant_is_refused_by_its_row():
    entities = decisions(("a", 1), ("a", 2)).with_columns(decided_at=pl.Series([day(1), None], dtype=INSTANT))

    with pytest.raises(SourceInvalid, match=r"entity rows: decided_at is null in row 1; "):
        spent(entities, history(("a", 1, 1, 1.0)))


@pytest.mark.parametrize("column", ["event_time", "available_at"])
def test_row_of_history_without_an_instant_is_refused_by_its_position(column, tmp_path):
    rows = history(*[("a", number, number, 1.0) for number in range(9)])
    rows = rows.with_columns(pl.when(pl.int_range(pl.len()) != 7).then(column))
    path = tmp_path / "rows.parquet"
    rows.write_parquet(path, row_group_size=2)

    for stored in (rows, [path]):
        with pytest.raises(SourceInvalid, match=rf"spending: {column} is null in row 7 of the history"):
            spent(decisions(("a", 1)), stored, ttl=timedelta(days=1))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"by": ()}, "no key column is named"),
        ({"features": ()}, "no feature is named"),
        ({"features": ("spent", "spent")}, "a feature is named twice"),
        ({"ttl": timedelta(-1)}, "the ttl is -1 day"),
        ({"features": ("earned",)}, "column earned is absent from the frame"),
        ({"available_at": "landed_at"}, "column landed_at is absent"),
        ({"by": ("spent",)}, r"key column spent is absent from the entity rows"),
        ({"rows": []}, "no file is given"),
        ({"rows": history(key=pl.Int64)}, r"spending\.card is Int64 and String in the entity rows"),
        (
            {"rows": history().cast({"card": pl.Categorical})},
            r"spending\.card is Categorical; a key is String or an int",
        ),
        (
            {"rows": history().cast({"event_time": pl.Datetime("ns", "UTC")})},
            r"event_time is Datetime\(.*'ns'.*cast one",
        ),
        ({"rows": history().cast({"available_at": pl.Datetime("us")})}, r"available_at is Datetime\(.*None"),
    ],
)
def test_source_that_does_not_fit_is_refused(changes, said):
    with pytest.raises(SourceInvalid, match=said):
        point_in_time_join(decisions(("a", 1)), [spending(**{"rows": history()} | changes)], decided_at="decided_at")


@pytest.mark.parametrize(
    ("entities", "said"),
    [
        (decisions(("a", 1)).drop("decided_at"), "column decided_at is absent; the columns are card"),
        (decisions(("a", 1)).cast({"decided_at": pl.Datetime("us")}), "decided_at is Datetime.*in UTC"),
        (decisions(("a", 1)).with_columns(decided_at=1), "decided_at is Int32; an instant is Datetime in UTC"),
    ],
)
def test_entity_rows_without_a_moment_in_utc_are_refused(entities, said):
    with pytest.raises(SourceInvalid, match=said):
        spent(entities, history())


def test_rows_that_lie_far_apart_in_several_files_are_found(tmp_path):
    """Stretches that nobody asks for are passed over, within a file and whole files of them."""
    size = 1_300_000
    paths = [tmp_path / f"{number}.parquet" for number in range(3)]
    rows = pl.select(card=pl.int_range(3 * size, dtype=pl.Int64)).with_columns(
        event_time=pl.lit(START).cast(INSTANT), available_at=pl.lit(START).cast(INSTANT), spent=pl.col("card") * 0.5
    )
    for number, path in enumerate(paths):
        rows.slice(number * size, size).write_parquet(path, row_group_size=500_000, compression="lz4")
    asked = [3 * size - 1, 0, size - 1, 2 * size, 3 * size, 7]

    assert spent(decisions(*((card, 1) for card in asked), key=pl.Int64), paths) == [
        card * 0.5 if card < 3 * size else None for card in asked
    ]


def test_files_that_disagree_about_a_type_are_refused_by_name(tmp_path):
    paths = [tmp_path / "1.parquet", tmp_path / "2.parquet"]
    history(("a", 1, 1, 1.0)).write_parquet(paths[0])
    history(("a", 1, 1, 1.0)).cast({"spent": pl.Float32}).write_parquet(paths[1])

    with pytest.raises(SourceInvalid, match=r"spending\.spent is Float32 in .*2\.parquet and Float64 in .*1\.parquet"):
        spent(decisions(("a", 1)), paths)


def test_files_may_differ_in_columns_that_are_not_read(tmp_path):
    paths = [tmp_path / "1.parquet", tmp_path / "2.parquet"]
    history(("a", 1, 1, 1.0)).with_columns(note=pl.lit("x")).write_parquet(paths[0])
    history(("b", 1, 1, 2.0)).select("spent", "event_time", "available_at", "card", other=1).write_parquet(paths[1])

    assert spent(decisions(("a", 1), ("b", 1)), paths) == [1.0, 2.0]
