"""The market moves when it is asked to, at the pace that it is asked for, and ends."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

START = Callable[[Path, Path], Any]


def wait_until(exchange: Any, reached: Callable[[dict[str, Any]], bool], seconds: float = 20) -> dict[str, Any]:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        clock: dict[str, Any] = exchange.sandbox("GET", "clock")
        if reached(clock):
            return clock
        time.sleep(0.02)
    raise AssertionError(clock)


def test_clock_stands_steps_runs_pauses_and_ends(start: START, world: Path, tmp_path: Path) -> None:
    exchange = start(world, tmp_path / "exchange.db")
    assert exchange.sandbox("GET", "clock") == {
        "timestamp": "2018-09-30T20:00:00-04:00",
        "is_open": False,
        "next_open": "2018-10-01T09:30:00-04:00",
        "next_close": "2018-10-01T16:00:00-04:00",
        "session": "2018-09-28",
        "sessions_passed": 0,
        "sessions_left": 25,
        "running": False,
        "seconds_per_session": None,
        "ended": False,
    }
    stepped = exchange.sandbox("POST", "clock", {"steps": 2})
    assert (stepped["timestamp"], stepped["session"]) == ("2018-10-02T16:00:00-04:00", "2018-10-02")
    running = exchange.sandbox("POST", "clock", {"run": True, "seconds_per_session": 0.3})
    assert (running["running"], running["seconds_per_session"]) == (True, 0.3)
    wait_until(exchange, lambda clock: clock["is_open"])
    wait_until(exchange, lambda clock: clock["sessions_passed"] >= 3)
    paused = exchange.sandbox("POST", "clock", {"run": False})
    assert not paused["running"]
    time.sleep(0.5)
    assert exchange.sandbox("GET", "clock")["timestamp"] == paused["timestamp"]
    exchange.sandbox("POST", "clock", {"run": True, "seconds_per_session": 0.01})
    ended = wait_until(exchange, lambda clock: clock["ended"])
    assert (ended["sessions_left"], ended["running"], ended["is_open"]) == (0, False, False)
    assert exchange.sandbox("POST", "clock", {"run": True}) == {**ended, "seconds_per_session": 1.0}
    assert exchange.sandbox("POST", "clock", {"steps": 1})["session"] == ended["session"]


@pytest.mark.parametrize(
    "wrong", [{}, {"run": True, "steps": 1}, {"steps": 0}, {"run": True, "seconds_per_session": 0}, {"action": "step"}]
)
def test_clock_does_nothing_that_it_does_not_understand(exchange: Any, wrong: dict[str, Any]) -> None:
    before = exchange.sandbox("GET", "clock")
    response = httpx.post(f"{exchange.url}/sandbox/clock", json=wrong, trust_env=False)
    assert response.status_code == 400
    assert exchange.sandbox("GET", "clock") == before


def test_folder_without_a_future_is_a_market_that_is_closed_for_good(start: START, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    exchange = start(tmp_path / "data", tmp_path / "exchange.db")
    clock = exchange.sandbox("GET", "clock")
    assert (clock["ended"], clock["is_open"], clock["session"]) == (True, False, None)
    assert "closed for good" in " ".join(exchange.said)


def test_exchange_refuses_to_start_with_a_reason(world: Path, tmp_path: Path) -> None:
    known = {"LEDGERLINE_VENUE_KEY_ID": "a", "LEDGERLINE_VENUE_SECRET_KEY": "b"}
    cases = [
        (["--host", "192.0.2.1"], known, "no loopback address"),
        ([], {}, "LEDGERLINE_VENUE_KEY_ID"),
        (["--world", "nowhere"], known, "no folder"),
    ]
    argv = [sys.executable, "-m", "ledgerline.sandbox.exchange", "--port", "0", "--world", str(world)]
    argv += ["--state", str(tmp_path / "exchange.db")]
    started = [
        subprocess.Popen([*argv, *more], env={**os.environ, **venue}, stderr=subprocess.PIPE, text=True)
        for more, venue, _ in cases
    ]
    for process, (_, _, said) in zip(started, cases, strict=True):
        _, complaint = process.communicate(timeout=60)
        assert process.returncode == 2
        assert said in complaint
