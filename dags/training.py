"""The shape that all training DAGs have. Not a DAG file itself (`.airflowignore`)."""

import logging
from typing import Any

from airflow.sdk import DAG, dag, task
from wiring import FEATURES, MODELS, VIEW_OF, task_defaults

log = logging.getLogger(__name__)

DOC = """
Train, evaluate and register the {family} model on the view `{view}`, beside its baselines.

The feature version comes with the asset event; a run that somebody triggers takes the newest. Training the same version
with the same parameters and code again returns what was trained before. `promote_{family}` follows.
"""


def train_dag(family: str) -> DAG:
    """Return the DAG that trains one family."""
    features, model = FEATURES[VIEW_OF[family]], MODELS[family]

    @dag(
        dag_id=f"train_{family}",
        schedule=[features],
        catchup=False,
        max_active_runs=1,
        tags=["training", family],
        default_args=task_defaults("data-science"),
        doc_md=DOC.format(family=family, view=VIEW_OF[family]),
    )
    def train_family() -> None:
        @task(outlets=[model])
        def train(
            triggering_asset_events: Any = None, outlet_events: Any = None, dag_run: Any = None
        ) -> dict[str, Any]:
            from ledgerline.audit import Ledger
            from pipelines import training

            events = triggering_asset_events.get(features, ())
            result = training.train(
                Ledger.open(),
                family,
                feature_version=events[-1].extra["feature_version"] if events else None,
                dag_run=f"{dag_run.dag_id}/{dag_run.run_id}",
                progress=log.info,
            )
            outlet_events[model].extra = {"bundle": result.bundle}
            return {
                "bundle": result.bundle,
                "training_run": result.run,
                "model_version": result.model_version,
                "reused": result.reused,
            }

        train()

    return train_family()
