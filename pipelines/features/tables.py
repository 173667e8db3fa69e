"""What a table view is built from: every accepted row of its sources, one table a contract."""

from collections.abc import Sequence
from datetime import datetime

import polars as pl

from feature_store.sources import empty_rows
from feature_store.table_view import TableView
from ledgerline.audit import Ledger
from ledgerline.core.contracts import DatasetContract, Role
from pipelines.features.errors import RolesDisagree
from pipelines.features.inputs import AcceptedFile, batch_of
from pipelines.validation.accepted import accepted_file
from pipelines.validation.landed import contract_of


def read_tables(
    ledger: Ledger, view: TableView, inputs: Sequence[AcceptedFile], as_of: datetime
) -> dict[str, pl.DataFrame]:
    """Read every source's rows that are known at ``as_of``, checking each file's hash.

    A table of an open contract has, behind the contract's columns, every numeric (Float64) and categorical (String)
    column that a provider delivered, null in other providers' rows. Protected columns are not read at all.

    Raises:
        AcceptedRowsLost: A file was changed or lost, and cannot be made again.
        RolesDisagree: A column is a number to one provider and a category to another.
    """
    return {
        contract.name: _table(ledger, contract, [file for file in inputs if file.file.dataset == contract.name], as_of)
        for contract in view.sources
    }


def _table(ledger: Ledger, contract: DatasetContract, inputs: Sequence[AcceptedFile], as_of: datetime) -> pl.DataFrame:
    frames = [empty_rows(contract)]
    for accepted in inputs:
        batch = batch_of(ledger, accepted)
        own = [name for name, role in contract_of(batch).roles.items() if Role(role).is_for_models]
        path = accepted_file(ledger, batch, accepted.receipt)
        rows = pl.read_parquet(path, columns=[*contract.column_names, *own])
        frames.append(rows.filter(pl.col("available_at") <= as_of))
    try:
        return pl.concat(frames, how="diagonal")
    except pl.exceptions.SchemaError as error:
        raise RolesDisagree(
            f"{contract.name}: two feeds give one column different roles ({error}); rename one in the mapping"
        ) from error
