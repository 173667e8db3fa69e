"""What the scoring API takes and gives: the types that requests are checked against and that OpenAPI shows."""

import json
import re
from collections import Counter
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictInt,
    StringConstraints,
)

from ledgerline.core.clock import instant_text
from ledgerline.core.identity import content_id
from ledgerline.decisions.fraud import FAMILY
from ledgerline.decisions.fraud_answer import FraudVerdict
from ledgerline.decisions.record import RecordedDecision

_EARLIEST, _LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
_LARGEST_AMOUNT = 10**12
_STARTS_WITH_A_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")

Identifier = Annotated[str, StringConstraints(strict=True, pattern=r"^[!-~]{1,64}$")]


def iso_text(value: Any) -> Any:
    """Take ISO 8601 text only: a number, in quotes or not, would be read as seconds or milliseconds, by its size."""
    if not isinstance(value, datetime) and not (isinstance(value, str) and _STARTS_WITH_A_DAY.match(value)):
        raise ValueError("must be ISO 8601 text with a time zone, e.g. 2018-09-30T12:00:00Z")
    return value


def plausible(instant: datetime) -> datetime:
    """Refuse an instant that nobody could mean."""
    if not _EARLIEST <= instant <= _LATEST:
        raise ValueError(f"must lie between {_EARLIEST.year} and {_LATEST.year}")
    return instant


class ScoreRequest(BaseModel):
    """One payment to be scored before it is processed."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "transaction_id": "1754155",
                    "customer_id": "596",
                    "terminal_id": "3156",
                    "amount_minor": 5716,
                    "currency": "EUR",
                    "event_time": "2018-10-01T00:00:31Z",
                }
            ]
        },
    )

    family: ClassVar[str] = FAMILY
    subject_field: ClassVar[str] = "transaction_id"

    transaction_id: Identifier = Field(
        description="The payment's own id, decided on once: asked again with the same content, it gets the same answer."
    )
    customer_id: Identifier = Field(description="Whose card.")
    terminal_id: Identifier = Field(description="Where the card is used.")
    amount_minor: StrictInt = Field(
        ge=0, le=_LARGEST_AMOUNT, description="Amount in the currency's minor unit: 5716 is 57.16 EUR. A whole number."
    )
    currency: Annotated[str, StringConstraints(strict=True, pattern=r"^[A-Z]{3}$")] = Field(
        description="ISO 4217 code, e.g. EUR."
    )
    event_time: Annotated[AwareDatetime, BeforeValidator(iso_text), AfterValidator(plausible)] = Field(
        description="When the card is used: ISO 8601 with a time zone, to the microsecond."
    )

    @property
    def subject(self) -> str:
        """The payment's id."""
        return self.transaction_id

    @property
    def asked_for(self) -> datetime | None:
        """When the card is used."""
        return self.event_time

    def repeats(self, before: RecordedDecision) -> bool:
        """Whether it is the payment that was decided before."""
        return before.asked == self.asked

    @property
    def asked(self) -> str:
        """Content id of what is asked, the same for every spelling of the same payment."""
        return content_id(self.event_values())

    def event_values(self) -> dict[str, Any]:
        """Return the payment as JSON values, the instant in UTC."""
        return {**self.model_dump(), "event_time": instant_text(self.event_time)}


def repeated_fields(body: bytes) -> list[str]:
    """Return the fields that a valid request's body gives more than once.

    JSON leaves open which of them counts, and whoever stands before the job may have looked at another than we would.
    """
    return _repeated(json.loads(body, object_pairs_hook=_Pairs), "")


class _Pairs(list[tuple[str, Any]]):
    """A JSON object as it was written."""


def _repeated(pairs: _Pairs, prefix: str) -> list[str]:
    twice = [f"{prefix}{name}" for name, count in Counter(name for name, _ in pairs).items() if count > 1]
    within = [(name, value) for name, value in pairs if isinstance(value, _Pairs)]
    return [*twice, *(found for name, value in within for found in _repeated(value, f"{prefix}{name}."))]


class ReasonGiven(BaseModel):
    """One feature that pushed the score towards fraud."""

    code: str = Field(description="Stable reason code, e.g. F11.")
    text: str = Field(description="What the code stands for.")
    feature: str = Field(description="The feature behind it.")
    value: float = Field(description="The feature's value in this payment.")
    contribution: float = Field(description="What it added to the score, in log-odds.")


class ModelGiven(BaseModel):
    """Which model answered."""

    name: str = Field(description="Family and version, e.g. fraud@3.")
    digest: str = Field(description="SHA-256 of the bundle's manifest: exactly these bytes answered.")


class ScoreAnswer(BaseModel):
    """The answer about one payment, as it was recorded."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "decision_id": "0f6c…64 hex digits",
                    "transaction_id": "1754155",
                    "score": 0.9134,
                    "threshold": 0.62,
                    "verdict": "alert",
                    "reasons": [
                        {
                            "code": "F11",
                            "text": "terminal's share of fraud in one day, a week ago",
                            "feature": "terminal_risk_1d",
                            "value": 0.5,
                            "contribution": 1.87,
                        }
                    ],
                    "model": {"name": "fraud@3", "digest": "9a41…64 hex digits"},
                    "deployment": "77be…64 hex digits",
                    "decided_at": "2018-10-01T00:00:31.214000Z",
                }
            ]
        }
    )

    decision_id: str = Field(description="Under which the decision can be traced and replayed.")
    transaction_id: str
    score: float = Field(ge=0, le=1, description="Probability that the payment is fraudulent.")
    threshold: float = Field(description="Score from which the verdict is alert.")
    verdict: FraudVerdict
    reasons: list[ReasonGiven] = Field(description="For an alert: what pushed the score up, strongest first.")
    model: ModelGiven
    deployment: str = Field(description="Leaf id of the deployment by which the model answered.")
    decided_at: str = Field(description="When, UTC.")


class FieldProblem(BaseModel):
    """One field that is wrong."""

    field: str = Field(description="Its name; 'body' for the request as a whole.")
    problem: str = Field(description="What is wrong with it.")


class Problem(BaseModel):
    """Why there is no answer."""

    code: str = Field(description="For programs, e.g. no_deployment.")
    message: str = Field(description="For people: what was wrong and what to do.")
    fields: list[FieldProblem] = Field(default=[], description="The fields that are wrong, if any are.")


class Health(BaseModel):
    """The process is alive."""

    status: str = Field(description="Always ok.")


class Readiness(BaseModel):
    """Whether a family's requests are answered, and by which model."""

    ready: bool
    code: str = Field(description="ready, or why not: starting, no_deployment, or why the deployment was refused.")
    model: str | None = Field(default=None, description="Family and version.")
    digest: str | None = Field(default=None, description="The bundle that answers.")
    deployment: str | None = Field(default=None, description="Leaf id of its deployment.")
    approved_until: str | None = Field(default=None, description="When the first of its approvals lapses, UTC.")
    refused_deployment: str | None = Field(default=None, description="A newer deployment that was refused.")
    refused_because: str | None = Field(default=None, description="Its coded reason.")


class JobReadiness(BaseModel):
    """Whether every family that has a deployment is served, and at least one is."""

    ready: bool
    families: dict[str, Readiness] = Field(description="By family: fraud, credit.")
