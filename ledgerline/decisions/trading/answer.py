"""What a price model's probability means for a symbol after a session: for the live decision and for its replay."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from ledgerline.decisions.trading.model import PriceModel
from ledgerline.decisions.trading.policy import SignalRules
from ledgerline.decisions.trading.signals import opinion


def judge_session(model: PriceModel, rules: SignalRules, vector: Mapping[str, float | None]) -> dict[str, Any]:
    """Return the part of an answer that model, rules and features alone decide, as JSON values.

    The rules are part of it, so that a replay applies those that were in force and not today's.

    Args:
        model: The deployed model.
        rules: The policy's thresholds.
        vector: The model's features, the indicators that vote among them.

    Returns:
        ``probability_up``, ``price_vote``, ``technical_vote``, ``risk``, ``risk_level``, ``signal`` and ``rules``.

    Raises:
        PriceVectorRefused: The vector is not the one that the model takes.
    """
    probability = model.score(vector)
    found = asdict(opinion(probability, vector, rules))
    votes = {name: value.value if hasattr(value, "value") else value for name, value in found.items()}
    return {"probability_up": probability, **votes, "rules": rules.model_dump(mode="json")}


def judge_again(model: PriceModel, vector: Mapping[str, float | None], answer: Mapping[str, Any]) -> dict[str, Any]:
    """Return :func:`judge_session` under the rules that a recorded answer was made by, for replay."""
    return judge_session(model, SignalRules.model_validate(answer["rules"]), vector)
