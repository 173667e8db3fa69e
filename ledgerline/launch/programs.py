"""Which programs the local stack is made of, with their commands, environments and signs of readiness."""

import shlex
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from pydantic import SecretStr

from ledgerline.core.settings import Profile, Settings
from ledgerline.launch.airflow_api import AirflowApi, Health
from ledgerline.launch.environment import stack_environment
from ledgerline.launch.layout import Layout
from ledgerline.launch.processes import PART_MARK
from ledgerline.launch.program import IsReady, Part, Program
from ledgerline.launch.readiness import answers, listens
from ledgerline.launch.venue import VenueCredentials

# A running task is asked to end, and says so to the API server.
_SCHEDULER_GRACE_SECONDS = 5.0
# Both have nothing left to do when they are asked to end, but take many seconds over it.
_TRIGGERER_GRACE_SECONDS = _API_SERVER_GRACE_SECONDS = 1.0
# Requests that are being answered get their answer, and what was sent to a venue is noted.
_SCORING_GRACE_SECONDS = _TRADING_GRACE_SECONDS = 11.0
# What was recorded while the others ended is signed and vouched for.
_LOG_GRACE_SECONDS = 8.0
_MLFLOW_ALLOWED_HOSTS = "localhost:*,127.0.0.1:*,[::1]:*"


@dataclass(frozen=True, slots=True)
class Launch:
    """Everything that one launch's programs are derived from.

    Attributes:
        settings: As handed down: with the ports and the tracking URI that hold for this launch.
        layout: Where things are kept.
        token: This launch's mark.
        began_at: When, UTC.
        backend_store: What the MLflow server keeps its records in, as a SQLAlchemy URL.
        migrate: Whether Airflow's metadata database must be created or migrated first.
        venue: What the trading job shows at the venue; the sandbox's exchange is told the same.
    """

    settings: Settings
    layout: Layout
    token: str
    began_at: datetime
    backend_store: str
    migrate: bool
    venue: VenueCredentials = field(default_factory=VenueCredentials)

    @property
    def airflow_url(self) -> str:
        """Where Airflow's interface and API are."""
        return f"http://{self.settings.host}:{self.settings.airflow_port}"

    @property
    def mlflow_url(self) -> str:
        """Where MLflow is."""
        return self.settings.mlflow_uri

    @property
    def scoring_url(self) -> str:
        """Where the scoring job is."""
        return f"http://{self.settings.host}:{self.settings.scoring_port}"

    @property
    def trading_url(self) -> str:
        """Where the trading job is."""
        return f"http://{self.settings.host}:{self.settings.trading_port}"

    @property
    def exchange_url(self) -> str:
        """Where the sandbox's exchange is."""
        return f"http://{self.settings.host}:{self.settings.exchange_port}"


def parts_of(settings: Settings) -> frozenset[Part]:
    """Return the parts that an installation's stack has.

    A live one lacks the demo approver and the sandbox's exchange, and trades only where a venue is named; the sandbox
    needs no exchange of its own where one is named.
    """
    lacking: set[Part] = set()
    if settings.profile is not Profile.SANDBOX:
        lacking |= {Part.DEMO_APPROVER, Part.EXCHANGE}
        lacking |= set() if settings.venue_url else {Part.TRADING}
    if settings.venue_url:
        lacking |= {Part.EXCHANGE}
    return frozenset(Part) - lacking


def programs_of(launch: Launch, parts: frozenset[Part]) -> list[Program]:
    """Return the programs to run, in the order in which they are started."""
    live = [_scoring(launch), _exchange(launch), _trading(launch)]
    log = [_keeper(launch), _witness(launch)]
    made = [*_airflow_programs(launch), _mlflow(launch), *live, _demo_approver(launch), *log]
    return [program for program in made if program.part in parts]


def _airflow_programs(launch: Launch) -> list[Program]:
    api = AirflowApi(launch.airflow_url)
    host, port = launch.settings.host, launch.settings.airflow_port

    def beating(beat: Callable[[Health], datetime | None]) -> IsReady:
        def is_ready(started: datetime) -> bool:
            health = api.health()
            last = beat(health) if health else None
            return last is not None and last > started

        return is_ready

    # Nobody needs the log servers on one machine, and they would listen on every interface.
    scheduler = _airflow(launch, Part.SCHEDULER, "scheduler", "--skip-serve-logs")
    triggerer = _airflow(launch, Part.TRIGGERER, "triggerer", "--skip-serve-logs")
    dag_processor = _airflow(launch, Part.DAG_PROCESSOR, "dag-processor")
    api_server = _airflow(launch, Part.API_SERVER, "api-server", "--host", host, "--port", str(port))
    started = [
        replace(
            api_server,
            is_ready=lambda _started: api.health() is not None,
            grace=_API_SERVER_GRACE_SECONDS,
            stops_last=True,
            port=port,
        ),
        replace(
            _opening_personal_data(launch, scheduler),
            is_ready=beating(lambda health: health.scheduler),
            grace=_SCHEDULER_GRACE_SECONDS,
        ),
        replace(dag_processor, is_ready=beating(lambda health: health.dag_processor)),
        replace(triggerer, is_ready=beating(lambda health: health.triggerer), grace=_TRIGGERER_GRACE_SECONDS),
    ]
    if not launch.migrate:
        return started
    database = replace(_airflow(launch, Part.AIRFLOW_DATABASE, "db", "migrate"), runs_once=True)
    return [database, *(replace(program, after=(Part.AIRFLOW_DATABASE,)) for program in started)]


