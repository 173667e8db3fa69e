"""Decide on a request without keeping who it is about: a pseudonym is recorded instead, and the body is sealed."""

import json
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel
from sqlalchemy.engine import Connection

from ledgerline.audit.personal import PersonalColumns, PersonalData
from ledgerline.audit.sealing import seal, seal_text
from ledgerline.core.errors import LedgerlineError
from ledgerline.core.identity import canonical_json


class SubjectErased(LedgerlineError):
    """A request is about a person who was erased: nothing about them may be recorded, so nothing is decided."""


@dataclass(frozen=True, slots=True)
class Concealed:
    """A request as it is kept.

    Attributes:
        question: With a pseudonym for the person, and sealed texts for what else says who it is.
        body: The request's bytes, sealed under the person's key.
        person: The pseudonym; None where nothing of the request is personal.
    """

    question: Any
    body: bytes
    person: str | None = None

    def given(self, recorded: bytes, question: Any) -> bytes:
        """Return a recorded answer as it is sent: whoever asked gets back the id that they asked with."""
        if self.person is None or self.question.subject == question.subject:
            return recorded
        return canonical_json(json.loads(recorded) | {question.subject_field: question.subject})


@dataclass(frozen=True, slots=True)
class Concealing:
    """How a deployment's requests are kept.

    Attributes:
        data: The installation's persons.
        dataset: The contract whose columns the requests fill.
        columns: Which of them say who somebody is.
    """

    data: PersonalData
    dataset: str
    columns: PersonalColumns

    def conceal(self, transaction: Connection, question: BaseModel, body: bytes) -> Concealed:
        """Return a request as it is kept; its person is entered in the same transaction.

        Raises:
            SubjectErased: The person was erased.
        """
        name = getattr(question, self.columns.subject)
        person = self.data.subjects(transaction, self.columns.subject, [name])[name]
        if person.key is None:
            raise SubjectErased(
                f"the person behind this {self.columns.subject} was erased: nothing about them may be kept, so nothing "
                "is decided"
            )
        others = {name: self._sealed(question, name, person.key) for name in self.columns.others}
        changed = {self.columns.subject: person.pseudonym} | {name: text for name, text in others.items() if text}
        sealed = seal(person.key, body, request_place(self.dataset))
        return Concealed(question.model_copy(update=changed), sealed, person.pseudonym)

    def _sealed(self, question: BaseModel, name: str, key: bytes) -> str | None:
        value = getattr(question, name, None)
        return seal_text(key, value, f"{self.dataset}.{name}") if isinstance(value, str) else None


def request_place(dataset: str) -> str:
    """Return where a sealed request belongs; it opens nowhere else."""
    return f"request, {dataset}"
