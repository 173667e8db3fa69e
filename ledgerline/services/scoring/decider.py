"""The one thread that decides: features, score and record in order, many requests to one durable commit.

One thread for all families, because a payment's features depend on the payments before it, and because the log is one
chain. Requests that arrive while a commit is on its way are decided together in the next one, so the cost of durability
is shared.
"""

import logging
import queue
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

from sqlalchemy.engine import Connection

from ledgerline.audit import Ledger
from ledgerline.core.clock import instant_text
from ledgerline.core.errors import LedgerlineError
from ledgerline.decisions.record import DecisionChanged, NewDecision, decision_id, find_decision, record_decision
from ledgerline.services.scoring.metrics import ScoringMetrics
from ledgerline.services.scoring.serving import Question, Serving

_BATCH = 32

_log = logging.getLogger(__name__)


class Overloaded(LedgerlineError):
    """More requests wait than may."""


class NothingServes(LedgerlineError):
    """No deployment of the family answers at the moment."""


class AlreadyDecided(LedgerlineError):
    """Something else was decided on under the same id."""


class NotRecorded(LedgerlineError):
    """The decision could not be put on record, so it is not given."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that is on record.

    Attributes:
        body: Canonical JSON, as recorded, but for the id of a person, for whom a pseudonym is recorded.
        verdict: What it says in a word, for counting; None where it was given before.
    """

    body: bytes
    verdict: str | None

    @property
    def repeated(self) -> bool:
        """Whether it was given before."""
        return self.verdict is None


@dataclass(frozen=True, slots=True)
class _Asked:
    question: Question
    body: bytes
    answer: "Future[Answer]" = field(default_factory=Future)


@dataclass(frozen=True, slots=True)
class _Install:
    serving: Serving
    done: "Future[None]" = field(default_factory=Future)


class _Stop:
    """The last thing in the queue."""


