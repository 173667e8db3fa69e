"""The online executor of a view over tables: the newest row of each key, as the offline join finds it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import polars as pl

from feature_store.definition import instant_of
from feature_store.errors import NoLongerKept, SourceInvalid, ViewInvalid
from feature_store.features import microseconds
from feature_store.state import DISORDER
from feature_store.stores.in_process import InProcessRows
from feature_store.stores.port import Key, RowStore, StoredRow
from feature_store.table_view import TableView
from ledgerline.core.frames import POLARS_TYPES

_INSTANT = pl.Datetime("us", "UTC")
_KEY_TYPES: tuple[pl.DataType, ...] = (pl.String(), pl.Int64())
_IN_WORDS = {pl.String(): "text", pl.Int64(): "a whole number of 64 bits"}
_WHOLE = range(-(2**63), 2**63)


class OnlineRows:
    """The features of the newest row that was known of a key.

    Newest is by (``event_time``, ``available_at``), so a late or restated row never takes the place of a newer one. May
    be shared between threads.

    Args:
        view: The declaration.
        store: What remembers; None for this process's memory. Errors of its engine pass through every method.

    Raises:
        ViewInvalid: The view is open: its features are named by its data, and a store keeps a fixed number of them.
    """

    def __init__(self, view: TableView, store: RowStore | None = None) -> None:
        if view.is_open:
            raise ViewInvalid(f"{view.name} is open: its features are named by its data, and are read with their row")
        self._view = view
        self._store: RowStore = InProcessRows(view) if store is None else store
        self._ttl = None if view.ttl is None else microseconds(view.ttl)
        self._key_types = _declared_key_types(view)

    def write(self, rows: pl.DataFrame, *, progress: Callable[[int, int], None] | None = None) -> None:
        """Take up computed rows, a whole history or a few; what is there already, or is older, changes nothing.

        Args:
            rows: The view's key columns and features, as ``view.compute`` gives them, in any order.
            progress: Told how many of how many keys were taken up.

        Raises:
            SourceInvalid: A column is absent, of another type or holds a null that it may not.
        """
        self._check(rows)
        by = list(self._view.looked_up_by)
        newest = rows.sort("event_time", "available_at", maintain_order=True).unique(by, keep="last")
        done = 0
        for some in newest.iter_slices(self._store.at_once):
            self._store.write(list(_rows(self._view, some)))
            done += some.height
            if progress:
                progress(done, newest.height)

    bootstrap = write

    def get(self, *, at: datetime, **key: str | int | None) -> dict[str, float | None]:
        """Return the features of a key as a decision knows them.

        Args:
            at: When it is made, timezone-aware.
            **key: A value for each of ``view.looked_up_by``.

        Returns:
            Feature name to value, in the view's order. Every one is null where the key is None or unknown, or where
            ``at`` less ``event_time`` of its newest row is more than the view's TTL.

        Raises:
            SourceInvalid: A part of the key is missing, unknown to the view or of another type, or the instant has no
                time zone.
            NoLongerKept: The newest row became available after ``at``: what stood there before was replaced; or, of a
                view with a TTL, the instant lies so far back that the row may be forgotten.
        """
        decided_at = instant_of(at, f"{self._view.name}: at")
        nothing = dict.fromkeys(self._view.feature_names)
        wanted = checked_key(self._view, self._key_types, key)
        if wanted is None:
            return nothing
        row, newest = self._store.read(wanted)
        if row is None:
            if self._ttl is not None and newest is not None and decided_at < newest - microseconds(DISORDER):
                raise self._gone(at, f"it lies more than {DISORDER} before the newest that is known online")
            return nothing
        if row.available_at > decided_at:
            raise self._gone(at, f"the row of {', '.join(map(str, wanted))} that is kept became available later")
        if self._ttl is not None and decided_at - row.event_time > self._ttl:
            return nothing
        return dict(zip(self._view.feature_names, row.values, strict=True))

    def _gone(self, at: datetime, why: str) -> NoLongerKept:
        return NoLongerKept(
            f"{self._view.name}: {at} cannot be answered online, for {why}: compute it from the offline store"
        )

    def _check(self, rows: pl.DataFrame) -> None:
        view = self._view
        instants = ("event_time", "available_at")
        for column in (*view.looked_up_by, *instants, *view.feature_names):
            found = rows.schema.get(column)
            if found is None:
                raise SourceInvalid(f"{view.name}: rows lack the column {column}; they have {', '.join(rows.columns)}")
            allowed = (_INSTANT,) if column in instants else self._key_types.get(column, (pl.Float64(),))
            if found not in allowed:
                raise SourceInvalid(f"{view.name}.{column} is {found}; it must be {' or '.join(map(str, allowed))}")
        for column in (*view.looked_up_by, *instants):
            if nulls := rows[column].null_count():
                raise SourceInvalid(f"{view.name}.{column} is null in {nulls} rows; a row has a key and its instants")


def checked_key(view: TableView, types: Mapping[str, Sequence[pl.DataType]], key: Mapping[str, Any]) -> Key | None:
    """Return what a row of a view is looked up by, in order; None where a part of it is None.

    Args:
        view: The view.
        types: What each part may be: String, Int64 or either.
        key: The parts by name.

    Raises:
        SourceInvalid: A part is missing, unknown to the view or of another type.
    """
    by = view.looked_up_by
    if set(key) != set(by):
        raise SourceInvalid(f"{view.name} is looked up by {', '.join(by)}; given: {', '.join(key) or 'nothing'}")
    for column in by:
        value = key[column]
        if value is not None and not any(_is_of(value, kind) for kind in types[column]):
            allowed = ", ".join(_IN_WORDS[kind] for kind in types[column])
            raise SourceInvalid(f"{view.name}: {column} is {value!r}; it must be {allowed} or None")
    wanted = tuple(key[column] for column in by)
    return None if None in wanted else wanted


def _declared_key_types(view: TableView) -> dict[str, tuple[pl.DataType, ...]]:
    """Return what each part of a key is in the primary's contract; either type where only the computation makes it."""
    declared = {column.name: POLARS_TYPES[column.type] for column in view.primary.columns}
    return {name: (declared[name],) if declared.get(name) in _KEY_TYPES else _KEY_TYPES for name in view.looked_up_by}


def _is_of(value: object, kind: pl.DataType) -> bool:
    if kind == pl.String:
        return isinstance(value, str)
    return isinstance(value, int) and not isinstance(value, bool) and value in _WHOLE


def _rows(view: TableView, rows: pl.DataFrame) -> Iterator[StoredRow]:
    keys = rows.select(view.looked_up_by).iter_rows()
    values = rows.select(view.feature_names).iter_rows()
    instants = rows.select(pl.col("event_time", "available_at").to_physical()).iter_rows()
    for key, (event_time, available_at), of in zip(keys, instants, values, strict=True):
        yield StoredRow(key, event_time, available_at, of)
