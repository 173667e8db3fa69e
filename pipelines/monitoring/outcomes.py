"""What came of live decisions by the labels that were accepted since, put on record."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl
import sqlalchemy as sa

from ledgerline.audit import Ledger, RecordedLeaf
from ledgerline.core.frames import INSTANT
from ledgerline.decisions.outcome import Outcome, record_outcomes
from ledgerline.decisions.schema import DECISION, ensure_tables
from pipelines.ingestion import mapped_datasets, source_as_of
from pipelines.validation import accepted_receipts
from pipelines.validation.accepted import accepted_file

Progress = Callable[[str], None]
_DECISIONS_AT_ONCE = 50_000


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


LABELS = (
    Labels("fraud", "fraud_labels", "transaction_id", "is_fraud"),
    Labels("credit", "applications", "application_id", "defaulted", known=("available_at", "outcome_at")),
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
    mapped = mapped_datasets(ledger.settings)
    found = {}
    for labels in LABELS:
        if labels.dataset in mapped and _has_decided(ledger, labels.family):
            found[labels.family] = record_outcomes(ledger, _outcomes(ledger, labels))
    new = {family: count for family, count in found.items() if count}
    for family, count in new.items():
        (progress or (lambda _: None))(f"{family}: {count:,} outcomes of live decisions have become known")
    return new


def _outcomes(ledger: Ledger, labels: Labels) -> Iterator[Outcome]:
    """Yield what the labels say of every decision of their family, each decision's in the order it was known."""
    receipts = [receipt for receipt in accepted_receipts(ledger, labels.dataset) if receipt.identity["accepted"]]
    known = _known(ledger, labels, receipts, source_as_of(ledger.settings, labels.dataset))
    for decisions in _decisions(ledger, labels.family):
        joined = decisions.join(known, on="subject", how="inner", maintain_order="left_right")
        for subject, decision, value, known_at, receipt in joined.iter_rows():
            yield Outcome(decision, subject, {labels.value: value}, known_at, label=receipts[receipt].id)


def _known(ledger: Ledger, labels: Labels, receipts: Sequence[RecordedLeaf], present: datetime) -> pl.DataFrame:
    """Return ``subject``, ``value``, ``known_at`` and the place of its receipt, of what is known, oldest first."""
    schema = {"subject": pl.String, "value": pl.Boolean, "known_at": INSTANT, "receipt": pl.Int32}
    frames = [pl.DataFrame(schema=schema)]
    for place, receipt in enumerate(receipts):
        batch = ledger.log.get(receipt.identity["batch"])
        rows = pl.read_parquet(
            accepted_file(ledger, batch, receipt), columns=[labels.subject, labels.value, *labels.known]
        )
        said = rows.select(
            subject=pl.col(labels.subject),
            value=pl.col(labels.value),
            known_at=pl.max_horizontal(labels.known),
            receipt=pl.lit(place, pl.Int32),
        )
        frames.append(said.filter(pl.col("value").is_not_null() & (pl.col("known_at") <= present)))
    return pl.concat(frames).sort("known_at", maintain_order=True)


def _has_decided(ledger: Ledger, family: str) -> bool:
    with ledger.log.reading() as connection:
        statement = sa.select(DECISION.c.sequence).where(DECISION.c.family == family).limit(1)
        return connection.execute(statement).first() is not None


def _decisions(ledger: Ledger, family: str) -> Iterator[pl.DataFrame]:
    """Yield ``subject`` and ``decision`` (leaf id) of a family's decisions, some at a time."""
    statement = sa.select(DECISION.c.sequence, DECISION.c.subject, DECISION.c.leaf).where(DECISION.c.family == family)
    after = 0
    while True:
        page = statement.where(DECISION.c.sequence > after).order_by(DECISION.c.sequence).limit(_DECISIONS_AT_ONCE)
        with ledger.log.reading() as connection:
            rows = connection.execute(page).all()
        if not rows:
            return
        yield pl.DataFrame([row[1:] for row in rows], schema=["subject", "decision"], orient="row")
        after = rows[-1].sequence
