"""What the launcher tells whoever started it, as it happens."""

from dataclasses import dataclass
from enum import StrEnum


class EventKind(StrEnum):
    """What an event is about."""

    STALE_STOPPED = "stale_stopped"  # processes of a killed launcher were found and ended
    PORT_REPLACED = "port_replaced"  # a wished port was taken
    STARTING = "starting"
    READY = "ready"
    STACK_READY = "stack_ready"
    RESTARTING = "restarting"  # a process died and is started again
    GAVE_UP = "gave_up"  # it died too often
    RUN_PROGRESS = "run_progress"
    RUN_ENDED = "run_ended"
    STOPPING = "stopping"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Event:
    """One step of the stack or of a DAG run.

    Attributes:
        kind: What it is about.
        subject: The process or the DAG.
        text: One line for the operator, without the subject.
        elapsed: Seconds since the launch, or for runs since the run began.
    """

    kind: EventKind
    subject: str
    text: str
    elapsed: float
