"""The approved forecast model forecasts: files for planners, a plot for everybody."""

import logging
from typing import Any

from airflow.sdk import dag, task
from wiring import DEPLOYED, task_defaults

log = logging.getLogger(__name__)


@dag(
    schedule=[DEPLOYED["forecast"]],
    catchup=False,
    max_active_runs=1,
    tags=["publishing", "forecast"],
    default_args=task_defaults("data-science"),
)
def publish_forecast() -> None:
    """Publish forecasts of every ledger as CSV and Parquet, and plot them with their intervals.

    Runs when a forecast model is put in force. The bundle is admitted by the same checks as at a live job; the same
    model over the same history gives the same files. `ledgerline forecast show` shows them.
    """

    @task
    def publish() -> dict[str, Any]:
        from ledgerline.audit import Ledger
        from pipelines.publishing import publish_forecast as publish_files

        published = publish_files(Ledger.open(), log.info)
        log.info("%s", published)
        return {"forecast": published.id}

    publish()


publish_forecast()
