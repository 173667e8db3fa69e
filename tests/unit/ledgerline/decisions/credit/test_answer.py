import json
from typing import Any

import polars as pl
import pytest

from ledgerline.core.identity import canonical_json
from ledgerline.decisions.credit import CreditModel, CreditPolicy, judge_again, judge_application, judge_frame

Answers = list[dict[str, Any]]


def given(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if value is not None}


@pytest.fixture(scope="module")
def answers(model: CreditModel, policy: CreditPolicy, said: list[dict[str, Any]]) -> Answers:
    return [judge_application(model, policy, model.vector(row), given(row)) for row in said[:400]]


def of(answers: Answers, decision: str) -> Answers:
    found = [each for each in answers if each["decision"] == decision]
    assert found, f"the applications of this test hold none that is {decision}"
    return found


def test_a_grant_has_terms_and_a_denial_none(answers: Answers) -> None:
    for answer in of(answers, "approved") + of(answers, "approved_with_conditions"):
        assert answer["rate"] in (3.25, 4.5, 6.5)
        assert 0 < answer["maximum_loan"] <= 60_000
    assert all(each["rate"] is None and each["maximum_loan"] is None for each in of(answers, "denied"))


def test_who_is_denied_hears_at_most_four_adverse_reasons_the_worst_first(answers: Answers) -> None:
    for answer in of(answers, "denied"):
        reasons = answer["reasons"]
        assert 1 <= len(reasons) <= 4
        assert len({each["code"] for each in reasons}) == len(reasons)
        of_model = [each for each in reasons if each["code"] != "P01"]
        assert len({each["input"] for each in of_model}) == len(of_model)
        pushes = [each["contribution"] for each in of_model]
        assert pushes == sorted(pushes, reverse=True)
        assert all(each["direction"] == "adverse" for each in reasons)


def test_a_condition_that_denied_is_the_first_reason(
    model: CreditModel, policy: CreditPolicy, said: list[dict[str, Any]]
) -> None:
    row = next(row for row in said if 580 <= model.score(row).score < 670)
    vector = model.vector(row)
    for debts, text in ((0.6, "not below 0.43"), (None, "not verified")):
        # The same vector: the condition is the policy's own and looks at what was said, not at the trees' columns.
        answer = judge_application(model, policy, vector, given(row | {"debt_to_income": debts}))
        assert answer["decision"] == "denied"
        assert answer["reasons"][0]["code"] == "P01"
        assert answer["reasons"][0]["value"] == debts
        assert text in answer["reasons"][0]["text"]
        assert "debt_to_income" not in [each["input"] for each in answer["reasons"][1:]]  # nothing is said twice
    passed = judge_application(model, policy, vector, given(row | {"debt_to_income": 0.1}))
    assert passed["decision"] == "approved_with_conditions"
    assert passed["conditions"]
    assert passed["adverse_action"]["within_days"] == 30


def test_five_factors_are_shown_at_most_four_of_them_adverse(answers: Answers) -> None:
    for answer in answers:
        assert len(answer["factors"]) <= 5
        assert sum(each["direction"] == "adverse" for each in answer["factors"]) <= 4


def test_what_is_missing_or_was_never_seen_is_warned_of(
    model: CreditModel, policy: CreditPolicy, said: list[dict[str, Any]]
) -> None:
    row = next(row for row in said if None not in row.values()) | {"income": None, "purpose": "yacht"}
    answer = judge_application(model, policy, model.vector(row), given(row))
    assert {each["attribute"]: each["code"] for each in answer["warnings"]} == {
        "income": "missing",
        "purpose": "unseen_category",
    }
    assert "'yacht'" in next(each["text"] for each in answer["warnings"] if each["attribute"] == "purpose")


def test_many_applications_are_judged_as_each(
    model: CreditModel, policy: CreditPolicy, applications: pl.DataFrame, answers: Answers
) -> None:
    assert judge_frame(model, policy, applications.head(60)) == answers[:60]


def test_a_recorded_decision_is_made_again_by_the_policy_that_was_in_force(
    model: CreditModel, policy: CreditPolicy, said: list[dict[str, Any]]
) -> None:
    """All that is kept is JSON: the event, the vector and the answer. Today's policy is another one by then."""
    former = CreditPolicy.model_validate(
        policy.values() | {"decisions": policy.values()["decisions"] | {"approved_from": 600}}
    )
    row = next(row for row in said if 600 <= model.score(row).score < 670 and row["debt_to_income"] >= 0.43)
    vector, attributes = model.vector(row), given(row)
    answer = judge_application(model, former, vector, attributes)
    kept = [json.loads(canonical_json(each)) for each in ({"attributes": attributes}, vector, answer)]
    assert canonical_json(judge_again(model, *kept)) == canonical_json(answer)
    assert answer["decision"] == "approved"
    assert judge_application(model, policy, vector, attributes)["decision"] == "denied"
