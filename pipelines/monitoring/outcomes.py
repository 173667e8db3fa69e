"""What came of live decisions by the labels that were accepted since, put on record.

Accepted rows never change, and neither do decisions: what was compared once is not compared again. How far each
receipt's labels were compared is kept beside the log; were it lost, everything would be compared once more, and nothing
be recorded twice.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import polars as pl
import sqlalchemy as sa
from sqlalchemy import Column, String, Table

from ledgerline.audit import Ledger, RecordedLeaf
from ledgerline.audit.schema import METADATA, SEQUENCE
from ledgerline.core.frames import INSTANT
from ledgerline.decisions.outcome import Outcome, record_outcomes
from ledgerline.decisions.schema import DECISION, ensure_tables
from pipelines.features.outcomes import OUTCOMES
from pipelines.ingestion import mapped_datasets, source_as_of
from pipelines.validation import accepted_receipts
from pipelines.validation.accepted import accepted_file

Progress = Callable[[str], None]
_DECISIONS_AT_ONCE = 50_000

COMPARED = Table(
    "label_compared",
    METADATA,
    Column("receipt", String(64), primary_key=True),  # leaf id of the receipt or release that let the labels in
    Column("decisions_to", SEQUENCE, nullable=False),  # position of the last decision that they were compared with
)


@dataclass(frozen=True, slots=True)
class Labels:
    """Where a family's outcomes are said.

    Attributes:
        family: Whose decisions they are of.
        dataset: The contract of the labels.
        subject: The column that names what was decided on, as the decision's subject does.
        value: The column that says what came of it; null while that is unknown.
        known: The columns by the latest of which it is known; one that is null counts for nothing.
    """

    family: str
    dataset: str
    subject: str
    value: str
    known: tuple[str, ...] = ("available_at",)


LABELS = tuple(
    Labels(family, said.contract, said.subject, said.value, said.known)
    for family, said in (("fraud", OUTCOMES["card_spending"]), ("credit", OUTCOMES["credit_application"]))
)


def record_label_outcomes(ledger: Ledger, *, progress: Progress | None = None) -> dict[str, int]:
    """Put on record what accepted labels say of live decisions, as far as it is known at the source's present.

    The same labels and decisions give the same outcomes, however often it is done; a label that is said otherwise later
    is a second outcome. A label whose time has not come is left for a later call.

    Args:
        ledger: The installation.
        progress: Told what is new.

    Returns:
        How many outcomes are new, by family; families without any are left out.

    Raises:
        AcceptedRowsLost: A file of labels was changed or lost, and cannot be made again.
    """
    ensure_tables(ledger)
    with ledger.log.transaction() as transaction:
        METADATA.create_all(transaction, tables=[COMPARED], checkfirst=True)
    mapped = mapped_datasets(ledger.settings)
    found = {labels.family: _record(ledger, labels) for labels in LABELS if labels.dataset in mapped}
    new = {family: count for family, count in found.items() if count}
    for family, count in new.items():
        (progress or (lambda _: None))(f"{family}: {count:,} outcomes of live decisions have become known")
    return new


def _record(ledger: Ledger, labels: Labels) -> int:
    """Compare each receipt's labels with the decisions that they were not compared with before."""
    newest, compared = _newest_decision(ledger, labels.family), _compared(ledger)
    waiting: dict[int, list[RecordedLeaf]] = {}
    for receipt in accepted_receipts(ledger, labels.dataset) if newest else ():
        if receipt.identity["accepted"] and (after := compared.get(receipt.id, 0)) < newest:
            waiting.setdefault(after, []).append(receipt)
    present = source_as_of(ledger.settings, labels.dataset)
    recorded = 0
    for after, receipts in waiting.items():
        said = _said(ledger, labels, receipts)
        known = said.filter(pl.col("known_at") <= present)
        recorded += record_outcomes(ledger, _outcomes(ledger, labels, receipts, known, after=after, to=newest))
        pending = set(said.filter(pl.col("known_at") > present)["receipt"])
        _remember(ledger, [receipt.id for place, receipt in enumerate(receipts) if place not in pending], newest)
    return recorded


def _outcomes(
    ledger: Ledger, labels: Labels, receipts: Sequence[RecordedLeaf], known: pl.DataFrame, *, after: int, to: int
) -> Iterator[Outcome]:
    """Yield what the labels say of some decisions, each decision's in the order it was known."""
    for decisions in _decisions(ledger, labels.family, after, to):
        joined = decisions.join(known, on="subject", how="inner", maintain_order="left_right")
        for subject, decision, value, known_at, receipt in joined.iter_rows():
            yield Outcome(decision, subject, {labels.value: value}, known_at, label=receipts[receipt].id)


def _said(ledger: Ledger, labels: Labels, receipts: Sequence[RecordedLeaf]) -> pl.DataFrame:
    """Return ``subject``, ``value``, ``known_at`` and the place of its receipt, of every label, oldest first."""
    schema = {"subject": pl.String, "value": pl.Boolean, "known_at": INSTANT, "receipt": pl.Int32}
    frames = [pl.DataFrame(schema=schema)]
    for place, receipt in enumerate(receipts):
        batch = ledger.log.get(receipt.identity["batch"])
        file = accepted_file(ledger, batch, receipt)
        rows = pl.read_parquet(file, columns=[labels.subject, labels.value, *labels.known])
        said = rows.select(
            subject=pl.col(labels.subject),
            value=pl.col(labels.value),
            known_at=pl.max_horizontal(labels.known),
            receipt=pl.lit(place, pl.Int32),
        )
        frames.append(said.filter(pl.col("value").is_not_null()))
    return pl.concat(frames).sort("known_at", maintain_order=True)


def _decisions(ledger: Ledger, family: str, after: int, to: int) -> Iterator[pl.DataFrame]:
    """Yield ``subject`` and ``decision`` (leaf id) of a family's decisions, some at a time."""
    statement = sa.select(DECISION.c.sequence, DECISION.c.subject, DECISION.c.leaf).where(
        DECISION.c.family == family, DECISION.c.sequence <= to
    )
    while True:
        page = statement.where(DECISION.c.sequence > after).order_by(DECISION.c.sequence).limit(_DECISIONS_AT_ONCE)
        with ledger.log.reading() as connection:
            rows = connection.execute(page).all()
        if not rows:
            return
        yield pl.DataFrame([tuple(row)[1:] for row in rows], schema=["subject", "decision"], orient="row")
        after = rows[-1].sequence


def _newest_decision(ledger: Ledger, family: str) -> int:
    """Return the position of a family's newest decision; 0 before the first."""
    with ledger.log.reading() as connection:
        statement = sa.select(sa.func.max(DECISION.c.sequence)).where(DECISION.c.family == family)
        return int(connection.execute(statement).scalar() or 0)


def _compared(ledger: Ledger) -> dict[str, int]:
    with ledger.log.reading() as connection:
        return {row.receipt: row.decisions_to for row in connection.execute(sa.select(COMPARED))}


def _remember(ledger: Ledger, receipts: Sequence[str], newest: int) -> None:
    if not receipts:
        return
    with ledger.log.transaction() as transaction:
        transaction.execute(sa.delete(COMPARED).where(COMPARED.c.receipt.in_(receipts)))
        transaction.execute(sa.insert(COMPARED), [{"receipt": receipt, "decisions_to": newest} for receipt in receipts])
