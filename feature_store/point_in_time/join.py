"""Every entity row once, in the order given, beside each source's features as they were known at its decision.

Of a source's rows with the entity's key, those with ``available_at <= decision`` were known. Among them counts the
one with the greatest ``event_time``; of several about that moment, the one with the latest ``available_at``; of several
that are equal in both, the one that stands last in the source's stored order. So a restatement replaces what it
restates from its own ``available_at`` on, and a late row about an older moment never overrides a newer one. How the
history is split into files, row groups or pieces, and how many threads read it, cannot show.

The history is read once for its keys and instants, each row being offered to the first decision that knew it
(:mod:`feature_store.point_in_time.decisions`), and once more for the features of the rows that some decision knew.
"""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import numpy as np
import polars as pl

from feature_store.errors import SourceInvalid
from feature_store.point_in_time.decisions import NO_LIMIT, THREADS, Decisions, Known
from feature_store.point_in_time.keys import UNKNOWN, Integers, KeyNumbers
from feature_store.point_in_time.source import POSITION, FeatureSource, History, opened

MEMORY_LIMIT = 256 << 20
_EARLIEST = np.iinfo(np.int64).min
_TICKS = {"ms": timedelta(milliseconds=1), "us": timedelta(microseconds=1), "ns": timedelta(microseconds=1)}
_NAMED_ROWS = 5

Progress = Callable[[str], None]


def point_in_time_join(
    entities: pl.DataFrame,
    sources: Sequence[FeatureSource],
    *,
    decided_at: str,
    prefix: bool = False,
    memory_limit: int = MEMORY_LIMIT,
    progress: Progress | None = None,
) -> pl.DataFrame:
    """Join features to entity rows as they were known at each row's decision.

    Args:
        entities: One row a label or decision, in any order and with any further columns; repeated rows each get values.
            A row whose key is null or unknown to a source keeps its place and has nulls for its features.
        sources: The histories. Rows with a null in the key belong to nobody.
        decided_at: The column of ``entities`` that holds the instant of decision; Datetime in UTC, never null.
        prefix: Whether features are named ``{source}__{feature}`` instead of ``{feature}``.
        memory_limit: Bytes of a history to hold at a time, about. What the entity rows, the result and some 100 bytes
            an entity row take comes on top, and so does a Parquet row group of keys and instants where it is larger.
        progress: Called with a line on what was done, some times a source.

    Returns:
        The entity rows, in their order, with each source's features appended in the types that they are stored in; null
        where nothing was known, or where ``decision - event_time`` of what was known is more than the source's ttl.

    Raises:
        SourceInvalid: A column is absent or of a type that does not fit; an instant is null; two columns of the result
            would have one name.
    """
    kind = _check_decisions(entities, decided_at)
    _check_names(entities, sources, prefix=prefix)
    keyed: dict[tuple[str, ...], tuple[KeyNumbers, Decisions]] = {}
    frames = [entities]
    for source in sources:
        with opened(source) as history:
            _check_source(source, history.schema, entities, kind)
            if source.by not in keyed:
                numbers = KeyNumbers(entities.select(source.by))
                instants = entities[decided_at].to_physical().to_numpy()
                keyed[source.by] = numbers, Decisions(numbers.numbers, instants, numbers.count)
            known = _as_known(source, history, *keyed[source.by], memory_limit, progress or _silent)
            frames.append(known.rename({feature: _name(source, feature, prefix) for feature in source.features}))
    return pl.concat(frames, how="horizontal")


def _as_known(
    source: FeatureSource,
    history: History,
    numbers: KeyNumbers,
    decisions: Decisions,
    memory_limit: int,
    progress: Progress,
) -> pl.DataFrame:
    """Return the source's features, one row a decision."""
    ttl = _ticks(source.ttl, history.schema[source.event_time])
    known = decisions.nothing_known()
    if decisions.span is not None:
        wanted = _worth_reading(source, history.schema, decisions.span, ttl)
        offered = 0
        with ThreadPoolExecutor(THREADS) as threads:
            for piece in history.pieces(_keys_and_instants(source), wanted, memory_limit):
                _offer(source, known, numbers, piece, threads)
                offered += piece.height
                progress(f"{source.name}: {offered:,} rows of history matched")
    positions, of_decision = known.settle(ttl)
    del known
    progress(f"{source.name}: reading the features of {positions.size:,} rows")
    taken = history.take(positions, source.features, memory_limit)
    rows = pl.Series("row", of_decision)
    return taken.select(pl.all().gather(rows.set(rows == UNKNOWN, None)))


def _keys_and_instants(source: FeatureSource) -> list[pl.Expr]:
    keys = [pl.col(column).alias(f"key {number}") for number, column in enumerate(source.by)]
    return [*keys, pl.col(source.event_time).alias("event_time"), pl.col(source.available_at).alias("available_at")]


