"""A feature version becomes a fraud model."""

import logging
from typing import Any

from airflow.sdk import dag, task
from wiring import CARD_SPENDING, FRAUD_MODEL, task_defaults

log = logging.getLogger(__name__)


@dag(
    schedule=[CARD_SPENDING],
    catchup=False,
    max_active_runs=1,
    tags=["training", "fraud"],
    default_args=task_defaults("data-science"),
)
def train_fraud() -> None:
    """Train, evaluate and register the fraud model.

    The feature version comes with the asset event; a run that somebody triggers takes the newest. Training the same
    version with the same parameters and code again returns what was trained before.
    """

    @task(outlets=[FRAUD_MODEL])
    def train(triggering_asset_events: Any = None, outlet_events: Any = None, dag_run: Any = None) -> dict[str, Any]:
        from ledgerline.audit import Ledger
        from pipelines import training

        events = triggering_asset_events.get(CARD_SPENDING, ())
        result = training.train(
            Ledger.open(),
            "fraud",
            feature_version=events[-1].extra["feature_version"] if events else None,
            dag_run=f"{dag_run.dag_id}/{dag_run.run_id}",
            progress=log.info,
        )
        outlet_events[FRAUD_MODEL].extra = {"bundle": result.bundle}
        return {
            "bundle": result.bundle,
            "training_run": result.run,
            "model_version": result.model_version,
            "reused": result.reused,
        }

    train()


train_fraud()
