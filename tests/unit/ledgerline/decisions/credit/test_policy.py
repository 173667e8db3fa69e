from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from ledgerline.core.settings import PROJECT_ROOT
from ledgerline.decisions.credit import CreditPolicy, CreditPolicyInvalid, Decision, credit_policy
from ledgerline.decisions.credit.answer import decide, maximum_loan

DENIED_BY_SCORE = (Decision.DENIED, False)
DENIED_BY_CONDITION = (Decision.DENIED, True)


@pytest.fixture
def read(tmp_path: Path) -> Callable[[dict[str, Any]], CreditPolicy]:
    """Read the project's policy with some sections changed."""
    (tmp_path / "policies").mkdir()
    document = yaml.safe_load((PROJECT_ROOT / "policies" / "credit.yaml").read_text())

    def make(changes: dict[str, Any]) -> CreditPolicy:
        (tmp_path / "policies" / "credit.yaml").write_text(yaml.safe_dump(document | changes))
        return credit_policy(tmp_path)

    return make


@pytest.mark.parametrize(
    ("score", "name"),
    [(850, "excellent"), (740, "excellent"), (739, "good"), (670, "good"), (669, "fair"), (580, "fair"), (579, "poor")],
)
def test_categories_begin_at_their_scores(policy: CreditPolicy, score: int, name: str) -> None:
    assert policy.category(score).name == name


@pytest.mark.parametrize(
    ("score", "debt_to_income", "expected"),
    [
        (670, 0.9, (Decision.APPROVED, False)),
        (669, 0.4299, (Decision.APPROVED_WITH_CONDITIONS, False)),
        (669, 0.43, DENIED_BY_CONDITION),
        (580, None, DENIED_BY_CONDITION),
        (579, 0.0, DENIED_BY_SCORE),
    ],
)
def test_debt_decides_between_the_two_scores_and_nowhere_else(
    policy: CreditPolicy, score: int, debt_to_income: float | None, expected: tuple[Decision, bool]
) -> None:
    assert decide(policy, score, debt_to_income) == expected


@pytest.mark.parametrize(
    ("income", "most"), [(50_000.0, 20_000), (50_249.0, 20_000), (50_250.0, 20_100), (1e9, 60_000), (-5.0, 0)]
)
def test_a_loan_is_a_share_of_income_rounded_down_and_bounded(policy: CreditPolicy, income: float, most: int) -> None:
    assert maximum_loan(policy, policy.category(700), income) == most


def test_no_loan_is_stated_to_an_income_that_is_not_known(policy: CreditPolicy) -> None:
    assert maximum_loan(policy, policy.category(700), None) is None


def test_rates_are_exact(policy: CreditPolicy) -> None:
    assert [str(each.rate) for each in policy.categories] == ["3.25", "4.50", "6.50", "9.99"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"surprise": 1}, "surprise"),
        ({"decisions": {"approved_from": 500, "conditions_from": 580}}, "debt_to_income"),
        ({"categories": []}, "categories"),
        ({"maximum_loan": {"at_most": 60_000, "rounded_down_to": 0}}, "rounded_down_to"),
    ],
)
def test_a_wrong_policy_is_refused_by_the_field_that_is_wrong(
    read: Callable[[dict[str, Any]], CreditPolicy], changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(CreditPolicyInvalid, match=said):
        read(changes)


def test_scores_that_go_the_wrong_way_are_refused(
    read: Callable[[dict[str, Any]], CreditPolicy], policy: CreditPolicy
) -> None:
    values = policy.values()
    with pytest.raises(CreditPolicyInvalid, match="highest from_score to the lowest"):
        read({"categories": values["categories"][::-1]})
    with pytest.raises(CreditPolicyInvalid, match="conditions_from must not exceed"):
        read({"decisions": values["decisions"] | {"conditions_from": 700}})


def test_a_policy_is_known_by_what_it_says(
    read: Callable[[dict[str, Any]], CreditPolicy], policy: CreditPolicy
) -> None:
    assert read({}).id == policy.id
    assert read({"maximum_loan": {"at_most": 50_000, "rounded_down_to": 100}}).id != policy.id


def test_a_missing_policy_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CreditPolicyInvalid, match="cannot be read"):
        credit_policy(tmp_path)
