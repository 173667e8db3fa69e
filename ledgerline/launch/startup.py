"""Start the local stack: one launcher a home, everything on loopback, nothing left behind."""

import atexit
import os
import sqlite3
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from importlib.metadata import version
from pathlib import Path
from urllib.parse import urlsplit

from ledgerline.core.clock import SystemClock
from ledgerline.core.lock import exclusive
from ledgerline.core.settings import Settings
from ledgerline.launch.airflow_config import airflow_config
from ledgerline.launch.airflow_secrets import airflow_secrets, write_private
from ledgerline.launch.child import Child
from ledgerline.launch.events import EventKind
from ledgerline.launch.layout import Layout
from ledgerline.launch.log_files import set_aside
from ledgerline.launch.ports import free_port, require_loopback
from ledgerline.launch.processes import end_all, identity_of, of_earlier_launches
from ledgerline.launch.program import AIRFLOW_PARTS, Part, Program
from ledgerline.launch.programs import Launch, parts_of, programs_of
from ledgerline.launch.stack import Report, Reporter, Stack, end, interrupting_signals
from ledgerline.launch.state import StackState, only_launcher
from ledgerline.launch.supervisor import Supervisor
from ledgerline.launch.venue import VenueCredentials
from ledgerline.launch.watched import Watched

_STALE_GRACE_SECONDS = 3.0
_LOOK_SECONDS = 0.1
_PORTS = (
    (Part.API_SERVER, "airflow_port"),
    (Part.MLFLOW, "mlflow_port"),
    (Part.SCORING, "scoring_port"),
    (Part.TRADING, "trading_port"),
    (Part.EXCHANGE, "exchange_port"),
)


def start(
    settings: Settings,
    *,
    report: Report = lambda _event: None,
    parts: frozenset[Part] | None = None,
    dags: Path | None = None,
) -> Stack:
    """Start the stack of an installation and return once every process serves.

    Until :meth:`Stack.stop`, SIGTERM and SIGHUP raise KeyboardInterrupt in the main thread, as Ctrl-C does.

    Args:
        settings: The installation. Its ports are wishes; its ``mlflow_tracking_uri``, when it is an HTTP address, is
            used instead of starting a server.
        report: Told about every step; it may be called from another thread.
        parts: Which programs to run. None: all that belong to the profile.
        dags: The folder of DAG files. None: the project's ``dags/``.

    Raises:
        AlreadyRunning: Another launcher runs this home's stack.
        NotLoopback: The settings name an interface that others can reach.
        StartFailed: A process did not come up; with the end of its log. Nothing is left running.
    """
    require_loopback(settings.host)
    reporter = Reporter(report)
    layout = Layout.of(settings)
    cleanup = ExitStack()
    # A signal may arrive when we have let go of the stack and the caller has not taken it yet.
    atexit.register(cleanup.close)
    cleanup.callback(atexit.unregister, cleanup.close)
    try:
        cleanup.enter_context(only_launcher(layout.lock_file))
        cleanup.enter_context(interrupting_signals())
        _end_stale(layout, reporter)
        with _choosing_ports(reporter):
            launch, programs = _plan(settings, layout, parts_of(settings) if parts is None else parts, reporter)
            parts_to_run = {program.part for program in programs}
            if parts_to_run & AIRFLOW_PARTS:
                _configure_airflow(launch, dags or settings.project / "dags")
            supervisor = _supervise(launch, programs, reporter, cleanup)
            _await_ready(supervisor)
        if Part.AIRFLOW_DATABASE in parts_to_run:
            layout.airflow_version_file.write_text(_airflow_version(), encoding="ascii")
        reporter.say(EventKind.STACK_READY, "stack", "every process serves")
        return Stack(launch, supervisor=supervisor, reporter=reporter, cleanup=cleanup)
    except BaseException:
        cleanup.close()
        raise


@contextmanager
def _choosing_ports(reporter: Reporter) -> Iterator[None]:
    """Let one launcher of this user at a time choose its ports and open them.

    A port is free until somebody listens there: two launchers that start together would choose the same, and the second
    would find the first one's programs answering for its own.
    """
    lock = Path(tempfile.gettempdir()) / f"ledgerline-ports-{os.getuid()}.lock"
    waiting = partial(reporter.say, EventKind.STARTING, "stack", "waiting until another stack has opened its ports")
    with exclusive(lock, waiting=waiting):
        yield


