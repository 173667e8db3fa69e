"""Everything that may differ between two installations, read from the environment and nowhere else."""

import getpass
from enum import StrEnum
from functools import cached_property
from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

PROJECT_ROOT = Path(__file__).resolve().parents[2]


class Profile(StrEnum):
    """How much is at stake. It is also the environment that an approval is signed for."""

    SANDBOX = "sandbox"
    LIVE = "live"


class Settings(BaseSettings):
    """One installation's settings; every field is the environment variable ``LEDGERLINE_<FIELD>``.

    Attributes:
        profile: ``sandbox`` (simulated world, demo approver allowed) or ``live``.
        project: The checkout whose code runs: ``dags/``, ``mappings/``, ``policies/`` are read from it.
        home: All state of the embedded default. ``make clean`` removes it.
        data: The folder of source files to ingest. Unset: the sandbox's simulated world.
        mapping: The mapping file for ``data``. Unset: the one in ``mappings/`` that fits the folder.
        database: SQLAlchemy URL of the evidence log and what commits with it. Unset: SQLite under ``home``.
        objects: fsspec URL of the object store. Unset: a folder under ``home``.
        workspace: The git clone in which DVC versions data. Unset: under ``home``.
        dvc_remote: Where DVC pushes. Unset: a folder under ``home``.
        online_store_url: What remembers the features of the scoring job: ``sqlite:///path`` or ``redis://host:port/db``,
            one database for one job, without a login. Unset: the job's own memory.
        online_store_password: Redis's; never logged.
        dask_scheduler: Address of a Dask scheduler, e.g. ``tcp://10.0.0.5:8786``, whose workers see the workspace under
            the same path: heavy features are computed there. Unset: in the process that builds.
        mlflow_tracking_uri: MLflow server. Unset: SQLite under ``home``.
        keys: Folder of encrypted signing keys. Unset: under ``home``.
        actor: Who is acting, as evidence names them. Unset: the operating system's user.
        key_passphrase: Opens the actor's signing key. Unset: the command line asks.
        log_key_passphrase: Encrypts the key by which the evidence log signs its checkpoints. Unset: a file that only
            its owner can read.
        personal_key: Opens personal data: at least 32 random bytes in base64, the same for every process of the
            installation. Unset: a file that only its owner can read. Lost, all of that data is erased.
        witness: Where the witness keeps its key and publishes what it vouches for. Unset: under ``home``.
        witness_passphrase: Encrypts the witness's key; known to the witness's process alone.
        witness_post_to: An HTTP address to which the witness also posts what it vouches for.
        host: The only interface that anything listens on.
        airflow_port, mlflow_port, scoring_port, trading_port, exchange_port: Wished ports; a taken one is replaced and
            said.
        venue_url, venue_data_url: The venue's trading and market data API. Unset: the sandbox's exchange.
        venue_key_id, venue_secret_key: Credentials at the venue; never logged, never handed to Airflow.
        venue_live: Whether orders may reach a real market; only together with the profile ``live``.
        sandbox_customers, sandbox_terminals, sandbox_days, sandbox_seed: Size and seed of the simulated card world.
        sandbox_symbols, sandbox_sessions: Size of the simulated market; the sessions before the world's present.
        sandbox_future_sessions: Sessions after it, which only the sandbox's exchange knows.
        sandbox_signal: Strength of what is planted in the prices; 0 is a market without any.
        sandbox_applications, sandbox_entities: Size of the simulated lender and of the simulated books.
    """

    model_config = SettingsConfigDict(env_prefix="LEDGERLINE_", frozen=True, extra="ignore")

    profile: Profile = Profile.SANDBOX
    project: Path = PROJECT_ROOT
    home: Path = PROJECT_ROOT / ".ledgerline"
    data: Path | None = None
    mapping: Path | None = None
    database: str | None = None
    objects: str | None = None
    workspace: Path | None = None
    dvc_remote: str | None = None
    online_store_url: str | None = None
    online_store_password: SecretStr | None = None
    dask_scheduler: str | None = None
    mlflow_tracking_uri: str | None = None
    keys: Path | None = None
    actor: str = Field(default_factory=getpass.getuser)
    key_passphrase: SecretStr | None = None
    log_key_passphrase: SecretStr | None = None
    personal_key: SecretStr | None = None
    witness: Path | None = None
    witness_passphrase: SecretStr | None = None
    witness_post_to: str | None = None
    host: str = "127.0.0.1"
    airflow_port: int = 8080
    mlflow_port: int = 5000
    scoring_port: int = 8000
    trading_port: int = 8001
    exchange_port: int = 8002
    venue_url: str | None = None
    venue_data_url: str | None = None
    venue_key_id: SecretStr | None = None
    venue_secret_key: SecretStr | None = None
    venue_live: bool = False
    sandbox_customers: int = 5_000
    sandbox_terminals: int = 10_000
    sandbox_days: int = 183
    sandbox_seed: int = 20180401
    sandbox_symbols: int = 40
    sandbox_sessions: int = 1_250
    sandbox_future_sessions: int = 30
    sandbox_signal: float = 1.0
    sandbox_applications: int = 20_000
    sandbox_entities: int = 100

    @cached_property
    def database_url(self) -> str:
        """SQLAlchemy URL of the evidence database."""
        return self.database or f"sqlite:///{self.home / 'evidence.db'}"

    @cached_property
    def objects_url(self) -> str:
        """Where immutable bytes are kept."""
        return self.objects or str(self.home / "objects")

    @cached_property
    def workspace_path(self) -> Path:
        """The git clone in which DVC versions data."""
        return self.workspace or self.home / "workspace"

    @cached_property
    def dvc_remote_url(self) -> str:
        """Where DVC pushes sealed data."""
        return self.dvc_remote or str(self.home / "dvc-remote")

    @cached_property
    def mlflow_uri(self) -> str:
        """The MLflow tracking and registry URI."""
        return self.mlflow_tracking_uri or f"sqlite:///{self.home / 'mlflow' / 'mlflow.db'}"

    @cached_property
    def mlflow_artifacts(self) -> Path:
        """Where MLflow keeps artefacts on the embedded default."""
        return self.home / "mlflow" / "artifacts"

    @cached_property
    def data_path(self) -> Path:
        """The folder of source files."""
        return (self.data or self.home / "sandbox" / "data").resolve()

    @cached_property
    def keys_path(self) -> Path:
        """The folder of signing keys."""
        return self.keys or self.home / "keys"

    @cached_property
    def witness_path(self) -> Path:
        """The witness's own folder."""
        return self.witness or self.home / "witness"

    @cached_property
    def data_docs_path(self) -> Path:
        """Great Expectations' Data Docs."""
        return self.home / "data-docs"

    @cached_property
    def logs_path(self) -> Path:
        """Logs of the local stack."""
        return self.home / "logs"
