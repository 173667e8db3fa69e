"""The one thread that decides: features, score and record in order, many requests to one durable commit.

One thread, because a payment's features depend on the payments before it, and because the log is one chain. Requests
that arrive while a commit is on its way are decided together in the next one, so the cost of durability is shared.
"""

import logging
import queue
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.engine import Connection

from ledgerline.audit import Ledger
from ledgerline.core.clock import instant_text
from ledgerline.core.errors import LedgerlineError
from ledgerline.decisions.fraud import FAMILY
from ledgerline.decisions.fraud_answer import judge_payment
from ledgerline.decisions.record import DecisionChanged, NewDecision, decision_id, find_decision, record_decision
from ledgerline.services.scoring.metrics import ScoringMetrics
from ledgerline.services.scoring.schema import ScoreRequest
from ledgerline.services.scoring.serving import Serving

_BATCH = 32

_log = logging.getLogger(__name__)


class Overloaded(LedgerlineError):
    """More requests wait than may."""


class NothingServes(LedgerlineError):
    """No deployment answers at the moment."""


class AlreadyDecided(LedgerlineError):
    """Another payment was decided on under the same transaction id."""


class NotRecorded(LedgerlineError):
    """The decision could not be put on record, so it is not given."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that is on record.

    Attributes:
        body: Canonical JSON, as recorded.
        repeated: Whether it was given before.
        verdict: What it says, for counting.
    """

    body: bytes
    repeated: bool
    verdict: str


@dataclass(frozen=True, slots=True)
class _Asked:
    request: ScoreRequest
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
        self._serving: Serving | None = None

    @property
    def serving(self) -> Serving | None:
        """What answers now; None before the first deployment and, after a failed commit, until it is loaded anew."""
        return self._serving

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Answer what waits, then end."""
        self._queue.put(_Stop())
        self._thread.join()

    def submit(self, request: ScoreRequest, body: bytes) -> "Future[Answer]":
        """Ask for an answer.

        Returns:
            Its future: an :class:`Answer` once committed, or :class:`NothingServes`, :class:`AlreadyDecided`,
            :class:`NotRecorded`, ``DecisionChanged`` or ``OutOfSpan``.

        Raises:
            Overloaded: Too many wait already.
        """
        asked = _Asked(request, body)
        try:
            self._queue.put_nowait(asked)
        except queue.Full:
            raise Overloaded(f"{self._queue.maxsize} requests wait already; ask again in a second") from None
        return asked.answer

    def install(self, serving: Serving) -> None:
        """Let a loaded deployment answer from the next batch on; return when it does.

        What was decided while it was loaded is observed into its features first.
        """
        install = _Install(serving)
        self._queue.put(install)
        install.done.result()

    def _run(self) -> None:
        while True:
            batch, other = self._next()
            if batch:
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
        present = self._serving
        try:
            if present is None or install.serving.features is not present.features:
                install.serving.catch_up(self._ledger)
        except Exception as error:  # whoever waits must be told, and the present deployment must go on
            install.done.set_exception(error)
        else:
            self._serving = install.serving
            install.done.set_result(None)

    def _answer(self, batch: Sequence[_Asked]) -> None:
        serving = self._serving
        if serving is None:
            _settle(batch, [NothingServes("no deployment answers at the moment")] * len(batch))
            return
        begun = False
        try:
            with self._ledger.log.transaction() as transaction:
                begun = True
                outcomes = [self._decide(transaction, serving, asked) for asked in batch]
        except Exception as error:  # whatever it is, the one thread that answers must outlive it
            _log.exception("%d decisions could not be recorded and are not given", len(batch))
            if begun:  # the features may hold payments that are not on record
                self._serving = None
            refusal = NotRecorded(f"the evidence log does not take the decision ({type(error).__name__}); ask again")
            _settle(batch, [refusal] * len(batch))
            return
        self._metrics.decided([each.verdict for each in outcomes if isinstance(each, Answer) and not each.repeated])
        _settle(batch, outcomes)

    def _decide(self, transaction: Connection, serving: Serving, asked: _Asked) -> Answer | Exception:
        """Decide on one payment and write it down; what it asks wrongly is its own outcome, not the batch's."""
        subject = asked.request.transaction_id
        try:
            before = find_decision(transaction, decision_id(FAMILY, subject))
        except DecisionChanged as changed:
            _log.error("%s", changed)
            return changed
        if before is not None:
            if before.asked != asked.request.asked:
                return AlreadyDecided(
                    f"transaction {subject} was decided on as {before.decision_id} with other content; a new payment "
                    "needs a new transaction_id"
                )
            return Answer(before.answer_bytes, True, before.answer["verdict"])
        event = asked.request.event_values()
        try:
            vector = serving.features.vector(event)
            judged = judge_payment(serving.model, vector)
        except LedgerlineError as refusal:
            return refusal
        except Exception as defect:
            _log.exception("transaction %s could not be judged", subject)
            return defect
        new = self._new_decision(serving, asked, event, vector, judged)
        body = record_decision(self._ledger, transaction, new)
        serving.features.observe(event)
        return Answer(body, False, judged["verdict"])

    def _new_decision(
        self,
        serving: Serving,
        asked: _Asked,
        event: dict[str, Any],
        vector: dict[str, float],
        judged: dict[str, Any],
    ) -> NewDecision:
        now = self._ledger.clock.now()
        subject = asked.request.transaction_id
        return NewDecision(
            family=FAMILY,
            subject=subject,
            body=asked.body,
            event=event,
            vector=vector,
            answer={
                "decision_id": decision_id(FAMILY, subject),
                "transaction_id": subject,
                **judged,
                "model": {"name": serving.name, "digest": serving.digest},
                "deployment": serving.deployment.id,
                "decided_at": instant_text(now),
            },
            bundle=serving.digest,
            deployment=serving.deployment.id,
            decided_at=now,
        )


def _settle(batch: Sequence[_Asked], outcomes: Sequence[Answer | Exception]) -> None:
    for asked, outcome in zip(batch, outcomes, strict=True):
        if not asked.answer.set_running_or_notify_cancel():
            continue  # nobody waits any more; what was decided is on record all the same
        if isinstance(outcome, Exception):
            asked.answer.set_exception(outcome)
        else:
            asked.answer.set_result(outcome)
