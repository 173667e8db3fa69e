"""The trigger that waits for people: it fires once, never blocks the event loop, and survives being made anew."""

import asyncio
import threading
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from ledgerline.audit import Ledger
from ledgerline.core.clock import SystemClock
from pipelines.promotion import approve, create_key
from pipelines.promotion.approval_trigger import ApprovalTrigger, Outcome

SECRET = "open sesame"


@pytest.fixture
def ledger(line: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ledger:
    monkeypatch.setenv("LEDGERLINE_HOME", str(tmp_path / "home"))
    found: Ledger = line.open_ledger(tmp_path / "home", SystemClock())
    return found


@pytest.fixture
def digest(ledger: Ledger, line: ModuleType) -> str:
    made: str = line.train(ledger)
    line.pass_gates(ledger, made)
    create_key(ledger, "bob", passphrase=SECRET)
    return made


def trigger(ledger: Ledger, digest: str, *, seconds: float = 60) -> ApprovalTrigger:
    return ApprovalTrigger(digest, ledger.clock.now() + timedelta(seconds=seconds), poll_seconds=0.02)


async def fired(waiting: ApprovalTrigger) -> list[dict[str, Any]]:
    return [event.payload async for event in waiting.run()]


def test_it_fires_at_once_for_an_approved_model(ledger: Ledger, digest: str) -> None:
    approve(ledger, digest, approver="bob", role="validator", passphrase=SECRET)
    events = asyncio.run(fired(trigger(ledger, digest)))
    assert [(event["outcome"], event["missing"]) for event in events] == [(Outcome.APPROVED, [])]


def test_it_fires_when_the_last_signature_comes(ledger: Ledger, digest: str) -> None:
    async def sign_meanwhile() -> list[dict[str, Any]]:
        waiting = asyncio.create_task(fired(trigger(ledger, digest)))
        await asyncio.sleep(0.1)
        assert not waiting.done()
        await asyncio.to_thread(approve, ledger, digest, approver="bob", role="validator", passphrase=SECRET)
        return await waiting

    assert [event["outcome"] for event in asyncio.run(sign_meanwhile())] == [Outcome.APPROVED]


def test_it_gives_up_at_the_deadline_and_says_who_is_missing(ledger: Ledger, digest: str) -> None:
    (event,) = asyncio.run(fired(trigger(ledger, digest, seconds=0.05)))
    assert (event["outcome"], event["missing"]) == (Outcome.TIMED_OUT, ["validator"])


def test_it_does_not_wait_for_signatures_that_cannot_come(ledger: Ledger, line: ModuleType, digest: str) -> None:
    line.pass_gates(ledger, digest, passed=False)
    (event,) = asyncio.run(fired(trigger(ledger, digest)))
    assert event["outcome"] == Outcome.REFUSED
    (event,) = asyncio.run(fired(trigger(ledger, "0" * 64)))
    assert event["outcome"] == Outcome.REFUSED


def test_made_anew_from_its_serialized_form_it_keeps_its_deadline(ledger: Ledger, digest: str) -> None:
    first = trigger(ledger, digest)
    path, arguments = first.serialize()
    assert path == f"{ApprovalTrigger.__module__}.{ApprovalTrigger.__qualname__}"
    again = ApprovalTrigger(**arguments)
    assert again.deadline == first.deadline
    assert again.serialize() == first.serialize()


def test_it_reads_the_log_outside_the_event_loops_thread(
    ledger: Ledger, digest: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slow log must not hold up the other deferred tasks of the triggerer."""
    threads = []
    look = ApprovalTrigger._look

    def noting_look(self: ApprovalTrigger, opened: Ledger) -> Any:
        threads.append(threading.current_thread())
        return look(self, opened)

    monkeypatch.setattr(ApprovalTrigger, "_look", noting_look)
    asyncio.run(fired(trigger(ledger, digest, seconds=0.05)))
    assert threads
    assert threading.main_thread() not in threads
