"""Wide rows to long ones: of a file with a column for each series, a row for each series."""

import polars as pl

from pipelines.ingestion.mapping import Unpivot
from pipelines.ingestion.typed_rows import ROW_NUMBER, RawRows


def unpivoted(raw: RawRows, unpivot: Unpivot) -> RawRows:
    """Return a run of wide rows as long ones.

    The first row of the file becomes the first ``n`` rows, one for each of the ``n`` series in the order of their
    columns' names; and so on. Every cell is a row, an empty one too: what is missing is for validation to say. A row
    that could not even be split into columns stays one unreadable row, with the number of its first cell.
    """
    columns = sorted(unpivot.columns)
    count = len(columns)
    rows = raw.columns.with_columns(raw.numbers.alias(ROW_NUMBER))
    kept = [name for name in raw.columns.columns if name not in unpivot.columns]
    cells = [
        rows.select(
            *kept,
            pl.lit(unpivot.columns[column]).alias(unpivot.name),
            pl.col(column).alias(unpivot.value),
            (_first_cell(pl.col(ROW_NUMBER), count) + position).alias(ROW_NUMBER),
        )
        for position, column in enumerate(columns)
    ]
    long = pl.concat(cells, how="vertical_relaxed").sort(ROW_NUMBER)
    unreadable = raw.unreadable.with_columns(_first_cell(pl.col(ROW_NUMBER), count))
    return RawRows(long[ROW_NUMBER], long.drop(ROW_NUMBER), unreadable, raw.parts)


def _first_cell(number: pl.Expr, count: int) -> pl.Expr:
    return (number - 1) * count + 1
