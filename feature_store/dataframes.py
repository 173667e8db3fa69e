"""The frame that a caller holds, pandas or polars: read as polars, and given back as what it was."""

import sys
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, cast

import polars as pl

from feature_store.errors import SourceInvalid
from ledgerline.core.frames import INSTANT

if TYPE_CHECKING:
    import pandas as pd  # type: ignore[import-untyped,unused-ignore]

Frame = TypeVar("Frame", bound="pl.DataFrame | pd.DataFrame")

_NAMED_ROWS = 5
_NAIVE = (
    "{name} has no time zone, so nobody can say what was known by then; say which it is in, e.g. "
    "df['{name}'].dt.tz_localize('UTC') in pandas, pl.col('{name}').dt.replace_time_zone('UTC') in polars"
)


def columns_of(frame: "pl.DataFrame | pd.DataFrame") -> list[str]:
    """Return a frame's column names.

    Raises:
        SourceInvalid: It is neither a pandas nor a polars frame, or its columns are not named by different texts.
    """
    if not isinstance(frame, pl.DataFrame) and not _is_pandas(frame):
        raise SourceInvalid(f"entities are a pandas or polars DataFrame, and not {type(frame).__name__}")
    names = list(frame.columns)
    if other := [name for name in names if not isinstance(name, str)]:
        raise SourceInvalid(f"entities have a column named {other[0]!r}; name columns by texts")
    if len(set(names)) < len(names):
        raise SourceInvalid(f"entities have two columns of one name: {', '.join(names)}")
    return names


def as_polars(frame: "pl.DataFrame | pd.DataFrame", columns: Sequence[str], *, instant: str | None) -> pl.DataFrame:
    """Return some columns as polars; what names an entity as text where it is categorical.

    Args:
        frame: What the caller holds.
        columns: Which columns.
        instant: The column that holds instants, if it is among them: it becomes Datetime in microseconds and UTC.

    Raises:
        SourceInvalid: An instant is absent, or has no time zone.
    """
    rows = frame.select(columns) if isinstance(frame, pl.DataFrame) else _from_pandas(frame, columns)
    texts = [name for name, kind in rows.schema.items() if isinstance(kind, (pl.Categorical, pl.Enum))]
    rows = rows.with_columns(pl.col(texts).cast(pl.String))
    return rows if instant is None else rows.with_columns(_instants(rows[instant]))


def beside(frame: Frame, keep: Collection[str], features: pl.DataFrame) -> Frame:
    """Return some columns of the caller's frame, untouched, with the features behind them, row by row.

    Args:
        frame: What the caller holds.
        keep: Which of its columns, in its own order.
        features: As many rows, in the same order. For pandas whole numbers become ``int64``, or ``float64`` where some
            are null.
    """
    if isinstance(frame, pl.DataFrame):
        kept = [frame[name] for name in frame.columns if name in keep]
        return cast("Frame", pl.DataFrame([*kept, *features.get_columns()]))
    import pandas as pd

    own = frame[[name for name in frame.columns if name in keep]]
    more = features.to_pandas().set_axis(frame.index, axis="index")
    return cast("Frame", pd.concat([own, more], axis="columns"))


def _is_pandas(frame: object) -> bool:
    pandas = sys.modules.get("pandas")  # whoever holds such a frame has imported it
    return pandas is not None and isinstance(frame, pandas.DataFrame)


def _from_pandas(frame: "pd.DataFrame", columns: Sequence[str]) -> pl.DataFrame:
    return pl.DataFrame({name: _column(frame[name]) for name in columns})


def _column(column: "pd.Series[Any]") -> pl.Series:
    aware = getattr(column.dtype, "tz", None) is not None
    # Of pandas' fixed offsets polars knows nothing.
    try:
        values = pl.Series(pl.from_pandas(column.dt.tz_convert(None) if aware else column))
    except (TypeError, ValueError, pl.exceptions.PolarsError) as mixed:
        raise SourceInvalid(f"entities have {column.name} with values of several types: {mixed}") from None
    return values.dt.replace_time_zone("UTC") if aware else values


def _instants(column: pl.Series) -> pl.Series:
    name, kind = column.name, column.dtype
    if not isinstance(kind, pl.Datetime):
        raise SourceInvalid(
            f"entities have {name} as {kind}; it must be an instant with a time zone: pd.to_datetime(…, utc=True) in "
            "pandas, pl.Datetime('us', 'UTC') in polars"
        )
    if kind.time_zone is None:
        raise SourceInvalid(_NAIVE.format(name=name))
    if column.null_count():
        rows = column.is_null().arg_true()
        shown = ", ".join(map(str, rows.head(_NAMED_ROWS))) + (", …" if rows.len() > _NAMED_ROWS else "")
        raise SourceInvalid(f"{name} is null in {rows.len()} entity rows ({shown}); nothing was known at no time")
    return column.dt.convert_time_zone("UTC").cast(INSTANT)
