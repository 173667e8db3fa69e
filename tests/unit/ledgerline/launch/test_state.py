import os
import subprocess
import sys

import pytest

from ledgerline.core.settings import Settings
from ledgerline.launch import status, stop
from ledgerline.launch.errors import AlreadyRunning
from ledgerline.launch.log_files import set_aside, tail
from ledgerline.launch.state import StackState, launcher_pid, only_launcher


def test_a_second_launcher_is_refused_while_one_holds_the_lock(tmp_path):
    lock = tmp_path / "run" / "launcher.lock"
    with only_launcher(lock):
        with (
            pytest.raises(AlreadyRunning, match=rf"launcher process {os.getpid()}.*ledgerline down"),
            only_launcher(lock),
        ):
            pass
        assert launcher_pid(lock) == os.getpid()
    assert launcher_pid(lock) is None


def test_a_killed_launchers_lock_is_free_again(tmp_path):
    lock = tmp_path / "launcher.lock"
    code = (
        "import sys, time; from pathlib import Path; from ledgerline.launch.state import only_launcher\n"
        "with only_launcher(Path(sys.argv[1])): print('held', flush=True); time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(lock)], stdout=subprocess.PIPE) as holder:
        assert holder.stdout.readline() == b"held\n"
        assert launcher_pid(lock) == holder.pid
        holder.kill()
    with only_launcher(lock):
        pass


def test_state_reads_back_and_a_cut_file_reads_as_none(tmp_path):
    path = tmp_path / "stack.json"
    assert StackState.read(path) is None
    state = StackState("t", {"pid": 1, "create_time": 2.5}, {"mlflow": {"pid": 3}}, {"mlflow": "http://127.0.0.1:5000"})
    state.write(path)
    assert StackState.read(path) == state
    path.write_bytes(path.read_bytes()[:20])
    assert StackState.read(path) is None


def test_nothing_runs_in_a_new_home_and_stopping_it_says_so(tmp_path):
    settings = Settings(home=tmp_path / "new")
    found = status(settings)
    assert (found.running, found.processes, found.left_behind) == (False, (), 0)
    assert (found.trading_url, found.scoring_url) == (None, None)
    assert stop(settings) is False
    assert not (tmp_path / "new").exists()


def test_the_end_of_a_log_is_shown_without_terminal_codes(tmp_path):
    log = tmp_path / "x.log"
    log.write_text("".join(f"\x1b[31mline {number}\x1b[0m\n" for number in range(5_000)))
    assert tail(log, lines=2) == "line 4998\nline 4999"
    assert tail(tmp_path / "absent.log") == ""


def test_the_previous_launchs_log_is_kept_beside_the_new_one(tmp_path):
    log = tmp_path / "scoring.log"
    log.write_text("first")
    set_aside(log)
    assert not log.exists()
    assert (tmp_path / "scoring.previous.log").read_text() == "first"
