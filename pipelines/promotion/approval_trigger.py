"""Wait for people without holding a worker: an Airflow trigger that fires when a bundle's approvals are complete.

It only watches. Whoever is woken by it checks the approvals again: an event is no evidence.
"""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime
from enum import StrEnum
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent
from sqlalchemy.exc import OperationalError

from ledgerline.audit import Ledger
from ledgerline.core.clock import instant_text
from ledgerline.decisions.approval import ApprovalRefused, parse_instant
from ledgerline.decisions.approval_policy import Role
from pipelines.promotion.approvals import SigningRefused, missing_approvals


class Outcome(StrEnum):
    """How the wait for signatures ended."""

    APPROVED = "approved"
    TIMED_OUT = "timed_out"
    REFUSED = "refused"  # the gates refused the bundle, or nobody knows it: no signature can come


class ApprovalTrigger(BaseTrigger):
    """Fires once with ``{"digest", "outcome", "missing", "message"}``.

    The log is read in a thread: the triggerer's event loop serves every other deferred task meanwhile.

    Args:
        digest: The bundle that waits for signatures.
        deadline: When to give up: an aware instant, or its text. A moment, not a duration: a triggerer that is
            restarted makes the trigger anew and must not start the wait over.
        poll_seconds: Pause between two looks at the log.
    """

    def __init__(self, digest: str, deadline: datetime | str, poll_seconds: float = 5.0) -> None:
        super().__init__()
        self.digest = digest
        self.deadline = parse_instant(deadline) if isinstance(deadline, str) else deadline
        self.poll_seconds = poll_seconds

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return what the triggerer needs to make this trigger again."""
        arguments = {
            "digest": self.digest,
            "deadline": instant_text(self.deadline),
            "poll_seconds": self.poll_seconds,
        }
        return "pipelines.promotion.approval_trigger.ApprovalTrigger", arguments

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look at the log until the signatures are complete, cannot come, or the deadline has passed."""
        ledger = await asyncio.to_thread(Ledger.open)
        while (event := await asyncio.to_thread(self._look, ledger)) is None:
            await asyncio.sleep(self.poll_seconds)
        yield event

    def _look(self, ledger: Ledger) -> TriggerEvent | None:
        missing: tuple[Role, ...] | None = None
        try:
            missing = missing_approvals(ledger, self.digest)
        except (ApprovalRefused, SigningRefused) as refusal:
            return self._event(Outcome.REFUSED, missing, str(refusal))
        except OperationalError as busy:  # another process holds the database; the next look is soon
            self.log.warning("the evidence log cannot be read just now: %s", busy)
        if missing == ():
            return self._event(Outcome.APPROVED, missing, "every signature that the policy asks for holds")
        if ledger.clock.now() >= self.deadline:
            return self._event(Outcome.TIMED_OUT, missing, f"unsigned at {instant_text(self.deadline)}")
        return None

    def _event(self, outcome: Outcome, missing: tuple[Role, ...] | None, message: str) -> TriggerEvent:
        return TriggerEvent(
            {
                "digest": self.digest,
                "outcome": outcome.value,
                "missing": [role.value for role in missing or ()],
                "message": message,
            }
        )
