"""Facts that a row cannot tell by itself: whether its key, or the row as a whole, came before.

GX judges them like any other column. They are counted over rows that nothing else keeps out, in this batch and in the
batches accepted before it: a bad row never takes the place of the good one that corrects it.
"""

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from ledgerline.core.contracts import AVAILABLE_AT, DatasetContract
from pipelines.ingestion.typed_rows import ROW_NUMBER
from pipelines.validation.suites import ALREADY_ACCEPTED, KEY_OCCURRENCE

_FILE = "accepted_file"


class EarlierRows:
    """The rows of one dataset that were accepted before the batch at hand.

    Only their keys are held in memory; whole rows are read for keys that come again.

    Args:
        contract: The dataset's contract.
    """

    def __init__(self, contract: DatasetContract) -> None:
        self._key = list(contract.key)
        self._columns = list(contract.column_names)
        self._files: list[Path] = []
        self._keys: list[pl.DataFrame] = []

    def add(self, file: Path) -> None:
        """Add one accepted batch's Parquet file."""
        position = pl.lit(len(self._files), pl.UInt32)
        self._keys.append(pl.read_parquet(file, columns=self._key).with_columns(position.alias(_FILE)))
        self._files.append(file)

    def sharing_keys_with(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Return the earlier rows, contract columns only, whose key one of ``rows`` has."""
        if not self._keys:
            return rows.clear().select(self._columns)
        wanted = rows.select(self._key).unique()
        returning = pl.concat(self._keys, rechunk=False).join(wanted, on=self._key, how="semi")
        if returning.is_empty():
            return rows.clear().select(self._columns)
        files = [pl.scan_parquet(self._files[position]) for position in returning[_FILE].unique().sort()]
        # Another provider's rows lack this one's own columns.
        known = pl.concat([rows.lazy().select(self._columns).clear(), *files], how="diagonal").select(self._columns)
        return known.join(returning.lazy(), on=self._key, how="semi").collect()


def derive(rows: pl.DataFrame, eligible: pl.Series, earlier: EarlierRows, contract: DatasetContract) -> pl.DataFrame:
    """Derive the facts of every row of a batch.

    Args:
        rows: ``row_number`` and the contract's columns, in landed order.
        eligible: Boolean, as long as ``rows``: whether nothing else keeps the row out.
        earlier: What was accepted before.
        contract: The dataset's contract.

    Returns:
        ``row_number``; ``already_accepted`` (Boolean: an earlier batch holds the same row, but perhaps for when it
        became available); ``key_occurrence`` (Int64: 1 for the first row of its key, null for rows not eligible).
    """
    candidates = rows.filter(eligible)
    before = earlier.sharing_keys_with(candidates)
    facts = candidates.select(
        ROW_NUMBER,
        _is_among(candidates, before, _telling_columns(contract)).alias(ALREADY_ACCEPTED),
        (_is_among(candidates, before, contract.key).cast(pl.Int64) + _count_within(candidates, contract.key)).alias(
            KEY_OCCURRENCE
        ),
    )
    return (
        rows.select(ROW_NUMBER)
        .join(facts, on=ROW_NUMBER, how="left", maintain_order="left")
        .with_columns(pl.col(ALREADY_ACCEPTED).fill_null(value=False))
    )


def _telling_columns(contract: DatasetContract) -> tuple[str, ...]:
    """Columns that make two deliveries the same row: a second delivery of a fact becomes available later, no more."""
    return tuple(name for name in contract.column_names if name != AVAILABLE_AT.name)


def _is_among(rows: pl.DataFrame, others: pl.DataFrame, columns: Sequence[str]) -> pl.Series:
    """Return, for each row, whether ``others`` has one that is equal in ``columns``; missing equals missing."""
    if others.is_empty():
        return pl.repeat(value=False, n=rows.height, eager=True)
    known = others.select(columns).unique().with_columns(found=True)
    marked = rows.select(columns).join(known, on=list(columns), how="left", nulls_equal=True, maintain_order="left")
    return marked["found"].fill_null(value=False)


def _count_within(rows: pl.DataFrame, key: Sequence[str]) -> pl.Series:
    """Return, for each row, how many rows up to it have its key: 1 for the first."""
    if rows.select(pl.struct(key).n_unique()).item() == rows.height:
        return pl.repeat(1, rows.height, dtype=pl.Int64, eager=True)
    return rows.select(pl.int_range(1, pl.len() + 1, dtype=pl.Int64).over(*key)).to_series()
