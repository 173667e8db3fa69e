"""SIGKILL at every statement of the append path: never an effect without its leaf, never half a leaf."""

import os
import signal
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

import numpy as np
import pytest
import sqlalchemy as sa

from ledgerline.audit import Kind, Leaf, Ledger
from ledgerline.audit.schema import EDGE, LEAF
from ledgerline.audit.verify import entries_holding
from ledgerline.core.clock import FixedClock
from ledgerline.core.settings import Settings
from ledgerline.decisions.effects import check_effects
from ledgerline.decisions.record import NewDecision, find_decision, record_decision
from ledgerline.decisions.schema import DEPLOYMENT, ensure_tables

NOON = datetime(2018, 10, 1, 12, tzinfo=UTC)
DEPLOYED = Leaf(
    Kind.DEPLOYMENT,
    {"family": "fraud", "job": "scoring", "environment": "sandbox", "bundle": "b" * 64, "supersedes": None},
)
APPEND_PATH = (
    "audit/log.py",
    "audit/entry.py",
    "audit/merkle.py",
    "audit/leaf.py",
    "audit/lookup.py",
    "decisions/record.py",
)


def open_ledger(home: Path) -> Ledger:
    return Ledger.open(Settings(home=home), FixedClock(NOON))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    ledger = open_ledger(tmp_path)
    ensure_tables(ledger)
    with ledger.log.transaction() as transaction:
        leaf = ledger.log.record(transaction, DEPLOYED)
        place = {name: DEPLOYED.identity[name] for name in ("family", "job", "environment", "bundle")}
        transaction.execute(sa.insert(DEPLOYMENT), {**place, "leaf": leaf, "supersedes": ""})
    return tmp_path


def new_decision(number: int) -> NewDecision:
    return NewDecision(
        family="fraud",
        subject=f"payment {number}",
        body=f"body {number}".encode(),
        event={"event_time": "2018-10-01T12:00:00.000000Z", "number": number},
        vector={"amount": number / 7},
        answer={"score": number / 3},
        bundle="b" * 64,
        deployment=DEPLOYED.id,
        decided_at=NOON,
    )


def decide(home: Path, numbers: range) -> None:
    """Record decisions in one transaction, as a live job does with the requests that wait."""
    ledger = open_ledger(home)
    with ledger.log.transaction() as transaction:
        for number in numbers:
            if find_decision(transaction, new_decision(number).decision_id) is None:
                record_decision(ledger, transaction, new_decision(number))


def statements_of(work: Callable[[], None], *, die_at: int | None = None) -> int:
    """Count the statements of the append path that some work runs, or be killed at one of them."""
    count = 0

    def trace(frame: FrameType, event: str, _argument: object) -> object:
        nonlocal count
        if not frame.f_code.co_filename.endswith(APPEND_PATH):
            return None
        if event == "line":
            count += 1
            if count == die_at:
                os.kill(os.getpid(), signal.SIGKILL)
        return trace

    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(None)
    return count


def in_a_process(work: Callable[[], None], *, killed_after: float | None = None) -> int:
    """Run some work in a process of its own and return its exit status; negative is a signal's number."""
    child = os.fork()
    if child == 0:
        try:
            work()
        except BaseException:
            os._exit(1)
        os._exit(0)
    if killed_after is not None:
        time.sleep(killed_after)
        os.kill(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def require_whole(home: Path) -> int:
    """Check that every effect has its leaf and every leaf its effect, its edges and its names; count decisions."""
    ledger = open_ledger(home)
    entries_holding(ledger.log)
    assert list(check_effects(ledger)) == []
    with ledger.log.reading() as connection:
        counts = [
            connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one() for table in (LEAF, EDGE)
        ]
    decisions = len(ledger.log.leaves(Kind.DECISION))
    assert counts == [1 + 2 * decisions, 2 * decisions]
    return decisions


def kill_at(home: Path, statement: int, numbers: range) -> None:
    before = require_whole(home)
    status = in_a_process(lambda: statements_of(lambda: decide(home, numbers), die_at=statement) and None)
    assert status == -signal.SIGKILL
    assert require_whole(home) - before in (0, len(numbers))
    decide(home, numbers)
    assert require_whole(home) == before + len(numbers)


def test_a_job_killed_at_any_statement_of_the_append_path_leaves_all_or_nothing(home: Path):
    statements = statements_of(lambda: decide(home, range(2)))
    assert statements > 100
    for step, statement in enumerate(range(1, statements + 1, 17)):
        kill_at(home, statement, range(10 + 2 * step, 12 + 2 * step))


@pytest.mark.slow
@pytest.mark.timeout(1_800)
def test_a_thousand_kills_at_statements_leave_all_or_nothing(home: Path):
    statements = statements_of(lambda: decide(home, range(2)))
    places = np.random.default_rng(1)
    every = list(range(1, statements + 1))
    chosen = [*every, *(int(place) for place in places.choice(every, max(0, 1_000 - len(every))))]
    for step, statement in enumerate(chosen[:1_000]):
        kill_at(home, statement, range(10 + 2 * step, 12 + 2 * step))


def test_a_job_killed_at_any_moment_leaves_all_or_nothing(home: Path):
    """At random moments, so that the database is killed in its own writing too."""
    moments = np.random.default_rng(2)
    killed = 0
    for step in range(25):
        numbers = range(1_000 + 40 * step, 1_040 + 40 * step)
        status = in_a_process(lambda numbers=numbers: decide(home, numbers), killed_after=moments.uniform(0.005, 0.06))
        killed += status == -signal.SIGKILL
        assert require_whole(home) % 40 == 0
    assert killed
