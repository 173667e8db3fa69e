"""Start the stack's programs, keep them running and end them: one thread that owns every process."""

import threading
import time
from collections.abc import Callable, Sequence

import psutil

from ledgerline.launch.child import Child, Phase
from ledgerline.launch.errors import ProcessGaveUp, StackError, StartFailed, StopFailed
from ledgerline.launch.events import EventKind
from ledgerline.launch.log_files import tail
from ledgerline.launch.processes import PART_MARK, STACK_MARK, kill_marked, marked, terminate
from ledgerline.launch.program import Part, Program

_LOOK_SECONDS = 0.2
_READY_SECONDS = 180.0

Say = Callable[[EventKind, str, str], None]


class Supervisor(threading.Thread):
    """Runs the programs until told to stop.

    All processes are started from this thread and nowhere else: Linux binds their life to the thread that started
    them, and a caller's thread may end long before the stack.

    Args:
        programs: In the order in which to start them.
        token: The launch's mark, which every program's environment carries.
        say: Told ``(kind, part, text)``, from this thread.
        changed: Called after every start or end, to note what runs.
        keep_watch: Called at every look, for what else must be kept alive.
    """

    def __init__(
        self,
        programs: Sequence[Program],
        *,
        token: str,
        say: Say,
        changed: Callable[[Sequence[Child]], None],
        keep_watch: Callable[[], None],
    ) -> None:
        super().__init__(name="ledgerline-supervisor", daemon=True)
        self.children = [Child(program) for program in programs]
        self.failure: StackError | None = None
        self._token = token
        self._say = say
        self._changed = changed
        self._keep_watch = keep_watch
        self._stop_asked = threading.Event()
        self._hurry = threading.Event()

    def run(self) -> None:
        """Supervise, then end everything; whatever goes wrong is kept in ``failure``."""
        try:
            while not self._stop_asked.is_set() and self.failure is None:
                for child in self.children:
                    self._look_at(child)
                self._keep_watch()
                self._stop_asked.wait(_LOOK_SECONDS)
        except StackError as error:
            self.failure = error
        except Exception as error:  # a defect here must not leave processes behind
            self.failure = StackError(f"the supervisor failed: {error!r}")
            self.failure.__cause__ = error
        try:
            self._end_everything()
        except StopFailed as error:
            self.failure = self.failure or error

    @property
    def all_ready(self) -> bool:
        """Whether every program serves."""
        return all(child.phase in (Phase.READY, Phase.FINISHED) for child in self.children)

    def ask_to_stop(self, *, hurry: bool = False) -> None:
        """Let the thread end the programs and itself; ``hurry`` skips the grace."""
        self._stop_asked.set()
        if hurry:
            self._hurry.set()

    def _look_at(self, child: Child) -> None:
        if child.phase is Phase.WAITING:
            if time.monotonic() >= child.since and self._have_finished(child.program.after):
                self._start(child)
        elif child.phase in (Phase.STARTING, Phase.READY):
            status = child.ended()
            if status is not None:
                self._handle_end(child, status)
            elif child.phase is Phase.STARTING and not child.program.runs_once:
                self._check_ready(child)

    def _have_finished(self, parts: Sequence[Part]) -> bool:
        return all(child.phase is Phase.FINISHED for child in self.children if child.program.part in parts)

    def _start(self, child: Child) -> None:
        child.spawn()
        self._changed(self.children)
        if not child.was_ready:
            self._say(EventKind.STARTING, child.program.part, "starting")

    def _check_ready(self, child: Child) -> None:
        started_at = child.started_at
        if started_at is not None and child.program.is_ready(started_at):
            child.phase, child.was_ready = Phase.READY, True
            self._say(EventKind.READY, child.program.part, f"ready after {time.monotonic() - child.since:.1f} s")
        elif time.monotonic() - child.since > _READY_SECONDS:
            raise StartFailed(
                f"{child.program.part} runs but is not ready after {_READY_SECONDS:.0f} s; {_last_lines(child)}"
            )

    def _handle_end(self, child: Child, status: int) -> None:
        part = child.program.part
        if child.program.runs_once and status == 0:
            child.phase = Phase.FINISHED
            self._say(EventKind.READY, part, f"done after {time.monotonic() - child.since:.1f} s")
            return
        # What a dead scheduler leaves behind would go on beside its successor, and run the same tasks.
        kill_marked(**{STACK_MARK: self._token, PART_MARK: part.value})
        if not child.was_ready:
            raise StartFailed(f"{part} ended with {_how(status)} before it was ready; {_last_lines(child)}")
        pause = child.schedule_restart()
        self._changed(self.children)
        if pause is None:
            self._say(EventKind.GAVE_UP, part, f"ended with {_how(status)} too often; the stack stops")
            raise ProcessGaveUp(f"{part} ended with {_how(status)}, again and again; {_last_lines(child)}")
        self._say(EventKind.RESTARTING, part, f"ended with {_how(status)}; starting again in {pause:.0f} s")

    def _end_everything(self) -> None:
        """End what depends on others first; whoever outlives its grace is killed."""
        for last in (False, True):
            self._end_programs([child.program for child in self.children if child.program.stops_last is last])
        kill_marked(**{STACK_MARK: self._token})
        for child in self.children:
            if child.process is not None:
                child.process.wait()

    def _end_programs(self, programs: Sequence[Program]) -> None:
        asked = time.monotonic()
        for program in programs:
            terminate(self._processes_of(program))
        left = list(programs)
        while left:
            for child in self.children:
                child.ended()  # collects the dead: a zombie would still be listed
            left = [program for program in left if self._processes_of(program)]
            for program in left:
                if self._hurry.is_set() or time.monotonic() - asked > program.grace:
                    kill_marked(**{STACK_MARK: self._token, PART_MARK: program.part.value})
            time.sleep(_LOOK_SECONDS / 2)

    def _processes_of(self, program: Program) -> list[psutil.Process]:
        return marked(**{STACK_MARK: self._token, PART_MARK: program.part.value})


def _how(status: int) -> str:
    return f"signal {-status}" if status < 0 else f"status {status}"


def _last_lines(child: Child) -> str:
    lines = tail(child.program.log) or "(it wrote nothing)"
    return f"the end of {child.program.log}:\n{lines}"
