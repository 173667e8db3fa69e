"""What can go wrong with the local stack."""

from ledgerline.core.errors import LedgerlineError


class StackError(LedgerlineError):
    """The local stack could not be started, watched or stopped."""


class AlreadyRunning(StackError):
    """Another launcher runs this home's stack."""


class NotLoopback(StackError):
    """The stack was asked to listen where others can reach it."""


class StartFailed(StackError):
    """A process of the stack did not become ready."""


class ProcessGaveUp(StackError):
    """A process of the stack died too often."""


class StopFailed(StackError):
    """A process of the stack outlived being killed."""


class DagUnavailable(StackError):
    """Airflow does not know the DAG, or cannot import its file."""


class DagRunFailed(StackError):
    """A DAG run ended in failure."""


class WaitTimedOut(StackError):
    """The DAG runs did not end in time."""


class AirflowRefused(StackError):
    """Airflow's API answered with an error."""


class AirflowBusy(AirflowRefused):
    """Airflow's API is too busy for this just now; asked again, it may answer."""
