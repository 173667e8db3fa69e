"""What each family's live code answers to a frame of features, one row a subject."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from ledgerline.audit import Ledger
from ledgerline.decisions.bundle import Bundle
from ledgerline.decisions.credit import CreditModel, credit_policy, judge_frame
from ledgerline.decisions.fraud import FraudModel
from ledgerline.decisions.fraud_answer import FraudVerdict, judge_payment


@dataclass(frozen=True, slots=True)
class Judged:
    """A batch's answers.

    Attributes:
        frame: One row a subject.
        policy: What else than model and features decided, as JSON values; empty where nothing did.
    """

    frame: pl.DataFrame
    policy: Mapping[str, Any] = field(default_factory=dict)


def fraud_answers(_ledger: Ledger, bundle: Bundle, rows: pl.DataFrame, key: str) -> Judged:
    """Return score, threshold, verdict and, for alerts, the reasons' codes, as :func:`judge_payment` gives them.

    The scores of passes come from the whole frame at once; they are those of row by row, bit for bit.
    """
    model = FraudModel.load(bundle)
    scored = rows.select(key, "event_time", score=pl.Series(model.score_frame(rows)))
    alerts = rows.filter(scored["score"] >= model.threshold)
    said = {row[key]: judge_payment(model, {name: row[name] for name in model.features}) for row in alerts.to_dicts()}
    verdict = pl.when(pl.col("score") >= model.threshold).then(pl.lit(FraudVerdict.ALERT.value))
    return Judged(
        scored.with_columns(
            pl.lit(model.threshold).alias("threshold"),
            verdict.otherwise(pl.lit(FraudVerdict.PASS.value)).alias("verdict"),
            pl.Series("reasons", [_codes(said.get(subject)) for subject in scored[key]], dtype=pl.List(pl.String)),
        )
    )


def credit_answers(ledger: Ledger, bundle: Bundle, rows: pl.DataFrame, key: str) -> Judged:
    """Return probability, score, category, decision, terms and the reasons' codes, by the policy in force now."""
    policy = credit_policy(ledger.settings.project)
    judged = judge_frame(CreditModel.load(bundle), policy, rows)
    names = ("probability", "score", "category", "decision", "rate", "maximum_loan")
    types = (pl.Float64, pl.Int64, pl.String, pl.String, pl.Float64, pl.Int64)
    said = [pl.Series(name, [each[name] for each in judged], kind) for name, kind in zip(names, types, strict=True)]
    reasons = pl.Series("reasons", [_codes(each) for each in judged], dtype=pl.List(pl.String))
    return Judged(rows.select(key, "event_time").with_columns(*said, reasons), {"policy": policy.id})


def _codes(answer: Mapping[str, Any] | None) -> list[str]:
    return [str(reason["code"]) for reason in answer["reasons"]] if answer else []


ANSWERS: Mapping[str, Callable[[Ledger, Bundle, pl.DataFrame, str], Judged]] = {
    "fraud": fraud_answers,
    "credit": credit_answers,
}
