"""What Ledgerline adds to Airflow: links in its navigation, the Data Docs behind one of them, and a timetable.

Airflow finds the plugin by the entry point ``airflow.plugins`` of this project's package. Every process of Airflow
reads this module, so it imports little.
"""

import os
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from airflow.plugins_manager import AirflowPlugin

from ledgerline.core.settings import Settings
from pipelines.orchestration.session_timetable import SessionTimetable

DATA_DOCS = "/data-docs"
_CATEGORY = "browse"

Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]


def links(settings: Settings, environment: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return the entries of Airflow's navigation.

    Where a browser finds the servers may differ from where tasks do: ``LEDGERLINE_MLFLOW_LINK`` and
    ``LEDGERLINE_SCORING_LINK`` say so. A trading job on another machine's loopback has no link.
    """

    def here(port: int) -> str:
        return f"http://{settings.host}:{port}"

    mlflow = settings.mlflow_uri if settings.mlflow_uri.startswith("http") else here(settings.mlflow_port)
    scoring = environment.get("LEDGERLINE_SCORING_LINK", here(settings.scoring_port))
    places = {
        "MLflow": environment.get("LEDGERLINE_MLFLOW_LINK", mlflow),
        "Scoring API": f"{scoring}/docs",
    }
    if environment.get("LEDGERLINE_TRADING_URL") != "none":
        places["Trading"] = f"{here(settings.trading_port)}/v1/trading/status"
    if needs_no_login(environment):
        places["Data Docs"] = f"{DATA_DOCS}/index.html"
    return [{"name": name, "href": href, "destination": "nav", "category": _CATEGORY} for name, href in places.items()]


def needs_no_login(environment: Mapping[str, str]) -> bool:
    """Whether whoever reaches Airflow's server is let in anyway. What a plugin serves asks for no login."""
    from airflow.configuration import conf

    return conf.getboolean("core", "simple_auth_manager_all_admins", fallback=False)


class DataDocs:
    """Serves the folder of Data Docs, as an ASGI application. The folder may come into being later.

    Args:
        folder: Where they lie.
    """

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._files: Any = None

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if self._files is None:
            # Imported here: only the API server gets this far.
            from starlette.staticfiles import StaticFiles

            self._files = StaticFiles(directory=self._folder, html=True, check_dir=False)
        await self._files(scope, receive, send)


def served(settings: Settings, environment: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return what Airflow's API server serves for us: the Data Docs, where nobody has to log in."""
    if not needs_no_login(environment):
        return []
    return [{"app": DataDocs(str(settings.data_docs_path)), "url_prefix": DATA_DOCS, "name": "Data Docs"}]


class LedgerlinePlugin(AirflowPlugin):
    """Links, Data Docs and timetables."""

    name = "ledgerline"
    external_views = links(Settings(), os.environ)
    fastapi_apps = served(Settings(), os.environ)
    timetables = [SessionTimetable]  # noqa: RUF012 (Airflow asks for lists)
