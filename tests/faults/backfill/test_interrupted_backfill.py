"""Thirty days of `ingest_market`, filled in twice and interrupted by SIGKILL, end as one quiet backfill does."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ledgerline.audit import EvidenceLog, Kind
from ledgerline.core.settings import PROJECT_ROOT, Settings

COMMAND = Path(sys.executable).with_name("ledgerline")
WORLD = {
    "LEDGERLINE_SANDBOX_CUSTOMERS": "20",
    "LEDGERLINE_SANDBOX_TERMINALS": "20",
    "LEDGERLINE_SANDBOX_DAYS": "8",
    "LEDGERLINE_SANDBOX_SYMBOLS": "6",
    "LEDGERLINE_SANDBOX_SESSIONS": "80",
    "LEDGERLINE_SANDBOX_FUTURE_SESSIONS": "1",
    "LEDGERLINE_SANDBOX_APPLICATIONS": "0",
    "LEDGERLINE_SANDBOX_ENTITIES": "0",
}
DAYS = ("--from", "2018-08-28", "--to", "2018-09-26")
SECONDS = 900


class Home:
    """One installation, its stack, and the command that fills in the past."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {**os.environ, **WORLD, "LEDGERLINE_HOME": str(folder), "PYTHONUNBUFFERED": "1"}
        self.environment.pop("PYTHONDONTWRITEBYTECODE", None)
        self.stack: subprocess.Popen[str] | None = None

    def start(self) -> None:
        log = self.folder.with_suffix(".log")
        with log.open("a") as stream:
            before = log.stat().st_size
            script = [sys.executable, str(Path(__file__).with_name("keep_stack.py"))]
            self.stack = subprocess.Popen(
                script, env=self.environment, cwd=PROJECT_ROOT, stdout=stream, stderr=subprocess.STDOUT, text=True
            )
        wait_for(lambda: "READY" in log.read_text()[before:], f"the stack of {self.folder}; see {log}")

    def backfill(self, *words: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [COMMAND, "backfill", "ingest_market", *DAYS, *words],
            env=self.environment,
            cwd=PROJECT_ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def made(self) -> list[tuple[str, str]]:
        log = EvidenceLog(Settings(home=self.folder).database_url)
        kinds = (Kind.RAW_FILE, Kind.LANDED_BATCH, Kind.REFUSED_FILE, Kind.VALIDATION_RECEIPT)
        return sorted((kind.value, leaf.id) for kind in kinds for leaf in log.leaves(kind))

    def kill(self) -> None:
        """Kill the launcher and, a moment later, whatever of its stack the watchdog has not ended yet."""
        assert self.stack is not None
        self.stack.send_signal(signal.SIGKILL)
        self.stack.wait()
        subprocess.run([COMMAND, "down"], env=self.environment, cwd=PROJECT_ROOT, check=False, capture_output=True)

    def stop(self) -> None:
        if self.stack is not None and self.stack.poll() is None:
            self.stack.terminate()
            self.stack.wait(120)


@pytest.fixture
def home_at() -> Iterator[Callable[[Path], Home]]:
    made: list[Home] = []

    def make(folder: Path) -> Home:
        made.append(Home(folder))
        return made[-1]

    yield make
    for home in made:
        home.stop()


def wait_for(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"waited {SECONDS} s for {what}"
        time.sleep(0.5)


@pytest.mark.slow
@pytest.mark.timeout(3_600)
def test_an_interrupted_backfill_run_again_ends_in_the_ids_of_an_undisturbed_one(home_at, tmp_path):
    quiet = home_at(tmp_path / "quiet")
    quiet.start()
    once = quiet.backfill()
    said, _ = once.communicate(timeout=SECONDS)
    assert once.returncode == 0, said
    quiet.stop()

    disturbed = home_at(tmp_path / "disturbed")
    disturbed.start()
    first = disturbed.backfill()
    wait_for(lambda: len([1 for kind, _ in disturbed.made() if kind == Kind.LANDED_BATCH]) >= 8, "some days to land")
    disturbed.kill()
    first.communicate(timeout=SECONDS)
    assert len(disturbed.made()) < len(quiet.made())

    disturbed.start()
    for words in ((), ("--again",)):
        again = disturbed.backfill(*words)
        said, _ = again.communicate(timeout=SECONDS)
        assert again.returncode == 0, said
    assert disturbed.made() == quiet.made()
