"""Score what came in last by the model in force, with the code that answers live: the same row, the same answer."""

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import polars as pl

from ledgerline.audit import Kind, Leaf, Ledger, Parent, RecordedLeaf
from ledgerline.core.clock import instant_text
from ledgerline.core.errors import LedgerlineError
from ledgerline.decisions.admission import Admitted, admit
from ledgerline.decisions.credit import portfolio_of
from ledgerline.decisions.deployment import Deployment, current
from pipelines.features import read_features, versions
from pipelines.publishing.batch_answers import ANSWERS, Judged
from pipelines.validation import accepted_receipts
from pipelines.validation.accepted import accepted_file

Progress = Callable[[str], None]
# A source may deliver years in one file: what is older than this before its newest row was scored when it was new.
_RECENT = timedelta(days=7)


class NothingToScore(LedgerlineError):
    """No model is in force, or nothing of its dataset came in."""


@dataclass(frozen=True, slots=True)
class ScoredBatch:
    """A scored batch on record.

    Attributes:
        id: Its leaf id.
        family: Whose model.
        rows: How many rows were scored.
        sha256: The Parquet object with one answer a row.
        reused: Whether the same batch had been scored by the same model before.
    """

    id: str
    family: str
    rows: int
    sha256: str
    reused: bool


@dataclass(frozen=True, slots=True)
class _Subject:
    dataset: str
    key: str


_SUBJECTS: Mapping[str, _Subject] = {
    "fraud": _Subject("transactions", "transaction_id"),
    "credit": _Subject("applications", "application_id"),
}


def score_newest_batch(ledger: Ledger, family: str, *, progress: Progress | None = None) -> ScoredBatch:
    """Score the rows of the batch that was accepted last, by the family's model in force, and record the answers.

    Of a batch that spans years only the last seven days are scored. The bundle passes the checks of a live job first.

    Args:
        ledger: The installation.
        family: ``fraud`` or ``credit``.
        progress: Told what is being done.

    Raises:
        NothingToScore: No model is in force, or nothing of its dataset came in.
        ApprovalRefused: The model's approvals no longer hold.
        BundleRefused: Its bytes or features are not right.
    """
    say = progress or (lambda _: None)
    deployment = current(ledger, family)
    if deployment is None:
        raise NothingToScore(f"no {family} model is in force in {ledger.settings.profile}")
    admitted = admit(ledger, deployment.bundle, environment=ledger.settings.profile.value, at=ledger.clock.now())
    made_of = _made_of(ledger, family, admitted)
    if (known := ledger.log.latest(Kind.SCORED_BATCH, **made_of)) is not None:
        say(f"{family}: batch scored before, {known.identity['rows']:,} rows")
        return ScoredBatch(known.id, family, known.identity["rows"], known.identity["sha256"], reused=True)
    rows = _features(ledger, family, made_of)
    say(f"{family}: scoring {rows.height:,} rows by {admitted.name}")
    answers = ANSWERS[family](ledger, admitted.bundle, rows, _SUBJECTS[family].key)
    return _record(ledger, deployment, made_of, answers)


def _made_of(ledger: Ledger, family: str, admitted: Admitted) -> dict[str, Any]:
    """Return what a scored batch follows from: equal ones are one."""
    built = versions(ledger, admitted.view.name)
    receipts = [leaf for leaf in _served_receipts(ledger, family, admitted) if leaf.identity["accepted"]]
    if not built or not receipts:
        raise NothingToScore(f"nothing of {_SUBJECTS[family].dataset} has been accepted and made into features")
    return {
        "family": family,
        "bundle": admitted.bundle.digest,
        "feature_version": built[-1].id,
        "receipt": receipts[-1].id,
    }


def _served_receipts(ledger: Ledger, family: str, admitted: Admitted) -> list[RecordedLeaf]:
    """Return the receipts of what the model is asked about: of lenders' applications, its own portfolio's."""
    receipts = accepted_receipts(ledger, _SUBJECTS[family].dataset)
    if family != "credit":
        return receipts
    portfolio = portfolio_of(admitted.bundle)
    return [receipt for receipt in receipts if receipt.identity["accepted"] and _holds(ledger, receipt, portfolio)]


def _holds(ledger: Ledger, receipt: RecordedLeaf, portfolio: str) -> bool:
    path = accepted_file(ledger, ledger.log.get(receipt.identity["batch"]), receipt)
    return portfolio in pl.read_parquet(path, columns=["portfolio"])["portfolio"]


def _features(ledger: Ledger, family: str, made_of: Mapping[str, Any]) -> pl.DataFrame:
    """Return the features of the batch's newest rows, one row a subject, by arrival."""
    key = _SUBJECTS[family].key
    receipt = ledger.log.get(made_of["receipt"])
    batch = ledger.log.get(receipt.identity["batch"])
    accepted = pl.read_parquet(accepted_file(ledger, batch, receipt), columns=[key, "available_at"])
    newest = accepted["available_at"].max()
    recent = accepted.filter(pl.col("available_at") > newest - _RECENT).select(key)
    features = read_features(ledger, made_of["feature_version"])
    rows = features.join(recent.lazy(), on=key, how="semi").collect()
    return rows.unique(key, keep="last", maintain_order=True)


def _record(ledger: Ledger, deployment: Deployment, made_of: dict[str, Any], answers: Judged) -> ScoredBatch:
    sha256 = ledger.objects.put(_parquet(answers.frame))
    identity = {**made_of, **answers.policy, "rows": answers.frame.height, "sha256": sha256}
    detail = {"scored_at": instant_text(ledger.clock.now()), "by": ledger.settings.actor}
    parents = [
        Parent(deployment.id, "deployment"),
        Parent(made_of["feature_version"], "features"),
        Parent(made_of["receipt"], "batch"),
    ]
    leaf_id = ledger.log.append(Leaf(Kind.SCORED_BATCH, identity, detail), parents)
    return ScoredBatch(leaf_id, deployment.family, answers.frame.height, sha256, reused=False)


def _parquet(frame: pl.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.write_parquet(buffer, compression="zstd")
    return buffer.getvalue()
