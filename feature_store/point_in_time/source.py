"""Histories of features: what a join is told of them, and how their rows are read in bounded pieces."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Protocol

import numpy as np
import polars as pl
import pyarrow.parquet as pq

from feature_store.errors import SourceInvalid
from feature_store.point_in_time.keys import Integers

POSITION = "position in the history"  # the column of read pieces that says which row each is

_MOST_ROWS = (1 << 32) - 1 if pl.get_index_type() == pl.UInt32 else np.iinfo(np.int64).max
_PIECE_ROWS = 1 << 19  # a piece larger than this is no faster to work on
_GAP_ROWS = 1 << 20  # reading this many unwanted rows costs about what starting another scan does
_ROW_GROUPS_AT_ONCE = 4  # polars decodes a few ahead of what it hands out
_WIDTHS = {pl.Boolean: 1, pl.Int8: 1, pl.UInt8: 1, pl.Int16: 2, pl.UInt16: 2, pl.Int32: 4, pl.UInt32: 4, pl.Float32: 4}
_WIDE = 64  # a string, a list: nobody knows before reading


@dataclass(frozen=True, slots=True, eq=False)
class FeatureSource:
    """A history of one view's features.

    Attributes:
        name: The view's name, for errors and for prefixed columns.
        rows: The history: a frame; a lazy frame, which is run once, into a temporary file; or paths of Parquet files,
            whose rows stand in the order of the paths.
        by: The key columns; the entity rows have columns of the same names and types (String, or integers).
        features: The columns wanted, of any type.
        ttl: The greatest age, decision less ``event_time``, at which a value still counts; ``None`` for any.
        event_time: The column that says when a row is about; Datetime in UTC, of the decisions' time unit.
        available_at: The column that says from when it was known; likewise.

    Raises:
        SourceInvalid: There is no key or no feature, one is named twice, or the ttl is negative.
    """

    name: str
    rows: pl.DataFrame | pl.LazyFrame | Sequence[str | Path]
    by: tuple[str, ...]
    features: tuple[str, ...]
    ttl: timedelta | None = None
    event_time: str = "event_time"
    available_at: str = "available_at"

    def __post_init__(self) -> None:
        for what, columns in (("key column", self.by), ("feature", self.features)):
            if not columns:
                raise SourceInvalid(f"{self.name}: no {what} is named; name at least one")
            if len(set(columns)) < len(columns):
                raise SourceInvalid(f"{self.name}: a {what} is named twice in {', '.join(columns)}")
        if self.ttl is not None and self.ttl < timedelta(0):
            raise SourceInvalid(f"{self.name}: the ttl is {self.ttl}; a value cannot be younger than nothing")

    @property
    def columns(self) -> tuple[str, ...]:
        """What is read of the history, each column once."""
        return tuple(dict.fromkeys((*self.by, self.event_time, self.available_at, *self.features)))


class History(Protocol):
    """A source's stored rows.

    Attributes:
        schema: Their columns.
    """

    schema: pl.Schema

    def pieces(self, columns: Sequence[pl.Expr], wanted: pl.Expr, memory_limit: int) -> Iterator[pl.DataFrame]:
        """Yield the wanted rows in stored order: what is asked for, and in ``POSITION`` where each stands."""

    def take(self, positions: Integers, columns: Sequence[str], memory_limit: int) -> pl.DataFrame:
        """Return the rows at some ascending positions."""


@contextmanager
def opened(source: FeatureSource) -> Iterator[History]:
    """Open a source's rows for reading.

    Raises:
        SourceInvalid: A column is absent, there is no file, or the files disagree about a column's type.
    """
    if isinstance(source.rows, pl.DataFrame):
        _check_present(source, source.rows.schema, "the frame")
        yield _Frame(source.rows)
    elif isinstance(source.rows, pl.LazyFrame):
        _check_present(source, source.rows.collect_schema(), "the lazy frame")
        # Read twice, for matching and for values: a plan need not give its rows in the same order both times.
        with tempfile.TemporaryDirectory(prefix="point-in-time-") as folder:
            path = Path(folder) / "history.parquet"
            source.rows.select(source.columns).sink_parquet(path, compression="lz4", maintain_order=True)
            yield _Files(source, [path])
    else:
        yield _Files(source, [Path(path) for path in source.rows])


class _Frame:
    def __init__(self, rows: pl.DataFrame) -> None:
        self.schema = rows.schema
        self._rows = rows

    def pieces(self, columns: Sequence[pl.Expr], wanted: pl.Expr, memory_limit: int) -> Iterator[pl.DataFrame]:
        size = _rows_within(memory_limit, self._rows.lazy().select(columns).collect_schema())
        for first in range(0, self._rows.height, size):
            piece = self._rows.slice(first, size).lazy().with_row_index(POSITION, offset=first)
            yield piece.filter(wanted).select(*columns, POSITION).collect()

    def take(self, positions: Integers, columns: Sequence[str], memory_limit: int) -> pl.DataFrame:
        return self._rows.select(columns)[positions]


class _Files:
    """Rows in Parquet files; a row group is skipped where its statistics say that no row of it is wanted."""

    def __init__(self, source: FeatureSource, paths: Sequence[Path]) -> None:
        if not paths:
            raise SourceInvalid(f"{source.name}: no file is given; an empty history is a frame without rows")
        schemas = [pl.Schema(pl.read_parquet_schema(path)) for path in paths]
        for path, schema in zip(paths, schemas, strict=True):
            _check_present(source, schema, str(path))
            for column in source.columns:
                if schema[column] != schemas[0][column]:
                    raise SourceInvalid(
                        f"{source.name}.{column} is {schema[column]} in {path} and {schemas[0][column]} in {paths[0]}; "
                        "write both files alike"
                    )
        footers = [pq.read_metadata(path) for path in paths]
        self.schema = schemas[0]
        self._paths = paths
        self._ends: Integers = np.cumsum([footer.num_rows for footer in footers], dtype=np.int64)
        if self._ends[-1] > _MOST_ROWS:
            raise SourceInvalid(
                f"{source.name}: {self._ends[-1]:,} rows are more than polars numbers; join part by part"
            )
        self._group_rows = max(
            (footer.row_group(group).num_rows for footer in footers for group in range(footer.num_row_groups)),
            default=0,
        )

    def pieces(self, columns: Sequence[pl.Expr], wanted: pl.Expr, memory_limit: int) -> Iterator[pl.DataFrame]:
        scan = self._scan(self._paths, row_index_name=POSITION).filter(wanted).select(*columns, POSITION)
        yield from _batches(scan, memory_limit)

    def take(self, positions: Integers, columns: Sequence[str], memory_limit: int) -> pl.DataFrame:
        taken = [self._take(positions, group, memory_limit) for group in self._column_groups(columns, memory_limit)]
        return pl.concat(taken, how="horizontal")

    def _take(self, positions: Integers, columns: Sequence[str], memory_limit: int) -> pl.DataFrame:
        taken = [pl.DataFrame(schema={column: self.schema[column] for column in columns})]
        for first, end in _runs(positions):
            from_file = int(np.searchsorted(self._ends, first, side="right"))
            to_file = int(np.searchsorted(self._ends, end - 1, side="right"))
            before = int(self._ends[from_file - 1]) if from_file else 0
            scan = self._scan(self._paths[from_file : to_file + 1]).select(columns).slice(first - before, end - first)
            at = first
            for piece in _batches(scan, memory_limit):
                low, high = np.searchsorted(positions, (at, at + piece.height))
                taken.append(piece[positions[low:high] - at])
                at += piece.height
        return pl.concat(taken, rechunk=True)  # values are gathered from it at random

    def _scan(self, paths: Sequence[Path], row_index_name: str | None = None) -> pl.LazyFrame:
        return pl.scan_parquet(
            list(paths),
            glob=False,
            hive_partitioning=False,
            row_index_name=row_index_name,
            missing_columns="insert",  # no column that is read is missing
            extra_columns="ignore",
        )

    def _column_groups(self, columns: Sequence[str], memory_limit: int) -> list[list[str]]:
        """Return the columns in groups so narrow that a few row groups of each are within the limit."""
        most = memory_limit // max(1, self._group_rows * _ROW_GROUPS_AT_ONCE)
        groups: list[list[str]] = []
        room = 0
        for column in columns:
            width = _width(self.schema[column])
            if not groups or width > room:
                groups.append([])
                room = most
            groups[-1].append(column)
            room -= width
        return groups


def _check_present(source: FeatureSource, schema: pl.Schema, where: str) -> None:
    absent = [column for column in source.columns if column not in schema]
    if absent:
        raise SourceInvalid(
            f"{source.name}: column {', '.join(absent)} is absent from {where}; its columns are {', '.join(schema)}"
        )


def _batches(scan: pl.LazyFrame, memory_limit: int) -> Iterator[pl.DataFrame]:
    size = _rows_within(memory_limit, scan.collect_schema())
    return scan.collect_batches(chunk_size=size, maintain_order=True, engine="streaming")


def _rows_within(memory_limit: int, schema: pl.Schema) -> int:
    width = sum(_width(kind) for kind in schema.values())
    return int(np.clip(memory_limit // (width * _ROW_GROUPS_AT_ONCE), 1, _PIECE_ROWS))


def _width(kind: pl.DataType) -> int:
    if isinstance(kind, pl.Array):
        return int(np.prod(kind.shape)) * 8
    return _WIDTHS.get(type(kind), _WIDE if kind == pl.String or kind.is_nested() else 8)


def _runs(positions: Integers) -> list[tuple[int, int]]:
    """Return the ranges, end excluded, that hold all positions and no long stretch without one."""
    if not positions.size:
        return []
    gaps = np.flatnonzero(np.diff(positions) > _GAP_ROWS)
    firsts = positions[np.append(0, gaps + 1)]
    lasts = positions[np.append(gaps, positions.size - 1)]
    return [(int(first), int(last) + 1) for first, last in zip(firsts, lasts, strict=True)]