def _worth_reading(source: FeatureSource, schema: pl.Schema, span: tuple[int, int], ttl: int) -> pl.Expr:
    """Return which rows some decision may know: what came after the last one, or is too old for the first, is not.

    Rows without an instant are among them, so that they are found.
    """
    event_time, available_at = pl.col(source.event_time), pl.col(source.available_at)
    first, last = span
    worth = available_at <= pl.lit(last, pl.Int64).cast(schema[source.available_at])
    if ttl != NO_LIMIT:
        worth &= event_time >= pl.lit(max(_EARLIEST, first - ttl), pl.Int64).cast(schema[source.event_time])
    return worth | event_time.is_null() | available_at.is_null()


def _offer(
    source: FeatureSource, known: Known, numbers: KeyNumbers, piece: pl.DataFrame, threads: ThreadPoolExecutor
) -> None:
    for column, name in (("event_time", source.event_time), ("available_at", source.available_at)):
        if piece[column].null_count():
            rows = piece.filter(pl.col(column).is_null())[POSITION]
            raise SourceInvalid(
                f"{source.name}: {name} is null in {_rows(rows)} of the history; every row says when it is about and "
                "from when it was known"
            )
    if not piece.height:
        return
    shares = piece.select(pl.col("^key .*$")).iter_slices(-(-piece.height // THREADS))
    keys = np.concatenate(list(threads.map(numbers.look_up, shares)))
    known.offer(keys, _whole(piece["event_time"]), _whole(piece["available_at"]), _whole(piece[POSITION]), threads)


def _check_decisions(entities: pl.DataFrame, decided_at: str) -> pl.Datetime:
    """Return the type of the decisions' instants."""
    if decided_at not in entities.columns:
        raise SourceInvalid(
            f"entity rows: column {decided_at} is absent; the columns are {', '.join(entities.columns)}"
        )
    kind = entities.schema[decided_at]
    if not isinstance(kind, pl.Datetime) or kind.time_zone != "UTC":
        raise SourceInvalid(f"entity rows: {decided_at} is {kind}; an instant is Datetime in UTC")
    if entities[decided_at].null_count():
        raise SourceInvalid(
            f"entity rows: {decided_at} is null in {_rows(entities[decided_at].is_null().arg_true())}; what was known "
            "at no instant cannot be said: leave the rows out or say when they were decided"
        )
    return kind


def _check_names(entities: pl.DataFrame, sources: Sequence[FeatureSource], *, prefix: bool) -> None:
    owners = dict.fromkeys(entities.columns, "the entity rows")
    for source in sources:
        for feature in source.features:
            name = _name(source, feature, prefix)
            if name in owners:
                remedy = "rename one" if prefix else "pass prefix=True, or rename one"
                raise SourceInvalid(f"{source.name}.{feature}: there is a column {name} of {owners[name]}; {remedy}")
            owners[name] = source.name


def _name(source: FeatureSource, feature: str, prefix: bool) -> str:
    return f"{source.name}__{feature}" if prefix else feature


def _check_source(source: FeatureSource, schema: pl.Schema, entities: pl.DataFrame, decided: pl.Datetime) -> None:
    for column in source.by:
        if column not in entities.columns:
            raise SourceInvalid(
                f"{source.name}: key column {column} is absent from the entity rows; their columns are "
                f"{', '.join(entities.columns)}"
            )
        kind = schema[column]
        if kind not in _KEY_TYPES:
            raise SourceInvalid(f"{source.name}.{column} is {kind}; a key is String or an integer of up to 64 bits")
        if kind != entities.schema[column]:
            raise SourceInvalid(
                f"{source.name}.{column} is {kind} and {entities.schema[column]} in the entity rows; cast one of them"
            )
    for column in (source.event_time, source.available_at):
        if schema[column] != decided:
            raise SourceInvalid(f"{source.name}.{column} is {schema[column]} and the decisions are {decided}; cast one")


_KEY_TYPES = {pl.String, pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.UInt8, pl.UInt16, pl.UInt32, pl.UInt64}


def _ticks(ttl: timedelta | None, kind: pl.DataType) -> int:
    """Return a ttl in whole units of a type of instants; ages are whole too, so that rounding down is exact."""
    if ttl is None:
        return NO_LIMIT
    unit = kind.time_unit if isinstance(kind, pl.Datetime) else "us"
    return min(ttl // _TICKS[unit] * (1_000 if unit == "ns" else 1), NO_LIMIT)


def _whole(column: pl.Series) -> Integers:
    return column.to_physical().cast(pl.Int64).to_numpy()


def _rows(positions: Iterable[int]) -> str:
    named = list(positions)
    more = f" and {len(named) - _NAMED_ROWS:,} more" if len(named) > _NAMED_ROWS else ""
    return f"row {', '.join(f'{position:,}' for position in named[:_NAMED_ROWS])}{more}"


def _silent(_: str) -> None:
    """Say nothing."""
