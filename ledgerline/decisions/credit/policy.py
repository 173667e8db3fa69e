"""What a score means for an application: `policies/credit.yaml` as a checked value."""

from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ledgerline.core.identity import content_id
from ledgerline.core.strict_yaml import read_yaml
from ledgerline.decisions.approval_policy import PolicyInvalid

POLICY_FILE = Path("policies") / "credit.yaml"


class CreditPolicyInvalid(PolicyInvalid):
    """The credit policy does not say what it must."""


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Category(_Section):
    """A class of scores.

    Attributes:
        name: What it is called.
        from_score: Its lowest score.
        rate: Interest a year, per cent, quoted when the loan is granted.
        share_of_income: Of a year's income, the most that is lent.
    """

    name: str = Field(min_length=1)
    from_score: int = Field(ge=0, le=1000)
    rate: Decimal = Field(ge=0, le=100)
    share_of_income: Decimal = Field(ge=0, le=100)


class DebtCondition(_Section):
    """What an application must show between the two scores.

    Attributes:
        below: Debt to income must lie below this.
        granted_when_unknown: Whether an application that does not say passes all the same.
    """

    below: float = Field(gt=0)
    granted_when_unknown: bool


class Decisions(_Section):
    """From which score on what is decided.

    Attributes:
        approved_from: Lowest score that is approved as it is.
        conditions_from: Lowest score that may be approved with conditions; below it, denied.
        debt_to_income: The condition between the two.
    """

    approved_from: int
    conditions_from: int
    debt_to_income: DebtCondition

    @model_validator(mode="after")
    def _ordered(self) -> "Decisions":
        if self.conditions_from > self.approved_from:
            raise ValueError("conditions_from must not exceed approved_from")
        return self


class MaximumLoan(_Section):
    """What bounds a loan besides the category's share of income.

    Attributes:
        at_most: In the income's currency.
        rounded_down_to: A multiple of this.
    """

    at_most: int = Field(gt=0)
    rounded_down_to: int = Field(gt=0)


class AdverseAction(_Section):
    """What an applicant is told when credit is denied or offered on other terms.

    Attributes:
        applies: Whether the jurisdiction asks for a notice.
        rule: Which rule does, e.g. ``12 CFR 1002.9``.
        within_days: Until when.
        most_reasons: How many reasons it names at most.
    """

    applies: bool
    rule: str
    within_days: int = Field(gt=0)
    most_reasons: int = Field(ge=1, le=4)


class EffectsTest(_Section):
    """Whether unequal effects on protected groups are a matter of law here, whatever was meant.

    Attributes:
        applies: Whether they are.
        rule: By which rule, or why not.
        least_ratio: Adverse impact ratio below which a group is named in reports.
    """

    applies: bool
    rule: str
    least_ratio: float = Field(gt=0, le=1)


class Jurisdiction(_Section):
    """Whose law is kept.

    Attributes:
        name: E.g. ``US-NY``.
        adverse_action: The notice.
        effects_test: Unequal effects.
    """

    name: str = Field(min_length=1)
    adverse_action: AdverseAction
    effects_test: EffectsTest


class CreditPolicy(_Section):
    """The whole policy.

    Attributes:
        categories: From the best to the worst; the worst takes every score.
        decisions: From which score on what is decided.
        maximum_loan: How much is lent.
        jurisdiction: Whose law is kept.
    """

    categories: tuple[Category, ...] = Field(min_length=1)
    decisions: Decisions
    maximum_loan: MaximumLoan
    jurisdiction: Jurisdiction

    @model_validator(mode="after")
    def _descending(self) -> "CreditPolicy":
        scores = [each.from_score for each in self.categories]
        if scores != sorted(set(scores), reverse=True):
            raise ValueError("categories go from the highest from_score to the lowest, each once")
        if len({each.name for each in self.categories}) != len(self.categories):
            raise ValueError("two categories share a name")
        return self

    @cached_property
    def id(self) -> str:
        """Content id: which policy an application was decided by."""
        return content_id(self.values())

    def values(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return self.model_dump(mode="json")

    def category(self, score: int) -> Category:
        """Return the class of a score."""
        return next((each for each in self.categories if score >= each.from_score), self.categories[-1])


def credit_policy(project: Path) -> CreditPolicy:
    """Read ``policies/credit.yaml`` of a project.

    Raises:
        CreditPolicyInvalid: The file is missing or unreadable, or a field is missing, unknown or out of range.
    """
    path = project / POLICY_FILE
    try:
        document: Any = read_yaml(path.read_text(encoding="utf-8"))
        return CreditPolicy.model_validate(document)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as unreadable:
        raise CreditPolicyInvalid(f"{path} cannot be read: {unreadable}") from unreadable
    except ValidationError as invalid:
        problems = "; ".join(
            f"{'.'.join(map(str, error['loc'])) or 'document'}: {error['msg']}"
            for error in invalid.errors(include_url=False)
        )
        raise CreditPolicyInvalid(f"{path}: {problems}") from invalid
