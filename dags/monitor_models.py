"""Deployed models are watched: whether what they see has drifted, and whether the data still come in."""

import logging
from typing import Any

from airflow.sdk import AssetOrTimeSchedule, dag, task
from wiring import ALERTS, DEPLOYED, NEW_ALERTS, any_of, every_day, task_defaults

log = logging.getLogger(__name__)


@dag(
    # Data that stop coming set nothing off: this is looked at every day.
    schedule=AssetOrTimeSchedule(
        timetable=every_day("0 7 * * *"),
        assets=any_of(*DEPLOYED.values()),
    ),
    catchup=False,
    max_active_runs=1,
    tags=["monitoring"],
    default_args=task_defaults("model-risk"),
)
def monitor_models() -> None:
    """Compare what the deployed models see now with what they were trained on, and say what exceeds its limit.

    The population stability index of every feature and of the scores, and how old each dataset's newest row is; limits
    are in `policies/monitoring.yaml`. Each look is a leaf of evidence. What exceeds its limit is an event of the asset
    `alerts/models`; nothing is retrained or switched off by it. What accepted labels say of live decisions is put on
    record as their outcomes.
    """

    @task(outlets=[NEW_ALERTS])
    def monitor(outlet_events: Any = None) -> dict[str, Any]:
        from ledgerline.audit import Ledger
        from pipelines.monitoring import monitor_models as look

        seen = look(Ledger.open(), progress=log.info)
        if seen.exceeded:
            outlet_events[NEW_ALERTS].add(ALERTS, extra={"monitoring": seen.id, "exceeded": list(seen.exceeded)})
        return {"monitoring": seen.id, "exceeded": list(seen.exceeded)}

    monitor()


monitor_models()
