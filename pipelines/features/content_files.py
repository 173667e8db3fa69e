"""A table view's features as one immutable file a month or a year, named after its content.

The view is computed whole; so a file needs no stamp that foretells its bytes. A span that nothing changed is the same
bytes under the same name, and DVC has it already.
"""

from pathlib import Path

import polars as pl

from feature_store.table_view import Span, TableView
from feature_store.versions.manifest import Partition, view_folder
from ledgerline.core.identity import sha256_bytes, sha256_file
from ledgerline.core.storage import write_atomically
from pipelines.validation.accepted import parquet_bytes

_NAME_DIGITS = 12
_DATES = {Span.MONTH: "%Y-%m", Span.YEAR: "%Y"}


def write_files(view: TableView, features: pl.DataFrame, root: Path) -> list[Partition]:
    """Write the files that are not there yet, or are damaged, and return all of them.

    Args:
        view: Says how long a span is.
        features: What was computed, in arrival order.
        root: The workspace.
    """
    date = features["available_at"].dt.strftime(_DATES[view.file_span])
    return [_write(view, each, features.filter(date == each), root) for each in date.unique().sort()]


def _write(view: TableView, date: str, rows: pl.DataFrame, root: Path) -> Partition:
    content = parquet_bytes(rows)
    sha256 = sha256_bytes(content)
    path = str(view_folder(view.name) / f"{date}-{sha256[:_NAME_DIGITS]}.parquet")
    if not (root / path).exists() or sha256_file(root / path) != sha256:
        write_atomically(root / path, content)
    return Partition(date, path, sha256, rows.height)
