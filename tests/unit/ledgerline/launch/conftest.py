"""Tiny real programs for the supervisor, and a way to find whatever they leave behind."""

import sys
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from ledgerline.launch.events import EventKind
from ledgerline.launch.processes import HOME_MARK, PART_MARK, STACK_MARK, kill_marked, marked
from ledgerline.launch.program import Part, Program
from ledgerline.launch.supervisor import Supervisor


def wait_for(condition: Callable[[], object], what: str, seconds: float = 30) -> object:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.02)
    raise AssertionError(f"waited {seconds} s for {what}")


@pytest.fixture
def until() -> Callable[..., object]:
    return wait_for


@dataclass
class Bench:
    """Makes programs of one launch and supervises them."""

    folder: Path
    token: str = field(default_factory=lambda: uuid.uuid4().hex)
    said: list[tuple[EventKind, str, str]] = field(default_factory=list)
    supervisors: list[Supervisor] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        return {STACK_MARK: self.token, HOME_MARK: str(self.folder), "PATH": "/usr/bin:/bin"}

    def program(self, part: Part, code: str, **more: object) -> Program:
        return Program(
            part=part,
            argv=(sys.executable, "-S", "-c", code),
            environment={**self.environment, PART_MARK: part.value},
            directory=self.folder,
            log=self.folder / f"{part.value}.log",
            **more,
        )

    def supervise(self, *programs: Program) -> Supervisor:
        supervisor = Supervisor(
            programs,
            token=self.token,
            say=lambda kind, part, text: self.said.append((kind, part, text)),
            changed=lambda children: None,
            keep_watch=lambda: None,
        )
        self.supervisors.append(supervisor)
        supervisor.start()
        return supervisor

    def left(self) -> list[psutil.Process]:
        return marked(**{STACK_MARK: self.token})

    def kinds(self) -> list[EventKind]:
        return [kind for kind, _, _ in self.said]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    for supervisor in bench.supervisors:
        supervisor.ask_to_stop(hurry=True)
        supervisor.join(20)
    kill_marked(**{STACK_MARK: bench.token})
