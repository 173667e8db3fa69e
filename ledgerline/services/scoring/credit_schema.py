"""What the scoring API takes and gives for a credit application."""

import math
from datetime import datetime
from typing import Annotated, Any, ClassVar

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
)

from ledgerline.core.clock import instant_text
from ledgerline.core.identity import content_id
from ledgerline.decisions.credit import FAMILY, Decision
from ledgerline.decisions.record import RecordedDecision
from ledgerline.services.scoring.schema import Identifier, ModelGiven, iso_text, plausible

_MOST_ATTRIBUTES = 500
_LONGEST = 200


def _said(value: Any) -> Any:
    """Take a number, a text or null; JSON's NaN, and an integer that no float can hold, are no numbers."""
    if value is None:
        return None
    if isinstance(value, str):
        if len(value) > _LONGEST or not value.isprintable():
            raise ValueError(f"must be printable text of at most {_LONGEST} characters")
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("must be a number, a text or null")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise ValueError("must be a finite number")
    return number


AttributeName = Annotated[str, StringConstraints(strict=True, min_length=1, max_length=100)]
AttributeValue = Annotated[float | str | None, BeforeValidator(_said)]


class CreditRequest(BaseModel):
    """One application for credit."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "application_id": "A-2018-10-0001",
                    "event_time": "2018-10-01T09:30:00Z",
                    "attributes": {"income": 52000, "debt_to_income": 0.31, "purpose": "car"},
                }
            ]
        },
    )
    family: ClassVar[str] = FAMILY
    subject_field: ClassVar[str] = "application_id"

    application_id: Identifier = Field(
        description="The application's own id, decided on once: asked again with the same content, it gets the same "
        "answer."
    )
    portfolio: Identifier | None = Field(
        default=None, description="Whose application; refused if the deployed model knows another portfolio."
    )
    event_time: Annotated[AwareDatetime, BeforeValidator(iso_text), AfterValidator(plausible)] | None = Field(
        default=None, description="When it was made: ISO 8601 with a time zone. Without it: now."
    )
    attributes: dict[AttributeName, AttributeValue] = Field(
        max_length=_MOST_ATTRIBUTES,
        description="What the application says, by the names that the lender's mapping gives: numbers and texts. One "
        "that is left out or null is decided on as missing, and so is a category that training had not seen; both are "
        "named in the answer's warnings. One that the model does not take is refused.",
    )

    @property
    def subject(self) -> str:
        """The application's id."""
        return self.application_id

    @property
    def asked_for(self) -> datetime | None:
        """When it was made."""
        return self.event_time

    def repeats(self, before: RecordedDecision) -> bool:
        """Whether it is the application that was decided before; what it leaves out is taken as it was then."""
        portfolio, event_time = str(before.event["portfolio"]), before.event["event_time"]
        again = self.event_values(
            portfolio=self.portfolio or portfolio,
            event_time=self.event_time or datetime.fromisoformat(event_time),
        )
        return content_id(again) == before.asked

    def event_values(self, *, portfolio: str, event_time: datetime) -> dict[str, Any]:
        """Return the application as JSON values, the same for every spelling of it.

        Args:
            portfolio: Whose application it is, said or not.
            event_time: When it was made, said or not.
        """
        return {
            "application_id": self.application_id,
            "portfolio": portfolio,
            "event_time": instant_text(event_time),
            "attributes": {name: value for name, value in self.attributes.items() if value is not None},
        }


class FactorGiven(BaseModel):
    """One input's part in the score."""

    code: str = Field(description="Stable reason code, e.g. C04; P codes are the policy's.")
    text: str = Field(description="What the code stands for, for the applicant.")
    input: str = Field(description="The input behind it.")
    value: float | str | None = Field(description="What the application says about it.")
    contribution: float | None = Field(
        description="What it added to the log-odds of default, against the mean of the training; null for a rule."
    )
    direction: str = Field(description="adverse or favourable.")


class WarningGiven(BaseModel):
    """Something that the decision did not have."""

    attribute: str
    code: str = Field(description="missing or unseen_category.")
    text: str = Field(description="For people.")


class PolicyGiven(BaseModel):
    """The policy that decided."""

    id: str = Field(description="Content id of the rules.")
    rules: dict[str, Any] = Field(description="policies/credit.yaml as it was in force.")


class AdverseActionGiven(BaseModel):
    """What the applicant must be told."""

    jurisdiction: str
    notice: bool = Field(description="Whether the law asks for a notice, which names the reasons.")
    rule: str
    within_days: int | None


class CreditAnswer(BaseModel):
    """The answer about one application, as it was recorded."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "decision_id": "5c1e…64 hex digits",
                    "application_id": "A-2018-10-0001",
                    "probability": 0.0531,
                    "score": 585,
                    "category": "fair",
                    "decision": "approved_with_conditions",
                    "rate": 6.5,
                    "maximum_loan": 15600,
                    "reasons": [
                        {
                            "code": "C12",
                            "text": "share of credit limits in use",
                            "input": "utilisation",
                            "value": 0.71,
                            "contribution": 0.42,
                            "direction": "adverse",
                        }
                    ],
                    "factors": [],
                    "conditions": ["debt to income is shown to lie below 0.43"],
                    "adverse_action": {
                        "jurisdiction": "US-NY",
                        "notice": True,
                        "rule": "12 CFR 1002.9",
                        "within_days": 30,
                    },
                    "warnings": [],
                    "policy": {"id": "71d0…64 hex digits", "rules": {}},
                    "model": {"name": "credit@1", "digest": "9a41…64 hex digits"},
                    "deployment": "77be…64 hex digits",
                    "decided_at": "2018-10-01T09:30:00.214000Z",
                }
            ]
        }
    )

    decision_id: str = Field(description="Under which the decision can be traced and replayed.")
    application_id: str
    probability: float = Field(ge=0, le=1, description="Of default, calibrated.")
    score: int = Field(description="300 to 850; more is better.")
    category: str = Field(description="excellent, good, fair or poor, by the policy.")
    decision: Decision
    rate: float | None = Field(description="Interest a year, per cent; null where nothing is granted.")
    maximum_loan: int | None = Field(description="In the income's currency; null too where the income is not known.")
    reasons: list[FactorGiven] = Field(
        description="At most four, the most adverse first. Of what is not simply approved: adverse ones only."
    )
    factors: list[FactorGiven] = Field(description="The five strongest, either way.")
    conditions: list[str]
    adverse_action: AdverseActionGiven | None = Field(description="null for what is approved as it is.")
    warnings: list[WarningGiven]
    policy: PolicyGiven
    model: ModelGiven
    deployment: str = Field(description="Leaf id of the deployment by which the model answered.")
    decided_at: str = Field(description="When, UTC.")
