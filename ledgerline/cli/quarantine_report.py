"""One page about what was not let in, or let in with a warning: by dataset, by name of the dirt, by file."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from ledgerline.audit import Kind, Ledger, RecordedLeaf
from ledgerline.core.storage import write_atomically

REPORT = "quarantine-report.md"
_MOST_FILES = 8


def write_quarantine_report(ledger: Ledger) -> Path:
    """Write the page into the installation's home and return where it lies."""
    path = ledger.settings.home / REPORT
    write_atomically(path, quarantine_report(ledger).encode())
    return path


def quarantine_report(ledger: Ledger) -> str:
    """Return the page as Markdown, from the evidence alone: the same evidence gives the same page."""
    from pipelines.validation.current import current_receipts

    receipts = current_receipts(ledger)
    refused = ledger.log.leaves(Kind.REFUSED_FILE)
    parts = ["# Quarantine report", _INTRODUCTION]
    for dataset in sorted({str(receipt.identity["dataset"]) for receipt in receipts}):
        parts += _section(dataset, [receipt for receipt in receipts if receipt.identity["dataset"] == dataset])
    if refused:
        rows = [(leaf.detail["path"], leaf.identity["reason"], leaf.identity["message"]) for leaf in refused]
        parts += ["## Files that could not be read at all", _table(("file", "reason", "because"), rows)]
    return "\n\n".join(parts) + "\n"


_INTRODUCTION = (
    "Landed = accepted + quarantined, for every file. A *warning* is a row that was let in although something about it "
    "is worth a look. `ledgerline quarantine list` names the batches, `quarantine show NAME` shows their rows, "
    "`quarantine release NAME --as PERSON --reason ...` lets rows in that are right after all."
)


def _section(dataset: str, receipts: Sequence[RecordedLeaf]) -> list[str]:
    counts = {name: sum(leaf.identity[name] for leaf in receipts) for name in ("landed", "accepted", "quarantined")}
    said = ", ".join(f"{count:,} {name}" for name, count in counts.items())
    parts = [f"## {dataset}", f"{len(receipts)} files: {said}."]
    blocked = [leaf for leaf in receipts if leaf.identity["verdict"] != "accepted"]
    if blocked:
        names = _named(str(leaf.detail.get("path")) for leaf in blocked)
        parts.append(f"**Blocked whole**, because too much of it was wrong: {names}.")
    for title, key in (("Quarantined", "reasons"), ("Warnings", "warnings")):
        rows = _by_code(receipts, key)
        parts.append(f"### {title}\n\n{_table(('name', 'rows', 'files'), rows)}" if rows else f"{title}: none.")
    if named := _named_rows(receipts):
        parts.append(f"### Rows with a warning, the first of each file\n\n{_table(('name', 'rows'), named)}")
    return parts


def _named_rows(receipts: Sequence[RecordedLeaf]) -> list[tuple[str, str]]:
    names: dict[str, list[str]] = {}
    for receipt in receipts:
        for code, rows in (receipt.detail.get("examples") or {}).items():
            names.setdefault(code, []).extend(rows)
    return [(code, _named(rows)) for code, rows in sorted(names.items())]


def _by_code(receipts: Sequence[RecordedLeaf], key: str) -> list[tuple[str, str, str]]:
    rows: Counter[str] = Counter()
    files: dict[str, Counter[str]] = {}
    for receipt in receipts:
        found: Mapping[str, int] = receipt.detail.get(key) or {}
        rows.update(found)
        for code, count in found.items():
            files.setdefault(code, Counter())[str(receipt.detail.get("path"))] += count
    return [(code, f"{count:,}", _counted(files[code])) for code, count in sorted(rows.items())]


def _counted(files: Counter[str]) -> str:
    return _named(f"{path} ({count:,})" for path, count in sorted(files.items(), key=lambda each: (-each[1], each[0])))


def _named(names: Iterable[str]) -> str:
    listed = list(names)
    more = [f"and {len(listed) - _MOST_FILES:,} more"] if len(listed) > _MOST_FILES else []
    return ", ".join([*listed[:_MOST_FILES], *more])


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)
