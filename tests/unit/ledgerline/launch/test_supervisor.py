import os
import signal

import psutil
import pytest

from ledgerline.launch.child import Phase
from ledgerline.launch.errors import ProcessGaveUp, StartFailed
from ledgerline.launch.events import EventKind
from ledgerline.launch.program import Part

SLEEP = "import time; time.sleep(600)"
WITH_A_WORKER = f"import subprocess, sys; subprocess.Popen([sys.executable, '-S', '-c', {SLEEP!r}]); {SLEEP}"
# Ignores SIGTERM, and has a child in a session of its own that does too, as a task of a stuck worker would.
STUBBORN = """
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)"
child = subprocess.Popen([sys.executable, "-S", "-c", code], start_new_session=True)
print("child", child.pid, flush=True)
time.sleep(600)
"""


def test_programs_that_serve_make_the_stack_ready(bench, until):
    supervisor = bench.supervise(bench.program(Part.MLFLOW, SLEEP), bench.program(Part.SCORING, SLEEP))
    until(lambda: supervisor.all_ready, "both to be ready")
    assert {child.phase for child in supervisor.children} == {Phase.READY}
    assert len(bench.left()) == 2


def test_stopping_leaves_no_process_even_of_those_that_ignore_being_asked(bench, until):
    supervisor = bench.supervise(bench.program(Part.SCHEDULER, STUBBORN, grace=0.2))
    log = bench.folder / f"{Part.SCHEDULER}.log"
    until(lambda: log.exists() and log.read_text().count("deaf"), "the grandchild")
    grandchild = int(log.read_text().split()[1])
    assert os.getsid(grandchild) == grandchild
    supervisor.ask_to_stop()
    supervisor.join(20)
    assert not supervisor.is_alive()
    assert supervisor.failure is None
    assert bench.left() == []
    assert not psutil.pid_exists(grandchild) or psutil.Process(grandchild).status() == psutil.STATUS_ZOMBIE


def test_a_program_that_dies_is_started_again_without_what_it_left(bench, until):
    supervisor = bench.supervise(bench.program(Part.SCHEDULER, WITH_A_WORKER))
    (child,) = supervisor.children
    until(lambda: supervisor.all_ready and len(bench.left()) == 2, "the program and its worker")
    before = {process.pid for process in bench.left()}
    os.kill(child.process.pid, signal.SIGKILL)
    until(
        lambda: EventKind.RESTARTING in bench.kinds() and supervisor.all_ready and len(bench.left()) == 2, "a restart"
    )
    assert not before & {process.pid for process in bench.left()}
    assert supervisor.failure is None


def test_a_program_that_dies_before_it_serves_fails_the_start_with_the_end_of_its_log(bench, until):
    code = "import sys; print('the port is cursed'); sys.exit(3)"
    supervisor = bench.supervise(bench.program(Part.MLFLOW, code, is_ready=lambda started: False))
    until(lambda: not supervisor.is_alive(), "the supervisor to give up")
    with pytest.raises(StartFailed, match=r"mlflow ended with status 3 before it was ready; .*\n.*the port is cursed"):
        raise supervisor.failure


def test_a_failed_start_ends_the_programs_that_did_start(bench, until):
    supervisor = bench.supervise(
        bench.program(Part.SCORING, SLEEP),
        bench.program(Part.MLFLOW, "raise SystemExit(1)", is_ready=lambda started: False),
    )
    until(lambda: not supervisor.is_alive(), "the supervisor to give up")
    assert bench.left() == []


def test_a_program_that_keeps_dying_is_given_up(bench, until, monkeypatch):
    monkeypatch.setattr("ledgerline.launch.child._FIRST_BACK_OFF_SECONDS", 0.0)
    supervisor = bench.supervise(bench.program(Part.SCORING, "import time; time.sleep(.3); raise SystemExit(7)"))
    until(lambda: not supervisor.is_alive(), "the supervisor to give up")
    assert bench.kinds().count(EventKind.RESTARTING) == 5
    assert EventKind.GAVE_UP in bench.kinds()
    assert isinstance(supervisor.failure, ProcessGaveUp)


def test_what_must_come_first_ends_before_the_next_starts(bench, until):
    mark = bench.folder / "migrated"
    first = bench.program(
        Part.AIRFLOW_DATABASE, f"import time; time.sleep(.3); open({str(mark)!r}, 'w').close()", runs_once=True
    )
    code = f"import os, time; print(os.path.exists({str(mark)!r}), flush=True); time.sleep(600)"
    supervisor = bench.supervise(first, bench.program(Part.SCHEDULER, code, after=(Part.AIRFLOW_DATABASE,)))
    until(lambda: supervisor.all_ready, "both")
    log = bench.folder / f"{Part.SCHEDULER}.log"
    until(lambda: log.exists() and log.read_text(), "the second program's word")
    assert log.read_text() == "True\n"


def test_a_first_step_that_fails_fails_the_start(bench, until):
    supervisor = bench.supervise(
        bench.program(Part.AIRFLOW_DATABASE, "raise SystemExit('no such table')", runs_once=True),
        bench.program(Part.SCHEDULER, SLEEP, after=(Part.AIRFLOW_DATABASE,)),
    )
    until(lambda: not supervisor.is_alive(), "the supervisor to give up")
    assert "no such table" in str(supervisor.failure)
    assert supervisor.children[1].process is None
