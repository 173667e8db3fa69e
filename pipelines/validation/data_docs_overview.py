"""A plain table of all judged batches on the Data Docs' first page.

Great Expectations fills its own table with scripts that it loads from the network, so without one the first page would
be empty; and it knows neither verdicts nor counts.
"""

from collections.abc import Sequence
from html import escape
from pathlib import Path
from urllib.parse import quote

from ledgerline.audit import RecordedLeaf
from ledgerline.core.storage import write_atomically

_END = "</body>"
_HEADINGS = ("dataset", "file", "verdict", "landed", "accepted", "quarantined", "reasons", "batch", "judged at")


def add_overview(index: Path, receipts: Sequence[RecordedLeaf], pages: Sequence[str]) -> None:
    """Write the table into the first page, the newest receipt on top.

    Args:
        index: The ``index.html`` that Great Expectations wrote.
        receipts: All receipts, oldest first.
        pages: Each receipt's page, relative to ``index``.
    """
    heading = "".join(f"<th>{name}</th>" for name in _HEADINGS)
    rows = "".join(_row(receipt, page) for receipt, page in reversed(list(zip(receipts, pages, strict=True))))
    table = f'<h5>Judged batches</h5><table class="table table-sm"><tr>{heading}</tr>{rows}</table>'
    head, _, tail = index.read_text(encoding="utf-8").rpartition(_END)
    content = f'{head}<div class="container-fluid pl-5 pr-5">{table}</div>{_END}{tail}'
    write_atomically(index, content.encode())


def _row(receipt: RecordedLeaf, page: str) -> str:
    identity, detail = receipt.identity, receipt.detail
    reasons = ", ".join(f"{code} {count:,}" for code, count in sorted(detail["reasons"].items()))
    file = f'<a href="{escape(quote(page))}">{escape(str(detail.get("path")))}</a>'
    counts = (f"{identity[name]:,}" for name in ("landed", "accepted", "quarantined"))
    texts = (*counts, reasons, identity["batch"][:16], detail["validated_at"])
    cells = (escape(identity["dataset"]), file, escape(identity["verdict"]), *(escape(text) for text in texts))
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"
