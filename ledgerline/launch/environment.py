"""The environment that the stack's processes get: this installation's settings, and nothing of another one's."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from pydantic import SecretStr

from ledgerline.core.settings import Settings
from ledgerline.launch.layout import Layout
from ledgerline.launch.processes import STACK_MARK

# Another Airflow's or MLflow's settings in the caller's shell would redirect ours; the rest changes how Python starts.
_FOREIGN_PREFIXES = ("AIRFLOW", "_AIRFLOW", "MLFLOW_", "_MLFLOW", "LEDGERLINE_")
_FOREIGN_NAMES = frozenset(
    {"PYTHONDONTWRITEBYTECODE", "PYTHONHOME", "PYTHONINSPECT", "PYTHONSTARTUP", "PYTHONOPTIMIZE", "BACKEND_STORE_URI"}
)
_NO_PHONING_HOME = {
    "DO_NOT_TRACK": "true",
    "DVC_NO_ANALYTICS": "true",
    "GX_ANALYTICS_ENABLED": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "SCARF_ANALYTICS": "false",
}


def settings_environment(settings: Settings) -> dict[str, str]:
    """Return every setting as its environment variable, except secrets and what is unset.

    The passphrase of a signing key stays with the person who typed it: no task may sign.
    """
    values = {name: getattr(settings, name) for name in Settings.model_fields}
    return {
        f"LEDGERLINE_{name.upper()}": str(value.resolve() if isinstance(value, Path) else value)
        for name, value in values.items()
        if value is not None and not isinstance(value, SecretStr)
    }


def stack_environment(
    settings: Settings, layout: Layout, *, token: str, inherited: Mapping[str, str] = os.environ
) -> dict[str, str]:
    """Return the environment of every process of one launch.

    Args:
        settings: As handed down: with the ports and the tracking URI that hold for this launch.
        layout: Where things are kept.
        token: This launch's mark, see :mod:`ledgerline.launch.processes`.
        inherited: The launcher's own environment.
    """
    kept = {
        name: value
        for name, value in inherited.items()
        if not name.startswith(_FOREIGN_PREFIXES) and name not in _FOREIGN_NAMES
    }
    loopback = f"{settings.host},127.0.0.1,localhost"
    return {
        **kept,
        **_NO_PHONING_HOME,
        **settings_environment(settings),
        STACK_MARK: token,
        "AIRFLOW_HOME": str(layout.airflow),
        "MLFLOW_TRACKING_URI": settings.mlflow_uri,
        "PATH": _leading(str(Path(sys.executable).parent), kept.get("PATH", os.defpath)),
        "PYTHONPATH": _leading(str(settings.project.resolve()), kept.get("PYTHONPATH", "")),
        "PYTHONSAFEPATH": "1",  # no module is found in whatever folder the launcher was called from
        "PYTHONUNBUFFERED": "1",
        # Process titles would otherwise overwrite the environment that /proc shows, and our marks with it.
        "SPT_NOENV": "1",
        # A proxy for the world is no way to this machine.
        "NO_PROXY": _joined(kept.get("NO_PROXY", ""), loopback),
        "no_proxy": _joined(kept.get("no_proxy", ""), loopback),
    }


def _leading(first: str, rest: str) -> str:
    return os.pathsep.join([first, *(part for part in rest.split(os.pathsep) if part and part != first)])


def _joined(first: str, second: str) -> str:
    return ",".join(part for part in (first, second) if part)
