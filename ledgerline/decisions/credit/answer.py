"""What a credit model's score means for an application: made in one place, for the live answer and for its replay."""

from collections.abc import Mapping, Sequence
from decimal import ROUND_FLOOR, Decimal
from enum import StrEnum
from typing import Any

import polars as pl

from ledgerline.decisions.credit.encoding import Lack
from ledgerline.decisions.credit.model import CreditModel, CreditScore, Vector
from ledgerline.decisions.credit.policy import Category, CreditPolicy
from ledgerline.decisions.credit.reasons import Direction, Factor

DEBT_TO_INCOME = "debt_to_income"
INCOME = "income"
"""The attributes that the policy itself looks at, by the names that mappings give them."""

_MOST_FACTORS = 5  # R6: top five factors, positive and negative
_MOST_ADVERSE = 4


class Decision(StrEnum):
    """What becomes of an application."""

    APPROVED = "approved"
    APPROVED_WITH_CONDITIONS = "approved_with_conditions"
    DENIED = "denied"


def judge_application(
    model: CreditModel, policy: CreditPolicy, vector: Vector, said: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the part of an answer that model, policy and application alone decide, as JSON values.

    The policy is part of it, so that a replay applies the one that was in force and not today's.

    Args:
        model: The deployed model.
        policy: The policy in force.
        vector: The trees' columns of the application.
        said: The application's attributes; what it does not say is left out.

    Returns:
        ``probability``, ``score``, ``category``, ``decision``, ``rate`` (per cent a year; None where nothing is
        granted), ``maximum_loan`` (None too where the income is not known), ``reasons`` (at most four, the most adverse
        first), ``factors`` (the five strongest, either way), ``conditions``, ``adverse_action``, ``warnings`` and
        ``policy``.

    Raises:
        ApplicationRefused: The vector is not the one that the model takes.
    """
    return _judged(model, policy, model.score_vector(vector), model.factors(vector), said)


def judge_frame(model: CreditModel, policy: CreditPolicy, frame: pl.DataFrame) -> list[dict[str, Any]]:
    """Return :func:`judge_application` of many applications, row by row.

    Args:
        model: The deployed model.
        policy: The policy in force.
        frame: One row an application, holding the view's features.

    Raises:
        ApplicationRefused: A feature is absent.
    """
    scored = zip(*(model.score_frame(frame)[name].to_list() for name in ("probability", "score")), strict=True)
    attributes = frame.select(list(model.takes.attributes)).iter_rows(named=True)
    return [
        _judged(
            model, policy, CreditScore(*score), factors, {name: said[name] for name in said if said[name] is not None}
        )
        for score, factors, said in zip(scored, model.factors_frame(frame), attributes, strict=True)
    ]


def _judged(
    model: CreditModel,
    policy: CreditPolicy,
    found: CreditScore,
    factors: Sequence[Factor],
    said: Mapping[str, Any],
) -> dict[str, Any]:
    category = policy.category(found.score)
    decision, by_condition = decide(policy, found.score, _number(said, DEBT_TO_INCOME))
    granted = decision is not Decision.DENIED
    return {
        "probability": found.probability,
        "score": found.score,
        "category": category.name,
        "decision": decision.value,
        "rate": float(category.rate) if granted else None,
        "maximum_loan": maximum_loan(policy, category, _number(said, INCOME)) if granted else None,
        "reasons": _reasons(policy, decision, factors, by_condition=by_condition, said=said),
        "factors": [_given(factor) for factor in strongest(factors)],
        "conditions": _conditions(policy) if decision is Decision.APPROVED_WITH_CONDITIONS else [],
        "adverse_action": None if decision is Decision.APPROVED else _adverse_action(policy),
        "warnings": warnings(model, said),
        "policy": {"id": policy.id, "rules": policy.values()},
    }


def judge_again(
    model: CreditModel, event: Mapping[str, Any], vector: Vector, answer: Mapping[str, Any]
) -> dict[str, Any]:
    """Return :func:`judge_application` by the policy that a recorded answer was made by, for replay."""
    policy = CreditPolicy.model_validate(answer["policy"]["rules"])
    return judge_application(model, policy, vector, event["attributes"])


def decide(policy: CreditPolicy, score: int, debt_to_income: float | None) -> tuple[Decision, bool]:
    """Return the decision about a score, and whether the debt condition denied what the score alone would not have."""
    rules = policy.decisions
    if score >= rules.approved_from:
        return Decision.APPROVED, False
    if score < rules.conditions_from:
        return Decision.DENIED, False
    condition = rules.debt_to_income
    holds = condition.granted_when_unknown if debt_to_income is None else debt_to_income < condition.below
    return (Decision.APPROVED_WITH_CONDITIONS, False) if holds else (Decision.DENIED, True)


def maximum_loan(policy: CreditPolicy, category: Category, income: float | None) -> int | None:
    """Return the most that is lent to an income a year, in its currency; None where the income is not known."""
    if income is None:
        return None
    most = min(Decimal(str(max(income, 0.0))) * category.share_of_income, Decimal(policy.maximum_loan.at_most))
    step = policy.maximum_loan.rounded_down_to
    return int((most / step).to_integral_value(ROUND_FLOOR)) * step


def strongest(factors: Sequence[Factor]) -> list[Factor]:
    """Return the five factors that moved a score most, either way, at most four of them adverse; adverse first."""
    by_strength = sorted(factors, key=lambda factor: -abs(factor.contribution))
    chosen: list[Factor] = []
    for factor in by_strength:
        adverse = sum(each.direction is Direction.ADVERSE for each in chosen)
        if factor.contribution and (factor.direction is Direction.FAVOURABLE or adverse < _MOST_ADVERSE):
            chosen.append(factor)
        if len(chosen) == _MOST_FACTORS:
            break
    return sorted(chosen, key=lambda factor: -factor.contribution)


def warnings(model: CreditModel, said: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what an application lacks, and what it says that the model has never seen, in the model's order."""
    attributes = model.takes.attributes
    texts = {
        Lack.MISSING: "not given, and decided on as missing; so were {share:.1%} of the training's applications",
        Lack.UNSEEN_CATEGORY: "{value!r} did not occur in training, and was decided on as missing",
    }
    return [
        {
            "attribute": name,
            "code": lack.value,
            "text": texts[lack].format(share=attributes[name].missing_share, value=said.get(name)),
        }
        for name, lack in model.takes.encoding.lacks(said, list(attributes)).items()
    ]


def _reasons(
    policy: CreditPolicy, decision: Decision, factors: Sequence[Factor], *, by_condition: bool, said: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Return the principal reasons: of what is not simply approved the adverse ones, otherwise the strongest."""
    most = policy.jurisdiction.adverse_action.most_reasons
    if decision is Decision.APPROVED:
        return [_given(factor) for factor in strongest(factors)][:most]
    # Nobody is turned down for no reason: where nothing is worse than average, what helped least is named.
    adverse = [factor for factor in factors if factor.direction is Direction.ADVERSE] or list(factors[:1])
    if not by_condition:
        return [_given(factor) for factor in adverse][:most]
    # The rule already names what it looks at: the model's own reason about that would say it twice.
    others = [_given(factor) for factor in adverse if factor.input != DEBT_TO_INCOME]
    return [_broken_condition(policy, said), *others][:most]


def _given(factor: Factor) -> dict[str, Any]:
    return {
        "code": factor.code,
        "text": factor.text,
        "input": factor.input,
        "value": factor.value,
        "contribution": factor.contribution,
        "direction": factor.direction.value,
    }


def _broken_condition(policy: CreditPolicy, said: Mapping[str, Any]) -> dict[str, Any]:
    limit, given = policy.decisions.debt_to_income.below, _number(said, DEBT_TO_INCOME)
    return {
        "code": "P01",
        "text": f"debts in relation to income not below {limit:g}" if given is not None else "income not verified",
        "input": DEBT_TO_INCOME,
        "value": given,
        "contribution": None,
        "direction": Direction.ADVERSE.value,
    }


def _conditions(policy: CreditPolicy) -> list[str]:
    return [f"debt to income is shown to lie below {policy.decisions.debt_to_income.below:g}"]


def _adverse_action(policy: CreditPolicy) -> dict[str, Any]:
    """Return what the jurisdiction asks to tell an applicant who is denied, or offered other terms."""
    notice = policy.jurisdiction.adverse_action
    return {
        "jurisdiction": policy.jurisdiction.name,
        "notice": notice.applies,
        "rule": notice.rule,
        "within_days": notice.within_days if notice.applies else None,
    }


def _number(said: Mapping[str, Any], name: str) -> float | None:
    value = said.get(name)
    return None if value is None or isinstance(value, str) else float(value)
