"""One program of the stack, as the supervisor starts it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path


class Part(StrEnum):
    """The programs of the local stack."""

    AIRFLOW_DATABASE = "airflow-database"  # creates or migrates the metadata database, then ends
    SCHEDULER = "airflow-scheduler"
    DAG_PROCESSOR = "airflow-dag-processor"
    TRIGGERER = "airflow-triggerer"
    API_SERVER = "airflow-api-server"
    MLFLOW = "mlflow"
    SCORING = "scoring"
    EXCHANGE = "exchange"  # the sandbox's venue
    TRADING = "trading"
    DEMO_APPROVER = "demo-approver"
    KEEPER = "log-keeper"  # signs what the evidence log is
    WITNESS = "witness"  # vouches for its having only grown


# Given the instant at which the program was started, whether it serves now; answers within a second or two.
IsReady = Callable[[datetime], bool]

AIRFLOW_PARTS = frozenset({Part.AIRFLOW_DATABASE, Part.SCHEDULER, Part.DAG_PROCESSOR, Part.TRIGGERER, Part.API_SERVER})


@dataclass(frozen=True, slots=True)
class Program:
    """What to run, and how to know that it serves.

    Attributes:
        part: Which program.
        argv: The command; the first word is a path.
        environment: All of it.
        directory: Where it runs.
        log: Where its output goes.
        is_ready: Whether it serves now. A program that serves nobody is ready as soon as it runs.
        runs_once: Whether it is to end by itself, with status 0, before what comes ``after`` it starts.
        after: Which programs must have ended well before this one starts.
        grace: Seconds that it gets between being asked to end and being killed.
        stops_last: Whether the others need it while they end.
        port: Where it listens, if it does.
    """

    part: Part
    argv: tuple[str, ...]
    environment: Mapping[str, str]
    directory: Path
    log: Path
    is_ready: IsReady = field(default=lambda _started: True)
    runs_once: bool = False
    after: tuple[Part, ...] = ()
    grace: float = 3.0
    stops_last: bool = False
    port: int | None = None
