"""What a contract's columns are in a polars frame."""

from collections.abc import Mapping
from types import MappingProxyType

import polars as pl

from ledgerline.core.contracts import ColumnType

INSTANT = pl.Datetime("us", "UTC")

POLARS_TYPES: Mapping[ColumnType, pl.DataType] = MappingProxyType(
    {
        ColumnType.STRING: pl.String(),
        ColumnType.INTEGER: pl.Int64(),
        ColumnType.MINOR_UNITS: pl.Int64(),
        ColumnType.NUMBER: pl.Float64(),
        ColumnType.BOOLEAN: pl.Boolean(),
        ColumnType.INSTANT: INSTANT,
    }
)
