"""What the decider asks of a deployment, whichever family it is of, and of a request to it."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Protocol

from sqlalchemy.engine import Connection

from ledgerline.audit import Ledger
from ledgerline.audit.personal import personal_columns, personal_data
from ledgerline.core.errors import LedgerlineError
from ledgerline.decisions.admission import Admitted
from ledgerline.decisions.deployment import Deployment
from ledgerline.decisions.record import RecordedDecision
from ledgerline.services.scoring.concealing import Concealed, Concealing


class QuestionRefused(LedgerlineError):
    """A request is well formed, but not one that the deployed model can answer.

    Attributes:
        fields: What is wrong, by the name of the field.
    """

    def __init__(self, fields: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{name}: {problem}" for name, problem in fields.items()))
        self.fields = dict(fields)


class Question(Protocol):
    """A request for a decision.

    Attributes:
        family: Which family decides.
        subject_field: What the request calls the id of what is decided on.
    """

    family: ClassVar[str]
    subject_field: ClassVar[str]

    @property
    def subject(self) -> str:
        """The id of what is decided on, once."""
        ...

    @property
    def asked_for(self) -> datetime | None:
        """When what is decided on happened; None for now."""
        ...

    def repeats(self, before: RecordedDecision) -> bool:
        """Whether it asks, however it is spelt, what was decided before under the same id."""
        ...


@dataclass(frozen=True, slots=True)
class Judgement:
    """One answer, not yet on record.

    Attributes:
        event: What the request says, as JSON values.
        vector: The features that the model saw.
        judged: The part of the answer that recorded inputs decide.
        verdict: What it says in a word, for counting.
    """

    event: Mapping[str, Any]
    vector: Mapping[str, float | None]
    judged: Mapping[str, Any]
    verdict: str


class Serving(ABC):
    """A deployment in force, ready to answer; used by one thread.

    Args:
        deployment: As recorded.
        admitted: Its bundle, which passed every check.

    Attributes:
        family: Whose it is.
        dataset: The contract whose columns its requests fill.
        remembers: Whether an answer depends on the answers before it.
        deployment: As recorded.
        name: Family and version, for people.
        approved_until: When the first of the approvals lapses, UTC.
        concealing: How who a request is about is kept from the record; None where its data say nothing is personal.
    """

    family: ClassVar[str]
    dataset: ClassVar[str]
    remembers: ClassVar[bool]

    def __init__(self, deployment: Deployment, admitted: Admitted, concealing: Concealing | None = None) -> None:
        self.concealing = concealing
        self.deployment = deployment
        self.name = admitted.name
        self.approved_until = min(approval.expires_at for approval in admitted.approvals)

    @property
    def digest(self) -> str:
        """The bundle's digest."""
        return self.deployment.bundle

    def conceal(self, transaction: Connection, question: Any, body: bytes) -> Concealed:
        """Return a request as it is kept.

        Raises:
            QuestionRefused: It does not say whom it is about.
            SubjectErased: It is about a person who was erased.
            PersonalKeyRefused: The installation's key to personal data is not here.
        """
        if self.concealing is None:
            return Concealed(question, body)
        subject = self.concealing.columns.subject
        if getattr(question, subject, None) is None:
            raise QuestionRefused({subject: "must be given: it names the person whom this is about"})
        return self.concealing.conceal(transaction, question, body)

    @abstractmethod
    def judge(self, question: Any, now: datetime) -> Judgement:
        """Judge one request; nothing is remembered by it.

        Args:
            question: A request to this family.
            now: The moment of the decision, UTC.

        Raises:
            LedgerlineError: The request cannot be answered; its own outcome, not the batch's.
        """

    def remember(self, event: Mapping[str, Any]) -> None:  # noqa: B027 (most remember nothing)
        """Take up an event that was decided on."""

    def catch_up(self, ledger: Ledger, present: "Serving | None") -> None:  # noqa: B027
        """Take up what was decided while it was loaded, unless it shares what ``present`` remembers."""

    def is_outdated(self, ledger: Ledger) -> bool:
        """Whether what it decides by, besides the deployment, has changed since it was loaded."""
        return False


def concealing_of(ledger: Ledger, dataset: str, feature_version: str) -> Concealing | None:
    """Return how requests of a dataset are kept, as the data were that a model's features are made from.

    The two must agree: features that know a person by a pseudonym are asked for by the pseudonym.
    """
    columns = personal_columns(ledger.log, dataset, feature_version)
    return Concealing(personal_data(ledger.log, ledger.settings), dataset, columns) if columns else None