def _mlflow(launch: Launch) -> Program:
    settings = launch.settings
    listen = ("--host", settings.host, "--port", str(settings.mlflow_port), "--workers", "1")
    keep = ("--artifacts-destination", str(settings.mlflow_artifacts))
    argv = (sys.executable, "-m", "mlflow", "server", *listen, *keep, "--allowed-hosts", _MLFLOW_ALLOWED_HOSTS)
    program = _program(launch, Part.MLFLOW, argv, actor="mlflow")
    return replace(
        program,
        environment={
            **program.environment,
            **server_settings(settings.project / "mlflow" / "server.env"),
            # The URL may hold a password, and everybody on the machine can list commands.
            "MLFLOW_BACKEND_STORE_URI": launch.backend_store,
        },
        is_ready=lambda _started: answers(f"{launch.mlflow_url}/health"),
        stops_last=True,
        port=settings.mlflow_port,
    )


def _scoring(launch: Launch) -> Program:
    host, port = launch.settings.host, launch.settings.scoring_port
    argv = (sys.executable, "-m", "ledgerline.services.scoring", "--host", host, "--port", str(port))
    program = _opening_personal_data(launch, _program(launch, Part.SCORING, argv, actor="scoring"))
    return replace(
        program,
        is_ready=lambda _started: answers(f"{launch.scoring_url}/healthz"),
        grace=_SCORING_GRACE_SECONDS,
        port=port,
    )


def _exchange(launch: Launch) -> Program:
    settings, port = launch.settings, launch.settings.exchange_port
    listen = ("--host", settings.host, "--port", str(port))
    keep = ("--world", str(settings.data_path), "--state", str(launch.layout.exchange_state))
    argv = (sys.executable, "-m", "ledgerline.sandbox.exchange", *listen, *keep)
    program = _program(launch, Part.EXCHANGE, argv, actor="exchange")
    return replace(
        program,
        environment={**program.environment, **launch.venue.environment},
        is_ready=lambda _started: listens(settings.host, port),
        stops_last=True,
        port=port,
    )


def _trading(launch: Launch) -> Program:
    host, port = launch.settings.host, launch.settings.trading_port
    argv = (sys.executable, "-m", "ledgerline.services.trading", "--host", host, "--port", str(port))
    program = _program(launch, Part.TRADING, argv, actor="trading")
    return replace(
        program,
        environment={**program.environment, **launch.venue.environment},
        is_ready=lambda _started: answers(f"{launch.trading_url}/healthz"),
        grace=_TRADING_GRACE_SECONDS,
        port=port,
    )


def _demo_approver(launch: Launch) -> Program:
    argv = (sys.executable, "-m", "pipelines.promotion.demo_approver")
    return _program(launch, Part.DEMO_APPROVER, argv, actor="demo-approver")


def _keeper(launch: Launch) -> Program:
    program = _program(launch, Part.KEEPER, (sys.executable, "-m", "ledgerline.audit.keeper"), actor="log-keeper")
    return _last_to_look(program, "LEDGERLINE_LOG_KEY_PASSPHRASE", launch.settings.log_key_passphrase)


def _witness(launch: Launch) -> Program:
    program = _program(launch, Part.WITNESS, (sys.executable, "-m", "ledgerline.audit.watch"), actor="witness")
    return _last_to_look(program, "LEDGERLINE_WITNESS_PASSPHRASE", launch.settings.witness_passphrase)


def _opening_personal_data(launch: Launch, program: Program) -> Program:
    """Give the key to personal data to a program that lands or decides on it: tasks run under the scheduler."""
    key = launch.settings.personal_key
    secret = {"LEDGERLINE_PERSONAL_KEY": key.get_secret_value()} if key else {}
    return replace(program, environment={**program.environment, **secret})


def _last_to_look(program: Program, name: str, passphrase: SecretStr | None) -> Program:
    """Give a program that speaks of the whole log its own secret, and let it end after those that still record."""
    secret = {name: passphrase.get_secret_value()} if passphrase else {}
    environment = {**program.environment, **secret}
    return replace(program, environment=environment, grace=_LOG_GRACE_SECONDS, stops_last=True)


def _airflow(launch: Launch, part: Part, *arguments: str) -> Program:
    return _program(launch, part, (sys.executable, "-m", "airflow", *arguments), actor="airflow")


def _program(launch: Launch, part: Part, argv: tuple[str, ...], *, actor: str) -> Program:
    environment = stack_environment(launch.settings, launch.layout, token=launch.token)
    return Program(
        part=part,
        argv=argv,
        environment={**environment, "LEDGERLINE_ACTOR": actor, PART_MARK: part.value},
        directory=Path.cwd(),  # settings may hold relative paths: they mean the same to every process
        log=launch.layout.log(part.value),
    )


def server_settings(path: Path) -> dict[str, str]:
    """Read ``NAME=value`` lines, as Docker's ``env_file`` has them; no file, no settings."""
    if not path.exists():
        return {}
    lines = (line.strip() for line in path.read_text(encoding="utf-8").splitlines())
    pairs = (line.split("=", 1) for line in lines if line and not line.startswith("#"))
    return {name.strip(): " ".join(shlex.split(value)) for name, value in pairs}