class Decider:
    """Answers requests one after the other on its own thread.

    Args:
        ledger: The installation; its tables must be there.
        metrics: Told about every commit.
        waiting: How many requests may wait; more are turned away.
    """

    def __init__(self, ledger: Ledger, metrics: ScoringMetrics, *, waiting: int) -> None:
        self._ledger = ledger
        self._metrics = metrics
        self._queue: queue.Queue[_Asked | _Install | _Stop] = queue.Queue(maxsize=waiting)
        metrics.watch_queue(self._queue.qsize)
        self._thread = threading.Thread(target=self._run, name="decider", daemon=True)
        self._serving: dict[str, Serving] = {}

    def serving(self, family: str) -> Serving | None:
        """Return what answers now.

        None before the family's first deployment and, for one that remembers, after a failed commit until it is loaded
        anew.
        """
        return self._serving.get(family)

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Answer what waits, then end."""
        self._queue.put(_Stop())
        self._thread.join()

    def submit(self, question: Question, body: bytes) -> "Future[Answer]":
        """Ask for an answer.

        Returns:
            Its future: an :class:`Answer` once committed, or :class:`NothingServes`, :class:`AlreadyDecided`,
            :class:`NotRecorded`, ``DecisionChanged`` or what the family refuses the request with.

        Raises:
            Overloaded: Too many wait already.
        """
        asked = _Asked(question, body)
        try:
            self._queue.put_nowait(asked)
        except queue.Full:
            raise Overloaded(f"{self._queue.maxsize} requests wait already; ask again in a second") from None
        return asked.answer

    def install(self, serving: Serving) -> None:
        """Let a loaded deployment answer its family's requests from the next batch on; return when it does.

        What was decided while it was loaded is taken up first.
        """
        install = _Install(serving)
        self._queue.put(install)
        install.done.result()

    def _run(self) -> None:
        while True:
            batch, other = self._next()
            if batch:
                with self._metrics.deciding(len(batch)):
                    self._answer(batch)
            if isinstance(other, _Install):
                self._install(other)
            elif isinstance(other, _Stop):
                return

    def _next(self) -> tuple[list[_Asked], _Install | _Stop | None]:
        """Wait for something to do; return the requests that are there by then, up to what is not a request."""
        batch: list[_Asked] = []
        item = self._queue.get()
        while isinstance(item, _Asked):
            batch.append(item)
            if len(batch) == _BATCH:
                return batch, None
            try:
                item = self._queue.get_nowait()
            except queue.Empty:
                return batch, None
        return batch, item

    def _install(self, install: _Install) -> None:
        serving = install.serving
        try:
            serving.catch_up(self._ledger, self._serving.get(serving.family))
        except Exception as error:  # whoever waits must be told, and the present deployment must go on
            install.done.set_exception(error)
        else:
            self._serving[serving.family] = serving
            install.done.set_result(None)

    def _answer(self, batch: Sequence[_Asked]) -> None:
        served = [asked for asked in batch if asked.question.family in self._serving]
        unserved = [asked for asked in batch if asked.question.family not in self._serving]
        _settle(unserved, [NothingServes("no deployment answers at the moment")] * len(unserved))
        if served:
            self._decide_together(served)

    def _decide_together(self, batch: Sequence[_Asked]) -> None:
        begun = False
        try:
            with self._ledger.log.transaction() as transaction:
                begun = True
                outcomes = [self._decide(transaction, asked) for asked in batch]
        except Exception as error:  # whatever it is, the one thread that answers must outlive it
            _log.exception("%d decisions could not be recorded and are not given", len(batch))
            if begun:
                self._forget({asked.question.family for asked in batch})
            refusal = NotRecorded(f"the evidence log does not take the decision ({type(error).__name__}); ask again")
            _settle(batch, [refusal] * len(batch))
            return
        verdicts = [
            (asked.question.family, outcome.verdict)
            for asked, outcome in zip(batch, outcomes, strict=True)
            if isinstance(outcome, Answer) and outcome.verdict is not None
        ]
        self._metrics.decided(verdicts)
        _settle(batch, outcomes)

    def _forget(self, families: set[str]) -> None:
        """Serve no longer what may remember events that are not on record."""
        for family in families:
            if self._serving[family].remembers:
                del self._serving[family]

    def _decide(self, transaction: Connection, asked: _Asked) -> Answer | Exception:
        """Decide on one request and write it down; what it asks wrongly is its own outcome, not the batch's."""
        serving = self._serving[asked.question.family]
        try:
            kept = serving.conceal(transaction, asked.question, asked.body)
        except LedgerlineError as refusal:
            return refusal
        question = kept.question
        try:
            before = find_decision(transaction, decision_id(question.family, question.subject))
        except DecisionChanged as changed:
            _log.error("%s", changed)
            return changed
        if before is not None:
            if not question.repeats(before):
                return AlreadyDecided(
                    f"{question.subject_field} {asked.question.subject} was decided on as {before.decision_id} with "
                    f"other content; something new needs a new {question.subject_field}"
                )
            return Answer(kept.given(before.answer_bytes, asked.question), None)
        now = self._ledger.clock.now()
        try:
            judgement = serving.judge(question, now)
        except LedgerlineError as refusal:
            return refusal
        except Exception as defect:
            _log.exception("%s %s could not be judged", question.subject_field, question.subject)
            return defect
        answer = {
            "decision_id": decision_id(question.family, question.subject),
            question.subject_field: question.subject,
            **judgement.judged,
            "model": {"name": serving.name, "digest": serving.digest},
            "deployment": serving.deployment.id,
            "decided_at": instant_text(now),
        }
        new = NewDecision(
            family=question.family,
            subject=question.subject,
            body=kept.body,
            person=kept.person,
            event=judgement.event,
            vector=judgement.vector,
            answer=answer,
            bundle=serving.digest,
            deployment=serving.deployment.id,
            decided_at=now,
        )
        body = record_decision(self._ledger, transaction, new)
        serving.remember(judgement.event)
        return Answer(kept.given(body, asked.question), judgement.verdict)


def _settle(batch: Sequence[_Asked], outcomes: Sequence[Answer | Exception]) -> None:
    for asked, outcome in zip(batch, outcomes, strict=True):
        if not asked.answer.set_running_or_notify_cancel():
            continue  # nobody waits any more; what was decided is on record all the same
        if isinstance(outcome, Exception):
            asked.answer.set_exception(outcome)
        else:
            asked.answer.set_result(outcome)
