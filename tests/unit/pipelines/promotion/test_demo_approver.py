"""The demo approver: sandbox only, a key of its own, a process of its own."""

import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import pytest

from ledgerline.audit import Kind, Ledger
from ledgerline.core.clock import SystemClock
from pipelines.promotion import missing_approvals
from pipelines.promotion.demo_approver import NAME, DemoApprover, NotTheSandbox
from pipelines.promotion.keys import key_path


@contextmanager
def running(home: Path, **environment: str) -> Iterator["subprocess.Popen[str]"]:
    process = subprocess.Popen(
        [sys.executable, "-m", "pipelines.promotion.demo_approver"],
        env={**os.environ, "LEDGERLINE_HOME": str(home), **environment},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def test_it_signs_for_what_passed_the_gates(ledger: Ledger, line: ModuleType) -> None:
    digest = line.train(ledger, trained_by="ada")
    approver = DemoApprover(ledger)
    assert approver.sign_pending() == []
    line.pass_gates(ledger, digest)
    assert len(approver.sign_pending()) == 1
    assert missing_approvals(ledger, digest) == ()
    assert approver.sign_pending() == []


def test_it_keeps_its_key_between_starts(ledger: Ledger, line: ModuleType) -> None:
    for trees in (5, 6):
        digest = line.train(ledger, trees=trees, version=trees)
        line.pass_gates(ledger, digest)
        assert len(DemoApprover(ledger).sign_pending()) == 1
    assert len(ledger.log.leaves(Kind.SIGNING_KEY, name=NAME)) == 1


def test_its_passphrase_is_its_owners_alone(ledger: Ledger) -> None:
    DemoApprover(ledger)
    path = ledger.settings.home / "demo" / "passphrase"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(path.read_text()) >= 32


def test_it_makes_a_new_key_when_its_passphrase_was_lost(ledger: Ledger, line: ModuleType) -> None:
    DemoApprover(ledger)
    (ledger.settings.home / "demo" / "passphrase").unlink()
    digest = line.train(ledger)
    line.pass_gates(ledger, digest)
    assert len(DemoApprover(ledger).sign_pending()) == 1
    assert key_path(ledger, NAME).exists()


def test_it_does_not_sign_for_what_it_trained(ledger: Ledger, line: ModuleType) -> None:
    digest = line.train(ledger, trained_by=NAME)
    line.pass_gates(ledger, digest)
    approver = DemoApprover(ledger)
    assert approver.sign_pending() == []
    assert ledger.log.leaves(Kind.APPROVAL) == []


def test_it_refuses_any_profile_but_the_sandbox(line: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(NotTheSandbox):
        DemoApprover(line.open_ledger(tmp_path / "home", profile="live"))
    assert not (tmp_path / "home" / "demo").exists()


def test_the_process_refuses_to_run_in_the_live_profile(tmp_path: Path) -> None:
    with running(tmp_path / "home", LEDGERLINE_PROFILE="live") as process:
        _, said = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "never runs" in said


def test_the_process_signs_and_stops_cleanly_when_told(line: ModuleType, tmp_path: Path) -> None:
    ledger = line.open_ledger(tmp_path / "home", SystemClock())
    digest = line.train(ledger, trained_by="ada")
    line.pass_gates(ledger, digest)
    with running(tmp_path / "home") as process:
        deadline = time.monotonic() + 60
        while missing_approvals(ledger, digest):
            assert process.poll() is None
            assert time.monotonic() < deadline
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "DEMO APPROVER signed" in said
