"""What each family's live code answers to a frame of features, one row a subject."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from ledgerline.audit import Ledger
from ledgerline.decisions.bundle import Bundle
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


def _codes(answer: Mapping[str, Any] | None) -> list[str]:
    return [str(reason["code"]) for reason in answer["reasons"]] if answer else []


ANSWERS: Mapping[str, Callable[[Ledger, Bundle, pl.DataFrame, str], Judged]] = {"fraud": fraud_answers}
