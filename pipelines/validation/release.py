"""Let quarantined rows in that are right after all, in somebody's name and for a reason."""

import io
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from ledgerline.audit import Kind, Leaf, Ledger, Parent, RecordedLeaf
from ledgerline.core.clock import instant_text
from ledgerline.core.contracts import DatasetContract
from ledgerline.core.errors import LedgerlineError
from ledgerline.core.identity import sha256_bytes
from ledgerline.core.storage import write_atomically
from pipelines.ingestion import source_as_of
from pipelines.ingestion.typed_rows import ROW_NUMBER, rows_schema
from pipelines.validation.accepted import parquet_bytes
from pipelines.validation.current import current_receipts
from pipelines.validation.judging import Verdict, own_names
from pipelines.validation.landed import contract_of

_NEVER = frozenset({"already_accepted", "duplicate_key"})
_NAME_DIGITS = 16


class ReleaseRefused(LedgerlineError):
    """Rows cannot be let in: nothing is named so, nobody answers for it, or they are no rows of the contract."""


@dataclass(frozen=True, slots=True)
class Release:
    """Rows that were let in.

    Attributes:
        id: The release's leaf id.
        dataset: Their dataset.
        rows: How many.
        left: How many rows of the batch stay out, because they repeat others or lack what the contract demands.
    """

    id: str
    dataset: str
    rows: int
    left: int

    def __str__(self) -> str:
        """Return one line for the terminal."""
        stay = f"; {self.left:,} stay out: repeats, or rows that lack what the contract demands" if self.left else ""
        return f"{self.rows:,} rows of {self.dataset}, release {self.id[:_NAME_DIGITS]}{stay}"


def release(ledger: Ledger, name: str, *, person: str, reason: str) -> Release:
    """Let the quarantined rows of one judged batch in.

    They become available at the source's present, never earlier: what was decided or built before knew nothing of them.
    Repeats of accepted rows stay out, and so do rows that could not be read or lack a value that the contract demands:
    those must be delivered again. Releasing the same rows again changes nothing.

    Args:
        ledger: The installation.
        name: As ``quarantine list`` shows it: the beginning of the receipt's or the landed batch's id.
        person: Who answers for it.
        reason: Why the rows are right.

    Raises:
        ReleaseRefused: No person or reason, not a batch that stands, or no row of it can be let in.
        UnknownLeaf: Nothing, or more than one thing, is called so.
    """
    if not person.strip() or not reason.strip():
        raise ReleaseRefused("a release names the person who answers for it and the reason; give both")
    receipt = _receipt(ledger, name)
    batch = ledger.log.get(receipt.identity["batch"])
    contract = contract_of(batch)
    if before := ledger.log.latest(Kind.RELEASE, receipt=receipt.id):
        return _release(before)
    held = pl.read_parquet(io.BytesIO(ledger.objects.get(receipt.identity["quarantine_object"])))
    rows = _fit_rows(held, contract, source_as_of(ledger.settings, contract.name))
    if rows.is_empty():
        raise ReleaseRefused(
            f"none of the {held.height:,} rows of {receipt.detail.get('path')} can be let in: they repeat others, "
            "could not be read, or lack a value that the contract demands; have them delivered again"
        )
    content = parquet_bytes(rows)
    leaf = _leaf(
        ledger, receipt, rows, content, held.height - rows.height, person=person.strip(), reason=reason.strip()
    )
    ledger.objects.put(content)
    write_atomically(ledger.settings.workspace_path / leaf.detail["accepted_path"], content)
    recorded = ledger.log.append(leaf, [Parent(receipt.id, "receipt"), Parent(batch.id, "batch")])
    return _release(ledger.log.get(recorded))


def _receipt(ledger: Ledger, name: str) -> RecordedLeaf:
    leaf = ledger.log.get(name)
    standing = current_receipts(ledger)
    found = next((each for each in standing if leaf.id in (each.id, each.identity["batch"])), None)
    if found is None or not found.identity["quarantine_object"]:
        raise ReleaseRefused(
            f"{name} is no batch with quarantined rows that counts now; see `ledgerline quarantine list`"
        )
    return found


def _fit_rows(held: pl.DataFrame, contract: DatasetContract, present: datetime) -> pl.DataFrame:
    """Return the rows that are rows of the contract, available from the source's present on."""
    back = {there: name for name, there in own_names(contract).items()}
    fit = held.filter(~pl.col("reason").is_in(_NEVER))
    if "value" in back.values():
        fit = fit.drop("value")
    rows = fit.rename(back).select(ROW_NUMBER, *contract.column_names).cast(dict(rows_schema(contract)))
    demanded = [column.name for column in contract.columns if not column.nullable]
    rows = rows.drop_nulls(demanded).unique(list(contract.key), keep="first", maintain_order=True)
    moment = pl.lit(present).cast(rows.schema["available_at"])
    return rows.with_columns(available_at=pl.max_horizontal("available_at", moment))


def _leaf(
    ledger: Ledger,
    receipt: RecordedLeaf,
    rows: pl.DataFrame,
    content: bytes,
    left: int,
    *,
    person: str,
    reason: str,
) -> Leaf:
    """Return the release's leaf, which is read as a receipt that lets a file of rows in."""
    sha256, dataset = sha256_bytes(content), receipt.identity["dataset"]
    identity = {
        "dataset": dataset,
        "batch": receipt.identity["batch"],
        "receipt": receipt.id,
        "verdict": Verdict.ACCEPTED.value,
        "landed": rows.height,
        "accepted": rows.height,
        "quarantined": 0,
        "accepted_sha256": sha256,
        "person": person,
        "reason": reason,
    }
    spans = {
        f"{column}_{edge}": instant_text(getattr(rows[column], edge)())
        for column in ("event_time", "available_at")
        for edge in ("min", "max")
    }
    detail = {
        "path": receipt.detail.get("path"),
        "accepted_path": f"data/accepted/{dataset}/{receipt.id[:_NAME_DIGITS]}-release.parquet",
        "left": left,
        "released_by": ledger.settings.actor,
        "released_at": instant_text(ledger.clock.now()),
        **spans,
    }
    return Leaf(Kind.RELEASE, identity, detail)


def _release(leaf: RecordedLeaf) -> Release:
    return Release(leaf.id, leaf.identity["dataset"], leaf.identity["accepted"], leaf.detail["left"])
