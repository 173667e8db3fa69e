"""Where the local stack keeps what."""

from dataclasses import dataclass
from pathlib import Path

from ledgerline.core.settings import Settings


@dataclass(frozen=True, slots=True)
class Layout:
    """Paths below one installation's home.

    Attributes:
        home: The installation's home, absolute.
        airflow: ``AIRFLOW_HOME``: configuration, secrets, metadata database.
        logs: A log a process; Airflow's task logs in ``tasks/``.
        run: Lock and state of a running stack.
    """

    home: Path
    airflow: Path
    logs: Path
    run: Path

    @classmethod
    def of(cls, settings: Settings) -> "Layout":
        """Return the layout of an installation."""
        home = settings.home.resolve()
        return cls(home, home / "airflow", settings.logs_path.resolve(), home / "run")

    @property
    def airflow_database(self) -> Path:
        """Airflow's metadata database."""
        return self.airflow / "airflow.db"

    @property
    def airflow_version_file(self) -> Path:
        """Which version of Airflow the metadata database was last migrated by."""
        return self.airflow / "database-version"

    @property
    def state_file(self) -> Path:
        """What runs now: process ids, ports."""
        return self.run / "stack.json"

    @property
    def lock_file(self) -> Path:
        """Held by the one launcher that runs."""
        return self.run / "launcher.lock"

    @property
    def exchange_state(self) -> Path:
        """The books of the sandbox's exchange."""
        return self.home / "sandbox" / "exchange.db"

    def log(self, name: str) -> Path:
        """Return the log file of one process."""
        return self.logs / f"{name}.log"