def _end_stale(layout: Layout, reporter: Reporter) -> None:
    """End what a killed launcher left. We hold the lock, so whatever carries this home's mark is nobody's."""
    stale = of_earlier_launches(str(layout.home))
    if stale:
        end_all(stale, grace=_STALE_GRACE_SECONDS)
        reporter.say(
            EventKind.STALE_STOPPED, "stack", f"ended {len(stale)} processes that a killed launcher had left behind"
        )
    layout.state_file.unlink(missing_ok=True)


def _plan(
    settings: Settings, layout: Layout, parts: frozenset[Part], reporter: Reporter
) -> tuple[Launch, list[Program]]:
    """Choose the ports, derive the settings that are handed down, and from them the programs."""
    if urlsplit(settings.mlflow_uri).scheme in ("http", "https"):  # somebody else's server
        parts -= {Part.MLFLOW}
    ports: dict[str, int] = {}
    for part, name in _PORTS:
        wished = getattr(settings, name)
        ports[name] = free_port(settings.host, wished, taken=ports.values()) if part in parts else wished
        if wished and ports[name] != wished:
            reporter.say(EventKind.PORT_REPLACED, part, f"port {wished} is taken, {ports[name]} serves instead")
    values = {name: getattr(settings, name) for name in Settings.model_fields} | ports
    if Part.MLFLOW in parts:
        values["mlflow_tracking_uri"] = f"http://{settings.host}:{ports['mlflow_port']}"
    if Part.EXCHANGE in parts:
        values["venue_url"] = f"http://{settings.host}:{ports['exchange_port']}"
    launch = Launch(
        settings=Settings(**values),
        layout=layout,
        token=uuid.uuid4().hex,
        began_at=SystemClock().now(),
        backend_store=settings.mlflow_uri,
        migrate=not layout.airflow_database.exists() or _migrated_by(layout) != _airflow_version(),
        venue=VenueCredentials() if Part.EXCHANGE in parts else VenueCredentials.of(settings),
    )
    return launch, programs_of(launch, parts)


def _airflow_version() -> str:
    return version("apache-airflow-core")


def _migrated_by(layout: Layout) -> str | None:
    try:
        return layout.airflow_version_file.read_text(encoding="ascii")
    except FileNotFoundError:
        return None


def _configure_airflow(launch: Launch, dags: Path) -> None:
    """Write this launch's ``airflow.cfg`` and prepare the database file."""
    layout, settings = launch.layout, launch.settings
    layout.airflow.mkdir(parents=True, exist_ok=True)
    config = airflow_config(
        layout,
        dags=dags.resolve(),
        url=launch.airflow_url,
        host=settings.host,
        port=settings.airflow_port,
        secrets=airflow_secrets(layout.airflow / "secrets.json"),
    )
    write_private(layout.airflow / "airflow.cfg", config)
    # Readers do not block the writer then; SQLite remembers it in the file.
    with closing(sqlite3.connect(layout.airflow_database)) as database:
        database.execute("PRAGMA journal_mode=WAL")


def _supervise(launch: Launch, programs: Sequence[Program], reporter: Reporter, cleanup: ExitStack) -> Supervisor:
    """Start the supervisor; ``cleanup`` ends it, and only then lets the watchdog go."""
    layout = launch.layout
    launcher = identity_of(os.getpid())
    for program in programs:
        set_aside(program.log)

    def note(children: Sequence[Child]) -> None:
        StackState.of(launch, launcher, children).write(layout.state_file)

    note(())
    watchdog = Watched(launch.token)
    cleanup.callback(layout.state_file.unlink, missing_ok=True)
    cleanup.callback(watchdog.release)
    supervisor = Supervisor(
        programs,
        token=launch.token,
        say=reporter.say,
        changed=note,
        keep_watch=watchdog.keep,
    )
    cleanup.callback(end, supervisor, reporter)
    supervisor.start()
    return supervisor


def _await_ready(supervisor: Supervisor) -> None:
    while not supervisor.all_ready:
        if supervisor.failure is not None:
            raise supervisor.failure
        time.sleep(_LOOK_SECONDS)
