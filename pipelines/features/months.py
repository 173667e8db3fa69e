"""A table view's features as one immutable file a month, named after its content.

The view is computed whole; so a file needs no stamp that foretells its bytes. A month that nothing changed is the same
bytes under the same name, and DVC has it already.
"""

from pathlib import Path

import polars as pl

from ledgerline.core.identity import sha256_bytes, sha256_file
from ledgerline.core.storage import write_atomically
from pipelines.features.manifest import Partition, view_folder
from pipelines.validation.accepted import parquet_bytes

_NAME_DIGITS = 12
_MONTH = "%Y-%m"


def write_months(view: str, features: pl.DataFrame, root: Path) -> list[Partition]:
    """Write the files that are not there yet, or are damaged, and return all of them.

    Args:
        view: The view's name.
        features: What was computed, in arrival order.
        root: The workspace.
    """
    months = features.with_columns(_month=pl.col("available_at").dt.strftime(_MONTH))
    by_month = months.partition_by("_month", maintain_order=True, include_key=False, as_dict=True)
    return [_write(view, str(month), rows, root) for (month,), rows in sorted(by_month.items())]


def _write(view: str, month: str, rows: pl.DataFrame, root: Path) -> Partition:
    content = parquet_bytes(rows)
    sha256 = sha256_bytes(content)
    path = str(view_folder(view) / f"{month}-{sha256[:_NAME_DIGITS]}.parquet")
    if not (root / path).exists() or sha256_file(root / path) != sha256:
        write_atomically(root / path, content)
    return Partition(month, path, sha256, rows.height)
