"""What a fraud model's score means to whoever asked: made in one place, for the live answer and for its replay."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from ledgerline.decisions.fraud import FraudModel


class FraudVerdict(StrEnum):
    """What to do with a payment."""

    PASS = "pass"  # noqa: S105 -- a verdict, not a password
    ALERT = "alert"


def judge_payment(model: FraudModel, vector: Mapping[str, float]) -> dict[str, Any]:
    """Return the part of an answer that model and features alone decide, as JSON values.

    Reasons are given for alerts only: a payment that passes needs none, and explaining costs more than scoring.

    Returns:
        ``score``, ``threshold``, ``verdict`` and ``reasons`` (strongest first).

    Raises:
        FeatureVectorRefused: The vector is not the one that the model takes.
    """
    score = model.score(vector)
    reasons = model.reasons(vector) if score.is_alert else ()
    return {
        "score": score.probability,
        "threshold": score.threshold,
        "verdict": (FraudVerdict.ALERT if score.is_alert else FraudVerdict.PASS).value,
        "reasons": [
            {
                "code": reason.code,
                "text": reason.text,
                "feature": reason.feature,
                "value": reason.value,
                "contribution": reason.contribution,
            }
            for reason in reasons
        ],
    }
